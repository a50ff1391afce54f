# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a gate's probes and rule may look like, as an argument spec of Ansible."""

from __future__ import annotations

from typing import Any

NEEDS = {
    "http": ["url"],
    "tcp": ["host", "port"],
    "command": ["argv"],
    "sql": ["query", "host", "database", "user"],
    "redis": ["url"],
    "log_count": ["path", "pattern"],
}
TEXT = ("host", "version", "query", "database", "user", "pattern", "list")
PROBE: dict[str, Any] = {
    **{name: {"type": "str"} for name in TEXT},
    **{name: {"type": "path"} for name in ("ca_file", "cwd", "env_file", "path")},
    **{name: {"type": "dict"} for name in ("headers", "body", "stdout")},
    **{name: {"type": "list", "elements": "int"} for name in ("status", "rc")},
    **{name: {"type": "int"} for name in ("port", "offset", "last_lines")},
    **{name: {"type": "int", "default": 0} for name in ("max_matches", "min_lines")},
    **{name: {"type": "float"} for name in ("timeout", "last_seconds")},
    "name": {"type": "str", "required": True},
    "kind": {"type": "str", "required": True, "choices": list(NEEDS)},
    "method": {"type": "str", "default": "GET", "choices": ["GET", "HEAD", "POST"]},
    "version_path": {"type": "str", "default": "version"},
    "verify": {"type": "bool", "default": True},
    "once": {"type": "bool", "default": False},
    "argv": {"type": "list", "elements": "str"},
    "sslmode": {
        "type": "str",
        "default": "verify-full",
        "choices": ["disable", "prefer", "require", "verify-ca", "verify-full"],
    },
    "expected": {"type": "raw"},
    # A redis URL holds a password, and an address may hold a token.
    "url": {"type": "str", "no_log": True},
    "secret_headers": {"type": "dict", "no_log": True},
    "password": {"type": "str", "no_log": True},
}
PROBES: dict[str, Any] = {
    "type": "list",
    "elements": "dict",
    "required": True,
    "options": PROBE,
    "required_if": [("kind", kind, needed) for kind, needed in NEEDS.items()],
}
RULE: dict[str, Any] = {
    "consecutive": {"type": "int", "default": 3},
    "interval": {"type": "float", "default": 1.0},
    "timeout": {"type": "float", "default": 60.0},
    "window": {"type": "float", "default": 0.0},
    "min_samples": {"type": "int", "default": 1},
    "max_error_ratio": {"type": "float"},
    "max_p95_ms": {"type": "float"},
}
