"""The record of a run on a real file system."""

from __future__ import annotations

import stat
import time
from pathlib import Path

import pytest
from ansible_collections.steady.rollback.plugins.module_utils.anchor import session
from ansible_collections.steady.rollback.plugins.module_utils.anchor.store import Store
from ansible_collections.steady.rollback.plugins.module_utils.core import lease, point
from ansible_collections.steady.rollback.plugins.module_utils.core.errors import (
    BackupUnusable,
    BadInput,
    JournalBroken,
    LockHeld,
    TargetMissing,
)

ANNA = lease.Holder("anna", "ctl1", 100)
OPENED = {"kind": "opened", "run": "r1"}
BODY = {"id": "p1", "created": "2026-01-01", "good": True, "purpose": "pre_deploy", "environment": "prod"}
MANIFEST = {**BODY, "components": {}, "hosts": {}}
PLAN = {"plan": {}, "run": {}, "point": {}}


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(str(tmp_path), "prod")


def opened(store: Store, run: str = "r1", continues: str = "", seen: int = 0) -> int:
    request = lease.Request(run, ANNA, continues=continues)
    return session.open_run(store, request, PLAN, {**OPENED, "run": run}, seen).generation


def marked(store: Store, generation: int, n: int, *, acts: bool = False) -> None:
    records = [{"kind": "done", "n": n - 1, "step": "a.b", "effects": {}}] if n > 1 else []
    records.append({"kind": "intent", "n": n, "step": "a.b"})
    session.mark(store, "r1", generation, records, step="a.b", hold=1, acts=acts)


def test_a_whole_run_is_recorded_and_the_lock_given_back(store: Store) -> None:
    generation = opened(store)
    marked(store, generation, 1, acts=True)
    marked(store, generation, 2)
    records = session.close(store, "r1", generation, [{"kind": "closed", "outcome": "completed"}], "completed")
    assert [record["kind"] for record in records] == ["opened", "intent", "done", "intent", "closed"]
    assert records[2]["seconds"] >= 0
    looked = session.look(store, "", "")
    assert looked["lease"]["state"] == "free"
    assert looked["run"] == "r1"
    assert looked["durations"] == {"a.b": records[2]["seconds"]}


def test_a_failure_names_the_step_that_was_under_way_and_keeps_the_lock(store: Store) -> None:
    generation = opened(store)
    marked(store, generation, 1, acts=True)
    session.close(store, "r1", generation, [{"kind": "failed", "message": "no"}], "held")
    assert store.records("r1")[-1]["step"] == "a.b"
    with pytest.raises(LockHeld, match=r"Run r1 stopped in step a\.b and left the system half way"):
        opened(store, "r2", seen=1)
    assert opened(store, "r2", continues="r1", seen=1) == 2


def test_a_failed_preparation_gives_the_lock_back(store: Store) -> None:
    generation = opened(store)
    marked(store, generation, 1)
    session.close(store, "r1", generation, [{"kind": "failed", "message": "no"}], "held")
    assert opened(store, "r2", seen=1) == 2


def test_a_plan_made_before_another_run_is_stale(store: Store) -> None:
    generation = opened(store)
    session.close(store, "r1", generation, [], "completed")
    with pytest.raises(LockHeld, match="Run r1 of anna came between this plan and its start"):
        opened(store, "r2", seen=0)


def test_files_are_private(store: Store) -> None:
    opened(store)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in [store.home, *store.home.rglob("*")]}
    assert {mode for name, mode in modes.items() if "." in name or name == "lock"} == {0o600}
    assert modes["runs"] == modes["r1"] == 0o700


def test_a_torn_line_is_cut_off_before_the_next_one(store: Store) -> None:
    generation = opened(store)
    path = store.run_dir("r1") / "journal.jsonl"
    path.write_bytes(path.read_bytes() + b'{"kind":"int')
    marked(store, generation, 1)
    assert [record["kind"] for record in store.records("r1")] == ["opened", "intent"]


def test_an_anchor_that_cannot_be_written_stops_the_run_before_it_begins(tmp_path: Path) -> None:
    (tmp_path / "prod").write_text("a file where the directory should be")
    with pytest.raises(JournalBroken, match=r"prod cannot be written"):
        opened(Store(str(tmp_path), "prod"))


def test_only_the_named_run_is_unlocked(store: Store) -> None:
    with pytest.raises(BadInput, match="Nothing is locked"):
        session.unlock(store, "r1")
    generation = opened(store)
    marked(store, generation, 1, acts=True)
    with pytest.raises(BadInput) as error:
        session.unlock(store, "r2")
    assert error.value.message == "The lock belongs to run r1, not to r2."
    session.unlock(store, "r1")
    assert store.records("r1")[-1]["outcome"] == "abandoned"
    assert opened(store, "r2", seen=1) == 2


def test_restore_points_are_found_by_look(store: Store) -> None:
    store.write_point("p1", point.pack(MANIFEST))
    assert session.look(store, "", "latest")["point"] == MANIFEST
    with pytest.raises(TargetMissing, match="There is no restore point p2 for prod"):
        session.look(store, "", "p2")


def test_a_changed_restore_point_is_refused_but_does_not_hide_the_others(store: Store) -> None:
    store.write_point("p1", point.pack(MANIFEST))
    store.write_point("p2", point.pack({**MANIFEST, "id": "p2"}).replace(b"pre_deploy", b"pre_delete"))
    look = session.look(store, "", "")
    assert (look["points"], look["broken"]) == ([MANIFEST], ["p2"])
    assert session.look(store, "", "p1")["point"] == MANIFEST
    for wanted in ("p2", "latest"):
        with pytest.raises(BackupUnusable, match="p2 was changed after it was written"):
            session.look(store, "", wanted)


def test_an_unknown_run_is_named_with_those_that_exist(store: Store) -> None:
    opened(store)
    with pytest.raises(TargetMissing) as error:
        session.look(store, "r9", "")
    assert error.value.message.startswith("There is no run r9 in ")
    assert error.value.hint == "Known: r1"


def test_an_environment_is_a_plain_name(tmp_path: Path) -> None:
    for name in ("", "../etc", ".hidden", "a/b"):
        with pytest.raises(BadInput, match="cannot name an environment"):
            Store(str(tmp_path), name)


def test_a_journal_of_ten_thousand_events_is_read_in_less_than_a_second(store: Store) -> None:
    """Seconds of the processor: what else the machine does is not meant."""
    opened(store)
    for record in ({"kind": "intent", "n": 1}, {"kind": "done", "n": 1, "effects": {"db1": {"changed": True}}}):
        store.append("r1", [record] * 5_000)
    began = time.process_time()
    assert len(store.records("r1")) == 10_001
    assert time.process_time() - began < 1
