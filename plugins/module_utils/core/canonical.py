# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One spelling for everything that is hashed: sorted keys, no spaces, UTF-8."""

from __future__ import annotations

import hashlib
import json
from datetime import datetime, timezone
from typing import Any

STAMP = "r%Y%m%dt%H%M%S"
FRACTIONS = 0x10000


def dumps(value: Any) -> bytes:
    """``value`` as canonical JSON; raises ValueError for NaN, which has no JSON spelling."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def digest(value: Any) -> str:
    """The SHA-256 of the canonical JSON, as 64 hex digits."""
    return hashlib.sha256(dumps(value)).hexdigest()


def utc(epoch: float) -> str:
    """Seconds since the epoch as ISO 8601 in UTC with microseconds: sortable as text."""
    return datetime.fromtimestamp(epoch, timezone.utc).isoformat(timespec="microseconds").replace("+00:00", "Z")


def epoch(text: str) -> float:
    """The inverse of ``utc``."""
    return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


def stamp(now: float) -> str:
    """A moment as part of a name, to the second: lower case, safe in file and database names, sorted by time."""
    return datetime.fromtimestamp(now, timezone.utc).strftime(STAMP)


def run_id(now: float, newest: str = "") -> str:
    """The name of a run: its second and, as four hex digits, the fraction of it. Names sort by time.

    When the clock was set back, the name takes the moment after ``newest``: runs are undone in their order.
    """
    # Whole seconds only: a date rounds to microseconds, and so may name the second after.
    name = f"{stamp(int(now))}-{int(now % 1 * FRACTIONS):04x}"
    if name > newest:
        return name
    second, _dash, fraction = newest.partition("-")
    began = datetime.strptime(second, STAMP).replace(tzinfo=timezone.utc).timestamp()
    return run_id(began + (int(fraction, 16) + 1) / FRACTIONS)


def duration(seconds: float) -> str:
    """``62`` as ``1:02``, ``3725`` as ``1:02:05``."""
    whole = max(0, int(seconds + 0.5))
    hours, rest = divmod(whole, 3600)
    minutes, secs = divmod(rest, 60)
    return f"{hours}:{minutes:02}:{secs:02}" if hours else f"{minutes}:{secs:02}"
