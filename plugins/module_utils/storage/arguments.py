# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The option that modules which speak to an object store share (doc fragment: s3)."""

from __future__ import annotations

from typing import Any

SPEC: dict[str, dict[str, Any]] = {
    "s3": {
        "type": "dict",
        "default": {},
        "options": {
            # Not required: an empty dictionary is how a playbook says that there is no store.
            "bucket": {"type": "str", "default": ""},
            "endpoint_url": {"type": "str", "default": ""},
            "region": {"type": "str", "default": "us-east-1"},
            "access_key": {"type": "str", "no_log": False, "default": ""},
            "secret_key": {"type": "str", "default": "", "no_log": True},
            "ca_file": {"type": "path", "default": ""},
            "prefix": {"type": "str", "default": ""},
        },
    },
}
