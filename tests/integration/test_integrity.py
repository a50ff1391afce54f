"""Checks and repairs on a real PostgreSQL, as the role that rolls back: no superuser, owner of nothing."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.steady.rollback.plugins.module_utils.core.errors import (
    BadInput,
    CommandFailed,
    DatabaseFailed,
    GateFailed,
    NotEffective,
    RollbackError,
    TargetRefused,
)
from ansible_collections.steady.rollback.plugins.module_utils.django_command import Project
from ansible_collections.steady.rollback.plugins.module_utils.entry import Call
from ansible_collections.steady.rollback.plugins.module_utils.integrity import (
    back,
    checks,
    kept,
    look,
    preflight,
    repair,
)
from ansible_collections.steady.rollback.plugins.module_utils.integrity.session import Place
from ansible_collections.steady.rollback.plugins.modules import sql_integrity_info
from integration.postgres_fixtures import PASSWORD, Cluster, cluster_fixture, wait_for  # noqa: F401
from integration.test_postgres_role import Anchor

ROOT = Path(__file__).parents[2]

CHANGE = "r20261125t022301-4f2a"
COUNTERS = """
SET ROLE wabot;
CREATE TABLE "User" (id text PRIMARY KEY, email text, "requestsToday" text, "dailyRequestLimit" text DEFAULT '50',
  "updatedAt" timestamp NOT NULL DEFAULT '2026-11-01', "lastRequestReset" date DEFAULT '2026-10-31');
INSERT INTO "User" (id, email, "requestsToday") VALUES ('u1', 'a@x.example', '-3'), ('u2', 'b@x.example', '7'),
  ('u3', 'c@x.example', '61'), ('u4', 'd@x.example', '55'), ('u5', 'e@x.example', '4000'), ('u6', NULL, 'n/a');
CREATE TABLE conversation (id bigint PRIMARY KEY);
CREATE TABLE context (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, conversation_id bigint NOT NULL, items jsonb,
  note char(5), span tstzrange, raw bytea, total bigint GENERATED ALWAYS AS (conversation_id * 2) STORED,
  made timestamptz(3) DEFAULT '2026-11-01 03:00:00.123+05', kind text[] DEFAULT '{"a,b",NULL}');
INSERT INTO conversation VALUES (1);
INSERT INTO context (conversation_id, items, note, span, raw) VALUES (1, '[]', 'x', NULL, NULL),
  (8, 'null', 'y', '[2026-11-01,)', '\\x00ff'), (9, NULL, NULL, 'empty', ''), (9, '{"a": 1.50}', ' z', NULL, '\\x25');
CREATE TABLE nokey (value int);
CREATE TABLE parent (id int, part int, state text, PRIMARY KEY (part, id));
CREATE TABLE child (parent int, part int, FOREIGN KEY (part, parent) REFERENCES parent (part, id) ON DELETE CASCADE);
INSERT INTO parent VALUES (1, 2, '100%'), (2, 1, '{bad}'), (2, 2, 'good');
RESET ROLE;
"""
# S0 compares texts by CAST, which one 'n/a' breaks; the order of AND is the server's, that of CASE is ours.
COUNTED = """CASE WHEN "requestsToday" ~ '^-?[0-9]{1,9}$' THEN "requestsToday"::int END"""
LIMIT = """CASE WHEN "dailyRequestLimit" ~ '^[0-9]{1,9}$' THEN "dailyRequestLimit"::int END"""
CAP = {"requestsToday": '"dailyRequestLimit"', "updatedAt": "now()"}
DECLARED: list[dict[str, Any]] = [
    {
        "name": "negative",
        "table": "User",
        "where": f"{COUNTED} < 0 -- the counter is a text",
        "show": ["requestsToday", "lastRequestReset"],
        "repairs": {"reset_negative": {"set": {"requestsToday": "'0'", "updatedAt": "now()"}}},
    },
    {
        "name": "exceeded",
        "table": "public.User",
        "where": f"{COUNTED} > {LIMIT} + 10",
        "repairs": {
            "cap_at_limit": {"set": CAP},
            "script": {"set": {"requestsToday": f"(CASE WHEN {COUNTED} < 0 THEN 0 ELSE {LIMIT} END)"}},
            "half": {"set": {"requestsToday": f"({COUNTED} / 2)"}},
            "no_number": {"set": {"requestsToday": "'x'::int"}},
            "no_such": {"set": {"requests": "'0'"}},
        },
    },
    {"name": "suspicious", "table": "User", "where": f"{COUNTED} > 1000", "severity": "warning"},
    {
        "name": "orphans",
        "table": "context",
        "where": "NOT EXISTS (SELECT FROM conversation c WHERE c.id = conversation_id)",
        "repairs": {"remove": {"delete": True}},
    },
    {
        "name": "odd",
        "table": "parent",
        "where": "state LIKE '100%' OR state = '{bad}'",
        "repairs": {"mend": {"set": {"state": "'50%'"}}, "remove": {"delete": True}},
    },
    {"name": "no_mail", "table": "User", "where": "email IS NULL", "severity": "warning"},
    {"name": "keyless", "table": "nokey", "where": "value < 0", "repairs": {"zero": {"set": {"value": "0"}}}},
]
# As the module's options fill in what an inventory leaves out.
BARE = {"severity": "critical", "show": [], "repairs": {}}
AUDIT = (
    "CREATE TABLE audit (id text)",
    "GRANT INSERT ON audit TO rollback",
    """CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$
       BEGIN INSERT INTO audit VALUES (NEW.id); RETURN NEW; END $$""",
    """CREATE TRIGGER noted AFTER UPDATE ON "User" FOR EACH ROW EXECUTE FUNCTION note()""",
)
OURS = "SELECT 1 FROM pg_stat_activity WHERE application_name LIKE 'rollback:%'"
WAITING = f"{OURS} AND wait_event_type = 'Lock'"
EVERYTHING = (
    'SELECT * FROM "User" ORDER BY 1',
    "SELECT * FROM context ORDER BY 1",
    "SELECT * FROM parent ORDER BY 1, 2",
)


@pytest.fixture(name="there", scope="module")
def there_fixture(cluster: Cluster) -> Iterator[Cluster]:
    """The cluster with the product's tables in a template."""
    cluster.drop_all()
    cluster.create("pattern", COUNTERS)
    yield cluster
    cluster.drop_all()


@pytest.fixture(name="db")
def db_fixture(there: Cluster) -> Cluster:
    """A fresh database ``wabot``."""
    there.run("postgres", "DROP DATABASE IF EXISTS wabot WITH (FORCE)")
    there.run("postgres", "CREATE DATABASE wabot TEMPLATE pattern OWNER wabot")
    return there


def place(db: Cluster, change: str = CHANGE, seconds: float = 20) -> Place:
    return Place(db.server, "wabot", change, seconds)


def declared(*names: str) -> list[checks.Check]:
    return checks.load([{**BARE, **each} for each in DECLARED if not names or each["name"] in names])


def do(db: Cluster, text: str, dry_run: bool = False, most: int = 100, wait: float = 5, **more: Any) -> dict[str, Any]:
    return repair.repair(place(db, **more), declared(), text, repair.Terms(wait, most), dry_run)


def redo(db: Cluster) -> dict[str, Any]:
    return repair.repair(place(db), declared(), "", repair.Terms(5, 100, redo=True), False)


def undo(db: Cluster, leave: bool = False, dry_run: bool = False) -> dict[str, Any]:
    return back.put_back(place(db), 5, leave, dry_run)


def world(db: Cluster) -> list[Any]:
    with db.connect("wabot") as connection:
        return [connection.execute(query).fetchall() for query in EVERYTHING]


def counts(db: Cluster) -> dict[str, int | None]:
    return {each.check.name: each.rows for each in look.look(place(db), declared(), 5)}


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


def test_what_is_kept_belongs_to_the_owner_and_goes_when_its_time_is_over(db: Cluster, tmp_path: Path) -> None:
    do(db, "negative:reset_negative")
    do(db, "orphans:remove", change="another")
    # The product's own nightly dump, as the owner of the database, still works and holds what is kept.
    dump = [str(db.tools / "pg_dump"), "-h", "127.0.0.1", "-p", str(db.port), "-U", "wabot", "-d", "wabot"]
    done = subprocess.run(dump, env={"PGPASSWORD": db.server.password}, capture_output=True, text=True, check=True)
    assert "CREATE TABLE rollback_kept.repair" in done.stdout
    assert db.run("wabot", "SELECT nspowner::regrole::text FROM pg_namespace WHERE nspname = 'rollback_kept'") == [
        ("wabot",)
    ]
    db.run("wabot", "UPDATE rollback_kept.repair SET done = done - interval '3 days' WHERE number = 1")
    assert back.finalize(place(db), 5, 96, False) == {"changed": False, "deleted": []}
    gone = {"changed": True, "deleted": [{"kind": "kept rows of the repair", "name": "negative:reset_negative (1)"}]}
    assert back.finalize(place(db), 5, 72, True) == gone
    assert back.finalize(place(db), 5, 72, False) == gone
    assert undo(db)["restored"] == {}
    assert back.finalize(place(db), 5, -1, False)["changed"]
    assert db.run("wabot", "SELECT to_regnamespace('rollback_kept')") == [(None,)]


def test_a_schema_of_that_name_that_somebody_else_made_is_refused(db: Cluster) -> None:
    db.run("wabot", "CREATE SCHEMA rollback_kept AUTHORIZATION reporting")
    with pytest.raises(TargetRefused) as caught:
        do(db, "negative:reset_negative")
    error = caught.value
    assert error.message == "The schema rollback_kept belongs to reporting, not to wabot, who owns the database."
    assert (error.next, error.code) == ("ALTER SCHEMA rollback_kept OWNER TO wabot", "kept-foreign")


def seen(db: Cluster, text: str, *, acts: bool = True, looking: bool = False, most: int = 100) -> list[tuple[str, ...]]:
    rows = preflight.View(place(db), declared(), text, 1, most, acts, looking).rows()
    return [(row["level"], row["found"], row["fix"], row["code"]) for row in rows]


def test_preflight_shows_rows_and_what_a_repair_would_do(db: Cluster) -> None:
    before = world(db)
    negative, exceeded, suspicious, orphans, _odd, no_mail, keyless = seen(db, "", acts=False)
    assert negative == (
        "warn",
        "negative: 1 rows of User (critical): id=u1 requestsToday=-3 lastRequestReset=2026-10-31",
        "ansible-playbook data-repair.yml --check -e repair=negative:reset_negative",
        "integrity-rows-found",
    )
    assert exceeded[1] == "exceeded: 2 rows of public.User (critical): id=u3; ..."
    assert suspicious[1:3] == ("suspicious: 1 rows of User (a warning): id=u5", "No repair is declared.")
    assert orphans[0] == no_mail[0] == "warn"
    assert keyless == ("ok", "keyless: no row of nokey", "", "")

    offered = (
        "negative:reset_negative, exceeded:cap_at_limit, exceeded:script, exceeded:half, exceeded:no_number, "
        "exceeded:no_such, orphans:remove, odd:mend, odd:remove, keyless:zero"
    )
    missing = ("no repair is chosen", f"add   -e repair=<check>:<option>   of: {offered}", "repair-missing")
    assert seen(db, "")[7:] == [("fail", *missing)]
    assert seen(db, "", looking=True)[7:] == [("warn", *missing)]
    reset, remove, mend = seen(db, "negative:reset_negative,orphans:remove,odd:mend")[7:]
    told = (
        "negative:reset_negative would change 1 rows: id=u1 requestsToday: -3 -> 0, updatedAt: 2026-11-01 00:00:00 -> "
    )
    assert (reset[0], reset[1].rpartition("-> ")[0] + "-> ") == ("ok", told)
    assert remove[:2] == ("ok", "orphans:remove would change 3 rows: id=2 goes; ...")
    assert mend[:2] == ("ok", "odd:mend would change 2 rows: part=1 id=2 state: {bad} -> 50%; ...")
    wrong = seen(db, "exceeded:no_number,exceeded:no_such,keyless:zero,odd:remove")[7:]
    assert [(row[0], row[3]) for row in wrong] == [
        ("fail", "repair-refused"), *[("fail", "repair-impossible")] * 3,
    ]  # fmt: skip
    assert seen(db, "orphans:remove", most=2)[7:] == [
        ("fail", "orphans:remove would change 3 rows, more than 2", "Is the check right? Then raise integrity_most.",
         "repair-too-wide"),
    ]  # fmt: skip
    assert [(row[0], row[3]) for row in seen(db, "no:such")[7:]] == [("fail", "repair-unknown")]
    assert world(db) == before


def test_a_role_that_may_not_is_told_which_right_it_lacks(db: Cluster) -> None:
    db.run("postgres", "REVOKE wabot FROM rollback", "GRANT CONNECT ON DATABASE wabot TO rollback")
    try:
        # Reading is enough for everything but a repair.
        assert counts(db)["negative"] == 1
        rows = seen(db, "negative:reset_negative,orphans:remove")[7:]
    finally:
        db.run("postgres", "GRANT wabot TO rollback")
    assert [row[:3] for row in rows] == [
        ("fail", "this role may not keep the rows as they were", "GRANT wabot TO rollback"),
        ("fail", "negative:reset_negative: this role may not change public.User",
         'GRANT UPDATE (requestsToday), UPDATE (updatedAt) ON "public"."User" TO the role that rolls back'),
        ("fail", "this role may not keep the rows as they were", "GRANT wabot TO rollback"),
        ("fail", "orphans:remove: this role may not change public.context",
         'GRANT DELETE, INSERT, UPDATE ON "public"."context" TO the role that rolls back'),
    ]  # fmt: skip


def story(db: Cluster, home: Path, *names: str) -> Anchor:
    """A host whose inventory has the checks of these names."""
    anchor = Anchor(home, db, {})
    inventory = yaml.safe_load((home / "inventory.yml").read_text())["all"]
    inventory["children"] = {name: {"hosts": {"db1": {}}} for name in ("anchor", "rollback_integrity")}
    options = {name: value for name, value in db.options.items() if name != "tools"}
    inventory["vars"].update({f"integrity_{name}": value for name, value in options.items()})
    inventory["vars"].update(integrity_database="wabot", rollback_s3={})
    inventory["vars"]["integrity_checks"] = [each for each in DECLARED if each["name"] in names]
    (home / "inventory.yml").write_text(yaml.safe_dump({"all": inventory}))
    return anchor


def test_data_repair_looks_first_is_held_by_another_check_and_undone(db: Cluster, tmp_path: Path) -> None:
    anchor, before = story(db, tmp_path, "negative", "exceeded", "suspicious"), world(db)
    chosen = ["-e", "repair=negative:reset_negative"]
    looked = " ".join(anchor.play("steady.rollback.data_repair", "--check", *chosen).split())
    assert "negative: 1 rows of User (critical): id=u1 requestsToday=-3 lastRequestReset=2026-10-31" in looked
    assert "negative:reset_negative would change 1 rows: id=u1 requestsToday: -3 -> 0" in looked
    assert world(db) == before
    assert not (tmp_path / "anchor" / "production" / "runs").exists()

    out = " ".join(anchor.play("steady.rollback.data_repair", *chosen, good=False).split())
    assert "FAILED at [2/2] integrity.verify on db1 The data is not whole (fail): exceeded: 2 rows." in out
    assert "See the rows: data-repair.yml --check." in out
    done = {each["step"]: each["effects"]["db1"] for each in anchor.journals() if each["kind"] in ("done", "failed")}
    assert done["integrity.repair"]["repaired"] == {"negative:reset_negative": 1}
    verify = done["integrity.verify"]
    assert (verify["verdict"], verify["counts"]) == ("fail", {"negative": 0, "exceeded": 2, "suspicious": 1})
    (report,) = (tmp_path / "anchor" / "production" / "runs").glob("*/report.md")
    assert "- integrity.verify from db1: fail after " in report.read_text()
    assert "1 rows as negative:reset_negative found them, in the schema rollback_kept on db1" in report.read_text()
    assert "a@x.example" not in "".join(path.read_text() for path in tmp_path.rglob("runs/*/*") if path.is_file())

    anchor.play("steady.rollback.undo")
    assert world(db) == before


def test_a_restore_point_with_critical_rows_is_not_a_healthy_one(db: Cluster) -> None:
    said: list[str] = []
    params = {
        **{"tools_seconds": 5, **db.options, "database": "wabot", "change": CHANGE, "seconds": 5},
        **{"shown": 1, "captured": {}, "from": ""},
    }
    for name, good in (("negative", False), ("no_mail", True)):
        given = [each for each in DECLARED if each["name"] == name]
        call = Call({**params, "stage": "capture", "checks": [{**BARE, **each} for each in given]}, False, said.append)
        facts = sql_integrity_info.do(call).facts
        assert (facts["good"], facts["captured_host"]) == (good, {name: 1})
    assert said == ["no_mail: 1 rows"]


def test_every_strategy_checks_the_data_before_customers_are_watched() -> None:
    books = [book for book in sorted((ROOT / "playbooks").glob("*.yml")) if "gate.soak" in book.read_text()]
    assert len(books) >= 7
    for book in books:
        (play,) = yaml.safe_load(book.read_text())
        steps = play["vars"]["rollback_steps"]
        assert "gate.soak" in steps[steps.index("integrity.verify") :], book.name


def test_the_declarations_of_wabotiq_fit_every_schema_that_it_had(there: Cluster, tmp_path: Path) -> None:
    """The older one forbids what the newer one let happen; the checks are read on both."""
    inventory = yaml.safe_load((ROOT / "inventories/wabot/group_vars/all/integrity.yml").read_text())
    known = checks.load([{**BARE, **each} for each in inventory["integrity_checks"]])
    there.run("postgres", "DROP DATABASE IF EXISTS wabot WITH (FORCE)")
    there.create(content="SELECT 1")
    lines = {"HOST": "127.0.0.1", "PORT": there.port, "NAME": "wabot", "USER": "wabot", "PASSWORD": PASSWORD}
    (tmp_path / "env").write_text("".join(f"WABOT_DB_{name}={value}\n" for name, value in lines.items()))
    product = Project(str(ROOT / "tests/systems/wabot/v1"), str(tmp_path / "env"), python=sys.executable, timeout=120)
    product.manage("migrate", "--verbosity", "0")
    product.manage("seed_demo_data", "--conversations", "2", "--messages", "2")
    assert [each.rows for each in look.look(place(there), known, 5)] == [0, 0, 0]
    # As v2 leaves them.
    there.run(
        "wabot",
        "ALTER TABLE bot_messageharmonizationlog ALTER message_ids DROP NOT NULL",
        "INSERT INTO bot_messageharmonizationlog (conversation_id, status, created_at) "
        "SELECT id, 'done', now() FROM messaging_conversation LIMIT 2",
        "INSERT INTO bot_referencecontext (conversation_id, items, created_at) VALUES (999, 'null', now())",
    )
    assert [each.rows for each in look.look(place(there), known, 5)] == [2, 0, 1]
    with pytest.raises(CommandFailed, match="check_data_integrity ended with code 1"):
        product.manage("check_data_integrity")
    repair.repair(
        place(there), known, "logs_without_messages:empty,orphaned_contexts:remove", repair.Terms(5, 9), False
    )
    product.manage("check_data_integrity")
    assert undo(there)["restored"] == {"orphaned_contexts:remove (2)": 1, "logs_without_messages:empty (1)": 2}
