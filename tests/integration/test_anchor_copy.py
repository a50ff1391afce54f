"""The record of an environment outlives its anchor host: it is in the object store, and comes back from there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible_collections.steady.rollback.plugins.module_utils.anchor import mirror, session
from ansible_collections.steady.rollback.plugins.module_utils.anchor.store import Store
from ansible_collections.steady.rollback.plugins.module_utils.core import lease, point
from ansible_collections.steady.rollback.plugins.module_utils.core.errors import BackupUnusable, LockHeld
from ansible_collections.steady.rollback.plugins.module_utils.storage import objects
from integration.postgres_fixtures import s3_fixture  # noqa: F401

ANNA = lease.Holder("anna", "ctl1", 100)
STEP = {"n": 1, "name": "door.close", "inverse": "door.open", "notice": True}
BODY = {"created": "2026-01-01T00:00:00.000000Z", "environment": "prod", "purpose": "pre_deploy", "good": True}


@pytest.fixture
def bucket(s3: dict[str, Any]) -> objects.Bucket:
    return objects.open_store(s3)


def lived(home: Path, environment: str, bucket: objects.Bucket, outcome: str) -> Store:
    """An anchor with one restore point and one run, and their copy in the object store."""
    store = Store(str(home / "old"), environment)
    body = {**BODY, "id": "p1", "environment": environment, "components": {}, "hosts": {}}
    store.write_point("p1", point.pack(body))
    bucket.put(f"{environment}/points/p1.json", point.pack(body))
    plan = {"plan": {"steps": [STEP]}, "run": {"id": "r1"}, "point": body}
    opened = {"kind": "opened", "run": "r1", "operator": "anna", "host": "ctl1"}
    generation = session.open_run(store, lease.Request("r1", ANNA), plan, opened, 0).generation
    intent = {"kind": "intent", "n": 1, "step": "door.close"}
    session.mark(store, "r1", generation, [intent], step="door.close", hold=5, acts=True)
    session.close(store, "r1", generation, [{"kind": "closed", "outcome": outcome}], outcome)
    store.write_report("r1", {"report.md": "# Report\n"})
    assert mirror.push(store, "r1", bucket) == ["journal.jsonl", "plan.json", "report.md"]
    return store


def test_a_new_anchor_knows_all_that_the_old_one_knew(tmp_path: Path, bucket: objects.Bucket) -> None:
    old = lived(tmp_path, "prod", bucket, "completed")
    new = Store(str(tmp_path / "new"), "prod")
    names = mirror.missing(new, bucket)
    assert names == ["points/p1.json", "runs/r1/journal.jsonl", "runs/r1/plan.json", "runs/r1/report.md"]
    mirror.fetch(new, bucket, names)
    for name in names:
        assert (new.home / name).read_bytes() == (old.home / name).read_bytes()
    assert session.look(new, "", "latest")["point"]["id"] == "p1"
    assert mirror.missing(new, bucket) == []
    held = new.read_lease()
    assert held is not None
    # The hosts know the old anchor's last generation.
    assert (held.run, held.state, held.generation) == ("r1", "free", 1 + mirror.UNCOPIED)


def test_a_run_that_had_stopped_half_way_holds_the_lock_on_the_new_anchor(
    tmp_path: Path, bucket: objects.Bucket
) -> None:
    lived(tmp_path, "stage", bucket, "held")
    new = Store(str(tmp_path / "new"), "stage")
    mirror.fetch(new, bucket, mirror.missing(new, bucket))
    seen = 1 + mirror.UNCOPIED
    with pytest.raises(LockHeld, match=r"Run r1 stopped in step door\.close"):
        session.open_run(new, lease.Request("r2", ANNA), {}, {"kind": "opened"}, seen)
    again = lease.Request("r1", ANNA, continues="r1")
    assert session.open_run(new, again, {}, {"kind": "resumed"}, seen).acted


def test_a_damaged_restore_point_is_replaced_and_kept(tmp_path: Path, bucket: objects.Bucket) -> None:
    old = lived(tmp_path, "test", bucket, "completed")
    path = old.home / "points/p1.json"
    path.write_bytes(path.read_bytes().replace(b"pre_deploy", b"pre_delete"))
    assert mirror.missing(old, bucket) == ["points/p1.json"]
    mirror.fetch(old, bucket, ["points/p1.json"])
    assert session.look(old, "", "p1")["point"]["purpose"] == "pre_deploy"
    assert b"pre_delete" in path.with_name("p1.json.broken").read_bytes()


def test_a_damaged_copy_is_not_taken_and_strange_keys_are_left_alone(tmp_path: Path, bucket: objects.Bucket) -> None:
    bucket.put("evil/points/p1.json", b"{}")
    bucket.put("evil/points/.hidden.json", b"x")
    bucket.put("evil/runs/r1/deep/x.json", b"x")
    bucket.put("evil/backups/p1.dump", b"x")
    new = Store(str(tmp_path / "new"), "evil")
    assert mirror.missing(new, bucket) == ["points/p1.json"]
    with pytest.raises(BackupUnusable, match="not complete"):
        mirror.fetch(new, bucket, ["points/p1.json"])
    assert session.look(new, "", "")["points"] == []
