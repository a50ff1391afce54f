# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What going back cost in data: the window, the rows, and whether they can be had again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .reading import Effect, items, mapping, moment, number, text, whole

SHOWN = 12  # tables that a printed page has room for
SWAPS = ("postgres.swap", "postgres.swap_back")


@dataclass(frozen=True)
class Table:
    """Rows before and after, None where nobody counted; ``missing`` and ``changed`` are those that were given up."""

    name: str
    before: int | None
    after: int | None
    missing: int
    changed: int

    @property
    def difference(self) -> int:
        """Rows more (or less) than before."""
        return 0 if self.before is None or self.after is None else self.after - self.before


@dataclass(frozen=True)
class Data:
    """What was given up between ``start`` and ``end``.

    ``tables`` are those that differ most, ``hidden`` more differ too; ``rows`` is None when nobody counted; ``notes``
    say what is not known or not kept.
    """

    minutes: float | None
    start: float | None
    end: float | None
    tables: list[Table]
    hidden: int
    unchanged: int
    rows: int | None
    recovery: str
    notes: list[str]


def data(effects: Sequence[Effect], loss: Mapping[str, Any], taken: float | None) -> Data | None:
    """The account of a run, None when it exchanged no database: then nothing was given up.

    ``loss`` is what the preflight foresaw; ``taken`` is when the restore point was made. What was counted after the
    switch, between the replaced database and the live one, is believed first.
    """
    swaps = [effect for effect in effects if effect.step in SWAPS]
    if not swaps:
        return None
    ledger = next((effect.values for effect in reversed(effects) if "recovery" in effect.values), {})
    tables = _tables(effects, mapping(loss.get("tables")), mapping(ledger.get("tables")))
    differing = [each for each in tables if each.difference or each.missing or each.changed or each.before is None]
    window = mapping(ledger.get("window"))
    # What an undo gives up was written since the rollback, and no restore point tells when that was.
    start = moment(window.get("from")) or (taken if swaps[0].step == "postgres.swap" else None)
    end = moment(window.get("to")) or swaps[0].at
    known = None if start is None or end is None else max(0.0, (end - start) / 60)
    counted = [whole(mapping(ledger.get("lost")).get(kind)) for kind in ("missing", "changed")]
    rows = sum(max(0, -each.difference) for each in tables) if tables else None
    preserved = [effect.values for effect in effects if effect.step == "postgres.preserve"]
    notes = [*items(ledger.get("reasons")), *(values.get("reason") for values in preserved if values.get("reason"))]
    notes += _sequences(effects)
    return Data(
        minutes=known if known is not None else number(loss.get("minutes")),
        start=start,
        end=end,
        tables=sorted(differing, key=lambda each: (each.difference, each.name))[:SHOWN],
        hidden=max(0, len(differing) - SHOWN),
        unchanged=len(tables) - len(differing),
        rows=rows if None in counted else sum(count for count in counted if count),
        recovery=text(ledger.get("recovery"), 60),
        notes=[text(note) for note in notes],
    )


def _sequences(effects: Sequence[Effect]) -> list[str]:
    """What is said of sequences that were advanced; nothing when they are as they were."""
    found = [mapping(effect.values.get("sequences")) for effect in effects if effect.step == "postgres.prepare"]
    moved = {name: whole(mapping(each).get("now")) for name, each in (found[-1] if found else {}).items()}
    listed = ", ".join(f"{name} at {now}" for name, now in sorted(moved.items()))
    return [f"Sequences go on beyond every number that was given out: {listed}."] if moved else []


def _tables(effects: Sequence[Effect], foreseen: Mapping[str, Any], listed: Mapping[str, Any]) -> list[Table]:
    """One row a table: the ledger's numbers where it has any, else those of preflight and restore."""
    restored = [
        effect.values["tables"] for effect in effects if effect.step == "postgres.prepare" and "tables" in effect.values
    ]
    after = mapping(restored[-1]) if restored else {}
    found = []
    for name in sorted({*foreseen, *after, *listed}):
        seen, told = mapping(foreseen.get(name)), mapping(listed.get(name))
        found.append(
            Table(
                name=text(name, 80),
                before=whole(told.get("kept", seen.get("now"))),
                after=whole(told.get("now", after.get(name, seen.get("then")))),
                missing=whole(told.get("missing")) or 0,
                changed=whole(told.get("changed")) or 0,
            )
        )
    return found
