# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the steps found and left: gates, data, jobs, kept things, evidence. Each is a key of any step's result.

``verdict`` and ``probes``: a gate. ``tables``: rows by table, as they are now. ``parked``, ``replay``: jobs set aside.
``kept`` (one or many), ``until``: what stays and how long. ``files``: written, with SHA-256. ``window``, ``recovery``:
what the ledger of lost data says.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .reading import Effect, items, mapping, moment, number, stamp, text, whole

TABLES, KEPT, JOBS, PROBES = 16, 12, 12, 12  # rows that a printed page has room for


@dataclass(frozen=True)
class Probe:
    """``series`` are (second, milliseconds, state); state is 1 good, 0 bad, -1 unknown."""

    name: str
    kind: str
    verdict: str
    reason: str
    samples: int
    error_ratio: float | None
    p95_ms: float | None
    series: list[tuple[float, float, int]]


@dataclass(frozen=True)
class Gate:
    step: str
    place: str
    verdict: str
    reason: str
    started: float | None
    seconds: float | None
    probes: list[Probe]


@dataclass(frozen=True)
class Table:
    """Rows of a table before and after; None where nobody counted."""

    name: str
    before: int | None
    after: int | None

    @property
    def difference(self) -> int:
        """Rows more (or less) than before."""
        return (self.after or 0) - (self.before or 0) if None not in (self.before, self.after) else 0


@dataclass(frozen=True)
class Data:
    """What was given up: ``minutes`` between restore point and run, None when no data was replaced."""

    minutes: float | None
    start: float | None
    end: float | None
    tables: list[Table]
    unchanged: int
    lost: list[tuple[str, int]]
    recovery: str

    @property
    def counted(self) -> bool:
        """Whether anybody counted rows."""
        return bool(self.tables or self.unchanged or self.lost)

    @property
    def rows(self) -> int:
        """Rows that are gone: what the ledger counted, else what the row counts say."""
        return sum(count for _name, count in self.lost) or sum(max(0, -table.difference) for table in self.tables)


@dataclass(frozen=True)
class Jobs:
    """Jobs set aside, by task and by reason, and the commands that put them back."""

    parked: list[tuple[str, int]]
    reasons: list[tuple[str, int]]
    replay: list[str]


@dataclass(frozen=True)
class Kept:
    what: str
    hosts: list[str]
    until: str


@dataclass(frozen=True)
class File:
    """``path`` is relative to the directory of the run where it lies there."""

    host: str
    path: str
    sha256: str
    bytes: int


def gates(effects: Sequence[Effect]) -> list[Gate]:
    """Every gate that was measured, in order."""
    found = []
    for effect in effects:
        values = effect.values
        if "verdict" in values and "probes" in values:
            found.append(
                Gate(
                    step=effect.step,
                    place=text(values.get("from") or effect.host, 60),
                    verdict=text(values["verdict"], 20),
                    reason=text(values.get("reason"), 200),
                    started=moment(values.get("started")),
                    seconds=number(values.get("seconds")),
                    probes=[_probe(mapping(each)) for each in items(values["probes"])[:PROBES]],
                )
            )
    return found


def _probe(values: Mapping[str, Any]) -> Probe:
    series = []
    for point in items(values.get("series")):
        second, ms, state = ([number(each) for each in items(point)] + [None] * 3)[:3]
        if second is not None and ms is not None:
            series.append((second, max(0.0, ms), int(state) if state is not None else -1))
    return Probe(
        name=text(values.get("name"), 60),
        kind=text(values.get("kind"), 20),
        verdict=text(values.get("verdict"), 20),
        reason=text(values.get("reason"), 120),
        samples=whole(values.get("taken")) or whole(values.get("samples")) or 0,
        error_ratio=number(values.get("error_ratio")),
        p95_ms=number(values.get("p95_ms")),
        series=series,
    )


def data(effects: Sequence[Effect], loss: Mapping[str, Any], taken: float | None) -> Data | None:
    """What the database lost. ``loss`` is what the preflight found; ``taken`` when the restore point was made."""
    # Only an exchange of databases gives something up; a plan that was stopped before it has lost nothing.
    swaps = [effect for effect in effects if effect.step in ("postgres.swap", "postgres.swap_back")]
    if not swaps:
        return None
    counted = {name: mapping(value) for name, value in mapping(loss.get("tables")).items()}
    prepared = [effect.values for effect in effects if effect.step == "postgres.prepare"]
    restored = [values["tables"] for values in prepared if "tables" in values]
    after = mapping(restored[-1]) if restored else {name: value.get("then") for name, value in counted.items()}
    names = sorted({*counted, *after})
    tables = [Table(text(name, 80), whole(counted.get(name, {}).get("now")), whole(after.get(name))) for name in names]
    changed = [table for table in tables if table.difference or None in (table.before, table.after)]
    ledger = next((e.values for e in reversed(effects) if "recovery" in e.values), {})
    window = mapping(ledger.get("window"))
    end = moment(window.get("end")) or swaps[0].at
    # What an undo gives up was written since the rollback, and no restore point tells when that was.
    start = moment(window.get("start")) or (taken if swaps[0].step == "postgres.swap" else None)
    known = None if start is None or end is None else max(0.0, (end - start) / 60)
    return Data(
        minutes=known if known is not None else number(loss.get("minutes")),
        start=start,
        end=end,
        tables=sorted(changed, key=lambda table: (table.difference, table.name))[:TABLES],
        unchanged=len(tables) - len(changed),
        lost=_counts(ledger.get("lost")),
        recovery=text(ledger.get("recovery"), 200),
    )


def jobs(effects: Sequence[Effect]) -> Jobs | None:
    """Jobs that were set aside and not put back in this run; None when there are none."""
    parked, reasons, replay = list[tuple[str, int]](), list[tuple[str, int]](), list[str]()
    for effect in effects:
        if "parked" in effect.values and effect.step == "queue.park":
            parked += _counts(effect.values["parked"])
            reasons += _counts(effect.values.get("reasons"))
            replay += [text(each, 600) for each in items(effect.values.get("replay"))]
    return Jobs(parked[:JOBS], reasons[:JOBS], list(dict.fromkeys(replay))[:JOBS]) if parked else None


def kept(effects: Sequence[Effect]) -> list[Kept]:
    """What was replaced and is still there, and on which hosts."""
    found: dict[str, Kept] = {}
    for effect in effects:
        value = effect.values.get("kept")
        for what in items(value) or ([value] if isinstance(value, str) and value else []):
            until = stamp(moment(effect.values.get("until")), "%Y-%m-%d %H:%M UTC")
            before = found.get(text(what))
            hosts = [*before.hosts, effect.host] if before else [effect.host]
            found[text(what)] = Kept(text(what), list(dict.fromkeys(hosts)), until or (before.until if before else ""))
    return list(found.values())[:KEPT]


def files(effects: Sequence[Effect], run: str) -> list[File]:
    """Everything that was written as evidence in ``run``, with its hash."""
    found = []
    for effect in effects:
        for each in map(mapping, items(effect.values.get("files"))):
            if each.get("sha256"):
                size = whole(each.get("bytes")) or 0
                path = text(each.get("path")).rpartition(f"/runs/{run}/")[2]
                found.append(File(effect.host, path, text(each["sha256"], 64), size))
    return found


def undelivered(records: Sequence[Mapping[str, Any]]) -> list[str]:
    """Who was not told, and why."""
    found = [mapping(each) for record in records for each in items(record.get("undelivered"))]
    return [f"{text(each.get('sink'), 60)}: {text(each.get('reason'), 120)}" for each in found]


def _counts(value: Any) -> list[tuple[str, int]]:
    """Pairs of name and number, the largest first; ``value`` is {name: number} or {name: {rows: number}}."""
    pairs = [(text(name, 120), whole(mapping(each).get("rows", each))) for name, each in mapping(value).items()]
    return sorted([(name, count) for name, count in pairs if count], key=lambda pair: (-pair[1], pair[0]))
