# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a client sees while a database is switched, against a pg_restore -c over the live one.

Usage: benchmarks/swap.py [--megabytes 100,1000,5000] [--turns 10] [--clients 4]

The client connects anew for every query, as a web process without a pool does, and asks for the newest row; its gap is
the longest time from one good answer to the next. The restore is measured at the first two sizes only.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "collections"), str(ROOT / "tests"), str(ROOT / "benchmarks")]

import figures  # noqa: E402
from ansible_collections.steady.rollback.plugins.module_utils.databases import names, swap  # noqa: E402
from integration import postgres_fixtures as fixtures  # noqa: E402

ROWS_OF_A_MEGABYTE = 4200
FILL = """
ALTER TABLE message DISABLE TRIGGER ALL;
INSERT INTO message (conversation_id, body) SELECT 1 + n % 200, md5(n::text) || repeat(' where is my order', 6)
  FROM generate_series(1, {rows}) n;
VACUUM ANALYZE;
"""
TERMS = swap.Terms("wabot", "r20261125t000000-bead", "r20261125t000000-bead", 72, 30)


def main() -> None:
    """Make the data, measure both ways."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--megabytes", default="100,1000,5000")
    arguments.add_argument("--turns", type=int, default=10)
    arguments.add_argument("--clients", type=int, default=4)
    asked = arguments.parse_args()
    rows: list[figures.Row] = []
    for number, megabytes in enumerate(map(int, asked.megabytes.split(","))):
        with tempfile.TemporaryDirectory() as directory:
            cluster, process = fixtures.start_cluster(Path(directory))
            try:
                size = fill(cluster, megabytes)
                rows.append(switched(cluster, size, asked.turns, asked.clients))
                if number < 2:
                    rows.append(restored(cluster, size, Path(directory) / "dump", asked.clients))
            finally:
                fixtures.stop(process)
    columns = ["gap, median (ms)", "gap, longest (ms)", "failed queries", "the transaction itself (ms)"]
    title = f"Going back to another database, {asked.clients} clients that connect for every query"
    figures.write("swap", title, columns, rows, "milliseconds without a good answer, median")


def fill(cluster: fixtures.Cluster, megabytes: int) -> int:
    """Make the database so large; returns its size in MB."""
    cluster.create()
    filling = FILL.format(rows=megabytes * ROWS_OF_A_MEGABYTE).strip().split(";\n")
    cluster.run("wabot", "SET statement_timeout = 0", *filling)
    (size,) = cluster.run("wabot", "SELECT pg_database_size('wabot') / 1000000")[0]
    return int(size)


def switched(cluster: fixtures.Cluster, size: int, turns: int, clients: int) -> figures.Row:
    """Forth and back between two equal databases."""
    good = names.good("wabot", TERMS.change)
    mark = json.dumps({"rollback": TERMS.change, "complete": True})
    copied = f'CREATE DATABASE "{good}" TEMPLATE wabot OWNER wabot STRATEGY file_copy'
    cluster.run("postgres", copied, f"""COMMENT ON DATABASE "{good}" IS '{mark}'""")
    gaps, failures, own = [], [], []
    for turn in range(turns):
        verb = swap.swapped if turn % 2 == 0 else swap.swapped_back
        with watched(cluster, clients) as seen:
            own.append(verb(cluster.server, TERMS, False)["gap_ms"])
        gaps.append(seen.gap())
        failures.append(seen.failures)
    cells = [f"{statistics.median(gaps):.0f}", f"{max(gaps):.0f}", str(max(failures)), f"{statistics.median(own):.0f}"]
    return figures.Row(f"switch, {size} MB", True, cells, statistics.median(gaps))


def restored(cluster: fixtures.Cluster, size: int, dump: Path, clients: int) -> figures.Row:
    """As the document does it."""
    environment = cluster.server.environment("wabot")
    tool = [cluster.server.program("pg_dump"), "--format=custom", "--compress=1", f"--file={dump}"]
    subprocess.run(tool, env=environment, check=True)
    # Its COPY and index builds would be cut off by the time limit that the database sets.
    environment = {**environment, "PGUSER": "postgres", "PGOPTIONS": "-c statement_timeout=0"}
    with watched(cluster, clients) as seen:
        tool = [cluster.server.program("pg_restore"), "--clean", "--dbname=wabot", str(dump)]
        subprocess.run(tool, env=environment, check=True)
    gap = f"{seen.gap():.0f}"
    return figures.Row(f"pg_restore --clean, {size} MB", False, [gap, gap, str(seen.failures), ""], seen.gap())


class Seen:
    """When clients got good answers, and how often they did not."""

    def __init__(self) -> None:
        self.good: list[float] = []
        self.failures = 0

    def gap(self) -> float:
        """The longest time between two good answers of anybody, in milliseconds."""
        times = sorted(self.good)
        return max(after - before for before, after in zip(times, times[1:], strict=False)) * 1000


@contextmanager
def watched(cluster: fixtures.Cluster, clients: int) -> Iterator[Seen]:
    """Clients that ask all the time, from half a second before to half a second after."""
    seen, stop = Seen(), threading.Event()
    newest = cluster.run("wabot", "SELECT max(id) FROM message")[0][0]

    def ask() -> None:
        while not stop.is_set():
            try:
                with cluster.connect("wabot", user="wabot") as connection:
                    query = "SELECT 1 FROM message WHERE id = %s"
                    answered = connection.execute(query, [newest]).fetchone() is not None
            except psycopg.Error:
                answered = False
            if answered:
                seen.good.append(time.monotonic())
            else:
                seen.failures += 1
                time.sleep(0.001)

    threads = [threading.Thread(target=ask) for _ in range(clients)]
    _each(threads, threading.Thread.start)
    time.sleep(0.5)
    try:
        yield seen
    finally:
        time.sleep(0.5)
        stop.set()
        _each(threads, threading.Thread.join)


def _each(threads: list[threading.Thread], do: Callable[[threading.Thread], None]) -> None:
    for thread in threads:
        do(thread)


if __name__ == "__main__":
    main()
