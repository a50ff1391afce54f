"""Backups on a real server and a real object store: what counts, what does not, and what is left behind."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from contextlib import closing
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import psycopg
import pytest
from ansible_collections.steady.rollback.plugins.module_utils.core.errors import (
    BackupUnusable,
    CommandFailed,
    DatabaseFailed,
    StorageFailed,
)
from ansible_collections.steady.rollback.plugins.module_utils.databases import backup, contents, names, snapshot
from ansible_collections.steady.rollback.plugins.module_utils.storage.objects import Bucket, Written
from integration.postgres_fixtures import (  # noqa: F401
    Cluster,
    bucket_fixture,
    cluster17_fixture,
    cluster_fixture,
    product_fixture,
    s3_client,
    s3_fixture,
    wait_for,
)

ROOT = Path(__file__).parents[2]
POINT = "r20261125t040000-4f2a"
TABLES = {"public.conversation": 200, "public.django_migrations": 2, "public.message": 2000}


def order(database: str = "wabot", name: str = POINT, purpose: str = "pre_deploy") -> backup.Order:
    return backup.Order(database, "production", name, purpose)


def written(facts: dict[str, Any]) -> Written:
    return Written(facts["key"], facts["size"], facts["sha256"])


def test_a_backup_is_one_state_read_to_its_end(product: Cluster, bucket: Bucket) -> None:
    made = backup.take(product.server, bucket, order(), dry_run=False)
    facts = made["backup"]
    assert made["changed"]
    assert facts["tables"] == TABLES
    assert facts["key"] == f"production/postgres/{POINT}.dump"
    assert bucket.size(facts["key"]) == facts["size"]
    assert bucket.keys("") == [facts["key"], facts["key"] + ".json"]
    assert backup.read_note(bucket, facts["key"]) == facts
    assert (facts["purpose"], facts["database"], facts["environment"]) == ("pre_deploy", "wabot", "production")
    assert facts["grants"] == {"roles": ["reporting"], "foreign": False, "owners": []}
    assert len(facts["system_identifier"]) > 10


def test_a_backup_that_is_there_is_left_alone(product: Cluster, bucket: Bucket) -> None:
    assert backup.take(product.server, bucket, order(), dry_run=True) == {"changed": True, "backup": {}}
    assert bucket.keys("") == []
    first = backup.take(product.server, bucket, order(), dry_run=False)
    assert backup.take(product.server, bucket, order(), dry_run=False) == {**first, "changed": False}


def test_rows_are_counted_in_the_snapshot_that_is_dumped(product: Cluster, bucket: Bucket) -> None:
    stop = threading.Event()

    def write() -> None:
        with product.connect("wabot", user="wabot") as connection:
            while not stop.is_set():
                connection.execute("INSERT INTO message (conversation_id, body) VALUES (1, 'late')")

    writer = threading.Thread(target=write)
    writer.start()
    try:
        facts = backup.take(product.server, bucket, order(), dry_run=False)["backup"]
    finally:
        stop.set()
        writer.join()
    product.run("wabot", "CREATE TABLE witness (rows bigint)")
    with closing(bucket.proven(written(facts))) as blocks:
        dumped = b"".join(blocks)
    (product.directory.parent / "one.dump").write_bytes(dumped)
    product.create("copy", "")
    argv = [product.server.program("pg_restore"), "-d", "copy", "-O", "-x", str(product.directory.parent / "one.dump")]
    backup.pipes.run(argv, {**product.server.environment("copy"), "PGUSER": "postgres"})
    assert product.run("copy", "SELECT count(*) FROM message") == [(facts["tables"]["public.message"],)]
    assert facts["tables"]["public.message"] > 2000


def test_hostile_names_and_rows_of_strange_tables(product: Cluster, bucket: Bucket) -> None:
    name = product.create('we"ird; drop x--')
    product.run(name, 'CREATE SCHEMA "a.b"', 'CREATE TABLE "a.b"."C d" AS SELECT 1 AS x', "CREATE EXTENSION hstore")
    facts = backup.take(product.server, bucket, order(name), dry_run=False)["backup"]
    assert facts["tables"] == {**TABLES, '"a.b"."C d"': 1}
    assert facts["extensions"] == ["hstore"]


def test_a_dump_that_fails_leaves_nothing(product: Cluster, bucket: Bucket) -> None:
    product.run("wabot", "ALTER TABLE message ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY")
    with pytest.raises((CommandFailed, DatabaseFailed), match="row-level security"):
        backup.take(product.server, bucket, order(), dry_run=False)
    assert bucket.keys("") == []


def test_a_store_that_refuses_is_named(product: Cluster, s3: dict[str, Any]) -> None:
    with pytest.raises(StorageFailed, match=r"nowhere"):
        backup.take(product.server, Bucket({**s3, "bucket": "nowhere"}), order(), dry_run=False)


@pytest.mark.parametrize("damage", ["cut", "flipped", "empty", "html"])
def test_every_damage_is_found_by_reading_to_the_end(
    product: Cluster, bucket: Bucket, s3: dict[str, Any], damage: str
) -> None:
    facts = backup.take(product.server, bucket, order(), dry_run=False)["backup"]
    data = bytearray(bucket.get(facts["key"]))
    if damage == "flipped":
        data[len(data) // 2] ^= 1
    kept = {"cut": bytes(data[:-100]), "empty": b"", "html": b"<html>404</html>"}.get(damage, bytes(data))
    s3_client(s3).put_object(Bucket=s3["bucket"], Key=facts["key"], Body=kept)
    with pytest.raises(BackupUnusable) as error:
        list(bucket.proven(written(facts)))
    assert error.value.code == "object-changed"
    if damage != "flipped":
        with pytest.raises(CommandFailed):
            backup.read_whole(product.server, bucket.read(facts["key"]))
    # A backup whose object is no longer whole is made again.
    again = backup.take(product.server, bucket, order(), dry_run=False)
    assert again["changed"] == (damage != "flipped")


def test_postgres_17_compresses_with_zstd(cluster17: Cluster, bucket: Bucket) -> None:
    cluster17.drop_all()
    cluster17.create()
    facts = backup.take(cluster17.server, bucket, order(), dry_run=False)["backup"]
    assert (facts["compression"], facts["dump_version"]) == ("zstd:1", 17)
    assert facts["tables"] == TABLES


def test_a_snapshot_is_taken_under_a_reconnect_storm(product: Cluster) -> None:
    stop, failed, done = threading.Event(), list[str](), [0]

    def storm() -> None:
        while not stop.is_set():
            try:
                with product.connect("wabot", user="wabot") as connection:
                    connection.execute("INSERT INTO message (conversation_id, body) VALUES (1, 'storm')")
                    done[0] += 1
            except psycopg.Error as error:
                failed.append(str(error))

    writers = [threading.Thread(target=storm) for _ in range(8)]
    [writer.start() for writer in writers]
    try:
        time.sleep(0.5)
        kept = snapshot.take(product.server, "wabot", POINT, stall=10)
        before = done[0]
        time.sleep(0.5)
    finally:
        stop.set()
        [writer.join() for writer in writers]
    print(kept, done, len(failed), failed[:2])
    assert "refused" not in kept
    assert kept["tables"]["public.message"] > 2000
    assert done[0] > before
    assert product.databases() == {"postgres", "wabot", names.snapshot("wabot", POINT)}
    with pytest.raises(psycopg.OperationalError, match="not currently accepting"):
        product.connect(kept["database"])
    # Again: it is there.
    assert snapshot.take(product.server, "wabot", POINT, stall=10) == kept


def test_a_snapshot_that_cannot_be_had_leaves_all_as_it_was(product: Cluster) -> None:
    with product.connect("wabot") as held:
        held.execute("SELECT 1")
        begun = time.monotonic()
        kept = snapshot.take(product.server, "wabot", POINT, stall=2)
        assert time.monotonic() - begun < 6
    assert set(kept) == {"refused"}
    assert product.databases() == {"postgres", "wabot"}
    with product.connect("wabot", user="wabot") as connection:
        assert contents.rows(connection) == TABLES


BACKUP = """
import json, sys
from pathlib import Path
from ansible_collections.steady.rollback.plugins.module_utils.databases import backup
from ansible_collections.steady.rollback.plugins.module_utils.databases.postgres import Server
from ansible_collections.steady.rollback.plugins.module_utils.storage.objects import Bucket
given = json.loads(sys.stdin.read())
backup.take(Server(**given["server"]), Bucket(given["s3"]), backup.Order(**given["order"]), dry_run=False)
status = Path("/proc/self/status").read_text()
print(next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM")))
"""


def test_memory_does_not_grow_with_the_database(product: Cluster, bucket: Bucket, s3: dict[str, Any]) -> None:
    """An archive of 100 MB that was held at once would break the bound, with the interpreter and its packages."""
    product.run(
        "wabot",
        "CREATE TABLE noise AS SELECT string_agg(sha512(n::text::bytea), '') AS bytes FROM generate_series(1, 16384) n",
        "INSERT INTO noise SELECT bytes FROM noise, generate_series(1, 51)",
    )
    uncompressed = replace(order(), compression="0")  # two hexadecimal digits a byte
    wanted = {"server": asdict(product.server), "s3": s3, "order": asdict(uncompressed)}
    env = {**os.environ, "PYTHONPATH": str(ROOT / "collections")}
    argv = [sys.executable, "-c", BACKUP]
    done = subprocess.run(argv, input=json.dumps(wanted), env=env, capture_output=True, text=True, check=True)
    assert backup.read_note(bucket, order().key)["size"] > 100e6
    assert int(done.stdout) / 1024 < 150


SNAPSHOT = """
import json, sys
from ansible_collections.steady.rollback.plugins.module_utils.databases import snapshot
from ansible_collections.steady.rollback.plugins.module_utils.databases.postgres import Server
snapshot.take(Server(**json.loads(sys.stdin.read())), "wabot", "r20261125t040000-4f2a", 10)
"""


def test_a_snapshot_that_is_killed_leaves_no_fence(product: Cluster) -> None:
    held = product.connect("wabot", user="wabot")
    held.execute("BEGIN")
    held.execute("INSERT INTO conversation (tenant) VALUES ('in a transaction')")
    worker = start(SNAPSHOT, asdict(product.server))
    with product.connect() as watching:
        query = b"SELECT 1 FROM pg_stat_activity WHERE query LIKE 'CREATE DATABASE%'"
        wait_for(lambda: watching.execute(query).fetchone())
    worker.kill()
    worker.wait()
    begun = time.monotonic()
    product.connect("wabot", user="wabot").close()
    assert time.monotonic() - begun < 5
    held.execute("COMMIT")
    held.close()
    kept = snapshot.take(product.server, "wabot", POINT, stall=10)
    assert kept["tables"]["public.conversation"] == 201


STALLED = """
import json, sys, time
from ansible_collections.steady.rollback.plugins.module_utils.databases import backup
from ansible_collections.steady.rollback.plugins.module_utils.databases.postgres import Server
from ansible_collections.steady.rollback.plugins.module_utils.storage.objects import Bucket

class Stalled(Bucket):
    def _ask(self, what, *words, **options):
        if what == "complete_multipart_upload":
            print("all parts are sent", flush=True)
            time.sleep(60)
        return super()._ask(what, *words, **options)

given = json.loads(sys.stdin.read())
backup.take(Server(**given["server"]), Stalled(given["s3"]), backup.Order(**given["order"]), dry_run=False)
"""


def test_a_backup_that_is_killed_is_made_again(product: Cluster, bucket: Bucket, s3: dict[str, Any]) -> None:
    worker = start(STALLED, {"server": asdict(product.server), "s3": s3, "order": asdict(order())})
    assert worker.stdout is not None
    assert worker.stdout.readline() == "all parts are sent\n"
    worker.kill()
    worker.wait()
    client = s3_client(s3)
    assert len(client.list_multipart_uploads(Bucket=s3["bucket"])["Uploads"]) == 1
    assert bucket.keys("") == []
    facts = backup.take(product.server, bucket, order(), dry_run=False)["backup"]
    assert facts["tables"] == TABLES
    assert not client.list_multipart_uploads(Bucket=s3["bucket"]).get("Uploads")


def start(program: str, given: dict[str, Any]) -> subprocess.Popen[str]:
    """Run ``program`` in a process of its own, to be killed."""
    env = {**os.environ, "PYTHONPATH": str(ROOT / "collections")}
    pipe = subprocess.PIPE
    worker = subprocess.Popen([sys.executable, "-c", program], stdin=pipe, stdout=pipe, env=env, text=True)
    assert worker.stdin is not None
    worker.stdin.write(json.dumps(given))
    worker.stdin.close()
    return worker
