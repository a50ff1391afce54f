"""A controller is killed at every single write; one command brings the system to a whole state again."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from ansible_collections.steady.rollback.plugins.module_utils.core import journal
from unit.action.simulation import NEW, OLD, Simulation


@pytest.fixture
def sim(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Simulation:
    return Simulation(tmp_path, monkeypatch)


def fresh(tmp_path: Path, patch: pytest.MonkeyPatch, name: str) -> Simulation:
    (tmp_path / name).mkdir()
    return Simulation(tmp_path / name, patch)


def test_a_run_its_undo_and_its_redo(sim: Simulation) -> None:
    assert sim.operate() == "completed"
    assert sim.world == OLD
    assert sim.operate("undo") == "undone"
    assert sim.world == NEW
    assert sim.operate("undo") == "undone"
    assert sim.world == OLD


def test_a_run_killed_at_any_write_is_finished_or_taken_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kill, end = 0, "killed"
    while end == "killed":
        kill += 1
        sim = fresh(tmp_path, monkeypatch, f"{kill}")
        end = sim.operate(kill=kill)
        before = sim.world
        runs = sim.store.runs()
        begun = {record.get("step") for record in (sim.store.records(runs[0]) if runs else [])}
        assert before["door"] == "open" or "door.close" in begun, "no step acts before its intent is written"
        assert before["data"] == "new" or "data.swap" in begun
        shutil.copytree(sim.home, tmp_path / f"{kill}-undo")
        for way, outcome, whole in (("resume", "completed", OLD), ("undo", "undone", NEW)):
            sim.home = tmp_path / (f"{kill}" if way == "resume" else f"{kill}-undo")
            if sim.operate(way) == outcome:
                assert sim.world == whole, kill
            else:
                # There was nothing to go on with: nothing has changed yet, or all is done.
                assert sim.world == before, kill
                assert before == NEW or (way == "resume" and before == OLD), kill
            held = sim.store.read_lease()
            assert held is None or held.state == "free" or not held.acted, kill
    assert kill > 30
    assert end == "completed"


def test_a_torn_line_is_as_if_it_was_never_written(sim: Simulation) -> None:
    assert sim.operate(fail="door.open") == "command-failed"
    path = sim.store.run_dir(sim.store.runs()[0]) / "journal.jsonl"
    data = path.read_bytes()
    last_line = data.rstrip(b"\n").rfind(b"\n") + 1
    for cut in range(last_line, len(data)):
        path.write_bytes(data[:cut])
        assert len(journal.decode(path.read_bytes()).records) == data.count(b"\n") - 1
    assert sim.operate("resume") == "completed"
    assert sim.world == OLD


def test_a_failed_step_is_held_and_told(sim: Simulation) -> None:
    assert sim.operate(fail="data.swap") == "command-failed"
    assert sim.world == {"door": "closed", "data": "new"}
    assert sim.operate() == "run-unfinished"
    assert json.loads((sim.store.home / "lock.json").read_bytes())["state"] == "stopped"
    assert sim.operate("undo") == "undone"
    assert sim.world == NEW
