# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""An env file taken back, with the secrets of today: a password that was changed since stays changed."""

from __future__ import annotations

import fnmatch
from collections.abc import Sequence


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
