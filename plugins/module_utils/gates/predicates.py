# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Does a measured value hold? Pure. True, False, or None when there is no value to compare."""

from __future__ import annotations

import math
import re
from typing import Any

_COMMIT = re.compile(r"[0-9a-f]{7,64}")
_RANGE = {"min", "max"}


class Absent:
    """What ``dig`` gives when a path leads nowhere (null is a value)."""

    def __repr__(self) -> str:
        return "nothing"


ABSENT = Absent()


def dig(document: Any, path: str) -> Any:
    """The value at ``path`` ("checks.0.state": keys and list positions), or ABSENT. An empty path is the document."""
    for part in path.split(".") if path else ():
        if isinstance(document, dict) and part in document:
            document = document[part]
        elif isinstance(document, list) and part.isdigit() and int(part) < len(document):
            document = document[int(part)]
        else:
            return ABSENT
    return document


def holds(value: Any, expected: Any) -> bool | None:
    """``expected`` is a value, or a range ``{"min": 1, "max": 5}`` (both ends belong to it, either may be missing).

    A range compared with null, NaN or no value at all is None: no data is neither good nor bad.
    """
    if isinstance(expected, dict) and expected and set(expected) <= _RANGE:
        if value is None or value is ABSENT or (isinstance(value, float) and math.isnan(value)):
            return None
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            return False
        return bool(expected.get("min", -math.inf) <= value <= expected.get("max", math.inf))
    # True equals 1 in Python; {"ready": true} must not hold for {"ready": 1}.
    return isinstance(value, bool) == isinstance(expected, bool) and bool(value == expected)


def same_version(found: Any, expected: str) -> bool:
    """Equal, or two spellings of one commit of which the shorter has at least seven digits."""
    found = str(found)
    if found == expected:
        return True
    both = _COMMIT.fullmatch(found) and _COMMIT.fullmatch(expected)
    return bool(both) and (found.startswith(expected) or expected.startswith(found))
