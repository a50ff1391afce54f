# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The exchange of databases on a real cluster, as the role that rolls back: no superuser, owner of nothing."""

from __future__ import annotations

import itertools
import json
import os
import signal
import subprocess
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

import psycopg
import pytest
from ansible_collections.steady.rollback.plugins.module_utils.core.errors import RollbackError
from ansible_collections.steady.rollback.plugins.module_utils.databases import (
    beside,
    names,
    preserve,
    settings,
    standing,
    swap,
)
from ansible_collections.steady.rollback.plugins.module_utils.storage.objects import Bucket
from integration.postgres_fixtures import PASSWORD, Cluster, cluster_fixture, product_fixture, s3_fixture, wait_for  # noqa: F401

CHANGE = "r20261125t022301-4f2a"
MARK = {"rollback": CHANGE, "complete": True, "restored_from": "a backup"}
DRESSED = [
    'GRANT SET ON PARAMETER "app.tenant" TO rollback',
    "GRANT CREATE ON DATABASE wabot TO reporting WITH GRANT OPTION",
    "ALTER DATABASE wabot SET search_path = \"$user\", public, 'odd, name'",
    "ALTER DATABASE wabot SET \"app.tenant\" = 'it''s, \"quoted\"'",
    "ALTER DATABASE wabot SET temp_tablespaces = ''",
    "ALTER DATABASE wabot CONNECTION LIMIT 70",
    "ALTER ROLE wabot IN DATABASE wabot SET work_mem = '7MB'",
    "ALTER ROLE rollback IN DATABASE wabot SET work_mem = '9MB'",
]
WORLD = """
SELECT d.datname, pg_get_userbyid(datdba), datconnlimit, datallowconn, shobj_description(d.oid, 'pg_database'),
  (SELECT array_agg(x::text ORDER BY x::text) FROM aclexplode(coalesce(datacl, acldefault('d', datdba))) x),
  (SELECT array_agg(setrole::regrole || ':' || setconfig::text ORDER BY setrole) FROM pg_db_role_setting
   WHERE setdatabase = d.oid)
FROM pg_database d WHERE datname = %s
"""


def terms(live: str = "wabot", patience: float = 10) -> swap.Terms:
    return swap.Terms(live, CHANGE, CHANGE, 72, patience)


def forth(cluster: Cluster, live: str = "wabot", **more: Any) -> dict[str, Any]:
    return swap.swapped(cluster.server, terms(live, **more), dry_run=False)


def back(cluster: Cluster, live: str = "wabot", **more: Any) -> dict[str, Any]:
    return swap.swapped_back(cluster.server, terms(live, **more), dry_run=False)


def prepare(cluster: Cluster, live: str = "wabot", complete: bool = True) -> None:
    """What the verb prepare leaves: the database as it was at the restore point, beside the live one."""
    good = names.good(live, CHANGE)
    with psycopg.connect(
        host="127.0.0.1", port=cluster.port, user="rollback", password=PASSWORD, dbname="postgres", autocommit=True
    ) as role:
        role.execute(psycopg.sql.SQL("CREATE DATABASE {} OWNER wabot").format(psycopg.sql.Identifier(good)))
        note = json.dumps({**MARK, "complete": complete})
        role.execute(
            psycopg.sql.SQL("COMMENT ON DATABASE {} IS {}").format(
                psycopg.sql.Identifier(good), psycopg.sql.Literal(note)
            )
        )
    cluster.run(good, "SET ROLE wabot", "CREATE TABLE era (name text)", "INSERT INTO era VALUES ('then')")
    cluster.run(live, "SET ROLE wabot", "CREATE TABLE era (name text)", "INSERT INTO era VALUES ('now')")


def era(cluster: Cluster, database: str = "wabot") -> str:
    """Which of the two databases answers to a name, asked as the application."""
    with cluster.connect(database, user="wabot") as connection:
        (found,) = connection.execute("SELECT name FROM era").fetchone() or ("?",)
    return str(found)


def world(cluster: Cluster, database: str = "wabot") -> tuple[Any, ...]:
    """All that belongs to a database by its name."""
    with cluster.connect() as connection:
        row = connection.execute(WORLD, [database]).fetchone()
    assert row is not None
    return row


@pytest.fixture(name="ready")
def ready_fixture(product: Cluster) -> Cluster:
    prepare(product)
    return product


@pytest.fixture(name="dressed")
def dressed_fixture(ready: Cluster) -> Iterator[Cluster]:
    ready.run("postgres", *DRESSED)
    yield ready
    ready.drop_all()
    ready.run("postgres", 'REVOKE SET ON PARAMETER "app.tenant" FROM rollback')


GOOD, BAD = names.good("wabot", CHANGE), names.bad("wabot", CHANGE)


CONTENT = """
SELECT (SELECT count(*) FROM message), (SELECT sum(hashtextextended(m::text, 0)::numeric) FROM message m),
  (SELECT array_agg(s::text ORDER BY s::text) FROM pg_sequences s)
"""


def test_forth_back_and_forth_again(dressed: Cluster) -> None:
    before, content = world(dressed), dressed.run("wabot", CONTENT)
    done = forth(dressed)
    assert (done["changed"], done["kept"], done["differences"], era(dressed)) == (True, BAD, [], "then")
    assert world(dressed) == before
    assert not forth(dressed)["changed"]
    assert back(dressed)["changed"]
    assert (era(dressed), world(dressed), dressed.run("wabot", CONTENT)) == ("now", before, content)
    assert dressed.databases() == {"postgres", "wabot", GOOD}
    assert not back(dressed)["changed"]
    assert forth(dressed)["changed"]
    assert (era(dressed), world(dressed), dressed.databases()) == ("then", before, {"postgres", "wabot", BAD})


def test_what_is_kept_can_be_read_and_not_written(ready: Cluster) -> None:
    done = forth(ready)
    note = json.loads(world(ready, BAD)[4])
    assert (note["rollback"], note["restored"], note["kept"]["until"]) == (CHANGE, MARK, done["until"])
    assert era(ready, BAD) == "now"
    for user in ("wabot", "rollback"):
        with ready.connect(BAD, user=user) as connection, pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
            connection.execute("INSERT INTO era VALUES ('later')")
    back(ready)
    with ready.connect("wabot", user="wabot") as connection:
        connection.execute("INSERT INTO era VALUES ('later')")
    assert json.loads(world(ready, GOOD)[4])["complete"]


def test_check_mode_changes_nothing(ready: Cluster) -> None:
    before = world(ready), world(ready, GOOD)
    assert swap.swapped(ready.server, terms(), dry_run=True)["changed"]
    assert not swap.swapped_back(ready.server, terms(), dry_run=True)["changed"]
    assert (world(ready), world(ready, GOOD)) == before


def test_a_name_that_is_no_identifier(product: Cluster) -> None:
    name = product.create('we"ird; drop x--\n%s {v0} ' + "é" * 15)
    prepare(product, name)
    forth(product, name)
    assert (era(product, name), era(product, names.bad(name, CHANGE))) == ("then", "now")
    back(product, name)
    assert era(product, name) == "now"


def refused(cluster: Cluster, code: str, *parts: str, **more: Any) -> RollbackError:
    """The swap is refused with this code and these words, and the database still serves."""
    with pytest.raises(RollbackError) as error:
        forth(cluster, **more)
    assert error.value.code == code
    assert all(part in error.value.message for part in parts), error.value.message
    assert world(cluster)[3]
    assert era(cluster) == "now"
    return error.value


def test_what_is_not_there_is_said(product: Cluster) -> None:
    product.run("wabot", "SET ROLE wabot", "CREATE TABLE era (name text)", "INSERT INTO era VALUES ('now')")
    refused(product, "not-prepared", GOOD)
    with pytest.raises(RollbackError, match="Nothing is kept of this change") as error:
        back(product)
    assert error.value.code == "nothing-kept"
    with pytest.raises(RollbackError, match="There is no database 'nope'") as error:
        forth(product, "nope")
    assert error.value.code == "database-missing"


def test_a_restore_that_did_not_end_never_goes_live(product: Cluster) -> None:
    prepare(product, complete=False)
    refused(product, "restore-incomplete", GOOD)


def test_two_candidates_are_not_guessed_between(ready: Cluster) -> None:
    ready.run("postgres", f'CREATE DATABASE "{BAD}"')
    refused(ready, "exchange-unclear", GOOD, BAD)


def test_a_prepared_transaction_is_named(ready: Cluster) -> None:
    ready.run("wabot", "BEGIN", "INSERT INTO era VALUES ('later')", "PREPARE TRANSACTION 'two-phase'")
    refused(ready, "database-bound", "two-phase")
    ready.run("wabot", "ROLLBACK PREPARED 'two-phase'")
    assert forth(ready)["changed"]


def test_a_replication_slot_is_named(ready: Cluster) -> None:
    ready.run("wabot", "SELECT pg_create_logical_replication_slot('feed', 'pgoutput')")
    refused(ready, "database-bound", "feed")
    ready.run("wabot", "SELECT pg_drop_replication_slot('feed')")
    assert forth(ready)["changed"]


def test_a_long_transaction_is_ended(ready: Cluster) -> None:
    with closing(ready.connect("wabot", user="wabot")) as idle, closing(ready.connect(GOOD, user="wabot")):
        idle.execute("BEGIN")
        idle.execute("LOCK TABLE era")
        assert forth(ready)["sessions_ended"] == 2


def test_a_superuser_is_waited_for_before_anybody_is_turned_away(ready: Cluster) -> None:
    with ready.connect("wabot"):
        refused(ready, "sessions-stay", "postgres", patience=0.3)
    with ready.connect("wabot") as connection:
        threading.Timer(0.5, connection.close).start()
        assert forth(ready)["changed"]


def test_a_setting_that_may_not_be_copied_stops_before_the_fence(ready: Cluster) -> None:
    ready.run("postgres", "CREATE ROLE auditor", "ALTER ROLE auditor IN DATABASE wabot SET work_mem = '5MB'")
    try:
        refused(ready, "clothes-refused", "settings of auditor")
        ready.run("postgres", "GRANT auditor TO rollback")
        before = world(ready)
        forth(ready)
        assert world(ready) == before
    finally:
        ready.drop_all()
        ready.run("postgres", "DROP ROLE auditor")


def test_what_cannot_be_copied_is_told(ready: Cluster) -> None:
    ready.run("postgres", "ALTER ROLE postgres IN DATABASE wabot SET work_mem = '5MB'")
    assert forth(ready)["differences"] == ["settings of the superuser postgres stay behind"]


def test_what_a_killed_attempt_left_behind_is_ended(ready: Cluster) -> None:
    with closing(ready.connect(GOOD, user="rollback", application_name=f"rollback:{CHANGE}")) as orphan:
        orphan.execute("BEGIN")
        assert forth(ready)["changed"]
        with pytest.raises(psycopg.OperationalError):
            orphan.execute("SELECT 1")


@contextmanager
def storm(cluster: Cluster, clients: int) -> Iterator[subprocess.Popen[bytes]]:
    """Clients that connect anew for every query, and come back at once when they were thrown out."""
    script = cluster.directory.parent / "storm.sql"
    script.write_text("SELECT 1;")
    loop = f"while :; do {cluster.tools}/pgbench -n -C -c {clients} -t 20 -f {script}; done"
    environment = {"PGHOST": "127.0.0.1", "PGPORT": str(cluster.port), "PGUSER": "wabot", "PGPASSWORD": PASSWORD}
    process = subprocess.Popen(
        ["bash", "-c", loop],
        env={**environment, "PGDATABASE": "wabot", "PATH": "/usr/bin:/bin"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        subprocess.run(["kill", "-9", "--", f"-{process.pid}"], check=True)
        process.wait()


def test_a_storm_of_reconnecting_clients(ready: Cluster) -> None:
    connected = "SELECT count(*) FROM pg_stat_activity WHERE datname = 'wabot'"
    with storm(ready, 10):
        for turn in range(20):
            wait_for(lambda: ready.run("postgres", connected)[0][0] >= 3)
            assert (forth if turn % 2 == 0 else back)(ready)["changed"]
    assert era(ready) == "now"


def test_every_connection_is_taken(ready: Cluster) -> None:
    """A slot that becomes free in a moment is waited for; a server that stays full is said."""
    held: list[psycopg.Connection[Any]] = []
    with pytest.raises(psycopg.OperationalError):
        while True:
            held.append(ready.connect("postgres", user="wabot"))
    try:
        with pytest.raises(RollbackError) as error:
            forth(ready)
        assert (error.value.code, error.value.next) == (
            "connections-exhausted",
            f"psql -h 127.0.0.1 -p {ready.port} -U postgres -l",
        )
        assert error.value.hint == (
            "Every connection is taken. End some: a superuser has slots of its own. From PostgreSQL 16 on, "
            "reserved_connections and GRANT pg_use_reserved_connections TO rollback keep one free."
        )
        threading.Timer(0.5, lambda: [each.close() for each in held[:20]]).start()
        assert forth(ready)["changed"]
    finally:
        [each.close() for each in held]


def killed(cluster: Cluster, verb: Any, at: int) -> bool:
    """Run a verb in a process that kills itself before statement ``at`` of those that change something.

    False when it got to its end.
    """
    child = os.fork()
    if child == 0:
        execute, count = psycopg.Connection.execute, itertools.count(1)

        def counted(self: Any, query: Any, *args: Any, **options: Any) -> Any:
            text = query if isinstance(query, str) else query.as_string(self)
            if ("pg_terminate" in text or not text.strip().startswith("SELECT")) and next(count) == at:
                os.kill(os.getpid(), signal.SIGKILL)
            return execute(self, query, *args, **options)

        psycopg.Connection.execute = counted  # type: ignore[method-assign,assignment]
        verb(cluster)
        os._exit(0)
    _pid, status = os.waitpid(child, 0)
    return os.WIFSIGNALED(status)


@pytest.mark.parametrize(("verb", "start", "end"), [(forth, "now", "then"), (back, "then", "now")])
@pytest.mark.parametrize("after", ["resume", "undo"])
def test_killed_anywhere_then_resumed_or_undone(dressed: Cluster, verb: Any, start: str, end: str, after: str) -> None:
    inverse = back if verb is forth else forth
    if verb is back:
        forth(dressed)
    before = world(dressed)
    for at in itertools.count(1):
        if not killed(dressed, verb, at):
            break
        assert era(dressed) in (start, end), at
        if after == "resume":
            verb(dressed)
            assert (era(dressed), world(dressed)) == (end, before), at
        inverse(dressed)
        assert (era(dressed), world(dressed)) == (start, before), at
        assert len(dressed.databases()) == 3, at
    assert at > 12


def verify(cluster: Cluster, swapped: bool = True) -> dict[str, Any]:
    return standing.verify(cluster.server, "wabot", CHANGE, swapped)


def test_verify_knows_the_database_by_its_number(ready: Cluster) -> None:
    with pytest.raises(RollbackError, match="not the one that was restored") as error:
        verify(ready)
    assert (error.value.code, error.value.facts["waiting"]) == ("swap-not-effective", GOOD)
    assert not verify(ready, swapped=False)["swapped"]
    forth(ready)
    found = verify(ready)
    assert (found["swapped"], found["writable"], found["kept"], found["waiting"]) == (True, True, BAD, "")
    ready.run("postgres", "ALTER DATABASE wabot RENAME TO stray", "CREATE DATABASE wabot OWNER wabot")
    with pytest.raises(RollbackError) as error:
        verify(ready)
    assert error.value.code == "swap-not-effective"


def test_verify_sees_a_database_that_takes_no_writes(ready: Cluster) -> None:
    forth(ready)
    ready.run("postgres", "ALTER DATABASE wabot SET default_transaction_read_only = on")
    with pytest.raises(RollbackError) as error:
        verify(ready)
    assert error.value.code == "database-read-only"


def test_preflight_names_what_may_not_be_copied(ready: Cluster) -> None:
    with ready.server.connect("postgres") as connection:
        assert settings.forbidden(connection, "wabot") == []
    ready.run(
        "postgres",
        "CREATE ROLE auditor",
        "ALTER ROLE auditor IN DATABASE wabot SET work_mem = '5MB'",
        "ALTER DATABASE wabot SET log_statement = 'ddl'",
        'ALTER DATABASE wabot SET "app.tenant" = 7',
        "ALTER ROLE postgres IN DATABASE wabot SET log_statement = 'all'",
        "ALTER DATABASE wabot SET datestyle = 'ISO'",
    )
    try:
        with ready.server.connect("postgres") as connection:
            found = {row.found.partition("copy the ")[2]: row.fix for row in settings.forbidden(connection, "wabot")}
        assert found == {
            "settings of role auditor": "GRANT auditor TO rollback",
            "parameter log_statement": "GRANT SET ON PARAMETER log_statement TO rollback",
            'parameter "app.tenant"': 'GRANT SET ON PARAMETER "app.tenant" TO rollback',
        }
        refused(ready, "clothes-refused")
        ready.run("postgres", *found.values())
        before = world(ready)
        forth(ready)
        assert world(ready)[:6] == before[:6]
    finally:
        ready.drop_all()
        for parameter in ("log_statement", '"app.tenant"'):
            ready.run("postgres", f"REVOKE SET ON PARAMETER {parameter} FROM rollback")
        ready.run("postgres", "DROP ROLE auditor")


def test_the_forensic_copy_is_proven(ready: Cluster, s3: dict[str, Any]) -> None:
    store = Bucket(s3)

    def copy(**more: Any) -> dict[str, Any]:
        given = {"store": store, "environment": "test", "kept": BAD, "dry_run": False, **more}
        return preserve.preserve(ready.server, **given)

    assert copy()["reason"] == f"there is no kept database {BAD!r}"
    forth(ready)
    with ready.server.connect("postgres") as connection:
        kept = beside.look(connection, BAD)
    assert copy(store=None)["reason"] == "there is no object store"
    assert copy(dry_run=True)["changed"]
    assert not preserve.proven(store, "test", kept)
    made = copy()["backup"]
    assert (made["purpose"], made["database"], made["tables"]["public.era"]) == ("evidence", BAD, 1)
    assert preserve.proven(store, "test", kept)
    assert not copy()["changed"]
    store.put(made["key"], b"cut")
    assert not preserve.proven(store, "test", kept)
    ready.run("postgres", f'ALTER DATABASE "{BAD}" ALLOW_CONNECTIONS false')
    assert "not currently accepting connections" in copy()["reason"]
