"""What older versions have written is still read: a record of WabotIQ, kept as it was, with a run that was killed.

``sealed``: the journal has the digest of the plan; ``unsealed``: it did not have it yet. These files are never made
anew. When a format changes, one more directory is added.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from ansible_collections.steady.rollback.plugins.module_utils.anchor import mirror, session
from ansible_collections.steady.rollback.plugins.module_utils.anchor.store import Store
from ansible_collections.steady.rollback.plugins.module_utils.core import canonical, journal, lease, plan
from ansible_collections.steady.rollback.plugins.module_utils.databases import backup
from unit.anchor.test_bad_manifests import Copies

FROZEN = Path(__file__).parents[2] / "fixtures/frozen"
POINT, DONE, KILLED = "r20261125t074819-pre-deploy", "r20261125t074832-8b6f", "r20261125t075655-b679"


@pytest.fixture(name="store", params=sorted(path.name for path in FROZEN.iterdir()))
def store_fixture(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    shutil.copytree(FROZEN / request.param, tmp_path / "old")
    return Store(str(tmp_path / "old"), "production")


def test_status_resume_and_undo_read_an_old_record(store: Store) -> None:
    looked = session.look(store, "", "latest")
    assert (looked["run"], looked["point"]["id"], looked["broken"]) == (KILLED, POINT, [])
    assert (looked["runs"], looked["in_force"]) == ([DONE, KILLED], [DONE, KILLED])
    of = plan.load(looked["plan"]["plan"])
    records = looked["records"]
    assert of == plan._hashed(of, canonical.digest(looked["plan"]["point"]))
    assert (records[0]["kind"], records[0]["plan"]["hash"]) == ("opened", of.hash)
    assert of.steps[journal.first_open_step(records, len(of.steps)) - 1].name == "gate.smoke"
    happened = plan.begun([(of, journal.begun_steps(records))])
    back = ["flags.restore", "cache.flush", "service.reload", "service.reload"]
    assert [step.inverse for step in happened if step.inverse] == back
    assert looked["lease"]["state"] == "held"


def test_an_old_run_goes_on(store: Store) -> None:
    anna = lease.Holder("anna", "ctl1", 100)
    again = lease.Request(KILLED, anna, continues=KILLED, take_over=KILLED)
    held = store.read_lease()
    assert held is not None
    generation = session.open_run(store, again, {}, {"kind": "resumed", "n": 8}, held.generation).generation
    assert generation == held.generation + 1
    session.close(store, KILLED, generation, [{"kind": "closed", "outcome": "completed"}], "completed")
    assert session.look(store, "", "")["lease"]["state"] == "free"


def test_an_old_record_comes_to_a_new_anchor(store: Store, tmp_path: Path) -> None:
    copies, new = Copies(store), Store(str(tmp_path / "new"), "production")
    names = mirror.missing(new, copies)
    assert len(names) == 5
    mirror.fetch(new, copies, names)
    for name in names:
        assert (new.home / name).read_bytes() == (store.home / name).read_bytes()
    held = new.read_lease()
    assert held is not None
    assert (held.run, held.state, held.step) == (KILLED, "stopped", "gate.smoke")


def test_an_old_note_names_its_backup(store: Store) -> None:
    facts = session.look(store, "", POINT)["point"]["components"]["postgres"]["backup"]
    assert backup._parsed(canonical.dumps(facts), facts["key"]) == facts
