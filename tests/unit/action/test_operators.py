"""Any operators, in any order, killed at any moment, with clocks that jump: a free environment is a whole one."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from unit.action.simulation import NEW, OLD, STEPS, Simulation

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
