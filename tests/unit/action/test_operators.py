"""Any operators, in any order, killed at any moment, with clocks that jump: a free environment is a whole one."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import tempfile
from pathlib import Path

import pytest
from ansible_collections.steady.rollback.plugins.module_utils.anchor import disk, session
from ansible_collections.steady.rollback.plugins.module_utils.core import failpoint
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from unit.action.simulation import NEW, OLD, STEPS, Simulation


@pytest.fixture
def sim(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Simulation:
    return Simulation(tmp_path, monkeypatch)


KILL = st.one_of(st.just(0), st.integers(1, 45))
WHO = st.sampled_from(["anna", "ben"])


class Operators(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.patch = pytest.MonkeyPatch()
        self.tmp = tempfile.TemporaryDirectory()
        self.sim = Simulation(Path(self.tmp.name), self.patch)
        self.generation = 0

    def teardown(self) -> None:
        # Whatever has happened, one of two commands makes the system whole.
        self.sim.clock += 10_000
        if self.sim.operate("resume") not in ("completed", "undone"):
            assert self.sim.operate("undo") != "killed"
        self.whole()
        self.patch.undo()
        self.tmp.cleanup()

    @rule(kill=KILL, who=WHO, fail=st.sampled_from(["", "", *STEPS]))
    def start(self, kill: int, who: str, fail: str) -> None:
        if self.sim.operate(kill=kill, who=who, fail=fail) == "completed":
            assert self.sim.world == OLD

    @rule(kill=KILL, who=WHO)
    def resume(self, kill: int, who: str) -> None:
        self.sim.operate("resume", kill=kill, who=who)

    @rule(kill=KILL, who=WHO)
    def undo(self, kill: int, who: str) -> None:
        self.sim.operate("undo", kill=kill, who=who)

    @precondition(lambda self: self.sim.store.runs())
    @rule(data=st.data(), kill=KILL)
    def undo_by_name(self, data: st.DataObject, kill: int) -> None:
        self.sim.operate("undo", kill=kill, run=data.draw(st.sampled_from(self.sim.store.runs())))

    @precondition(lambda self: self.sim.store.runs())
    @rule(way=st.sampled_from(["resume", "undo"]), kill=KILL)
    def take_over(self, way: str, kill: int) -> None:
        held = self.sim.store.read_lease()
        self.sim.operate(way, kill=kill, who="ben", take_over=held.run if held else "")

    @rule(seconds=st.sampled_from([-3600.0, 1.0, 90.0, 3600.0]))
    def clock_jumps(self, seconds: float) -> None:
        self.sim.clock += seconds

    @invariant()
    def whole(self) -> None:
        held = self.sim.store.read_lease()
        if held is None or held.state == "free" or not held.acted:
            assert self.sim.world in (NEW, OLD)
        assert (held.generation if held else 0) >= self.generation
        self.generation = held.generation if held else 0


Operators.TestCase.settings = settings(
    max_examples=8, stateful_step_count=8, deadline=None, suppress_health_check=list(HealthCheck)
)
TestOperators = Operators.TestCase


MOMENT = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"
HELD = re.compile(
    rf"(anna|ben) on host-of-\1 is running (r\d{{8}}t\d{{6}}-[0-9a-f]{{4}}) since {MOMENT}, "
    r"step (?:preparation|[a-z]+\.[a-z]+), last sign of life 0:0\d ago\.\n"
    rf"Watch it: ansible-playbook status\.yml\. It may be taken over at {MOMENT}, "
    r"or now by resume\.yml or undo\.yml with -e take_over=\2\.\nansible-playbook status\.yml\n"
)


def test_of_two_operators_at_once_one_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for attempt in range(20):
        (tmp_path / str(attempt)).mkdir()
        sim = Simulation(tmp_path / str(attempt), monkeypatch)
        both = [sim.begin("run", who=who) for who in ("anna", "ben")]
        ends = sorted(sim.ended(*each) for each in both)
        assert ends in (["completed", "lock-held"], ["completed", "plan-stale"], ["completed", "run-unfinished"])
        (said,) = sim.home.glob("said-*")
        if "lock-held" in ends:
            assert HELD.fullmatch(said.read_text())
        assert sim.world == OLD
        (run,) = sim.store.runs()
        assert [record["kind"] for record in sim.store.records(run)].count("opened") == 1


def stopped(sim: Simulation, **how: int) -> tuple[int, int]:
    """An operator who has started a run and was stopped in the middle of it."""
    child, pipe = sim.begin("run", **how)
    assert os.WIFSTOPPED(os.waitpid(child, os.WUNTRACED)[1])
    sim.clock += 3600  # by the anchor's clock the run's time is over
    return child, pipe


def woken(sim: Simulation, child: int, pipe: int) -> str:
    with contextlib.suppress(ProcessLookupError):
        os.kill(child, signal.SIGCONT)
    return sim.ended(child, pipe)


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("step", ["data.prepare", "door.close", "data.swap", "door.open"])
@pytest.mark.parametrize(("way", "outcome"), [("resume", "completed"), ("undo", "undone")])
def test_an_operator_who_was_frozen_and_replaced_stops_before_his_next_act(
    sim: Simulation, monkeypatch: pytest.MonkeyPatch, step: str, moment: str, way: str, outcome: str
) -> None:
    monkeypatch.setenv(failpoint.CONTROLLER, f"{step}:{moment}:hang")
    frozen = stopped(sim)
    monkeypatch.delenv(failpoint.CONTROLLER)
    if step == "data.prepare" and way == "undo":
        assert sim.operate("undo", who="ben") == "nothing-to-undo"
        assert woken(sim, *frozen) == "completed"
        return
    assert sim.operate(way, who="ben") == outcome
    world = sim.world
    held = sim.store.read_lease()
    assert held
    assert (held.generation, held.holder.user) == (2, "ben")
    assert woken(sim, *frozen) == "lock-lost"
    assert sim.world == world


def test_an_operator_who_was_frozen_while_he_writes_the_record_is_named_in_time(
    sim: Simulation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(disk, "PATIENCE", 0.2)
    frozen = stopped(sim, freeze=9)
    assert sim.operate("resume", who="ben") == "anchor-busy"
    lock = sim.store.home / "lock"
    assert (sim.home / "said-ben").read_text() == (
        f"Another process has held the record in {sim.store.home} for 0.2 s.\n"
        "It is stopped, or its disk hangs. Nothing was changed. Let it go on or end it.\n"
        f"fuser -v {lock}\n"
    )
    assert woken(sim, *frozen) == "completed"


def test_runs_are_undone_newest_first(sim: Simulation) -> None:
    for _run in range(2):
        assert sim.operate() == "completed"
    first, second = sim.store.runs()
    assert sim.operate("undo", run=first) == "undo-not-newest"
    assert sim.operate("undo") == "undone"
    assert session.look(sim.store, "", "")["in_force"] == [first]
    assert sim.operate("undo", run=first) == "undone"
    assert session.look(sim.store, "", "")["in_force"] == []
    assert sim.operate("undo", run=second) == "already-undone"


def test_what_failed_before_it_changed_anything_is_started_again(sim: Simulation) -> None:
    assert sim.operate(fail="data.prepare") == "command-failed"
    (run,) = sim.store.runs()
    assert sim.operate("resume") == "nothing-to-resume"
    assert (sim.home / "said-anna").read_text() == (
        f"Run {run} stopped before it changed anything: there is nothing to resume.\n"
        "Start it again.\nansible-playbook status.yml\n"
    )
    assert sim.operate() == "completed"


def test_an_unfinished_undo_is_finished_not_undone(sim: Simulation) -> None:
    assert sim.operate(fail="door.open") == "command-failed"
    assert sim.operate("undo", fail="door.open") == "command-failed"
    assert sim.operate("undo") == "undo-unfinished"
    assert sim.operate("resume") == "undone"
    assert sim.world == NEW
    assert sim.operate("undo") == "redo-half"


def test_the_ladder_climbs_when_a_gate_stays_closed_and_is_undone_as_one(sim: Simulation) -> None:
    rung = {"strategy": "code", "steps": ["door.close", "door.open", "door.close"], "ladder": "full"}
    assert sim.operate(**rung, gate="door.open", confirm="") == "confirm-missing"
    assert sim.operate(**rung, gate="door.open") == "climbs"
    (first,) = sim.store.runs()
    assert sim.operate(strategy="full", ladder="full", after=first) == "completed"
    assert sim.world == OLD
    assert sim.store.plan(sim.store.runs()[1])["run"]["change"] == first
    assert sim.operate("undo") == "undone"
    assert sim.world == NEW
    assert session.look(sim.store, "", "")["in_force"] == []


def test_the_ladder_climbs_for_a_gate_only(sim: Simulation) -> None:
    assert sim.operate(strategy="code", ladder="full", fail="door.open") == "command-failed"
    assert sim.operate(strategy="code", ladder="cellar") == "rung-unknown"
    assert sim.operate("undo") == "undone"
    assert sim.operate(strategy="full", ladder="full", gate="door.open") == "gate-failed"
