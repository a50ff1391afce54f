# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The four moments of a run's record: opened, marked, closed, unlocked. Each is one critical section on the anchor."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

from ..core import canonical, journal, lease, point
from ..core.errors import BadInput, LockHeld, RollbackError
from . import history
from .store import Store

# How a closed run leaves the environment: only a held one keeps its lock, for resume or undo.
OUTCOMES = {"completed": "free", "undone": "free", "abandoned": "free", "held": "stopped"}


def open_run(
    store: Store, request: lease.Request, plan: Mapping[str, Any], record: Mapping[str, Any], seen: int
) -> lease.Lease:
    """Take the lock and begin (or go on with) a journal.

    ``seen`` is the lock's generation when the plan was made: a plan made before somebody else's run is stale.
    """
    with store.exclusive():
        current = store.read_lease()
        if current and current.generation != seen:
            lease.take(current, request, time.time())  # the better message, when the other run still holds the lock
            raise LockHeld(
                f"Run {current.run} of {current.holder.user} came between this plan and its start.",
                hint="The plan was made for a system that has changed since. Run the same command again.",
                next="ansible-playbook status.yml",
                code="plan-stale",
            )
        taken = lease.take(current, request, time.time())
        store.write_lease(taken)
        if request.continues != request.run:
            store.write_plan(request.run, plan)
        seal = {} if request.continues == request.run else {"sealed": canonical.digest(plan)}
        store.append(request.run, [{**record, **seal, "generation": taken.generation}])
    return taken


def mark(
    store: Store, run: str, generation: int, records: Sequence[Mapping[str, Any]], *, step: str, hold: float, acts: bool
) -> float:
    """Record what was done and what comes next, and prove that the lock is still ours; returns the run's seconds."""
    with store.exclusive():
        now = time.time()
        renewed = lease.renew(store.read_lease(), run, generation, now, step=step, hold=hold, acts=acts)
        store.append(run, _timed(records, store.records(run), now))
        store.write_lease(renewed)
    return max(0.0, now - renewed.since)  # the clock may have been set back


def close(
    store: Store, run: str, generation: int, records: Sequence[Mapping[str, Any]], outcome: str
) -> list[journal.Record]:
    """End a run and return its journal. Its lock is given back, or kept as stopped where the world is half way."""
    with store.exclusive():
        current = lease.own(store.read_lease(), run, generation)
        store.append(run, _timed(records, store.records(run), time.time()))
        state = OUTCOMES[outcome] if current.acted else "free"
        store.write_lease(replace(current, state=state, heartbeat=time.time()))
    return store.records(run)


def unlock(store: Store, run: str) -> lease.Lease:
    """Give up the unfinished run ``run`` as it stands; raises when the lock is not that run's."""
    with store.exclusive():
        current = store.read_lease()
        if current is None or current.state == "free":
            raise BadInput("Nothing is locked.", next="ansible-playbook status.yml", code="not-locked")
        if current.run != run:
            raise BadInput(
                f"The lock belongs to run {current.run}, not to {run or 'a run without a name'}.",
                hint="Name the run that you give up, so that nobody releases another one's lock by accident.",
                next=f"ansible-playbook unlock.yml -e run={current.run}",
                code="unlock-other",
            )
        store.append(run, [{"kind": "closed", "outcome": "abandoned"}])
        freed = replace(current, state="free")
        store.write_lease(freed)
    return freed


def look(store: Store, run: str, wanted_point: str) -> dict[str, Any]:
    """Everything that a plan or a status is made from, in one read. Changes nothing."""
    held, now = store.read_lease(), time.time()
    runs = store.runs()
    if held and held.acted and held.state != "free":
        store.plan(held.run)  # raises when it is lost: another run would be taken for the unfinished one
    name = run or (held.run if held and held.run in runs else (runs[-1] if runs else ""))
    points, broken = _points(store, wanted_point)
    return {
        "lease": asdict(held) if held else {},
        "now": now,
        "run": name,
        "plan": store.plan(name) if name else {},
        "records": store.records(name) if name else [],
        "report": store.report(name) if name else "",
        "runs": runs,
        "in_force": history.in_force(store, runs),
        "rungs": history.rungs(store, name),
        "points": points,
        "used": sorted({str(store.plan(each).get("point", {}).get("id", "")) for each in runs} - {""}),
        "broken": broken,
        "point": point.choose(points, wanted_point, store.home.name, now) if wanted_point else {},
        "durations": history.durations(store, runs[-5:]),
    }


def _points(store: Store, wanted: str) -> tuple[list[point.Manifest], list[str]]:
    """Every restore point, newest first, and the names of those that cannot be trusted.

    Raises RollbackError for an untrusted one when one is asked for: an older one in its place would lose data.
    """
    points, broken = [], []
    for name in reversed(store.points()):
        try:
            points.append(point.unpack(store.point(name), name, store.home.name))
        except RollbackError:
            if wanted in ("latest", name):
                raise
            broken.append(name)
    return points, broken


def _timed(
    records: Sequence[Mapping[str, Any]], journalled: Sequence[journal.Record], now: float
) -> list[Mapping[str, Any]]:
    """Give every ``done`` its seconds by the anchor's clock, and every ``failed`` the step that was under way."""
    intents = {record["n"]: record for record in journalled if record["kind"] == "intent"}
    under_way = journal.last(journalled, "intent")
    placed: list[Mapping[str, Any]] = []
    for record in records:
        if record["kind"] == "done":
            began = canonical.epoch(intents[record["n"]]["at"])
            placed.append({**record, "seconds": round(max(0.0, now - began), 3)})
        elif record["kind"] == "failed":
            # A run that was stopped between two steps names the one that it has not begun.
            placed.append({"n": under_way.get("n", 0), "step": under_way.get("step", "start"), **record})
        else:
            placed.append(record)
    return placed
