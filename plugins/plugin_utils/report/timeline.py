# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The steps of a run in time, and the time during which users were without the service."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .reading import items, mapping, moment, number, text, whole

Records = Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class Step:
    """One step. Times are seconds since the epoch, None when it was not reached.

    ``state`` is done, failed, unsure (begun, not proven done) or open; ``phase`` is prepare, switch or verify.
    """

    n: int
    name: str
    does: str
    hosts: list[str]
    budget: float
    notice: bool
    inverse: str
    phase: str
    state: str
    began: float | None
    ended: float | None
    seconds: float | None

    @property
    def over(self) -> bool:
        """Whether it took longer than its budget."""
        return self.seconds is not None and self.seconds > self.budget


@dataclass(frozen=True)
class Timeline:
    """A run from ``start`` to ``end``; ``down`` is the time that users saw the maintenance page, open when it is on."""

    steps: list[Step]
    start: float
    end: float
    down: tuple[float, float | None] | None

    @property
    def seconds(self) -> float:
        """How long the run took, pauses before a resume included."""
        return self.end - self.start

    @property
    def budget(self) -> float:
        """Seconds that the steps may take together."""
        return sum(step.budget for step in self.steps)

    def done(self, name: str) -> Step | None:
        """The last step called ``name`` that is done."""
        found = [step for step in self.steps if step.name == name and step.state == "done"]
        return found[-1] if found else None

    def planned(self, name: str) -> bool:
        """Whether the run has a step called ``name``."""
        return any(step.name == name for step in self.steps)


def build(records: Records) -> Timeline:
    """The timeline of a journal."""
    plan = [mapping(step) for step in items(mapping(_last(records, "opened").get("plan")).get("steps"))]
    acting = [i for i, step in enumerate(plan) if step.get("inverse") or step.get("notice")]
    first, last = (acting[0], acting[-1]) if acting else (len(plan), -1)
    steps = []
    for i, step in enumerate(plan):
        early = i < first or step.get("verb") == "prepare"
        steps.append(_step(step, "prepare" if early else "switch" if i <= last else "verify", records))
    moments = [at for record in records if (at := moment(record.get("at"))) is not None]
    start, end = (min(moments), max(moments)) if moments else (0.0, 0.0)
    return Timeline(steps, start, end, _down(steps))


def _step(step: Mapping[str, Any], phase: str, records: Records) -> Step:
    n = whole(step.get("n")) or 0
    mine = [record for record in records if whole(record.get("n")) == n]
    newest = mine[-1] if mine else {}
    state = {"done": "done", "failed": "failed", "intent": "unsure"}.get(text(newest.get("kind")), "open")
    began = moment(_last(mine, "intent").get("at"))
    ended = moment(newest.get("at")) if state in ("done", "failed") else None
    seconds = number(newest.get("seconds"))
    if seconds is None and began is not None and ended is not None:
        seconds = max(0.0, ended - began)
    return Step(
        n=n,
        name=text(step.get("name"), 60),
        does=text(step.get("does"), 120),
        hosts=[text(host, 60) for host in items(step.get("hosts"))],
        budget=number(step.get("budget")) or 0.0,
        notice=bool(step.get("notice")),
        inverse=text(step.get("inverse"), 60),
        phase=phase,
        state=state,
        began=began,
        ended=ended,
        seconds=seconds,
    )


def _down(steps: Sequence[Step]) -> tuple[float, float | None] | None:
    """From maintenance on to maintenance off."""
    on: float | None = None
    spans: list[tuple[float, float | None]] = []
    for step in steps:
        if step.name == "maintenance.enable" and step.began is not None and on is None:
            on = step.ended or step.began
        elif step.name == "maintenance.disable" and step.state == "done" and step.ended is not None and on is not None:
            spans.append((on, step.ended))
            on = None
    return (on, None) if on is not None else spans[-1] if spans else None


def _last(records: Records, kind: str) -> Mapping[str, Any]:
    return next((record for record in reversed(records) if record.get("kind") == kind), {})
