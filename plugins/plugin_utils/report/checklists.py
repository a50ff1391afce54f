# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The checklists of an incident: ticked where the journal proves it, open where only a person can know."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .account import Data
from .findings import Gate
from .reading import stamp
from .timeline import Step, Timeline


@dataclass(frozen=True)
class Box:
    """``proof`` says why it is ticked, or what is in the way."""

    text: str
    ticked: bool
    proof: str = ""


@dataclass(frozen=True)
class Group:
    name: str
    boxes: list[Box]


@dataclass(frozen=True)
class Checkpoint:
    name: str
    due: float
    boxes: list[Box]


@dataclass(frozen=True)
class Proof:
    """What the boxes are judged by. ``told``: a notice was delivered; ``reason``: one was given."""

    strategy: str
    outcome: str
    line: Timeline
    gates: list[Gate]
    data: Data | None
    told: bool
    reason: bool

    @property
    def ended_well(self) -> bool:
        """Whether every step is done."""
        return self.outcome in ("completed", "undone")

    def gate(self, name: str) -> Box | None:
        """The last gate of a step: ticked when it passed everywhere; None when it was not measured."""
        found = [gate for gate in self.gates if gate.step == name]
        if not found:
            return None
        latest = {gate.place: gate for gate in found}.values()
        good = all(gate.verdict == "pass" for gate in latest)
        reasons = "; ".join(gate.reason for gate in latest if gate.verdict != "pass")
        return Box("", good, f"{name} passed" if good else reasons)


def document(proof: Proof) -> list[Group]:
    """The rollback checklist: before, during, after."""
    backup = proof.line.done("postgres.prepare")
    smoke, soak = proof.gate("gate.smoke"), proof.gate("gate.soak")
    return [
        Group(
            "Pre-rollback",
            [
                Box("Rollback trigger confirmed", False, "reason given" if proof.reason else ""),
                Box("Rollback strategy selected", True, proof.strategy),
                Box("Incident commander assigned", False),
                Box("Team notified", proof.told, "notice delivered" if proof.told else ""),
                Box("Stakeholders notified", False),
                _backup(proof, backup),
            ],
        ),
        Group(
            "During rollback",
            [
                _step(proof, "Maintenance mode enabled", "maintenance.enable"),
                _step(proof, "Services stopped", "service.stop"),
                _executed(proof),
                _step(proof, "Services restarted", "service.start", "service.reload"),
                _step(proof, "Maintenance mode disabled", "maintenance.disable"),
                _gate("Verification completed", smoke if soak is None else soak),
            ],
        ),
        Group(
            "Post-rollback",
            [
                _gate("System stability confirmed", soak),
                _gate("Metrics returned to normal", soak),
                Box("Users notified", False),
                Box("Incident documented", True, "this report"),
                Box("Root cause analysis initiated", False),
                Box("Fix plan developed", False),
            ],
        ),
    ]


def success(proof: Proof) -> list[Box]:
    """The criteria of success, as the rollback log lists them."""
    smoke, soak = proof.gate("gate.smoke"), proof.gate("gate.soak")
    open_again = not proof.line.planned("maintenance.enable") or proof.line.done("maintenance.disable") is not None
    accessible = smoke is not None and smoke.ticked and open_again
    return [
        Box("Application accessible", accessible, smoke.proof if smoke else ""),
        _gate("Smoke tests passing", smoke),
        _gate("Error rate normal", soak),
        _gate("Response time normal", soak),
        Box("Functionality restored", accessible and proof.ended_well, "all steps done" if proof.ended_well else ""),
        _loss(proof.data),
        Box("Users notified", False),
    ]


def checkpoints(proof: Proof) -> list[Checkpoint]:
    """What to look at, and when: now, and after 30 minutes and 24 hours."""
    end, smoke = proof.line.end, proof.gate("gate.smoke")
    resumed = proof.line.done("queue.resume")
    now = [
        _gate("Health answers", smoke),
        _gate("Smoke tests pass", smoke),
        Box("No errors in the logs", False),
        Box("Database and Redis connect", False),
    ]
    jobs = [
        Box("Jobs are processed", proof.line.done("queue.verify") is not None, "queue.verify"),
        Box("Failure rate below 2 %", False),
        Box("No stuck jobs", False),
        Box("Processing time normal", False),
    ]
    half = ["Error rate below 1 %", "Response times normal", "No new incidents", "User reports normal"]
    half += ["Metrics healthy"]
    day = ["Stable", "No degradation", "Post-mortem done", "Action items created", "Documentation updated"]
    found = [Checkpoint("After the rollback", end, now)]
    if resumed and resumed.ended is not None:
        found.append(Checkpoint("After the queues came back", resumed.ended, jobs))
    found.append(Checkpoint("After 30 minutes", end + 1800, _open(half)))
    found.append(Checkpoint("After 24 hours", end + 86400, _open(day)))
    return found


def _open(texts: Sequence[str]) -> list[Box]:
    return [Box(each, False) for each in texts]


def _step(proof: Proof, label: str, *names: str) -> Box:
    for name in names:
        if found := proof.line.done(name):
            return Box(label, True, f"{name}, {stamp(found.ended, '%H:%M:%S')}")
    planned = [name for name in names if proof.line.planned(name)]
    return Box(label, not planned, "" if planned else "not needed")


def _gate(label: str, gate: Box | None) -> Box:
    return Box(label, False) if gate is None else Box(label, gate.ticked, gate.proof)


def _backup(proof: Proof, prepared: Step | None) -> Box:
    label = "Backup verified available"
    if prepared:
        return Box(label, True, "restored beside and compared")
    needed = proof.line.planned("postgres.swap")
    return Box(label, not needed, "" if needed else "not needed")


def _loss(data: Data | None) -> Box:
    if data is None:
        return Box("No data loss", True, "no data was replaced")
    if data.rows:
        return Box("No data loss", False, f"{data.rows:,} rows, see data")
    return Box("No data loss", data.rows == 0, "not counted" if data.rows is None else "counted before and after")


def _executed(proof: Proof) -> Box:
    acting = [step for step in proof.line.steps if step.phase == "switch"]
    done = [step for step in acting if step.state == "done"]
    return Box("Rollback executed", len(done) == len(acting), f"{len(done)} of {len(acting)} steps")
