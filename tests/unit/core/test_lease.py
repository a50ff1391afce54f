"""The lease: one holder, generations that only rise, and nobody starts over on a half-changed system."""

from __future__ import annotations

from dataclasses import replace

import pytest
from ansible_collections.steady.rollback.plugins.module_utils.core import lease
from ansible_collections.steady.rollback.plugins.module_utils.core.errors import LockHeld
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

ANNA = lease.Holder("anna", "ctl1", 100)
BEN = lease.Holder("ben", "ctl2", 200)
START = 1_000_000.0


def held(acted: bool = False) -> lease.Lease:
    taken = lease.take(None, lease.Request("r1", ANNA), START)
    return lease.renew(taken, "r1", taken.generation, START + 1, step="postgres.swap", hold=30, acts=acted)


def test_a_free_environment_is_taken_and_the_generation_rises() -> None:
    first = lease.take(None, lease.Request("r1", ANNA), START)
    assert (first.run, first.generation, first.state, first.acted) == ("r1", 1, "held", False)
    second = lease.take(replace(first, state="free"), lease.Request("r2", BEN), START + 5)
    assert (second.run, second.generation) == ("r2", 2)


def test_the_second_operator_learns_everything_he_needs() -> None:
    with pytest.raises(LockHeld) as error:
        lease.take(held(), lease.Request("r2", BEN), START + 21)
    assert error.value.message == (
        "anna on ctl1 is running r1 since 1970-01-12T13:46:40Z, step postgres.swap, last sign of life 0:20 ago."
    )
    assert "It may be taken over at 1970-01-12T13:48:11Z" in error.value.hint
    assert error.value.code == "lock-held"
    assert error.value.next == "ansible-playbook status.yml"


def test_a_run_that_acted_must_be_ended_before_another_begins() -> None:
    late = START + 10_000
    with pytest.raises(LockHeld) as error:
        lease.take(held(acted=True), lease.Request("r2", BEN), late)
    assert error.value.message == "Run r1 stopped in step postgres.swap and left the system half way."
    assert error.value.hint.endswith("unlock.yml -e run=r1")
    assert error.value.code == "run-unfinished"
    assert lease.take(held(acted=True), lease.Request("r2", BEN, continues="r1"), late).generation == 2


def test_who_goes_on_with_a_half_changed_system_holds_it_from_the_start() -> None:
    taken = lease.take(held(acted=True), lease.Request("r2", BEN, continues="r1"), START + 10_000)
    assert taken.acted
    assert not lease.take(replace(held(acted=True), state="free"), lease.Request("r2", BEN), START).acted


def test_a_stale_run_that_changed_nothing_stands_in_nobodys_way() -> None:
    assert lease.take(held(), lease.Request("r2", BEN), START + 10_000).run == "r2"


@pytest.mark.parametrize(
    "request_",
    [
        lease.Request("r1", ANNA, continues="r1", holder_gone=True),
        lease.Request("r1", BEN, continues="r1", take_over="r1"),
    ],
)
def test_a_dead_or_overruled_holder_is_replaced_at_once(request_: lease.Request) -> None:
    assert lease.take(held(acted=True), request_, START + 2).generation == 2


def test_naming_another_run_overrules_nobody() -> None:
    with pytest.raises(LockHeld, match="anna on ctl1 is running r1"):
        lease.take(held(acted=True), lease.Request("r1", BEN, continues="r1", take_over="r0"), START + 2)


def test_a_thawed_holder_stops_before_its_next_change() -> None:
    taken_over = lease.take(held(True), lease.Request("r2", BEN, continues="r1", take_over="r1"), START + 2)
    with pytest.raises(LockHeld) as error:
        lease.renew(taken_over, "r1", 1, START + 3, step="release.switch", hold=5, acts=True)
    assert error.value.message == "Run r1 has lost its lock: generation 1 became 2 (r2)."
    assert error.value.code == "lock-lost"
    with pytest.raises(LockHeld, match=r"generation 1 became none \(no run\)"):
        lease.own(None, "r1", 1)


def test_a_long_step_holds_the_lock_for_its_budget() -> None:
    taken = lease.take(None, lease.Request("r1", ANNA), START)
    renewed = lease.renew(taken, "r1", 1, START + 1, step="postgres.prepare", hold=3600, acts=False)
    assert renewed.expires == START + 1 + 3600 + lease.GRACE


class Operators(RuleBasedStateMachine):
    """Two operators, a clock that moves, processes that die: at most one run may act at any time."""

    def __init__(self) -> None:
        super().__init__()
        self.current: lease.Lease | None = None
        self.now = START
        self.tickets: list[tuple[str, int]] = []
        self.count = 0

    @rule(seconds=st.floats(0, 500))
    def clock(self, seconds: float) -> None:
        self.now += seconds

    @rule(who=st.sampled_from([ANNA, BEN]), gone=st.booleans(), goes_on=st.booleans(), over=st.booleans())
    def start(self, who: lease.Holder, gone: bool, goes_on: bool, over: bool) -> None:
        self.count += 1
        unfinished = self.current.run if self.current and self.current.state != "free" else ""
        run = f"r{self.count}"
        request = lease.Request(run, who, unfinished if goes_on else "", gone, unfinished if over else "")
        blocked = bool(unfinished) and self.current is not None and self.current.acted and not goes_on
        try:
            self.current = lease.take(self.current, request, self.now)
        except LockHeld:
            assert unfinished
        else:
            assert not blocked
            self.tickets.append((run, self.current.generation))

    @precondition(lambda self: self.tickets)
    @rule(data=st.data(), acts=st.booleans())
    def mark(self, data: st.DataObject, acts: bool) -> None:
        run, generation = data.draw(st.sampled_from(self.tickets))
        try:
            self.current = lease.renew(self.current, run, generation, self.now, step="s", hold=10, acts=acts)
        except LockHeld:
            assert (run, generation) != self.tickets[-1]
        else:
            assert (run, generation) == self.tickets[-1]

    @precondition(lambda self: self.current is not None and self.current.state == "held")
    @rule(finished=st.booleans())
    def close(self, finished: bool) -> None:
        assert self.current is not None
        self.current = replace(self.current, state="free" if finished else "stopped")

    @invariant()
    def generations_only_rise(self) -> None:
        generations = [generation for _, generation in self.tickets]
        assert generations == sorted(set(generations))


TestOperators = Operators.TestCase
