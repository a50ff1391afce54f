# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A backup that counts: one consistent state, streamed to the object store, read back to its end, named last.

The note beside the object is written when all of this is proven. An object without its note is no backup.
"""

from __future__ import annotations

import json
import re
import subprocess
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from ..core import canonical
from ..core.errors import BackupUnusable, BadInput, CommandFailed
from ..storage.objects import Bucket, Written
from . import contents, pipes
from .guard import application, guard
from .postgres import Server

COMPRESSIONS = ("zstd:1", "lz4", "gzip:1")  # the first that pg_dump was built with; measured in this order
LOCK_WAIT = "60s"  # for a table that a migration holds


@dataclass(frozen=True)
class Order:
    """What is to be backed up, why, and where it goes. ``name`` is the run or restore point that asks for it."""

    database: str
    environment: str
    name: str
    purpose: str
    compression: str = ""

    @property
    def key(self) -> str:
        """Where the archive lies; its note is at ``note_of(key)``."""
        return f"{self.environment}/postgres/{self.name}.dump"


def refuse_nowhere(bucket: Bucket | None, snapshot: bool) -> None:
    """Raise BadInput when there is neither an object store nor a snapshot: then there is nothing to go back to."""
    if not bucket and not snapshot:
        raise BadInput(
            "There is no object store, and no snapshot is kept: this restore point would hold no data.",
            hint="Set rollback_s3, or postgres_snapshot: true.",
            code="backup-nowhere",
        )


def note_of(key: str) -> str:
    """The key of the note that makes an archive a backup."""
    return f"{key}.json"


def take(server: Server, bucket: Bucket, order: Order, dry_run: bool) -> dict[str, Any]:
    """Make the backup, or find that it is made. Returns what a restore point keeps of it, and ``changed``."""
    found = note(bucket, order.key)
    if found and bucket.size(order.key) == found["size"]:
        return {"changed": False, "backup": found}
    if dry_run:
        return {"changed": True, "backup": {}}
    with guard(server, order.name):
        facts = _dump(server, bucket, order)
        written = Written(order.key, facts["size"], facts["sha256"])
        with closing(bucket.proven(written)) as blocks:
            read_whole(server, blocks)
    bucket.put(note_of(order.key), canonical.dumps(facts))
    return {"changed": True, "backup": facts}


def note(bucket: Bucket, key: str) -> dict[str, Any]:
    """What is known of the backup ``key``; empty when it was never finished."""
    if note_of(key) not in bucket.keys(key):
        return {}
    return read_note(bucket, key)


def read_note(bucket: Bucket, key: str) -> dict[str, Any]:
    """The note of a backup; raises BackupUnusable when it is none, StorageFailed when there is none."""
    return _parsed(bucket.get(note_of(key)), key)


def read_whole(server: Server, blocks: Iterable[bytes]) -> None:
    """Read an archive to its end as a restore would, into nothing; raises when it is damaged."""
    argv = [server.program("pg_restore"), "--format=custom", "--file=/dev/null"]
    pipes.feed(argv, server.environment(""), blocks, server.seconds)


def tool_version(server: Server, name: str) -> int:
    """The major version of a client program."""
    said = subprocess.run([server.program(name), "--version"], check=False, capture_output=True, text=True).stdout
    found = re.search(r"\(PostgreSQL\) (\d+)", said)
    return int(found.group(1)) if found else 0


def best_compression(server: Server) -> str:
    """The quickest compression that pg_dump knows: an unknown one is refused before it connects anywhere."""
    nowhere = {**server.environment(""), "PGHOST": "/nowhere", "PGDATABASE": "postgres"}
    for choice in COMPRESSIONS[:-1]:
        argv = [server.program("pg_dump"), "--format=custom", f"--compress={choice}", "--file=/dev/null"]
        said = subprocess.run(argv, check=False, env=nowhere, capture_output=True, text=True).stderr
        if "connection to server" in said:
            return choice
    return "gzip:1" if tool_version(server, "pg_dump") >= 16 else "1"


def _dump(server: Server, bucket: Bucket, order: Order) -> dict[str, Any]:
    """Stream the archive into the store; its facts are read in the same snapshot."""
    name, compression = application(order.name), order.compression or best_compression(server)
    with server.connect(order.database, name) as connection, connection.transaction():
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        snapshot = connection.execute("SELECT pg_export_snapshot()").fetchone()[0]
        started = time.time()
        facts = _facts(connection)
        argv = [server.program("pg_dump"), "--format=custom", f"--compress={compression}", f"--snapshot={snapshot}"]
        argv += ["--no-password", f"--lock-wait-timeout={LOCK_WAIT}", server.target(order.database)]
        dump = pipes.output(argv, server.environment(order.database, name), server.seconds)
        with ThreadPoolExecutor(1) as beside, closing(dump) as blocks:
            counting = beside.submit(contents.rows, connection)
            try:
                written = bucket.write(order.key, blocks)
            except CommandFailed:
                # A count that failed has ended the snapshot, and the dump with it: say the cause, not its effect.
                counting.result()
                raise
            tables = counting.result()
    return {
        **facts,
        "key": written.key,
        "size": written.size,
        "sha256": written.sha256,
        "format": "custom",
        "compression": compression,
        "purpose": order.purpose,
        "environment": order.environment,
        "database": order.database,
        "dump_version": tool_version(server, "pg_dump"),
        "started": canonical.utc(started),
        "finished": canonical.utc(time.time()),
        "tables": tables,
    }


def _facts(connection: Any) -> dict[str, Any]:
    """What tells whether this archive fits a server: read in the dump's own snapshot."""
    query = """
        SELECT system_identifier::text, current_setting('server_version_num')::int, current_setting('server_encoding')
        FROM pg_control_system()"""
    identifier, version, encoding = connection.execute(query).fetchone()
    return {
        "system_identifier": identifier,
        "server_version": version,
        "encoding": encoding,
        "schema_fingerprint": contents.fingerprint(connection),
        "extensions": contents.extensions(connection),
        "grants": contents.grants(connection),
        "reserved": contents.reserved(connection),
    }


def _parsed(data: bytes, key: str) -> dict[str, Any]:
    try:
        facts: dict[str, Any] = json.loads(data)
        if facts["key"] != key:
            raise ValueError(f"it belongs to {facts['key']}")
    except (ValueError, KeyError, TypeError) as error:
        raise BackupUnusable(
            f"The note of the backup {key} cannot be read: {error}.",
            hint="It was changed in the store. Choose another restore point.",
            next="ansible-playbook status.yml",
            code="backup-note-unreadable",
        ) from error
    return facts
