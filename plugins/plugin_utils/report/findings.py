# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the steps found and left: gates, jobs, kept and deleted things, evidence. Each is a key of any step's result.

``verdict`` and ``probes``: a gate. ``parked``, ``replay``: jobs set aside. ``kept`` (one or many) with ``until``,
``replaced`` (a release) and ``stays``: what is kept. ``deleted``: what is gone. ``files``, ``backup``: what was
written, with SHA-256.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .reading import Effect, items, mapping, moment, number, stamp, text, whole

KEPT, JOBS, PROBES = 12, 8, 20  # rows that a printed page has room for
UNTIL = "until %Y-%m-%d %H:%M UTC"


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
    """``hidden`` passing probes are left out of ``probes`` for want of room."""

    step: str
    place: str
    verdict: str
    reason: str
    started: float | None
    seconds: float | None
    probes: list[Probe]
    hidden: int


@dataclass(frozen=True)
class Jobs:
    """Jobs set aside, by task and by reason, and the commands that put them back."""

    parked: list[tuple[str, int]]
    reasons: list[tuple[str, int]]
    replay: list[str]


@dataclass(frozen=True)
class Kept:
    """``until`` is said in words, empty when nobody knows."""

    what: str
    hosts: list[str]
    until: str


@dataclass(frozen=True)
class File:
    """``path`` is relative to the directory of the run where it lies there."""

    host: str
    path: str
    sha256: str
    bytes: int | None


def gates(effects: Sequence[Effect]) -> list[Gate]:
    """Every gate that was measured, in order. Probes that do not pass are always shown."""
    found = []
    room = PROBES
    for effect in effects:
        values = effect.values
        if "verdict" in values and "probes" in values:
            probes = [_probe(mapping(each)) for each in items(values["probes"])]
            shown = [each for i, each in enumerate(probes) if i < room or each.verdict != "pass"][:PROBES]
            room = max(1, room - len(shown))
            found.append(
                Gate(
                    step=effect.step,
                    place=text(values.get("from") or effect.host, 60),
                    verdict=text(values["verdict"], 20),
                    reason=text(values.get("reason"), 200),
                    started=moment(values.get("started")),
                    seconds=number(values.get("seconds")),
                    probes=shown,
                    hidden=len(probes) - len(shown),
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


def jobs(effects: Sequence[Effect]) -> Jobs | None:
    """Jobs that were set aside in this run; None when there are none."""
    parked, reasons, replay = list[tuple[str, int]](), list[tuple[str, int]](), list[str]()
    for effect in effects:
        if "parked" in effect.values and effect.step == "queue.park":
            parked += _counts(effect.values["parked"])
            reasons += _counts(effect.values.get("reasons"))
            replay += [text(each, 600) for each in items(effect.values.get("replay"))]
    return Jobs(parked[:JOBS], reasons[:JOBS], list(dict.fromkeys(replay))[:JOBS]) if parked else None


def kept(effects: Sequence[Effect]) -> list[Kept]:
    """What was replaced or left beside and is still there, and on which hosts."""
    found: dict[str, Kept] = {}
    for effect in effects:
        values = effect.values
        value = values.get("kept")
        until = stamp(moment(values.get("until")), UNTIL)
        named = [(text(what), until) for what in items(value) or [value] if isinstance(what, str) and what]
        # Switching back names the same release: the one that was replaced is live again.
        if (old := release(values.get("replaced"))) and old != release(values):
            named.append((f"release {old}", ""))
        for each in map(mapping, items(values.get("stays"))):
            named.append((_thing(each), stamp(moment(each.get("until")), UNTIL) or text(each.get("why"), 120)))
        for what, time in named:
            before = found.get(what, Kept(what, [], ""))
            found[what] = Kept(what, list(dict.fromkeys([*before.hosts, effect.host])), time or before.until)
    return list(found.values())[:KEPT]


def deleted(effects: Sequence[Effect]) -> list[str]:
    """What is gone for good."""
    found = [each for effect in effects for each in items(effect.values.get("deleted"))]
    return list(dict.fromkeys(_thing(mapping(each)) if isinstance(each, Mapping) else text(each) for each in found))


def release(value: Any) -> str:
    """A release as ``v1 (0123456789ab)``; ``value`` is a mapping with commit and perhaps tag, else nothing."""
    tag, commit = text(mapping(value).get("tag"), 40), text(mapping(value).get("commit"), 40)[:12]
    return f"{tag} ({commit})" if tag and commit else commit


def _thing(values: Mapping[str, Any]) -> str:
    return f"{text(values.get('kind'), 40)} {text(values.get('name'), 200)}".strip()


def files(effects: Sequence[Effect], run: str) -> list[File]:
    """Everything that was written as evidence in ``run``, with its hash."""
    found = []
    for effect in effects:
        written = [
            (each.get("path"), each, each.get("bytes")) for each in map(mapping, items(effect.values.get("files")))
        ]
        copy = mapping(effect.values.get("backup"))
        written += [(f"object store: {text(copy.get('key'))}", copy, copy.get("size"))]
        tables = map(mapping, mapping(effect.values.get("tables")).values())
        written += [(each["file"], each, None) for each in tables if each.get("file")]
        for path, each, size in written:
            if sha256 := text(each.get("sha256"), 64):
                short = text(path).rpartition(f"/runs/{run}/")[2]
                found.append(File(effect.host, short, sha256, whole(size)))
    return found


def undelivered(records: Sequence[Mapping[str, Any]]) -> list[str]:
    """Who was not told, and why."""
    found = [mapping(each) for record in records for each in items(record.get("undelivered"))]
    return [f"{text(each.get('sink'), 60)}: {text(each.get('reason'), 120)}" for each in found]


def _counts(value: Any) -> list[tuple[str, int]]:
    """Pairs of name and number, the largest first."""
    pairs = [(text(name, 120), whole(each)) for name, each in mapping(value).items()]
    return sorted([(name, count) for name, count in pairs if count], key=lambda pair: (-pair[1], pair[0]))
