# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The server itself goes wrong: its disk is full, it is stopped in the middle of a verb, it is a standby."""

from __future__ import annotations

import itertools
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest
from ansible_collections.steady.rollback.plugins.module_utils.core.errors import RollbackError
from ansible_collections.steady.rollback.plugins.module_utils.databases import (
    backup,
    ledger,
    names,
    pipes,
    preflight,
    preserve,
    restore,
    snapshot,
    swap,
)
from ansible_collections.steady.rollback.plugins.module_utils.storage.objects import Bucket
from integration.postgres_fixtures import (  # noqa: F401
    Cluster,
    bucket_fixture,
    s3_fixture,
    start_cluster,
    start_server,
    stop,
    wait_for,
)
from integration.restore_fixtures import CHANGE, POINT, captured, order
from sandbox.layout import Sandbox
from sandbox.privileges import unprivileged

GOOD, BAD = names.good("wabot", CHANGE), names.bad("wabot", CHANGE)
CONTENT = "SELECT count(*), sum(hashtextextended(m::text, 0)::numeric) FROM message m"
WORN = "SELECT datacl::text, datconnlimit, pg_get_userbyid(datdba) FROM pg_database WHERE datname = 'wabot'"
DAMAGE = "DELETE FROM message WHERE id % 2 = 0"


class Own:
    """A cluster that may be stopped."""

    def __init__(self, cluster: Cluster, process: subprocess.Popen[bytes]) -> None:
        self.cluster, self.process = cluster, process

    def crash(self) -> None:
        """As `pg_ctl stop -m immediate`: no session is asked, nothing is written."""
        self.process.send_signal(signal.SIGQUIT)
        self.process.wait(20)

    def start(self, prefix: Sequence[str] = ()) -> None:
        """Start it when it is down."""
        if self.process.poll() is not None:
            self.process = start_server(self.cluster, prefix)


@pytest.fixture(name="own", scope="module")
def own_fixture(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Own]:
    """The cluster, of PostgreSQL 18."""
    own = Own(*start_cluster(tmp_path_factory.mktemp("own")))
    yield own
    stop(own.process)


@pytest.fixture(name="fresh")
def fresh_fixture(own: Own) -> Iterator[Own]:
    """The cluster with a fresh database ``wabot``."""
    own.start()
    own.cluster.drop_all()
    own.cluster.create()
    yield own
    own.start()
    own.cluster.drop_all()


def prepare(own: Own, bucket: Bucket, facts: dict[str, Any]) -> dict[str, Any]:
    return restore.prepare(own.cluster.server, bucket, order(facts), dry_run=False)


def terms() -> swap.Terms:
    return swap.Terms("wabot", CHANGE, CHANGE, 72, 10)


def forth(own: Own) -> dict[str, Any]:
    return swap.swapped(own.cluster.server, terms(), dry_run=False)


def back(own: Own) -> dict[str, Any]:
    return swap.swapped_back(own.cluster.server, terms(), dry_run=False)


def test_a_disk_that_fills_up_during_a_restore(own: Own, bucket: Bucket, s3: dict[str, Any]) -> None:
    small = own.cluster.directory.parent / "small"
    small.mkdir()
    mount = 'mount -t tmpfs -o size=44m,mode=0777 none "$0" && exec "$@"'
    own.crash()
    # The mount is seen by this server alone, and gone with it.
    own.start(["unshare", "--mount", "sh", "-c", mount, str(small)])
    run = own.cluster.run
    own.cluster.drop_all()
    own.cluster.create()
    run("postgres", f"CREATE TABLESPACE small LOCATION '{small}'")
    run("postgres", "ALTER DATABASE wabot SET TABLESPACE small")
    noise = "CREATE TABLE noise AS SELECT n, repeat(md5(n::text), 60) AS bytes FROM generate_series(1, 9000) n"
    run("wabot", "SET ROLE wabot", noise)
    facts = captured(own.cluster, bucket)
    content = run("wabot", CONTENT)
    seen = preflight.look(own.cluster.server, s3, order(facts), preflight.Terms(), ["postgres.swap"])["rows"]
    assert [(row["found"], row["fix"]) for row in seen if row["level"] == "fail"] == [
        ("rollback may not create in small", "GRANT CREATE ON TABLESPACE small TO rollback")
    ]
    assert any(f"MB in {small}" in row["found"] for row in seen)
    run("postgres", "GRANT CREATE ON TABLESPACE small TO rollback")
    with pytest.raises(RollbackError) as error:
        prepare(own, bucket, facts)
    live = run("postgres", "SELECT pg_database_size('wabot')")[0][0]
    grown = int(error.value.message.partition("had grown to ")[2].split()[0])
    assert error.value.message == (
        f"The disk of the database server is full: {GOOD!r} had grown to {grown} bytes, and 'wabot' has {live}."
    )
    assert 8e6 < grown < live
    assert (error.value.code, error.value.next) == ("disk-full", "df -h")
    assert error.value.hint == (
        "What was restored is dropped, and the live database was not touched. Make room for another of its size."
    )
    assert own.cluster.databases() == {"postgres", "wabot"}
    assert run("wabot", CONTENT) == content
    # With room it goes on.
    inside = ["nsenter", f"--mount=/proc/{own.process.pid}/ns/mnt"]
    subprocess.run([*inside, "mount", "-o", "remount,size=200m", str(small)], check=True)
    assert prepare(own, bucket, facts)["tables"] == facts["tables"]
    own.cluster.drop_all()
    run("postgres", "DROP TABLESPACE small")
    own.crash()
    own.start()


def test_a_standby(fresh: Own, bucket: Bucket, s3: dict[str, Any], tmp_path: Path) -> None:
    """It is refused; one that follows its primary hinders nothing; one that was promoted knows the way back."""
    run, facts = fresh.cluster.run, captured(fresh.cluster, bucket)
    run("wabot", DAMAGE)
    copy = Cluster(tmp_path / "data", Sandbox.create(tmp_path / "ports").ports["postgres"], fresh.cluster.tools)
    argv = [str(copy.tools / "pg_basebackup"), "--pgdata", str(copy.directory), "--write-recovery-conf"]
    argv += ["--checkpoint=fast", "--create-slot", "--slot=standby", "--no-sync"]
    environment = {**fresh.cluster.server.environment(""), "PGUSER": "postgres"}
    subprocess.run(unprivileged(argv), env=environment, check=True)
    with (copy.directory / "postgresql.auto.conf").open("a") as conf:
        conf.write(f"port = {copy.port}\n")
    standby = Own(copy, start_server(copy))
    try:
        seen = preflight.look(copy.server, s3, order(facts), preflight.Terms(), ["prepare", "postgres.swap"])
        (row,) = (row for row in seen["rows"] if row["level"] == "fail")
        assert (row["name"], row["found"], row["fix"], row["code"]) == (
            "server",
            "it is a standby: nothing can be changed on it",
            "Set postgres_host to the primary.",
            "server-standby",
        )
        with pytest.raises(RollbackError, match="cannot execute CREATE DATABASE in a read-only transaction"):
            prepare(standby, bucket, facts)
        prepare(fresh, bucket, facts)
        wait_for(lambda: GOOD in copy.databases())
        with pytest.raises(RollbackError, match="in a read-only transaction"):
            forth(standby)
        assert forth(fresh)["changed"]
        wait_for(lambda: BAD in copy.databases())
        assert copy.run("wabot", "SELECT count(*) FROM message") == [(2000,)]
        fresh.crash()
        copy.run("postgres", "SELECT pg_promote()")
        assert back(standby)["changed"]
        assert copy.run("wabot", "SELECT count(*) FROM message") == [(1000,)]
    finally:
        stop(standby.process)
        fresh.start()
        run("postgres", "SELECT pg_drop_replication_slot('standby')")


class Crashing:
    """The server is stopped at once before statement ``at``; half a stream to or from a program counts as one.

    Statements are counted in the main thread; the settings of a new session are passed by.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch, own: Own, at: int, restart: bool) -> None:
        self.own, self.at, self.restart = own, at, restart
        self.seen = 0
        execute, output, feed = psycopg.Connection.execute, pipes.output, pipes.feed

        def counted(connection: Any, query: Any, *args: Any, **options: Any) -> Any:
            text = query if isinstance(query, str) else query.as_string(connection)
            if "set_config" not in text and threading.current_thread() is threading.main_thread():
                self.strike()
            return execute(connection, query, *args, **options)

        def streamed(*args: Any) -> Any:
            for block in output(*args):
                yield block
                self.strike()

        def fed(argv: Any, environment: Any, blocks: Any, seconds: float) -> None:
            def struck() -> Iterator[bytes]:
                for block in blocks:
                    yield block[: len(block) // 2]
                    self.strike()
                    yield block[len(block) // 2 :]

            feed(argv, environment, struck(), seconds)

        monkeypatch.setattr(psycopg.Connection, "execute", counted)
        monkeypatch.setattr(pipes, "output", streamed)
        monkeypatch.setattr(pipes, "feed", fed)

    def strike(self) -> None:
        self.seen += 1
        if self.seen == self.at:
            self.own.crash()
            if self.restart:
                self.own.start()


@dataclass(frozen=True)
class Verb:
    """A verb, what comes before it, its state when done, the way back, and how many of its points are tried."""

    name: str
    before: Callable[[Own, Bucket, dict[str, Any]], Any]
    do: Callable[[Own, Bucket, dict[str, Any]], Any]
    done: set[str]
    undo: Callable[[Own, Bucket, dict[str, Any]], Any] | None
    every: int = 1


def copied(own: Own, bucket: Bucket, facts: dict[str, Any]) -> Any:
    return preserve.preserve(own.cluster.server, bucket, "production", BAD, dry_run=False)


def accounted(own: Own, bucket: Bucket, facts: dict[str, Any]) -> Any:
    where = str(own.cluster.directory.parent / "lost")
    wanted = ledger.Order("wabot", CHANGE, where, facts["started"], facts["tables"], {}, 60, 10**7)
    return ledger.account(own.cluster.server, wanted, dry_run=False)


def kept(own: Own, bucket: Bucket, facts: dict[str, Any]) -> Any:
    return snapshot.take(own.cluster.server, "wabot", POINT, stall=10)


def nothing(own: Own, bucket: Bucket, facts: dict[str, Any]) -> None:
    """Nothing comes before."""


def swapped(own: Own, bucket: Bucket, facts: dict[str, Any]) -> Any:
    prepare(own, bucket, facts)
    return forth(own)


def swapped_back(own: Own, bucket: Bucket, facts: dict[str, Any]) -> Any:
    swapped(own, bucket, facts)
    return back(own)


LIVE = {"postgres", "wabot"}
VERBS = [
    Verb("capture", nothing, lambda own, bucket, _: captured(own.cluster, bucket), LIVE, None, 3),
    Verb("copy", nothing, kept, {*LIVE, names.snapshot("wabot", POINT)}, None, 4),
    Verb("prepare", nothing, prepare, {*LIVE, GOOD}, None, 6),
    Verb("swap", prepare, lambda own, *_: forth(own), {*LIVE, BAD}, lambda own, *_: back(own), 3),
    Verb("swap_back", swapped, lambda own, *_: back(own), {*LIVE, GOOD}, lambda own, *_: forth(own), 3),
    Verb("ledger", swapped, accounted, {*LIVE, BAD}, None, 2),
    Verb("preserve", swapped, copied, {*LIVE, BAD}, None, 4),
]


def world(own: Own) -> tuple[Any, ...]:
    run = own.cluster.run
    return run("wabot", CONTENT), run("postgres", WORN)


@pytest.mark.parametrize("verb", VERBS, ids=lambda verb: str(verb.name))
def test_stopped_at_any_point(fresh: Own, bucket: Bucket, monkeypatch: pytest.MonkeyPatch, verb: Verb) -> None:
    """Every other time it is up again at once; the verb is run again, or taken back where it can be."""
    facts = captured(fresh.cluster, bucket)
    fresh.cluster.run("wabot", DAMAGE)
    verb.before(fresh, bucket, facts)
    start, before = world(fresh), fresh.cluster.databases()
    tried = 0
    for at in itertools.count(1, verb.every):
        if verb.name == "capture":
            bucket.delete(backup.note_of(facts["key"]))
        with monkeypatch.context() as patch:
            crashing = Crashing(patch, fresh, at, restart=bool(tried % 2))
            said = attempt(verb, fresh, bucket, facts)
        fresh.start()
        if crashing.seen < at:
            break
        tried += 1
        print(verb.name, at, said)
        if verb.undo and tried % 3 == 0:
            with suppress(RollbackError):  # nothing was prepared
                verb.undo(fresh, bucket, facts)
            assert (world(fresh), fresh.cluster.databases()) == (start, before), at
        verb.do(fresh, bucket, facts)
        assert fresh.cluster.databases() == verb.done, at
        reset(fresh, bucket, facts, verb)
        assert (world(fresh), fresh.cluster.databases()) == (start, before), at
    print(verb.name, crashing.seen, tried)
    assert tried >= 3


def attempt(verb: Verb, own: Own, bucket: Bucket, facts: dict[str, Any]) -> str:
    """What the verb says of the server that is gone: an error of ours, or the reason why it was left undone."""
    try:
        done = verb.do(own, bucket, facts)
    except RollbackError as error:
        assert verb.name not in ("ledger", "preserve")  # they come when all is well again, and stop nothing
        assert error.message
        assert error.hint
        return f"{error.code}: {error.message}"
    return str(done.get("reason") or done.get("reasons") or done.get("refused") or "")


def reset(own: Own, bucket: Bucket, facts: dict[str, Any], verb: Verb) -> None:
    if verb.undo:
        verb.undo(own, bucket, facts)
        return
    for name in own.cluster.databases() - {"postgres", "wabot", BAD}:
        own.cluster.run("postgres", f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true')
        own.cluster.run("postgres", f'DROP DATABASE "{name}" WITH (FORCE)')
    if verb.name == "preserve":
        for key in bucket.keys(""):
            bucket.delete(key)
