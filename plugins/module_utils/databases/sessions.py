# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Who is in a database: what no eviction ends, and the eviction itself."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from ..core.errors import TargetRefused
from .postgres import MAINTENANCE, Server

POLL = 0.002  # seconds; a timeout given to pg_terminate_backend made a switch of 60 ms one of 450 ms

# A superuser's sessions can be ended only by a superuser. Autovacuum has no user, and gives way to a rename by itself.
SESSIONS = """
SELECT pid, a.usename, coalesce(a.application_name, '?') AS application, coalesce(a.state, '?') AS state, datname,
  r.rolsuper IS FALSE OR (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) AS mine
FROM pg_stat_activity a LEFT JOIN pg_roles r ON r.oid = a.usesysid
WHERE datname = ANY(%s) AND usesysid IS NOT NULL AND pid <> pg_backend_pid()
"""
EVICT = f"SELECT *, CASE WHEN mine THEN pg_terminate_backend(pid) END FROM ({SESSIONS}) s"  # noqa: S608
PREPARED = "SELECT gid, owner::text FROM pg_prepared_xacts WHERE database = ANY(%s) ORDER BY 1"
SLOTS = "SELECT slot_name::text FROM pg_replication_slots WHERE database = ANY(%s) ORDER BY 1"
SUBSCRIPTIONS = """
SELECT subname::text FROM pg_subscription JOIN pg_database d ON d.oid = subdbid
WHERE subenabled AND datname = ANY(%s) ORDER BY 1
"""


def hindrances(connection: Any, names: Sequence[str]) -> list[str]:
    """What keeps the databases from being renamed, or would be torn from them, each with its way out."""
    found = [
        f"prepared transaction {gid!r} of {owner}: COMMIT PREPARED or ROLLBACK PREPARED it"
        for gid, owner in connection.execute(PREPARED, [list(names)])
    ]
    found += [
        f"replication slot {slot!r}: end its consumer, then SELECT pg_drop_replication_slot('{slot}')"
        for (slot,) in connection.execute(SLOTS, [list(names)])
    ]
    return found + [
        f"subscription {name!r}: ALTER SUBSCRIPTION ... DISABLE"
        for (name,) in connection.execute(SUBSCRIPTIONS, [list(names)])
    ]


def await_untouchable(connection: Any, names: Sequence[str], patience: float) -> None:
    """Wait until no session is left that this role may not end. Nobody notices."""
    end = time.monotonic() + patience
    while sessions := [each for each in _sessions(connection, names) if not each[5]]:
        if time.monotonic() > end:
            raise TargetRefused(
                f"Sessions of superusers do not leave: {_listed(sessions)}.",
                hint="Only a superuser can end them. Nothing was changed.",
                next=f"psql -U postgres -d {MAINTENANCE} -c 'SELECT pg_terminate_backend({sessions[0][0]})'",
                code="sessions-stay",
            )
        time.sleep(0.1)


@contextmanager
def ending(server: Server, names: Sequence[str], application: str) -> Iterator[set[int]]:
    """End every session in the databases, for as long as this lasts; gives the pids of those that were ended.

    Returns after the first round, so a database that nobody comes back to is empty by then.
    """
    ended: set[int] = set()
    begun, stop = threading.Event(), threading.Event()

    def end_them() -> None:
        try:
            with server.connect(MAINTENANCE, application) as connection:
                while not stop.is_set():
                    ended.update(row[0] for row in connection.execute(EVICT, [list(names)]))
                    begun.set()
                    stop.wait(POLL)
        finally:
            begun.set()

    with ThreadPoolExecutor(1) as thread:
        working = thread.submit(end_them)
        begun.wait()
        if working.done():
            working.result()
        try:
            yield ended
        finally:
            stop.set()
        working.result()


def stubborn(connection: Any, names: Sequence[str]) -> str:
    """The sessions that are in the databases now, for people."""
    return _listed(_sessions(connection, names)) or "none now"


def _sessions(connection: Any, names: Sequence[str]) -> list[Any]:
    return list(connection.execute(SESSIONS, [list(names)]).fetchall())


def _listed(sessions: Sequence[Any]) -> str:
    return "; ".join(
        f"pid {pid} of {user} in {database} ({application or 'no name'}, {state})"
        for pid, user, application, state, database, *_rest in sessions
    )
