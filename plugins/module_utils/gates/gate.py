# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A gate: probes, a rule, a verdict, and the samples that prove it."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timezone
from typing import Any

from .. import tls
from ..core.checks import Check, fail, ok, warn
from ..core.errors import BadInput, RollbackError
from ..core.redact import line
from . import command, http, log_count, redis, sql, tcp
from .verdict import Rule, check, overall
from .watch import Probe, Watched, watch
from .window import Reading, summary, thinned

KINDS = {
    "http": http.probe,
    "tcp": tcp.probe,
    "command": command.probe,
    "sql": sql.probe,
    "redis": redis.probe,
    "log_count": log_count.probe,
}
SAMPLES_KEPT = 600  # of all probes together; the figures are over all samples all the same


class SystemClock:
    def now(self) -> float:
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)


def build(specs: Sequence[Mapping[str, Any]]) -> dict[str, Probe]:
    """The probes by name. BadInput for two of one name; what a kind refuses is raised as it is."""
    _names(specs)
    found = {spec["name"]: KINDS[spec["kind"]](spec) for spec in specs}
    return {spec["name"]: _once(found[spec["name"]]) if spec.get("once") else found[spec["name"]] for spec in specs}


def _once(probe: Probe) -> Probe:
    """A probe that is not asked again after its first good reading, which stands for all later ones."""
    kept: list[Reading] = []

    def look() -> Reading:
        reading = kept[0] if kept else probe()
        if reading.ok:
            kept[:] = [reading]
        return reading

    return look


def _names(specs: Sequence[Mapping[str, Any]]) -> None:
    names = [spec["name"] for spec in specs]
    for name in sorted(name for name in set(names) if names.count(name) > 1):
        raise BadInput(f"Two probes are named {name!r}.", hint="Give each probe a name of its own.")


def definitions(specs: Sequence[Mapping[str, Any]], rule: Rule, name: str) -> list[Check]:
    """Preflight: can gate ``name`` be measured and passed at all? Nothing is probed, and every problem is found."""
    title = f"gate {name}".strip()
    rows = [] if specs else [fail(title, "no probes are defined", "Define probes for this gate.", "gate-empty")]
    try:
        check(rule)
        _names(specs)
    except BadInput as error:
        rows.append(fail(title, error.message, error.hint, error.code))
    return rows + [row for spec in specs for row in _definition(spec, f"{title}, probe {spec['name']}")]


def _definition(spec: Mapping[str, Any], name: str) -> list[Check]:
    try:
        KINDS[spec["kind"]](spec)
    except RollbackError as error:
        return [fail(name, error.message, error.next or error.hint, error.code)]
    if spec["kind"] == "log_count" and not os.access(spec["path"], os.R_OK):
        found = f"the log {spec['path']} cannot be read yet; without it the gate stays inconclusive"
        return [warn(name, found, f"ls -l {spec['path']}", "gate-log-unreadable")]
    return [ok(name, f"{spec['kind']} probe, usable"), *_unproven(spec, name)]


def _unproven(spec: Mapping[str, Any], name: str) -> list[Check]:
    """A gate that anybody could answer. Plain http inside a network is usual, and not worth a word."""
    if spec["kind"] == "http":
        return tls.web(name, spec["url"], False) if spec.get("verify") is False else []
    if spec["kind"] == "redis":
        return tls.redis(spec["url"])
    return tls.postgres(spec["host"], spec.get("sslmode") or "verify-full") if spec["kind"] == "sql" else []


def measure(specs: Sequence[Mapping[str, Any]], rule: Rule, place: str) -> dict[str, Any]:
    """Watch until the verdict is in.

    Gives verdict (pass, fail, inconclusive), reason, from, started (UTC), seconds, and per probe: name, kind,
    verdict, reason, samples, good, bad, unknown, error_ratio, p50_ms, p95_ms, streak (over the judged window) and
    series, a list of [seconds since the start, milliseconds, 1 good / 0 bad / -1 unknown].
    """
    check(rule)
    probes = build(specs)
    kinds = {spec["name"]: spec["kind"] for spec in specs}
    clock = SystemClock()
    began, started = clock.now(), datetime.now(timezone.utc)
    with ThreadPoolExecutor(max_workers=max(1, len(probes))) as threads:

        def look() -> dict[str, tuple[Reading, float]]:
            return dict(zip(probes, threads.map(_timed, probes.values())))

        # The time of a program's start says nothing about the service: p95 judges web requests.
        tracks = watch(look, rule, clock, timed=lambda name: kinds[name] == "http")
    room = SAMPLES_KEPT // max(1, len(tracks))
    shown = [_shown(name, kinds[name], track, room) for name, track in tracks.items()]
    verdict = overall(track.verdict for track in tracks.values())
    worst = [f"{row['name']}: {row['reason']}" for row in shown if row["verdict"] != "pass"]
    return {
        "verdict": verdict,
        "reason": "; ".join(worst) or ("all probes pass" if shown else "no probes are defined"),
        "from": place,
        "started": started.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "seconds": round(clock.now() - began, 3),
        "probes": shown,
    }


def _timed(probe: Probe) -> tuple[Reading, float]:
    began = time.perf_counter()
    reading = probe()
    return reading, (time.perf_counter() - began) * 1000


def _shown(name: str, kind: str, track: Watched, room: int) -> dict[str, Any]:
    figures = summary(track.judged)
    state = {True: 1, False: 0, None: -1}
    return {
        "name": name,
        "kind": kind,
        "verdict": track.verdict.status,
        "reason": line(track.verdict.reason),
        "samples": figures.count,
        "taken": len(track.samples),
        "good": figures.good,
        "bad": figures.bad,
        "unknown": figures.unknown,
        "streak": figures.streak,
        "error_ratio": _rounded(figures.error_ratio, 4),
        "p50_ms": _rounded(figures.p50_ms, 1),
        "p95_ms": _rounded(figures.p95_ms, 1),
        "series": [
            [round(sample.at, 2), round(sample.ms, 1), state[sample.reading.ok]]
            for sample in thinned(track.samples, room)
        ],
    }


def _rounded(value: float | None, digits: int) -> float | None:
    return None if value is None else round(value, digits)
