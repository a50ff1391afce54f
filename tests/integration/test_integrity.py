"""Checks and repairs on a real PostgreSQL, as the role that rolls back: no superuser, owner of nothing."""

from __future__ import annotations

import multiprocessing
import os
import signal
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from ansible_collections.steady.rollback.plugins.module_utils.core.errors import (
    BadInput,
    DatabaseFailed,
    GateFailed,
    NotEffective,
    RollbackError,
    TargetRefused,
)
from ansible_collections.steady.rollback.plugins.module_utils.integrity import (
    back,
    checks,
    kept,
    look,
)
from integration.integrity_fixtures import (  # noqa: F401
    AUDIT,
    BARE,
    OURS,
    WAITING,
    counts,
    db_fixture,
    declared,
    do,
    place,
    redo,
    there_fixture,
    undo,
    world,
)
from integration.postgres_fixtures import PASSWORD, Cluster, cluster_fixture, wait_for  # noqa: F401


def test_what_the_checks_find(db: Cluster) -> None:
    found = look.look(place(db), declared(), 1)
    assert {each.check.name: each.rows for each in found} == {
        "negative": 1, "exceeded": 2, "suspicious": 1, "orphans": 3, "odd": 2, "no_mail": 1, "keyless": 0,
    }  # fmt: skip
    assert [each.sample for each in found] == [
        ["id=u1 requestsToday=-3 lastRequestReset=2026-10-31"], ["id=u3"], ["id=u5"],
        ["id=2"], ["part=1 id=2"], ["id=u6"], [],
    ]  # fmt: skip
    told = look.gate(found, {"negative": 0}, "db1", 0)
    assert told["reason"] == "negative: 1 rows, 0 at the restore point; exceeded: 2 rows; orphans: 3 rows; odd: 2 rows"
    assert told["noticed"] == ["suspicious: 1 rows", "no_mail: 1 rows"]
    with pytest.raises(GateFailed) as caught:
        look.open_or_raise(told)
    error = caught.value
    assert (error.message, error.code) == (f"The data is not whole (fail): {told['reason']}.", "gate-failed")
    assert error.hint == (
        "See the rows: data-repair.yml --check. To repair them, end this run first: resume, undo or unlock."
    )
    assert error.next == "ansible-playbook data-repair.yml --check"


def test_a_check_that_cannot_be_read_is_inconclusive_and_hinders_no_other(db: Cluster) -> None:
    naive = 'CAST("requestsToday" AS integer) < 0'
    given = [
        {"name": "naive", "table": "User", "where": naive},
        {"name": "gone", "table": "nowhere", "where": "true"},
        {"name": "writes", "table": "User", "where": "nextval('django_migrations_id_seq') > 0"},
        {"name": "escapes", "table": "User", "where": "true); DROP TABLE nokey; SELECT (1"},
        {"name": "good", "table": "User", "where": "false"},
        {"name": "slow", "table": "User", "where": "pg_sleep(1) IS NULL"},
        {"name": "late", "table": "User", "where": "pg_sleep(1) IS NULL"},
    ]
    known = checks.load([{**BARE, **each} for each in given])
    db.run("wabot", "CREATE SEQUENCE django_migrations_id_seq", "GRANT USAGE ON django_migrations_id_seq TO rollback")
    found = look.look(place(db, seconds=0.5), known, 5)
    assert [each.why for each in found] == [
        'invalid input syntax for type integer: "n/a"',
        "There is no table nowhere in this database.",
        "cannot execute nextval() in a read-only transaction",
        "cannot insert multiple commands into a prepared statement",
        "",
        *["canceling statement due to statement timeout"] * 2,
    ]
    assert found[4].rows == 0
    told = look.gate(found, {}, "db1", 0)
    assert told["verdict"] == "inconclusive"
    assert [probe["verdict"] for probe in told["probes"]] == ["inconclusive"] * 4 + ["pass"] + ["inconclusive"] * 2
    with pytest.raises(GateFailed, match="it cannot be read: There is no table nowhere") as caught:
        look.open_or_raise(told)
    assert caught.value.code == "gate-inconclusive"


@pytest.mark.parametrize(
    ("text", "rows", "query", "after"),
    [
        ("negative:reset_negative", 1, """SELECT "requestsToday" FROM "User" WHERE id = 'u1'""", [("0",)]),
        ("exceeded:cap_at_limit", 2, """SELECT id FROM "User" WHERE "requestsToday" = '50'""", [("u3",), ("u5",)]),
        ("exceeded:script", 2, """SELECT id FROM "User" WHERE "requestsToday" = '50'""", [("u3",), ("u5",)]),
        ("orphans:remove", 3, "SELECT id FROM context", [(1,)]),
        ("odd:mend", 2, "SELECT id FROM parent WHERE state = '50%'", [(1,), (2,)]),
    ],
)
def test_repaired_taken_back_and_repaired_again(db: Cluster, text: str, rows: int, query: str, after: Any) -> None:
    before = world(db)
    assert do(db, text, dry_run=True) == {"changed": True, "repaired": {text: rows}, "kept": [
        f"{rows} rows as {text} found them, in the schema rollback_kept"
    ]}  # fmt: skip
    assert world(db) == before
    assert do(db, text)["repaired"] == {text: rows}
    assert sorted(db.run("wabot", query)) == after
    assert counts(db)[text.split(":", maxsplit=1)[0]] == 0
    assert do(db, text) == {"changed": False, "repaired": {text: 0}, "kept": []}

    assert undo(db, dry_run=True)["restored"] == {f"{text} (1)": rows}
    assert undo(db) == {"changed": True, "restored": {f"{text} (1)": rows}, "left": []}
    assert world(db) == before
    assert undo(db) == {"changed": False, "restored": {}, "left": []}
    # Undoing the undo names no repair: it does again what was taken back, once.
    assert redo(db)["repaired"] == {text: rows}
    assert redo(db)["changed"] is False
    assert sorted(db.run("wabot", query)) == after
    undo(db)
    assert world(db) == before


def test_two_repairs_of_one_row_come_back_in_their_order(db: Cluster) -> None:
    before = world(db)
    do(db, "exceeded:cap_at_limit, negative:reset_negative")
    db.run("wabot", """UPDATE "User" SET "requestsToday" = '90' WHERE id = 'u2'""")
    do(db, "exceeded:script")
    assert list(undo(db)["restored"]) == [
        "exceeded:script (3)", "negative:reset_negative (2)", "exceeded:cap_at_limit (1)",
    ]  # fmt: skip
    db.run("wabot", """UPDATE "User" SET "requestsToday" = '7' WHERE id = 'u2'""")
    assert world(db) == before
    assert do(db, "negative:reset_negative", change="another")["changed"]
    assert undo(db)["changed"] is False  # what another change repaired is not ours
    assert list(redo(db)["repaired"]) == ["exceeded:cap_at_limit", "negative:reset_negative", "exceeded:script"]


def test_rows_are_not_put_back_under_another_key(db: Cluster) -> None:
    do(db, "odd:mend")
    db.run("wabot", "DROP TABLE child", "ALTER TABLE parent DROP CONSTRAINT parent_pkey, ADD PRIMARY KEY (id, part)")
    before = world(db)
    with pytest.raises(TargetRefused) as caught:
        undo(db)
    error = caught.value
    assert error.message == (
        "The primary key of public.parent was (part, id) when its rows were repaired, and is (id, part)."
    )
    assert (error.next, error.code) == ("ansible-playbook status.yml", "repair-key-changed")
    assert world(db) == before


def test_nothing_that_was_repaired_is_undone_and_done_again(db: Cluster) -> None:
    assert do(db, "odd:mend", change="first")["changed"]
    assert (undo(db)["restored"], redo(db)["repaired"]) == ({}, {})


def test_what_somebody_has_changed_since_is_not_put_back(db: Cluster) -> None:
    do(db, "exceeded:cap_at_limit,orphans:remove")
    db.run("wabot", """UPDATE "User" SET "requestsToday" = '51' WHERE id = 'u3'""")
    db.run("wabot", """UPDATE "User" SET email = 'new@x.example' WHERE id = 'u5'""")
    db.run("wabot", "INSERT INTO context (id, conversation_id) OVERRIDING SYSTEM VALUE VALUES (3, 1)")
    now = world(db)
    with pytest.raises(TargetRefused) as caught:
        undo(db)
    error = caught.value
    assert error.message == "1 rows of public.context were changed since orphans:remove repaired them: id=3."
    assert error.hint == (
        "Nothing of this repair was put back. Leave those as they are, and put back the others: "
        "-e integrity_changed=leave"
    )
    assert error.next == "ansible-playbook resume.yml -e integrity_changed=leave"
    assert error.code == "repair-changed-since"
    assert world(db) == now
    assert undo(db, leave=True) == {
        "changed": True,
        "restored": {"orphans:remove (2)": 2, "exceeded:cap_at_limit (1)": 1},
        "left": ["id=3", "id=u3"],
    }
    assert db.run("wabot", """SELECT id, email, "requestsToday" FROM "User" WHERE id IN ('u3', 'u5') ORDER BY 1""") == [
        ("u3", "c@x.example", "51"), ("u5", "new@x.example", "4000"),
    ]  # fmt: skip


REFUSED = [
    ("negative:nothing", {}, BadInput, "repair-unknown", "There is no such repair: 'negative:nothing'"),
    ("x'; DROP TABLE nokey", {}, BadInput, "repair-unknown", 'There is no such repair: "x\'; DROP TABLE nokey"'),
    ("", {}, BadInput, "repair-missing", "No repair is chosen."),
    (
        "exceeded:half",
        {},
        NotEffective,
        "repair-incomplete",
        "exceeded:half changed 2 of 2 rows of public.User, and the check still finds 1.",
    ),
    ("exceeded:no_number", {}, DatabaseFailed, "repair-refused",
     'PostgreSQL refused: invalid input syntax for type integer: "x"'),
    ("exceeded:no_such", {}, TargetRefused, "repair-impossible",
     "exceeded:no_such cannot be done: public.User has no column requests that can be set."),
    ("keyless:zero", {}, TargetRefused, "repair-impossible",
     "keyless:zero cannot be done: public.nokey has no primary key, so its rows could not be put back."),
    ("odd:remove", {}, TargetRefused, "repair-impossible",
     "odd:remove cannot be done: rows of child would go or lose their reference with it, and nobody keeps them."),
    ("exceeded:cap_at_limit", {"most": 1}, TargetRefused, "repair-too-wide",
     "exceeded finds 2 rows of public.User, and a repair may change 1."),
]  # fmt: skip


@pytest.mark.parametrize(("text", "more", "kind", "code", "message"), REFUSED)
def test_what_is_refused_changes_nothing(
    db: Cluster, text: str, more: dict[str, Any], kind: type[RollbackError], code: str, message: str
) -> None:
    before = world(db)
    with pytest.raises(kind) as caught:
        do(db, text, **more)
    assert (caught.value.message, caught.value.code) == (message, code)
    assert caught.value.hint
    assert world(db) == before
    assert db.run("wabot", f"SELECT to_regnamespace('{kept.SCHEMA}')") == [(None,)]


def test_the_server_repeats_no_row_in_what_it_refuses(db: Cluster) -> None:
    db.run("wabot", """ALTER TABLE "User" ADD CHECK ("requestsToday" <> '0')""")
    with pytest.raises(DatabaseFailed) as caught:
        do(db, "negative:reset_negative")
    assert caught.value.message == (
        'PostgreSQL refused: new row for relation "User" violates check constraint "User_requestsToday_check"'
    )
    assert "a@x.example" not in str(vars(caught.value))


def test_a_row_that_somebody_holds_is_not_waited_for_long(db: Cluster) -> None:
    before = world(db)
    with db.connect("wabot") as busy, busy.transaction():
        busy.execute("""SELECT 1 FROM "User" WHERE id = 'u1' FOR UPDATE""")
        with pytest.raises(DatabaseFailed) as caught:
            do(db, "negative:reset_negative", wait=0.1)
    error = caught.value
    assert error.message == "The rows could not be had in time: canceling statement due to lock timeout"
    assert error.hint == "This repair has changed nothing. Who holds them: SELECT pid, query FROM pg_stat_activity."
    assert (error.next, error.code) == ("ansible-playbook resume.yml", "repair-blocked")
    assert world(db) == before


def test_rows_that_were_mended_while_they_were_waited_for_are_left_alone(db: Cluster) -> None:
    with ThreadPoolExecutor(1) as thread, db.connect("wabot") as busy:
        with busy.transaction():
            busy.execute("""UPDATE "User" SET "requestsToday" = '5' WHERE id = 'u1'""")
            done = thread.submit(do, db, "negative:reset_negative", wait=60, seconds=60)
            wait_for(lambda: db.run("postgres", WAITING))
        assert done.result() == {"changed": False, "repaired": {"negative:reset_negative": 0}, "kept": []}
    assert db.run("wabot", """SELECT "requestsToday" FROM "User" WHERE id = 'u1'""") == [("5",)]
    assert db.run("wabot", f"SELECT to_regnamespace('{kept.SCHEMA}')") == [(None,)]


@pytest.mark.parametrize("way", ["repair", "back"])
def test_killed_in_the_middle_it_is_as_if_it_never_was_and_can_be_done_again(db: Cluster, way: str) -> None:
    if way == "back":
        do(db, "orphans:remove,negative:reset_negative")
    before = world(db)

    def work() -> None:
        if way == "back":
            back.put_back(place(db, seconds=60), 60, False, False)
        else:
            do(db, "negative:reset_negative", wait=60, seconds=60)

    # It stands in the middle: the row is changed, and its audit is not yet written.
    db.run("wabot", *AUDIT)
    with db.connect("wabot") as busy, busy.transaction():
        busy.execute("LOCK TABLE audit IN ACCESS EXCLUSIVE MODE")
        process = multiprocessing.get_context("fork").Process(target=work)
        process.start()
        wait_for(lambda: db.run("postgres", WAITING))
        os.kill(process.pid or 0, signal.SIGKILL)
        process.join()
    wait_for(lambda: not db.run("postgres", OURS))
    assert world(db) == before
    work()
    assert world(db) != before
    assert counts(db)["negative"] == (0 if way == "repair" else 1)
