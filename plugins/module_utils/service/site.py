# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""From a module's options to the services of a host."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .. import envfile
from ..django_command import SECRET
from .control import RELOADS, Control
from .provider import Provider, Unit
from .supervisor import Supervisor
from .systemd import Systemd

# The options that all modules of this room have (doc fragment: service).
SERVICE_OPTIONS: dict[str, dict[str, Any]] = {
    "provider": {"type": "str", "choices": ["systemd", "supervisor"], "default": "systemd"},
    "units": {
        "type": "list",
        "elements": "dict",
        "required": True,
        "options": {
            "name": {"type": "str", "required": True},
            "reload": {"type": "str", "choices": list(RELOADS), "default": "restart"},
            "health": {"type": "str", "default": ""},
        },
    },
    "socket": {"type": "path", "default": "/run/supervisor.sock"},
    "sudo": {"type": "bool", "default": False},
    "stop_timeout": {"type": "float", "default": 120.0},
    "start_timeout": {"type": "float", "default": 60.0},
    "env_file": {"type": "path", "default": ""},
}


def control(params: Mapping[str, Any]) -> Control:
    """The services that a module's SERVICE_OPTIONS name."""
    return Control(provider(params), [Unit(**unit) for unit in params["units"]], _secrets(params["env_file"]))


def provider(params: Mapping[str, Any]) -> Provider:
    """systemd, or the supervisor behind its socket."""
    return Systemd(params["sudo"]) if params["provider"] == "systemd" else Supervisor(params["socket"])


def _secrets(env_file: str) -> list[str]:
    """What the services may have written into their logs and nobody should read."""
    if not env_file:
        return []
    return [value for key, value in envfile.read(env_file).items() if SECRET.search(key)]
