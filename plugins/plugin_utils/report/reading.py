# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Careful reading: what hosts wrote into a journal may have any shape, and a report is written all the same."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from ansible_collections.steady.rollback.plugins.module_utils.core import redact


def mapping(value: Any) -> dict[str, Any]:
    """``value`` when it is a mapping, else an empty one."""
    return {str(key): each for key, each in value.items()} if isinstance(value, Mapping) else {}


def items(value: Any) -> list[Any]:
    """``value`` when it is a list, else an empty one."""
    return list(value) if isinstance(value, (list, tuple)) else []


def number(value: Any) -> float | None:
    """``value`` when it is a finite number of a size that can be drawn, else None."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return float(value) if abs(value) < 1e15 and math.isfinite(value) else None


def whole(value: Any) -> int | None:
    """``value`` as a whole number, or None."""
    found = number(value)
    return None if found is None else int(found)


def text(value: Any, longest: int = 300) -> str:
    """``value`` on one line, without characters that would change how the page reads; nothing for None."""
    return "" if value is None else redact.line(str(value), longest)


def moment(value: Any) -> float | None:
    """Seconds since the epoch of an ISO 8601 time, which is UTC when it does not say; None when it is no time."""
    try:
        found = datetime.fromisoformat(str(value).replace("Z", "+00:00"))
        return (found if found.tzinfo else found.replace(tzinfo=timezone.utc)).timestamp()
    except (ValueError, OverflowError):
        return None


def stamp(epoch: float | None, form: str = "%Y-%m-%d %H:%M:%S") -> str:
    """A time in UTC as people read it; nothing for None."""
    try:
        return "" if epoch is None else datetime.fromtimestamp(epoch, timezone.utc).strftime(form)
    except (ValueError, OverflowError, OSError):
        return ""


@dataclass(frozen=True)
class Effect:
    """What one step returned on one host."""

    n: int
    step: str
    host: str
    at: float | None
    values: dict[str, Any]


def effects(records: Sequence[Mapping[str, Any]]) -> Iterator[Effect]:
    """Every result in the journal, oldest first, those of a failed step too."""
    for record in records:
        if record.get("kind") in ("done", "failed"):
            n, step, at = whole(record.get("n")) or 0, text(record.get("step")), moment(record.get("at"))
            for host, values in mapping(record.get("effects")).items():
                yield Effect(n, step, text(host), at, mapping(values))
