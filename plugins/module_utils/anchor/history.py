# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the runs of an environment did together: which are in force, which make one ladder, how long they took."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..core import journal
from .store import Store


def rungs(store: Store, run: str) -> list[dict[str, Any]]:
    """Plan and records of the runs that this one followed on a ladder, oldest first."""
    found: list[dict[str, Any]] = []
    while run and (run := str(store.plan(run).get("run", {}).get("after", ""))):
        found.insert(0, {"run": run, "plan": store.plan(run), "records": store.records(run)})
    return found


def in_force(store: Store, runs: Sequence[str]) -> list[str]:
    """The runs that have changed something and were not undone since, oldest first."""
    found: dict[str, None] = {}
    for run in runs:
        undone = str(store.plan(run).get("run", {}).get("undoes", ""))
        if not acted(store, run):
            continue
        if undone in found and journal.last(store.records(run), "closed").get("outcome") == "undone":
            for each in [undone, *(rung["run"] for rung in rungs(store, undone))]:
                found.pop(each, None)
        else:
            found[run] = None  # a run, or an undo that is not finished, or one that has undone an undo
    return list(found)


def durations(store: Store, runs: Sequence[str]) -> dict[str, float]:
    """The mean seconds of each step over the given runs, for the estimate of what is left."""
    seen: dict[str, list[float]] = {}
    for run in runs:
        for record in store.records(run):
            if record["kind"] == "done":
                seen.setdefault(record["step"], []).append(record["seconds"])
    return {step: sum(values) / len(values) for step, values in seen.items()}


def acted(store: Store, run: str) -> bool:
    """Whether a run may have changed something: it has begun a step that can be taken back."""
    begun = journal.begun_steps(store.records(run))
    return any(step["n"] in begun and step["inverse"] for step in store.plan(run).get("plan", {}).get("steps", []))
