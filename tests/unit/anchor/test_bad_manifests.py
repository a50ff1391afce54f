"""Restore points, plans, journals and locks that cannot be trusted: refused in their own words, and left alone."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.steady.rollback.plugins.module_utils.anchor import mirror, session
from ansible_collections.steady.rollback.plugins.module_utils.anchor.store import Store
from ansible_collections.steady.rollback.plugins.module_utils.core import canonical, lease, plan, point
from ansible_collections.steady.rollback.plugins.module_utils.core.errors import JournalBroken, RollbackError

STATUS, FETCH = "ansible-playbook status.yml", "ansible-playbook fetch.yml"
ANOTHER = "Choose another restore point, or bring this one's copy back: ansible-playbook fetch.yml."
STRANGE = "It was not written by restore_point.yml. Choose another restore point."
LOST = "Without it nobody can resume or undo that run. Bring its copy back from the object store."
BODY: dict[str, Any] = {
    "id": "p1", "created": "2026-01-01T00:00:00.000000Z", "environment": "prod", "purpose": "pre_deploy",
    "good": True, "components": {"release": {"commit": "a" * 40}}, "hosts": {}, "operator": "anna",
}  # fmt: skip
PLAN: dict[str, Any] = {"plan": {"steps": [{"n": 1, "name": "door.close", "inverse": "door.open", "notice": True}]}}
PLAN.update(run={"id": "r1", "after": "", "undoes": ""}, point=BODY)
MOMENT = 1767225600.0  # 2026-01-01T00:00:00Z
ANNA = lease.Holder("anna", "ctl1", 100)


@dataclass(frozen=True)
class Case:
    """How it is spoiled, what is asked for, and what is said. ``{home}`` stands for the environment's directory."""

    name: str
    spoil: Callable[[Store], Any]
    code: str
    message: str
    hint: str
    next: str
    wanted: str = "latest"


def put(name: str, data: bytes) -> Callable[[Store], Any]:
    """The manifest file ``name`` holds ``data``."""
    return lambda store: store.write_point(name, data)


def with_body(name: str = "p1", **other: Any) -> Callable[[Store], Any]:
    """The manifest says something else, and is whole; None leaves a key out."""
    body = {key: value for key, value in {**BODY, **other}.items() if value is not None}
    return put(name, point.pack(body))


def edit(path: str, change: Callable[[bytes], bytes]) -> Callable[[Store], Any]:
    """A file of the anchor was changed."""
    return lambda store: (store.home / path).write_bytes(change((store.home / path).read_bytes()))


def directory(store: Store) -> None:
    """What stands in place of the file cannot be read as one."""
    (store.home / "points/p1.json").unlink()
    (store.home / "points/p1.json").mkdir()


GOOD = point.pack(BODY)
JOURNAL, PLANNED = "runs/r1/journal.jsonl", "runs/r1/plan.json"
CASES = [
    Case("empty", put("p1", b""), "manifest-empty", "The restore point p1 is an empty file.", ANOTHER, STATUS),
    Case(
        "cut", put("p1", GOOD[:-40]), "manifest-cut",
        "The restore point p1 is not complete: its file ends in the middle.", ANOTHER, STATUS,
    ),
    Case(
        "an error page", put("p1", b"<html>404</html>\n"), "manifest-unreadable",
        "The restore point p1 cannot be read: it is not a manifest.", ANOTHER, STATUS,
    ),
    Case(
        "other JSON", put("p1", b'[{"schema":1}]\n'), "manifest-unreadable",
        "The restore point p1 cannot be read: it is not a manifest.", ANOTHER, STATUS,
    ),
    Case(
        "a newer schema", put("p1", GOOD.replace(b'"schema":1', b'"schema":2')), "manifest-schema",
        "The restore point p1 has schema 2; this version reads schema 1.",
        "Use the version of the collection that wrote it.",
        "ansible-galaxy collection install --upgrade steady.rollback",
    ),
    Case(
        "another SHA-256", put("p1", GOOD.replace(b"aaaa", b"bbbb")), "manifest-changed",
        "The restore point p1 was changed after it was written: its SHA-256 does not agree.",
        f"Do not use it. {ANOTHER}", STATUS,
    ),
    Case(
        "another environment", with_body(environment="staging"), "manifest-foreign",
        "The restore point p1 belongs to 'staging'; this is prod.",
        "The file was put here by hand: remove it. Going back to it would mix two environments.", STATUS,
    ),
    Case(
        "without components", with_body(components=None), "manifest-incomplete",
        "The restore point p1 says nothing, or nothing that can be understood, of components.", STRANGE, STATUS,
    ),
    Case(
        "good is a word", with_body(good="false", hosts=[]), "manifest-incomplete",
        "The restore point p1 says nothing, or nothing that can be understood, of good, hosts.", STRANGE, STATUS,
    ),
    Case(
        "taken at no time", with_body(created="yesterday"), "manifest-incomplete",
        "The restore point p1 says nothing, or nothing that can be understood, of created.", STRANGE, STATUS,
    ),
    Case(
        "the id of another", put("p2", GOOD), "manifest-misnamed",
        "The restore point in the file p2.json says that it is 'p1'.",
        "The file was copied or renamed. Remove it, or give it its name back.", STATUS,
    ),
    Case(
        "an id that leads elsewhere", with_body(id="../../../etc/cron.d/x"), "manifest-misnamed",
        "The restore point in the file p1.json says that it is '../../../etc/cron.d/x'.",
        "The file was copied or renamed. Remove it, or give it its name back.", STATUS,
    ),
    Case(
        "not to be read", directory, "anchor-unreadable", "{home}/points/p1.json cannot be read: Is a directory.",
        "The anchor's record belongs to the user that runs rollbacks, and to nobody else. Mend it.",
        "ls -ld {home}/points/p1.json",
    ),
    Case(
        "from the future", with_body("p2", id="p2", created="2026-01-02T00:00:00.000000Z"), "point-from-future",
        "Which restore point is the latest cannot be told: p2 was taken at 2026-01-02T00:00:00.000000Z, "
        "24:00:00 ahead of the anchor's clock.",
        "That clock was wrong then, or the anchor's is wrong now. Name the restore point that you mean: "
        "-e restore_point=p2", "date --utc",
    ),
    Case(
        "not healthy", with_body(good=False), "target-missing",
        "There is no restore point of a healthy prod to go back to.",
        "A restore point is taken before every deployment by restore_point.yml. Without one, name a release: "
        "code-rollback.yml -e release=<tag>.", STATUS,
    ),
    Case(
        "evidence of a damaged state", with_body(purpose="evidence"), "target-missing",
        "There is no restore point of a healthy prod to go back to.",
        "A restore point is taken before every deployment by restore_point.yml. Without one, name a release: "
        "code-rollback.yml -e release=<tag>.", STATUS,
    ),
    Case(
        "a name that leads elsewhere", lambda store: None, "target-missing",
        "There is no restore point ../../../etc/passwd for prod.", "Known: p1",
        "ansible-playbook full-rollback.yml -e restore_point=latest", "../../../etc/passwd",
    ),
    Case(
        "a torn plan", edit(PLANNED, lambda data: data[:-9]), "plan-unreadable",
        "The plan of run r1 cannot be read: it is cut or changed.", LOST, FETCH,
    ),
    Case(
        "a changed plan", edit(PLANNED, lambda data: data.replace(b"door.open", b"door.oven")), "plan-damaged",
        "The plan of run r1 was changed after it was written: {home}/runs/r1/plan.json.", LOST, FETCH,
    ),
    Case(
        "the plan of an unfinished run is lost", lambda store: (store.home / PLANNED).unlink(), "plan-missing",
        "The plan of run r1 is missing: {home}/runs/r1/plan.json.", LOST, FETCH,
    ),
    Case(
        "a flipped journal", edit(JOURNAL, lambda data: data.replace(b"door.close", b"door.clone", 1)),
        "journal-changed", "The journal of run r1 was changed after it was written: record 3 does not fit the one "
        "before it.",
        "The records before it are sound. Of a run that had ended, fetch.yml brings the copy back from the object "
        "store; of an unfinished one the copy may be older: compare them.", FETCH,
    ),
    Case(
        "a journal without its second line",
        edit(JOURNAL, lambda data: b"".join(data.splitlines(True)[::2])), "journal-changed",
        "The journal of run r1 was changed after it was written: record 2 does not fit the one before it.",
        "The records before it are sound. Of a run that had ended, fetch.yml brings the copy back from the object "
        "store; of an unfinished one the copy may be older: compare them.", FETCH,
    ),
    *(
        Case(
            name, edit("lock.json", change), "lock-unreadable",
            "The lock {home}/lock.json cannot be read: it was changed, or written by another version.",
            "Read the newest journal beside it. Was that run closed, move the lock away; else keep its run, "
            "generation and state.", "ls -t {home}/runs",
        )
        for name, change in {
            "a torn lock": lambda data: data[:-3],
            "the lock of another version": lambda data: data.replace(b'"acted"', b'"has_acted"'),
        }.items()
    ),
]  # fmt: skip


@pytest.fixture(name="store")
def store_fixture(tmp_path: Path) -> Store:
    """An anchor with one good restore point, and a run that stopped half way."""
    return lived(Store(str(tmp_path), "prod"))


def lived(store: Store) -> Store:
    store.write_point("p1", GOOD)
    generation = session.open_run(store, lease.Request("r1", ANNA), PLAN, {"kind": "opened", "run": "r1"}, 0).generation
    intent = {"kind": "intent", "n": 1, "step": "door.close"}
    session.mark(store, "r1", generation, [intent], step="door.close", hold=5, acts=True)
    session.close(store, "r1", generation, [{"kind": "closed", "outcome": "held"}], "held")
    return store


def files(store: Store) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in store.home.rglob("*") if path.is_file()}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_what_cannot_be_trusted_is_refused_in_its_own_words(
    store: Store, case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert session.look(store, "", "latest")["point"]["id"] == "p1"
    case.spoil(store)
    monkeypatch.setattr(session.time, "time", lambda: MOMENT)
    before = files(store)
    with pytest.raises(RollbackError) as caught:
        session.look(store, "", case.wanted)
    error = caught.value
    words = [text.format(home=store.home) for text in (case.message, case.hint, case.next)]
    assert [error.code, error.message, error.hint, error.next] == [case.code, *words]
    assert files(store) == before


def test_the_table_has_its_size() -> None:
    print("\n" + "\n".join(f"{case.name:40} {case.code}" for case in CASES))
    assert len({case.name for case in CASES}) == len(CASES) >= 20


def test_a_bad_restore_point_does_not_hide_the_others(store: Store) -> None:
    put("p0", b"")(store)
    looked = session.look(store, "", "p1")
    assert (looked["point"]["id"], looked["broken"]) == ("p1", ["p0"])
    with pytest.raises(RollbackError, match="p0 is an empty file"):
        session.look(store, "", "p0")


def test_latest_is_told_by_time_and_not_by_name(store: Store) -> None:
    with_body("a9", id="a9", created="2026-01-02T00:00:00.000000Z")(store)
    with_body("z0", id="z0", created="2025-12-31T00:00:00.000000Z")(store)
    assert session.look(store, "", "latest")["point"]["id"] == "a9"
    # A restore point that is named is taken, whatever the clock says.
    with_body("b0", id="b0", created="2199-01-01T00:00:00.000000Z")(store)
    assert session.look(store, "", "b0")["point"]["id"] == "b0"


def test_a_line_that_a_crash_tore_never_counted(store: Store) -> None:
    whole = store.records("r1")
    path = store.home / JOURNAL
    path.write_bytes(path.read_bytes() + b'{"kind":"closed","outco')
    assert session.look(store, "", "")["records"] == whole


def test_a_plan_of_another_version() -> None:
    step = {"n": 1, "name": "a.b", "component": "a", "verb": "b", "does": "", "hosts": [], "budget": 1, "colour": "red"}
    with pytest.raises(RollbackError) as caught:
        plan.load({"strategy": "toy", "requested": [], "steps": [step], "dropped": [], "hash": ""})
    error = caught.value
    assert error.message.startswith("The plan of this run was made by another version of the collection: ")
    assert "'colour'" in error.message
    assert (error.code, error.hint) == ("plan-version", "Finish it, or undo it, with the version that began it.")
    assert error.next == "ansible-galaxy collection list steady.rollback"


class Copies:
    """A bucket for the record's copy; the real one is in test_anchor_copy and test_object_store_faults."""

    def __init__(self, store: Store) -> None:
        self.held = {f"prod/{path.relative_to(store.home)}": path.read_bytes() for path in store.home.rglob("*.json*")}

    def put(self, key: str, data: bytes) -> None:
        self.held[key] = data

    def get(self, key: str) -> bytes:
        return self.held[key]

    def keys(self, prefix: str) -> list[str]:
        return sorted(key for key in self.held if key.startswith(prefix))


def test_what_is_damaged_comes_back_from_its_copy(store: Store) -> None:
    copies, good = Copies(store), files(store)
    for path in (PLANNED, "points/p1.json"):
        edit(path, lambda data: data.replace(b"door", b"doom").replace(b"aaaa", b"bbbb"))(store)
    names = mirror.missing(store, copies)
    assert names == ["points/p1.json", PLANNED]
    mirror.fetch(store, copies, names)
    assert {path: data for path, data in files(store).items() if not path.endswith(".broken")} == good
    assert mirror.missing(store, copies) == []


def test_a_damaged_journal_comes_back_only_when_its_run_had_ended(store: Store) -> None:
    copies = Copies(store)
    damage = edit(JOURNAL, lambda data: data.replace(b"door", b"doom"))
    damage(store)
    with pytest.raises(JournalBroken) as caught:
        mirror.fetch(store, copies, mirror.missing(store, copies))
    error, path = caught.value, store.home / JOURNAL
    assert error.message == "The journal of run r1 is damaged, and its copy is from before that run had ended."
    assert error.hint == (
        "Steps that were taken since are not in the copy. If you take it all the same: move the damaged one away, and "
        "fetch again."
    )
    assert (error.code, error.next) == ("journal-copy-older", f"mv {path} {path}.damaged")
    path.rename(f"{path}.damaged")
    mirror.fetch(store, copies, mirror.missing(store, copies))
    generation = session.open_run(
        store, lease.Request("r1", ANNA, continues="r1"), PLAN, {"kind": "resumed"}, 1
    ).generation
    session.close(store, "r1", generation, [{"kind": "closed", "outcome": "completed"}], "completed")
    copies, whole = Copies(store), store.records("r1")
    damage(store)
    mirror.fetch(store, copies, mirror.missing(store, copies))
    assert store.records("r1") == whole


def test_one_bad_copy_does_not_keep_the_others_away(store: Store, tmp_path: Path) -> None:
    copies, new = Copies(store), Store(str(tmp_path / "new"), "prod")
    copies.put("prod/points/p0.json", b"{}")
    copies.put("prod/points/p2.json", GOOD)
    for name in ("points/../../x.json", "runs/../x", "runs/r1/../../lock.json", "points/.p3.json"):
        copies.put(f"prod/{name}", GOOD)
    with pytest.raises(RollbackError, match="p0 is not complete"):
        mirror.fetch(new, copies, mirror.missing(new, copies))
    looked = session.look(new, "", "latest")
    assert (looked["point"]["id"], looked["lease"]["run"], looked["lease"]["state"]) == ("p1", "r1", "stopped")
    assert sorted(path.name for path in new.home.rglob("*.json")) == ["lock.json", "p1.json", "plan.json"]


def test_a_run_whose_journal_is_refused_leaves_the_lock_to_the_next_fetch(store: Store, tmp_path: Path) -> None:
    copies, new = Copies(store), Store(str(tmp_path / "new"), "prod")
    sound = copies.held[f"prod/{JOURNAL}"]
    copies.put(f"prod/{JOURNAL}", sound.replace(b"door", b"doom"))
    with pytest.raises(JournalBroken):
        mirror.fetch(new, copies, mirror.missing(new, copies))
    assert new.read_lease() is None
    copies.put(f"prod/{JOURNAL}", sound)
    mirror.fetch(new, copies, mirror.missing(new, copies))
    taken = new.read_lease()
    assert taken is not None
    assert (taken.run, taken.state) == ("r1", "stopped")


def test_a_plan_is_sealed_in_the_journal(store: Store) -> None:
    assert store.records("r1")[0]["sealed"] == canonical.digest(json.loads((store.home / PLANNED).read_bytes()))
