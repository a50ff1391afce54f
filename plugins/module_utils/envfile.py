# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Env files: read, and taken back with the secrets of today (a password that was changed since stays changed)."""

from __future__ import annotations

import fnmatch
from collections.abc import Sequence

from .core.errors import CommandFailed


def read(path: str) -> dict[str, str]:
    """The variables of an env file as systemd reads it: KEY=value, quotes optional, # and ; start a comment line.

    ``export`` before a name is passed over, for files that shells read too. Raises CommandFailed.
    """
    values = {}
    try:
        with open(path, encoding="utf-8") as file:
            lines = file.read().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise CommandFailed(
            f"The env file {path} cannot be read: {error}.",
            hint="It holds the settings of the release; the user of this task must be able to read it.",
            next=f"ls -l {path}",
            code="env-file-unreadable",
        ) from error
    for line in lines:
        if key := key_of(line):
            value = line.partition("=")[2].strip()
            quoted = len(value) > 1 and value[0] == value[-1] and value[0] in "\"'"
            values[key] = value[1:-1] if quoted else value
    return values


def key_of(line: str) -> str:
    """The name that a line assigns to; empty for a comment or anything else."""
    name, equals, _value = line.strip().partition("=")
    return name.removeprefix("export ").strip() if equals and not name.startswith(("#", ";")) else ""


def merged(captured: str, present: str, keep: Sequence[str]) -> str:
    """``captured`` with the present lines of the keys that a pattern of ``keep`` matches and that both have."""
    now = {key_of(line): line for line in present.splitlines()}
    lines = []
    for line in captured.splitlines(keepends=True):
        key = key_of(line)
        kept = key in now and any(fnmatch.fnmatchcase(key, pattern) for pattern in keep)
        lines.append(now[key] + line[len(line.rstrip("\r\n")) :] if key and kept else line)
    return "".join(lines)


def difference(before: str, after: str) -> list[str]:
    """The names of the keys whose values differ, or that only one side has. Never a value."""
    one, other = ({key: line for line in text.splitlines() if (key := key_of(line))} for text in (before, after))
    return sorted(key for key in one.keys() | other.keys() if one.get(key) != other.get(key))
