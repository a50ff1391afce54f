# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Sequences that go on beyond what the live database has given out: partners and customers have seen those numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

# A sequence that gave out nothing yet stands one step before its start.
SEQUENCES = """
SELECT format('%I.%I', schemaname, sequencename), coalesce(last_value, start_value - increment_by), increment_by,
       min_value, max_value
FROM pg_sequences WHERE schemaname NOT LIKE 'pg\\_%'
"""


@dataclass(frozen=True)
class Sequence:
    """Where a sequence stands, its step and its bounds."""

    last: int
    step: int
    least: int
    most: int


def look(connection: Any) -> dict[str, Sequence]:
    """{quoted name: where it stands} of all sequences that this role may read."""
    return {quoted: Sequence(*rest) for quoted, *rest in connection.execute(SEQUENCES)}


def beyond(restored: Mapping[str, Sequence], live: Mapping[str, Sequence], gap: int) -> dict[str, int]:
    """{quoted name: new value}: ``gap`` steps beyond what either database has given out. Pure."""
    wanted: dict[str, int] = {}
    for quoted, each in restored.items():
        stands = [each.last, live[quoted].last] if quoted in live else [each.last]
        furthest = max(stands) if each.step > 0 else min(stands)
        wanted[quoted] = min(max(furthest + gap * each.step, each.least), each.most)
    return wanted


def advance(restored: Any, live: Any, gap: int) -> dict[str, dict[str, int]]:
    """Let the sequences of the restored database go on beyond the live one's; {quoted name: {restored, now}}."""
    before = look(restored)
    wanted = beyond(before, look(live), gap)
    for quoted, value in wanted.items():
        restored.execute("SELECT setval(%s::regclass, %s, true)", [quoted, value])
    return {quoted: {"restored": before[quoted].last, "now": value} for quoted, value in wanted.items()}
