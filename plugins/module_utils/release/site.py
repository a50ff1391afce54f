# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""From a module's options to the parts of this room."""

from __future__ import annotations

import os
import pwd
from collections.abc import Mapping
from typing import Any

from .build import Builder, Recipe
from .commands import Runner
from .git import Mirror
from .layout import Home

# The options that all modules of this room have (doc fragment: release).
SITE_OPTIONS: dict[str, dict[str, Any]] = {
    "home": {"type": "path", "required": True},
    "change": {"type": "str", "default": ""},
    "commit": {"type": "str", "default": ""},
    "repository": {"type": "str", "default": ""},
    "owner": {"type": "str", "default": ""},
    "lock": {"type": "str", "default": "requirements.lock"},
    "env_file": {"type": "path", "default": ""},
    "python": {"type": "path", "default": ""},
    "uv": {"type": "path", "default": ""},
    "wheels": {"type": "path", "default": ""},
    "index_url": {"type": "str", "default": "", "no_log": True},
    "build_commands": {"type": "list", "elements": "list", "default": []},
    "check_commands": {"type": "list", "elements": "list", "default": []},
    "build_variables": {"type": "dict", "default": {}},
    "build_timeout": {"type": "int", "default": 900},
}


def builder(params: Mapping[str, Any]) -> Builder:
    """What a module's SITE_OPTIONS describe."""
    home, timeout = Home(params["home"], params["lock"]), float(params["build_timeout"])
    runner = Runner(params["owner"] or _owner(params["home"]), timeout)
    recipe = Recipe(
        lock=params["lock"],
        python=params["python"],
        uv=params["uv"],
        wheels=params["wheels"],
        index_url=params["index_url"],
        env_file=params["env_file"],
        commands=_commands(params["build_commands"]),
        checks=_commands(params["check_commands"]),
        variables=tuple((str(key), str(value)) for key, value in params["build_variables"].items()),
    )
    return Builder(home, Mirror(home.mirror, params["repository"], runner), recipe, runner, timeout)


def _owner(home: str) -> str:
    """The account that owns the product's directory, when root asks; empty when it is root, or unknown."""
    try:
        return pwd.getpwuid(os.stat(home).st_uid).pw_name if os.geteuid() == 0 else ""
    except (OSError, KeyError):
        return ""


def _commands(lists: list[list[Any]]) -> tuple[tuple[str, ...], ...]:
    return tuple(tuple(str(part) for part in argv) for argv in lists)
