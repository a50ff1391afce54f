"""Restores beside a live database: every bad source is refused, every interrupted one is done again."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.steady.rollback.plugins.module_utils.core.errors import (
    BackupUnusable,
    CommandFailed,
    NotEffective,
    RollbackError,
    StorageFailed,
    TargetRefused,
)
from ansible_collections.steady.rollback.plugins.module_utils.databases import (
    backup,
    beside,
    names,
    restore,
    snapshot,
    source,
)
from ansible_collections.steady.rollback.plugins.module_utils.storage.objects import Bucket
from integration.postgres_fixtures import (  # noqa: F401
    PASSWORD,
    Cluster,
    bucket_fixture,
    cluster17_fixture,
    cluster_fixture,
    product_fixture,
    s3_client,
    s3_fixture,
    wait_for,
)
from integration.restore_fixtures import CHANGE, POINT, captured, order

ROOT = Path(__file__).parents[2]
DAMAGE = (
    "DELETE FROM message WHERE id % 2 = 0; ALTER TABLE conversation DROP COLUMN state; CREATE TABLE bot_new (x int)"
)


def test_the_state_of_the_restore_point_lies_beside(product: Cluster, bucket: Bucket) -> None:
    facts = captured(product, bucket)
    product.run("wabot", DAMAGE)
    foreseen = restore.prepare(product.server, bucket, order(facts), dry_run=True)
    assert foreseen == {"changed": True, "database": f"wabot__good_{CHANGE}", "source": "backup"}
    assert product.databases() == {"postgres", "wabot"}
    done = restore.prepare(product.server, bucket, order(facts), dry_run=False)
    assert done["tables"] == facts["tables"]
    assert done["schema_fingerprint"] == facts["schema_fingerprint"]
    side = done["database"]
    owners = "SELECT DISTINCT pg_get_userbyid(relowner)::text FROM pg_class WHERE relnamespace = 'public'::regnamespace"
    assert product.run(side, owners) == [("wabot",)]
    assert product.run(side, "SELECT has_table_privilege('reporting', 'conversation', 'SELECT')") == [(True,)]
    assert product.run(side, "SELECT reltuples::int FROM pg_class WHERE relname = 'message'") == [(2000,)]
    product.run(side, "INSERT INTO message (conversation_id, body) VALUES (1, 'the sequence goes on')")
    # Nobody but the owner may enter, and the live database is as it was.
    assert product.run("postgres", f"SELECT has_database_privilege('reporting', '{side}', 'CONNECT')") == [(False,)]
    assert product.run("wabot", "SELECT count(*) FROM message") == [(1000,)]
    product.run(side, "DELETE FROM message WHERE body = 'THE SEQUENCE GOES ON'")
    again = restore.prepare(product.server, bucket, order(facts), dry_run=False)
    assert again == {"changed": False, "database": side, "source": "ready"}


def test_what_has_gone_live_is_not_made_again(product: Cluster, bucket: Bucket) -> None:
    facts = captured(product, bucket)
    restore.prepare(product.server, bucket, order(facts), dry_run=False)
    bad = names.bad("wabot", CHANGE)
    product.run("postgres", f'ALTER DATABASE wabot RENAME TO "{bad}"')
    product.run("postgres", f'ALTER DATABASE "{names.good("wabot", CHANGE)}" RENAME TO wabot')
    done = restore.prepare(product.server, bucket, order(facts), dry_run=False)
    assert (done["changed"], done["source"]) == (False, "swapped")


def test_a_copy_inside_the_cluster_needs_no_restore(product: Cluster, bucket: Bucket) -> None:
    facts = captured(product, bucket)
    kept = snapshot.take(product.server, "wabot", POINT, stall=10)
    product.run("wabot", DAMAGE)
    bucket.delete(facts["key"])
    # As it comes back from the manifest.
    wanted = order(facts, snapshot=json.loads(json.dumps(kept)))
    assert restore.prepare(product.server, bucket, wanted, dry_run=True)["source"] == "snapshot"
    done = restore.prepare(product.server, bucket, wanted, dry_run=False)
    assert (done["source"], done["tables"]) == ("snapshot", facts["tables"])
    assert product.databases() == {"postgres", "wabot", done["database"]}
    assert restore.prepare(product.server, bucket, wanted, dry_run=False)["source"] == "ready"


@pytest.mark.parametrize("closed", [False, True])
def test_a_copy_that_was_changed_is_not_trusted(product: Cluster, bucket: Bucket, closed: bool) -> None:
    facts = captured(product, bucket)
    kept = snapshot.take(product.server, "wabot", POINT, stall=10)
    product.run("postgres", f'ALTER DATABASE "{kept["database"]}" ALLOW_CONNECTIONS true')
    product.run(kept["database"], "DELETE FROM message")
    if closed:
        product.run("postgres", f'ALTER DATABASE "{kept["database"]}" ALLOW_CONNECTIONS false')
    done = restore.prepare(product.server, bucket, order(facts, snapshot=kept), dry_run=False)
    assert (done["source"], done["tables"]) == ("backup", facts["tables"])


def test_parallel_restore_through_a_private_file(product: Cluster, bucket: Bucket, tmp_path: Path) -> None:
    facts = captured(product, bucket)
    spool = tmp_path / "spool"
    done = restore.prepare(product.server, bucket, order(facts, jobs=2, spool=str(spool)), dry_run=False)
    assert done["tables"] == facts["tables"]
    assert spool.stat().st_mode & 0o777 == 0o700
    assert list(spool.iterdir()) == []


def test_tools_that_are_newer_than_the_server(cluster: Cluster, cluster17: Cluster, bucket: Bucket) -> None:
    """PostgreSQL 18's programs, a server of 17; older ones are refused by pg_dump itself."""
    cluster17.drop_all()
    cluster17.create()
    newer = replace(cluster17, tools=cluster.tools)
    facts = captured(newer, bucket)
    assert (facts["dump_version"], facts["server_version"] // 10000) == (18, 17)
    assert restore.prepare(newer.server, bucket, order(facts), dry_run=False)["tables"] == facts["tables"]
    bucket.delete(backup.note_of(facts["key"]))
    older = replace(cluster, tools=cluster17.tools)
    cluster.drop_all()
    cluster.create()
    with pytest.raises(CommandFailed) as error:
        captured(older, bucket)
    assert "pg_dump ended with 1: pg_dump: error: aborting because of server version mismatch" in error.value.message
    cluster17.drop_all()
    cluster.drop_all()


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"purpose": "evidence"}, "backup-purpose"),
        ({"system_identifier": "7000000000000000000"}, "backup-foreign"),
        ({"database": "other"}, "backup-foreign"),
        ({"environment": "staging"}, "backup-foreign"),
        ({"server_version": 190001}, "backup-newer"),
        ({"dump_version": 99}, "backup-newer"),
        ({"extensions": ["no_such_extension"]}, "extension-missing"),
        ({"size": 1}, "backup-short"),
        ({"sha256": "0" * 64}, "backup-note-differs"),
        ({"key": "production/postgres/none.dump"}, "object-missing"),
    ],
)
def test_a_source_that_does_not_fit_is_refused_before_anything_is_made(
    product: Cluster, bucket: Bucket, change: dict[str, Any], code: str
) -> None:
    facts = {**captured(product, bucket), **change}
    with pytest.raises((BackupUnusable, StorageFailed)) as error:
        restore.prepare(product.server, bucket, order(facts), dry_run=False)
    assert error.value.code == code
    assert product.databases() == {"postgres", "wabot"}


def test_the_backup_of_a_lost_cluster_is_accepted_by_name(product: Cluster, cluster17: Cluster, bucket: Bucket) -> None:
    cluster17.drop_all()
    cluster17.create()
    facts = captured(cluster17, bucket)
    # The tools of PostgreSQL 18 were built without zstd; what they cannot read is refused, not restored in part.
    with pytest.raises(CommandFailed, match="zstd"):
        accepting = source.Place("wabot", "production", facts["system_identifier"])
        restore.prepare(product.server, bucket, order(facts, place=accepting), dry_run=False)
    assert product.databases() == {"postgres", "wabot"}
    again = backup.Order("wabot", "production", "gzipped", "pre_deploy", "gzip:1")
    facts = backup.take(cluster17.server, bucket, again, dry_run=False)["backup"]
    accepting = source.Place("wabot", "production", facts["system_identifier"])
    done = restore.prepare(product.server, bucket, order(facts, place=accepting), dry_run=False)
    assert done["tables"] == facts["tables"]


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_flipped_byte_is_found_and_nothing_is_left(
    product: Cluster, bucket: Bucket, s3: dict[str, Any], tmp_path: Path, jobs: int
) -> None:
    facts = captured(product, bucket)
    data = bytearray(bucket.get(facts["key"]))
    data[len(data) // 2] ^= 1
    s3_client(s3).put_object(Bucket=s3["bucket"], Key=facts["key"], Body=bytes(data))
    with pytest.raises((BackupUnusable, CommandFailed)):
        restore.prepare(product.server, bucket, order(facts, jobs=jobs, spool=str(tmp_path)), dry_run=False)
    assert product.databases() == {"postgres", "wabot"}
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("spool", ["/dev/null/spool", "small"])
def test_a_spool_that_cannot_be_written(product: Cluster, bucket: Bucket, tmp_path: Path, spool: str) -> None:
    product.run("wabot", "CREATE TABLE noise AS SELECT md5(n::text) FROM generate_series(1, 20000) n")
    facts = captured(product, bucket)
    where = tmp_path / spool
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
    try:
        with pytest.raises(CommandFailed) as error:
            restore.prepare(product.server, bucket, order(facts, jobs=2, spool=str(where)), dry_run=False)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    why = "File too large" if spool == "small" else "Not a directory"
    assert error.value.message == f"The archive cannot be kept in {where} while it is restored: {why}."
    assert error.value.hint == (
        f"It has {facts['size']} bytes. Make room, set postgres_spool to another directory, or set "
        "postgres_restore_jobs to 1, which needs no file."
    )
    assert (error.value.code, error.value.next) == ("spool-unusable", f"df -h {where}")
    assert product.databases() == {"postgres", "wabot"}
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_a_strangers_database_is_left_alone(product: Cluster, bucket: Bucket) -> None:
    facts = captured(product, bucket)
    closed = names.good("wabot", "another-change")
    product.run("postgres", f'CREATE DATABASE "{closed}"', f'REVOKE ALL ON DATABASE "{closed}" FROM PUBLIC')
    with pytest.raises(TargetRefused) as error:
        restore.prepare(product.server, bucket, order(facts, change="another-change"), dry_run=False)
    assert error.value.code == "name-taken"
    side = product.create(names.good("wabot", CHANGE))
    with pytest.raises(TargetRefused) as error:
        restore.prepare(product.server, bucket, order(facts), dry_run=False)
    assert error.value.code == "name-taken"
    assert product.run(side, "SELECT count(*) FROM message") == [(2000,)]


def test_other_rows_than_the_restore_point_says_are_refused(product: Cluster, bucket: Bucket) -> None:
    facts = captured(product, bucket)
    facts["tables"]["public.message"] = 1999
    bucket.put(backup.note_of(facts["key"]), json.dumps(facts).encode())
    with pytest.raises(NotEffective, match="message has 2000 rows, not 1999"):
        restore.prepare(product.server, bucket, order(facts), dry_run=False)
    assert product.databases() == {"postgres", "wabot"}


WORKER = """
import json, sys, time
from ansible_collections.steady.rollback.plugins.module_utils.databases import restore, source
from ansible_collections.steady.rollback.plugins.module_utils.databases.postgres import Server
from ansible_collections.steady.rollback.plugins.module_utils.storage.objects import Bucket

class Pausing(Bucket):
    def proven(self, written):
        data = b"".join(super().proven(written))
        cut = int(len(data) * given["share"])
        if cut:
            yield data[:cut]
        if cut < len(data):
            print("pausing", flush=True)
            time.sleep(given["seconds"])
            yield data[cut:]

given = json.loads(sys.stdin.read())
order = restore.Order(**{**given["order"], "place": source.Place(**given["order"]["place"])})
restore.prepare(Server(**given["server"]), Pausing(given["s3"]), order, dry_run=False)
"""
# A second in which an index is being built.
NAP = """
SET ROLE wabot;
CREATE FUNCTION nap(n int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(0.05); RETURN n; END $$;
CREATE TABLE sleepy AS SELECT n FROM generate_series(1, 20) n;
CREATE INDEX sleepy_nap ON sleepy (nap(n));
"""


def start_worker(
    cluster: Cluster, s3: dict[str, Any], wanted: restore.Order, *, share: float = 1, seconds: float = 60
) -> subprocess.Popen[bytes]:
    """A restore in a process of its own, which pauses after a share of the archive and says so."""
    env = {**os.environ, "PYTHONPATH": str(ROOT / "collections")}
    pipe = subprocess.PIPE
    worker = subprocess.Popen([sys.executable, "-c", WORKER], stdin=pipe, stdout=pipe, stderr=pipe, env=env)
    assert worker.stdin is not None
    given = {"order": asdict(wanted), "server": asdict(cluster.server), "s3": s3, "share": share, "seconds": seconds}
    worker.stdin.write(json.dumps(given).encode())
    worker.stdin.close()
    worker.stdin = None  # communicate() would flush it
    return worker


def until_it_pauses(worker: subprocess.Popen[bytes]) -> None:
    assert worker.stdout is not None
    assert worker.stdout.readline() == b"pausing\n"


# Nothing read yet, half a database, half a file in the spool; and all read, an index being built.
@pytest.mark.parametrize(("jobs", "share"), [(1, 0.0), (1, 0.5), (2, 0.5), (1, 1.0), (2, 1.0)])
def test_killed_in_the_middle_then_run_again(
    product: Cluster, bucket: Bucket, s3: dict[str, Any], tmp_path: Path, jobs: int, share: float
) -> None:
    if share == 1:
        product.run("wabot", NAP)
    facts = captured(product, bucket)
    wanted = order(facts, jobs=jobs, spool=str(tmp_path))
    worker = start_worker(product, s3, wanted, share=share)
    if share < 1:
        until_it_pauses(worker)
    else:
        query = "SELECT 1 FROM pg_stat_activity WHERE query LIKE 'CREATE INDEX sleepy%' AND state = 'active'"
        with product.connect() as watching:
            wait_for(lambda: watching.execute(query.encode()).fetchone())
    worker.kill()
    worker.communicate()
    with product.connect() as connection:
        assert beside.look(connection, wanted.side)["mark"] == {"rollback": CHANGE, "complete": False}
    assert len(list(tmp_path.iterdir())) == jobs - 1
    done = restore.prepare(product.server, bucket, wanted, dry_run=False)
    assert (done["source"], done["tables"]) == ("backup", facts["tables"])
    assert list(tmp_path.iterdir()) == []


def test_an_attempt_that_still_works_is_ended(product: Cluster, bucket: Bucket, s3: dict[str, Any]) -> None:
    """The controller was killed, its module on the database host was not."""
    facts = captured(product, bucket)
    orphan = start_worker(product, s3, order(facts), share=0.5, seconds=2)
    until_it_pauses(orphan)
    done = restore.prepare(product.server, bucket, order(facts), dry_run=False)
    assert (done["source"], done["tables"]) == ("backup", facts["tables"])
    # It wakes up, finds its sessions gone, and cannot harm what was made since.
    _, said = orphan.communicate(timeout=30)
    assert orphan.returncode != 0
    assert b"pg_restore ended with 1" in said
    with product.connect() as connection:
        assert beside.look(connection, order(facts).side)["mark"]["complete"]
    assert product.run(done["database"], "SELECT count(*) FROM message") == [(2000,)]


def test_the_object_store_dies_in_the_middle(product: Cluster, bucket: Bucket, s3: dict[str, Any]) -> None:
    facts = captured(product, bucket)

    class Dying(Bucket):
        """A store whose connection breaks, and never comes back."""

        def read(self, key: str) -> Iterator[bytes]:
            if key.endswith(".json"):
                yield from super().read(key)
                return
            yield next(iter(super().read(key)))[:20000]
            yield from Bucket({**s3, "endpoint_url": "http://127.0.0.1:1"}).read(key)

    with pytest.raises(RollbackError) as error:
        restore.prepare(product.server, Dying(s3), order(facts), dry_run=False)
    assert error.value.code == "storage-silent"
    assert product.databases() == {"postgres", "wabot"}
    assert PASSWORD not in str(error.value)
