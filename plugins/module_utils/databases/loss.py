# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What going back gives up, before it is given up: the rows of the target beside those of now."""

from __future__ import annotations

import time
from typing import Any

from ..core import canonical
from ..drivers import package
from . import contents, restore
from .postgres import MAINTENANCE, Server

COUNTING = 10  # seconds for exact counts of the live rows; what is left over is estimated


def account(server: Server, order: restore.Order) -> dict[str, Any]:
    """{minutes, tables: {name: {then, now}}}: what is given up; {} when the target is live already."""
    with server.connect(MAINTENANCE) as connection:
        if restore.look(connection, order) == "swapped" or not taken(order):
            return {}
    then = order.snapshot.get("tables") or order.backup["tables"]
    with server.connect(order.place.database) as connection:
        now = _rows(connection, time.monotonic() + COUNTING)
    tables = {name: {"then": then.get(name, 0), "now": now.get(name, 0)} for name in sorted({*then, *now})}
    return {"minutes": round((time.time() - taken(order)) / 60, 1), "tables": tables}


def taken(order: restore.Order) -> float:
    """When the target was taken, in seconds since the epoch; 0 when there is none."""
    at = order.snapshot.get("created") or order.backup.get("started")
    return canonical.epoch(at) if at else 0.0


def _rows(connection: Any, end: float) -> dict[str, int]:
    """{name: rows}, exact for as long as there is time, else as the server estimates them."""
    errors = package("psycopg.errors", "python3-psycopg")
    found = {}
    for name, table in contents.tables(connection).items():
        left = max(1, int((end - time.monotonic()) * 1000))
        connection.execute("SELECT set_config('statement_timeout', %s, false)", [str(left)])
        try:
            found[name] = contents.count(connection, table)
        except errors.QueryCanceled:
            estimate = "SELECT greatest(reltuples, 0)::bigint FROM pg_class WHERE oid = %s::regclass"
            found[name] = int(connection.execute(estimate, [name]).fetchone()[0])
    return found
