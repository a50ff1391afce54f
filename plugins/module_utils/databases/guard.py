# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One worker a change. Whoever was left behind by a killed attempt is ended before the work is taken up again."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ..core.errors import DatabaseFailed
from .postgres import MAINTENANCE, Server

PATIENCE = 15  # seconds that a session of an earlier attempt gets to go
POLL = 0.05

OTHERS = "FROM pg_stat_activity WHERE application_name = %s AND pid <> pg_backend_pid()"


def application(change: str) -> str:
    """The name that every session of a change bears, ours and those of the programs that we start."""
    return f"rollback:{change}"


@contextmanager
def guard(server: Server, change: str) -> Iterator[Any]:
    """The only connection from which databases are made and dropped in this change.

    An orphan that works on has lost its own, and with it the power to harm what is made now.
    """
    name = application(change)
    with server.connect(MAINTENANCE, name) as connection:
        end = time.monotonic() + PATIENCE
        while not _mine(connection, name):
            left = [pid for (pid, _ok) in connection.execute(f"SELECT pid, pg_terminate_backend(pid) {OTHERS}", [name])]
            if time.monotonic() > end:
                raise DatabaseFailed(
                    f"Sessions of an earlier attempt do not go: {', '.join(map(str, left))} ({name}).",
                    hint="Another process still works for this run. End it, then resume.",
                    next="ansible-playbook resume.yml",
                    code="orphan-stays",
                )
            time.sleep(POLL)
        yield connection


def _mine(connection: Any, name: str) -> bool:
    """Whether this session holds the lock and nobody else bears the name."""
    # A session that takes the lock twice holds it once more, and loses it with its end all the same.
    locked = connection.execute("SELECT pg_try_advisory_lock(hashtextextended(%s, 0))", [name]).fetchone()[0]
    return bool(locked) and connection.execute(f"SELECT count(*) {OTHERS}", [name]).fetchone()[0] == 0
