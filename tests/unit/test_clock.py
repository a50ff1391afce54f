"""Clocks that are set forth and back: order and locks follow what happened, not what a clock says of it."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from ansible_collections.steady.rollback.plugins.module_utils.anchor import session
from ansible_collections.steady.rollback.plugins.module_utils.anchor.store import Store
from ansible_collections.steady.rollback.plugins.module_utils.core import canonical, lease
from ansible_collections.steady.rollback.plugins.module_utils.core.errors import LockHeld, PlanRefused
from ansible_collections.steady.rollback.plugins.module_utils.core.point import refuse_behind
from unit.action.simulation import NEW, OLD, Simulation

MINUTE, HOUR, DAY = 60.0, 3600.0, 86400.0
SKEWS = (90 * MINUTE, -195 * MINUTE, 2 * DAY, -7 * HOUR, 11 * MINUTE, 42 * DAY, -13 * HOUR)
NOON = 1767268800.0  # 2026-01-01T12:00:00Z


def test_runs_are_in_the_order_in_which_they_were_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sim, made = Simulation(tmp_path, monkeypatch), []
    for skew in SKEWS:
        sim.clock += skew
        assert sim.operate() == "completed"
        made.append(session.look(sim.store, "", "")["run"])
    assert sim.store.runs() == made
    sim.clock -= DAY
    for run in reversed(made):
        assert sim.operate("undo", run=run) == "undone"
    assert session.look(sim.store, "", "")["in_force"] == []
    assert sim.world == NEW


@pytest.mark.parametrize("skew", SKEWS)
def test_a_run_that_a_clock_has_left_behind_is_taken_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, skew: float
) -> None:
    sim = Simulation(tmp_path, monkeypatch)
    assert sim.operate(kill=20, who="anna") == "killed"
    sim.clock += skew
    run, asked = session.look(sim.store, "", "")["run"], sim.operate("resume", who="ben")
    # Nobody can see from here that anna's process is dead: before its time is over, ben has to say so.
    assert asked == ("completed" if skew > 0 else "lock-held")
    if skew < 0:
        assert sim.operate("resume", who="ben", take_over=run) == "completed"
    assert sim.world == OLD


@pytest.mark.parametrize("skew", SKEWS)
def test_a_clock_that_jumps_within_a_step_neither_ends_its_lock_nor_makes_it_negative(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, skew: float
) -> None:
    clock, store = [NOON], Store(str(tmp_path), "toy")
    monkeypatch.setattr(time, "time", lambda: clock[0])
    request = lease.Request("r1", lease.Holder("anna", "ctl1", 7))
    held = session.open_run(store, request, {}, {"kind": "opened"}, 0)
    step = {"step": "door.close", "hold": 5.0, "acts": True}
    session.mark(store, "r1", held.generation, [{"kind": "intent", "n": 1, "step": "door.close"}], **step)
    clock[0] += skew
    done = [{"kind": "done", "n": 1, "step": "door.close", "effects": {}}]
    assert session.mark(store, "r1", held.generation, done, **step) == max(0.0, skew)
    records = store.records("r1")
    assert [record["seq"] for record in records] == [1, 2, 3]
    assert records[-1]["seconds"] == max(0.0, skew)
    other = lease.Request("r2", lease.Holder("ben", "ctl2", 8))
    with pytest.raises(LockHeld):
        session.open_run(store, other, {}, {"kind": "opened"}, held.generation)


def test_no_restore_point_is_taken_that_would_not_be_the_latest() -> None:
    points = [{"id": "r20260101t120000-pre-deploy", "created": canonical.utc(NOON)}]
    refuse_behind(points, NOON + 0.001)
    with pytest.raises(PlanRefused) as told:
        refuse_behind(points, NOON - 7 * HOUR)
    assert told.value.message == (
        "The clock of the anchor is 7:00:00 behind the newest restore point, r20260101t120000-pre-deploy: "
        "'latest' would go back to that one."
    )
    assert told.value.hint == "Set the clock right. If that point was taken while the clock was ahead, move it away."
    assert (told.value.next, told.value.code) == ("date -u", "clock-behind")


def test_a_name_follows_the_newest_one_whatever_the_clock_says() -> None:
    assert canonical.run_id(NOON) == "r20260101t120000-0000"
    assert canonical.run_id(NOON, "r20251231t000000-ffff") == "r20260101t120000-0000"
    assert canonical.run_id(NOON, "r20260101t120000-0000") == "r20260101t120000-0001"
    assert canonical.run_id(NOON - HOUR, "r20260101t120000-ffff") == "r20260101t120001-0000"
