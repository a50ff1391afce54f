# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The forensic copy of a database that was replaced, in the object store. Proven there, it may be dropped here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..core import failpoint
from ..core.errors import RollbackError
from ..storage.objects import Bucket
from . import backup, beside
from .postgres import MAINTENANCE, Server


def order(environment: str, found: Mapping[str, Any]) -> backup.Order:
    """The copy of one kept database, whose row beside.look gave; it bears the run that took it out of service."""
    return backup.Order(found["datname"], environment, found["mark"]["kept"]["run"], "evidence")


def preserve(server: Server, store: Bucket | None, environment: str, kept: str, dry_run: bool) -> dict[str, Any]:
    """Copy the kept database. What goes wrong is said and stops no run: it stays until its copy is proven."""
    failpoint.inside("postgres.preserve")
    try:
        with server.connect(MAINTENANCE) as connection:
            found = beside.look(connection, kept)
        if not found or "kept" not in found["mark"]:
            return {"changed": False, "backup": {}, "reason": f"there is no kept database {kept!r}"}
        if store is None:
            return {"changed": False, "backup": {}, "reason": "there is no object store"}
        return backup.take(server, store, order(environment, found), dry_run)
    except RollbackError as error:
        return {"changed": False, "backup": {}, "reason": error.message}


def proven(store: Bucket, environment: str, found: Mapping[str, Any]) -> bool:
    """Whether the copy of a kept database is in the store, whole, and of this database since it was replaced."""
    wanted = order(environment, found)
    note = backup.note(store, wanted.key)
    return (
        bool(note)
        and (note["purpose"], note["database"]) == (wanted.purpose, wanted.database)
        and note["started"] >= found["mark"]["kept"]["replaced"]
        and store.size(wanted.key) == note["size"]
    )
