"""What a repair keeps, what preflight tells, and whole runs: on a real PostgreSQL and with the real engine."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from ansible_collections.steady.rollback.plugins.module_utils.core.errors import (
    CommandFailed,
    TargetRefused,
)
from ansible_collections.steady.rollback.plugins.module_utils.django_command import Project
from ansible_collections.steady.rollback.plugins.module_utils.entry import Call
from ansible_collections.steady.rollback.plugins.module_utils.integrity import (
    back,
    checks,
    look,
    preflight,
    repair,
)
from ansible_collections.steady.rollback.plugins.modules import sql_integrity_info
from integration.integrity_fixtures import (  # noqa: F401
    BARE,
    CHANGE,
    DECLARED,
    LIMIT,
    counts,
    db_fixture,
    declared,
    do,
    place,
    there_fixture,
    undo,
    world,
)
from integration.postgres_fixtures import PASSWORD, Cluster, cluster_fixture, wait_for  # noqa: F401
from integration.test_postgres_role import Anchor

ROOT = Path(__file__).parents[2]


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
