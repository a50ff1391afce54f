# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The whole report as plain data, made from the journal of a run. Pure: no clock, no file, no template."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.steady.rollback.plugins.module_utils.core.canonical import duration

from . import account, checklists, findings, outside, timeline
from .reading import Effect, effects, items, mapping, moment, text

# Serves: PM-09, LOSS-05, RTO-07, RTO-09, CHK-9, VER-13
HEADLINES = {
    "completed": "is complete",
    "undone": "is complete",
    "held": "stopped half way",
    "abandoned": "was given up",
}
NAMES = {
    "full": "Full (code and database)",
    "code": "Code",
    "config": "Configuration",
    "feature_flag": "Feature flag",
    "emergency": "Emergency (writes stopped first)",
}


@dataclass(frozen=True)
class Head:
    """Who did what, why, and how it ended. ``title`` and ``headline`` are the two halves of one sentence."""

    run: str
    environment: str
    strategy: str
    name: str
    title: str
    outcome: str
    headline: str
    reason: str
    operator: str
    host: str
    undoes: str
    point: str
    point_taken: float | None
    origin: str
    target: str
    journal: str


@dataclass(frozen=True)
class Failure:
    """Where it stopped, and what to do."""

    n: int
    step: str
    host: str
    message: str
    hint: str
    next: str
    code: str


@dataclass(frozen=True)
class Downtime:
    """``seconds`` is None where nothing tells; ``source`` says who measured."""

    seconds: float | None
    source: str
    ongoing: bool


@dataclass(frozen=True)
class Report:
    head: Head
    timeline: timeline.Timeline
    downtime: Downtime
    failure: Failure | None
    view: outside.View | None
    gates: list[findings.Gate]
    data: account.Data | None
    jobs: findings.Jobs | None
    kept: list[findings.Kept]
    deleted: list[str]
    files: list[findings.File]
    undelivered: list[str]
    warnings: list[str]
    checklist: list[checklists.Group]
    success: list[checklists.Box]
    checkpoints: list[checklists.Checkpoint]
    commands: list[tuple[str, str]]


def tell(records: Sequence[Mapping[str, Any]], samples: Sequence[outside.Sample] = ()) -> Report:
    """The report of a journal; ``samples`` are those of a prober outside the system, if there was one."""
    opened = next((record for record in records if record.get("kind") == "opened"), {})
    found, line = list(effects(records)), timeline.build(records)
    view = outside.view(samples, line.start, line.end)
    head = _head(opened, records, found)
    before = mapping(opened.get("preflight"))
    gates = findings.gates(found)
    data = account.data(found, mapping(before.get("loss")), head.point_taken)
    undelivered = findings.undelivered(records)
    told = any(record.get("delivered") for record in records)
    proof = checklists.Proof(head.name, head.outcome, line, gates, data, told, bool(head.reason))
    return Report(
        head=head,
        timeline=line,
        downtime=_downtime(view, line),
        failure=_failure(records) if head.outcome == "held" else None,
        view=view,
        gates=gates,
        data=data,
        jobs=findings.jobs(found),
        kept=findings.kept(found),
        deleted=findings.deleted(found),
        files=findings.files(found, head.run),
        undelivered=undelivered,
        warnings=[
            f"{text(row.get('host'), 60)} {text(row.get('component'), 60)}: {text(row.get('found'))}"
            for row in map(mapping, items(before.get("rows")))
            if row.get("level") == "warn"
        ],
        checklist=checklists.document(proof),
        success=checklists.success(proof),
        checkpoints=checklists.checkpoints(proof),
        commands=_commands(head),
    )


def _head(opened: Mapping[str, Any], records: Sequence[Mapping[str, Any]], found: Sequence[Effect]) -> Head:
    closed = [record for record in records if record.get("kind") == "closed"]
    outcome = text(closed[-1].get("outcome"), 20) if closed else "not closed"
    strategy, environment = text(opened.get("strategy"), 40), text(opened.get("environment"), 60)
    plain = strategy.replace("_", " ").capitalize()
    undoes = text(opened.get("undoes"), 60)
    if undoes:
        title = f"Undo of run {undoes} on {environment}"
    else:
        title = f"{plain} of {environment}" if strategy == "finalize" else f"{plain} rollback of {environment}"
    point = mapping(opened.get("point"))
    back = findings.release(point)
    switched: Mapping[str, Any] = next(
        (e.values for e in found if e.step in ("release.switch", "release.switch_back")), {}
    )
    origin, target = findings.release(switched.get("replaced")), findings.release(switched) or ("" if undoes else back)
    return Head(
        run=text(opened.get("run"), 60),
        environment=environment,
        strategy=strategy,
        name=NAMES.get(strategy, plain),
        title=title,
        outcome=outcome,
        headline=HEADLINES.get(outcome, outcome),
        reason=text(opened.get("reason"), 500),
        operator=text(opened.get("operator"), 60),
        host=text(opened.get("host"), 60),
        undoes=undoes,
        point=text(point.get("id"), 60),
        point_taken=moment(point.get("created")),
        origin=origin if origin != target else back,
        target=target,
        journal=text(records[-1].get("prev"), 64) if records else "",
    )


def _failure(records: Sequence[Mapping[str, Any]]) -> Failure:
    failed: Mapping[str, Any] = next((record for record in reversed(records) if record.get("kind") == "failed"), {})
    words = {key: text(failed.get(key), 600) for key in ("step", "host", "message", "hint", "next", "code")}
    n = failed.get("n")
    return Failure(n=n if isinstance(n, int) else 0, **words)


def _downtime(view: outside.View | None, line: timeline.Timeline) -> Downtime:
    if view is not None:
        if view.outage is None:
            return Downtime(0.0, "measured from outside", False)
        return Downtime(view.outage[1] - view.outage[0], "measured from outside", view.ongoing)
    if line.down is None:
        return Downtime(None, "no maintenance page in this run", False)
    on, off = line.down
    return Downtime((line.end if off is None else off) - on, "time of the maintenance page", off is None)


def _commands(head: Head) -> list[tuple[str, str]]:
    """What can be done next, and the command that does it."""
    resume, undo = "ansible-playbook resume.yml", "ansible-playbook undo.yml"
    if head.outcome == "held":
        return [
            ("go on from the step that failed", resume),
            ("take everything back", undo),
            ("see where it stands", "ansible-playbook status.yml"),
        ]
    if head.strategy == "finalize":
        return [("see what is left", "ansible-playbook status.yml")]
    back = "roll back once more" if head.outcome == "undone" else "go back to how it was before this rollback"
    return [
        (back, undo),
        ("delete what is kept, once its time is over", "ansible-playbook finalize.yml"),
    ]


def took(seconds: float | None) -> str:
    """Seconds in a column: 0.4 s, 8.3 s, 1:02, 1:02:05."""
    if seconds is None:
        return "-"
    return f"{seconds:.1f} s" if seconds < 59.95 else duration(seconds)


def spelled(seconds: float | None) -> str:
    """Seconds in a sentence: 8.3 s, 3 min 34 s, 1 h 2 min."""
    if seconds is None or seconds < 59.95:
        return took(seconds)
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"
