# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What customers see of a full rollback: the document's procedure as a script, and ours, cold and to a warm standby.

Usage: benchmarks/full_rollback.py [--megabytes 1000]

WabotIQ runs on the embedded sandbox with a table of so many megabytes, under ten requests a second through the edge.
v2, bad in every way, is deployed over v1; each way takes it back to v1 and its undo brings v2 again. The document's is
the last one, because what it leaves cannot be undone.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import psycopg

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "collections"), str(ROOT / "benchmarks")]

import figures  # noqa: E402
import sandbox  # noqa: E402
from sandbox import load, playbooks, programs  # noqa: E402
from sandbox.layout import BUCKET, Sandbox  # noqa: E402

ROWS_OF_A_MEGABYTE = 3300
# Text that does not compress away, an index on it, and a key as every table of the product has one.
FILL = """
SET statement_timeout = 0;
SET ROLE wabot;
CREATE TABLE archive (id bigint PRIMARY KEY, body text NOT NULL);
INSERT INTO archive SELECT n, md5(n::text) || md5((n + 1)::text) || md5((n + 2)::text) || repeat('where is it ', 7)
  FROM generate_series(1, {rows}) n;
CREATE INDEX archive_body ON archive (md5(body));
"""
# What `aws s3 cp` does, with its own patience.
COPY = """
import sys, boto3, botocore.config
settings = botocore.config.Config(read_timeout=120, retries={{"max_attempts": 10}})
client, (path, way, key) = boto3.client("s3", config=settings, **{s3!r}), sys.argv[1:]
client.upload_file(path, {bucket!r}, key) if way == "to" else client.download_file({bucket!r}, key, path)
"""


def main() -> None:
    """Measure every way."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--megabytes", type=int, default=1000)
    asked = parser.parse_args()
    playbooks.LONGEST = 3600  # so much data takes its time on a loaded machine
    with tempfile.TemporaryDirectory(prefix="full") as name:
        directory = Path(name)
        try:
            box = sandbox.start(directory)
            sandbox.deploy(directory, "v1")
            size = fill(box, asked.megabytes)
            before_deployment(box)
            playbooks.play(box, "restore-point")
            good = sandbox.fingerprint(directory)
            sandbox.deploy(directory, "v2", True)
            report(size, ways(box, good))
        finally:
            sandbox.stop(directory)


def ways(box: Sandbox, good: sandbox.world.World) -> list[figures.Row]:
    """The row of every way, the document's first."""
    rows = []
    for book, name in (("full-rollback", "full-rollback.yml"), ("warm-full-rollback", "warm-full-rollback.yml")):
        rows.append(measured(box, good, name, lambda book=book: playbooks.play(box, book, confirm="production")))
        playbooks.play(box, "undo")
    rows.insert(0, measured(box, good, "the document's procedure", lambda: document(box)))
    return rows


def measured(box: Sandbox, good: sandbox.world.World, name: str, act: Callable[[], object]) -> figures.Row:
    """What the customers saw while ``act`` took the system back, and whether it is the one of the restore point."""
    file = box.directory / f"{name.split(maxsplit=1)[0]}.jsonl"
    with load.Load(box.url(), file) as customers:
        time.sleep(5)
        began = time.time()
        act()
        took = time.time() - began
        time.sleep(5)
        customers.write(False)
        seen = customers.seen(began)
        after = customers.seen(began + took)
    wrong = sandbox.difference(good, sandbox.fingerprint(box.directory, good["watermarks"]))
    state = "yes" if not wrong else f"no: {len(wrong)} differences"
    for line in wrong:
        print(f"  {name}: {line}", flush=True)
    cells = [f"{seen.downtime:.1f}", f"{seen.failed} of {seen.requests}", f"{seen.p95_ms:.0f}"]
    cells += [f"{after.failed} of {after.requests}", state, f"{took:.0f}"]
    print(f"{name}: {seen}; {took:.0f} s; as before: {state}", flush=True)
    return figures.Row(name, name.endswith(".yml"), cells, seen.downtime)


def report(size: int, rows: list[figures.Row]) -> None:
    """Table and picture; how many times shorter goes with the seconds."""
    by_hand = rows[0].bar
    told = [
        figures.Row(
            row.way, row.ours, [f"{row.cells[0]} (1/{by_hand / max(row.bar, 0.1):.0f})", *row.cells[1:]], row.bar
        )
        for row in rows
    ]
    columns = ["without a good answer (s)", "requests failed", "p95 (ms)", "failed afterwards", "v1 again?", "all (s)"]
    title = f"Full rollback under load, database of {size} MB"
    figures.write("full_rollback", title, columns, told, "seconds in which nobody was served")


def fill(box: Sandbox, megabytes: int) -> int:
    """Make the database so large; returns its size in MB."""
    with psycopg.connect(**box.postgres(), autocommit=True) as connection:
        for statement in FILL.format(rows=megabytes * ROWS_OF_A_MEGABYTE).strip().split(";\n"):
            connection.execute(statement.encode())
        connection.execute("RESET ROLE")
        connection.execute("VACUUM ANALYZE")
        (size,) = connection.execute("SELECT pg_database_size('wabot') / 1000000").fetchone() or (0,)
    return int(size)


def surroundings(box: Sandbox) -> dict[str, str]:
    """The environment of the document's commands."""
    user = box.postgres("wabot")
    s3 = {"endpoint_url": box.url("s3"), "region_name": "us-east-1", "aws_access_key_id": "wabot"}
    s3["aws_secret_access_key"] = box.passwords["s3"]
    copy = box.directory / "s3_cp.py"
    copy.write_text(COPY.format(s3=s3, bucket=BUCKET), encoding="utf-8")
    found = {"PGHOST": user["host"], "PGPORT": str(user["port"]), "PGUSER": "postgres", "PGDATABASE": "wabot"}
    # Its COPY and index builds would be cut off by the time limit that the database sets.
    found.update(PGPASSWORD=box.passwords["postgres"], PGOPTIONS="-c statement_timeout=0")
    found.update(BOX=str(box.directory), WORK=str(box.directory), URL=box.url(), UV=programs.program("uv"))
    found.update(TOOLS=str(programs.postgres_tools()), S3_CP=f"{sys.executable} {copy}")
    found["CTL"] = f"{Path(sys.executable).parent}/supervisorctl -c {box.directory}/supervisord.conf"
    return {**os.environ, **found}


def before_deployment(box: Sandbox) -> None:
    """The backup that the document's deployment makes."""
    dump = box.directory / "pre_deployment.sql"
    tool = [str(programs.postgres_tools() / "pg_dump"), "-F", "c", "-f", str(dump)]
    environment = surroundings(box)
    subprocess.run(tool, env=environment, check=True)
    subprocess.run([*environment["S3_CP"].split(), str(dump), "to", dump.name], env=environment, check=True)


def document(box: Sandbox) -> None:
    """Type it; what it says goes into a log, as it says much."""
    with (box.directory / "document.log").open("wb") as log:
        script = str(ROOT / "benchmarks" / "document_full.sh")
        subprocess.run([script], env=surroundings(box), stdout=log, stderr=log, stdin=subprocess.DEVNULL, check=False)


if __name__ == "__main__":
    main()
