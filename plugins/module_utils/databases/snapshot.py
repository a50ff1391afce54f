# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A copy of the live database inside the cluster: going back to it needs no restore, whatever its size.

CREATE DATABASE ... TEMPLATE wants the database for itself. It holds a lock that makes new connections wait, so nothing
has to be fenced: sessions that are there are ended from a second connection, new ones wait until the copy is made, and
when anything goes wrong or anybody is killed, the lock is gone with its session.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from ..core import canonical
from ..drivers import package
from . import beside, contents, names
from .guard import application, guard
from .postgres import MAINTENANCE, Server

POLL = 0.002
GRACE = 1.5  # seconds that a transaction gets to end by itself; the server gives up waiting for sessions after 5

END_SESSIONS = """
SELECT pg_terminate_backend(a.pid) FROM pg_stat_activity a JOIN pg_roles r ON r.oid = a.usesysid
WHERE a.datname = %s AND a.pid <> pg_backend_pid() AND NOT r.rolsuper AND (%s OR a.state = 'idle')"""


def ensure(server: Server, database: str, point: str, *, stall: float, dry_run: bool) -> dict[str, Any]:
    """{changed, snapshot}: as ``take`` returns it, or as it was found; empty when it would be made."""
    with server.connect(MAINTENANCE) as connection:
        found = beside.look(connection, names.snapshot(database, point))
    kept = found["mark"].get("snapshot") if found else None
    if kept or dry_run:
        return {"changed": not kept, "snapshot": kept or {}}
    kept = take(server, database, point, stall)
    return {"changed": "refused" not in kept, "snapshot": kept}


def take(server: Server, database: str, point: str, stall: float) -> dict[str, Any]:
    """Keep a copy of ``database``; ``stall`` is the seconds for which its users may have to wait.

    Returns {database, point, created, seconds, tables, schema_fingerprint}, or {refused: why} when the database could
    not be had within its bounds: then all is as before.
    """
    name, work = names.snapshot(database, point), f"{point}:snapshot"
    with guard(server, work) as connection:
        found = beside.look(connection, name)
        if found and found["mark"].get("complete"):
            return dict(found["mark"]["snapshot"])
        beside.drop_unfinished(server, connection, name)
        begun, refused = _copy(server, connection, database, point=point, stall=stall)
        if refused:
            beside.drop_unfinished(server, connection, name)
            return {"refused": refused}
        seconds = round(time.monotonic() - begun, 3)
        beside.open_to_connections(connection, name, True)
        with server.connect(name, application(work)) as inside:
            facts = {"tables": contents.rows(inside), "schema_fingerprint": contents.fingerprint(inside)}
        beside.open_to_connections(connection, name, False)
        kept = {"database": name, "point": point, "created": canonical.utc(time.time()), "seconds": seconds, **facts}
        beside.mark(connection, name, {"rollback": point, "complete": True, "snapshot": kept})
        return kept


def _copy(server: Server, connection: Any, database: str, *, point: str, stall: float) -> tuple[float, str]:
    """Copy the database while nobody is in it. Returns when the last attempt began, and why it was given up."""
    errors = package("psycopg.errors", "python3-psycopg")
    refusals = (errors.ObjectInUse, errors.QueryCanceled, errors.InsufficientPrivilege)
    like, name = beside.live(connection, database), names.snapshot(database, point)
    _checkpoint(connection)
    begun = time.monotonic()
    with _ending_sessions(server, database, f"{point}:snapshot"), _bounded(connection, stall):
        for method in _methods(connection):
            begun = time.monotonic()
            try:
                beside.copy(connection, name, like, {"rollback": point}, method=method)
            except refusals as error:
                return begun, " ".join(str(error).split())
            except errors.Error as error:
                if method != "clone":
                    return begun, " ".join(str(error).split())
            else:
                return begun, ""
    return begun, "the file system cannot copy it"


def _methods(connection: Any) -> list[str]:
    """How the server can copy files: sharing blocks where its version may and its file system can."""
    clones = connection.execute("SELECT 1 FROM pg_settings WHERE name = 'file_copy_method'").fetchone()
    return ["clone", "copy"] if clones else ["copy"]


def _checkpoint(connection: Any) -> None:
    """Write out before anybody waits what the copy would write while they do. Not every role may."""
    errors = package("psycopg.errors", "python3-psycopg")
    try:
        connection.execute("CHECKPOINT")
    except errors.InsufficientPrivilege:
        return


@contextmanager
def _bounded(connection: Any, seconds: float) -> Iterator[None]:
    """A statement that takes longer is cancelled by the server."""
    connection.execute("SELECT set_config('statement_timeout', %s, false)", [str(int(seconds * 1000))])
    try:
        yield
    finally:
        connection.execute("SET statement_timeout TO 0")


@contextmanager
def _ending_sessions(server: Server, database: str, work: str) -> Iterator[None]:
    """End the sessions in ``database`` for as long as this lasts: idle ones at once, the others after GRACE."""
    stop, begun = threading.Event(), time.monotonic()

    def end_them(connection: Any) -> None:
        while not stop.wait(POLL):
            connection.execute(END_SESSIONS, [database, time.monotonic() - begun > GRACE])

    with server.connect(MAINTENANCE, application(work)) as connection, ThreadPoolExecutor(1) as thread:
        ending = thread.submit(end_them, connection)
        try:
            yield
        finally:
            stop.set()
        ending.result()
