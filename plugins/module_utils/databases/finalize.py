# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Delete what rollbacks and deployments have left behind: the only place that does, and it does not like to.

Each thing gets a verdict: it goes, or it stays, and then until when and why. What a restore point names stays, and so
does every database that has been live until its copy is proven in the object store.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from ..core import canonical
from ..core.errors import RollbackError
from ..drivers import package
from ..storage.objects import Bucket
from . import backup, beside, names, preserve
from .guard import guard
from .postgres import Server

# Those that say what they are, and those that were left between their creation and their mark.
OURS = """
SELECT datname::text FROM pg_database d, shobj_description(oid, 'pg_database') comment
WHERE datname <> %s AND (comment LIKE '{%%"rollback"%%' OR comment IS NULL AND datname ~ %s) ORDER BY 1
"""
UNMARKED = r"__(?:good|point)_(r\d{8}t\d{6}-[0-9a-z]+)$"


@dataclass(frozen=True)
class Order:
    """Whose things, and how long they are kept. ``points`` are all manifests; ``now`` is seconds since the epoch."""

    database: str
    environment: str
    run: str
    points: Sequence[Mapping[str, Any]]
    keep_hours: float
    keep_backups: int
    now: float


@dataclass(frozen=True)
class Verdict:
    """``kind``: kept, prepared, snapshot or backup. It goes when ``why`` is empty; ``until`` may be unknown."""

    kind: str
    name: str
    why: str
    until: str = ""


@dataclass(frozen=True)
class Place:
    """Where things lie. With ``dry_run`` nothing is deleted and nothing copied."""

    server: Server
    connection: Any
    store: Bucket | None
    dry_run: bool


def finalize(server: Server, store: Bucket | None, order: Order, dry_run: bool) -> dict[str, Any]:
    """{changed, deleted, stays}: what was deleted, or would be, and what stays until when and why."""
    gone: list[dict[str, str]] = []
    stays: list[dict[str, str]] = []
    with guard(server, order.run) as connection:
        place = Place(server, connection, store, dry_run)
        for verdict in [*_databases(server, connection, order), *_backups(store, order)]:
            why = verdict.why or _refused(place, order, verdict)
            told = {"kind": verdict.kind, "name": verdict.name}
            if why:
                stays.append({**told, "until": verdict.until, "why": why})
            else:
                gone.append(told)
    return {"changed": bool(gone), "deleted": gone, "stays": stays}


def _databases(server: Server, connection: Any, order: Order) -> Iterator[Verdict]:
    """One verdict for each database that lies beside the live one and is ours."""
    named = {_captured(point).get("snapshot", {}).get("database") for point in order.points}
    for (name,) in connection.execute(OURS, [order.database, UNMARKED]).fetchall():
        found = beside.look(connection, name)
        mark = found["mark"]
        if not mark and not beside.unfinished(server, found):
            continue
        change = str(mark.get("rollback", "")) or "".join(re.findall(UNMARKED, name))
        if name == names.snapshot(order.database, change):
            why = "a restore point names it" if name in named else ""
            yield _timed("snapshot", name, _after(change, order), order, why)
        elif name in (names.good(order.database, change), names.bad(order.database, change)):
            kept = mark.get("kept")
            until = kept["until"] if kept else _after(change, order)
            # A restore without an object store gives the restore point's copy itself another name.
            holds = not kept and mark.get("snapshot", {}).get("database") in named - {None}
            why = "it is what a restore point names" if holds else ""
            yield _timed("kept" if kept else "prepared", name, until, order, why)


def _backups(store: Bucket | None, order: Order) -> Iterator[Verdict]:
    """One verdict for each archive of this database; evidence is not listed, it stays for ever."""
    if store is None:
        return
    home = f"{order.environment}/postgres/"
    keys = store.keys(home)
    notes = {key: _note(store, key) for key in keys if key.endswith(".dump") and backup.note_of(key) in keys}
    finished = {key: note for key, note in notes.items() if note.get("purpose") == "pre_deploy"}
    newest = sorted(finished, key=lambda key: str(finished[key]["started"]), reverse=True)[: order.keep_backups]
    named = {_captured(point).get("backup", {}).get("key") for point in order.points}
    for key in (key for key in keys if key.endswith(".dump")):
        until = _after(key[len(home) :], order)
        note = notes.get(key)
        if key in named:
            yield Verdict("backup", key, "a restore point names it")
        elif note is None:
            # The archive comes first and its note last: this one was cut off, or is being written.
            yield _timed("backup", key, until, order)
        elif key in finished and note["database"] == order.database:
            why = f"it is one of the newest {order.keep_backups}" if key in newest else ""
            yield _timed("backup", key, until, order, why)


def _refused(place: Place, order: Order, verdict: Verdict) -> str:
    """Delete it; why it could not be, "" when it is gone."""
    errors = package("psycopg", "python3-psycopg")
    try:
        if verdict.kind == "kept" and (why := _unproven(place, order, verdict.name)):
            return why
        if not place.dry_run:
            _delete(place, verdict)
    except (RollbackError, errors.Error) as error:
        return " ".join(str(error).split())
    return ""


def _unproven(place: Place, order: Order, name: str) -> str:
    """Why a database that has been live may not go. Its copy is made now when there is none."""
    if place.store is None:
        return "there is no object store for its copy"
    found = beside.look(place.connection, name)
    if preserve.proven(place.store, order.environment, found):
        return ""
    made = preserve.preserve(place.server, place.store, order.environment, name, place.dry_run)
    if place.dry_run or preserve.proven(place.store, order.environment, found):
        return ""
    return str(made.get("reason") or "its copy is not proven")


def _delete(place: Place, verdict: Verdict) -> None:
    if verdict.kind != "backup":
        sql = package("psycopg.sql", "python3-psycopg")
        # Without FORCE: whoever looks into it just now keeps it.
        place.connection.execute(sql.SQL("DROP DATABASE IF EXISTS {}").format(sql.Identifier(verdict.name)))
    elif place.store is not None:
        # The note first: an archive without one is no backup.
        place.store.delete(backup.note_of(verdict.name))
        place.store.delete(verdict.name)


def _timed(kind: str, name: str, until: str, order: Order, why: str = "") -> Verdict:
    if why:
        return Verdict(kind, name, why)
    if not until:
        return Verdict(kind, name, "its name does not say when it was made")
    over = canonical.epoch(until) <= order.now
    return Verdict(kind, name, "" if over else "its time is not over", until)


def _after(name: str, order: Order) -> str:
    """When something may go that a run or restore point called ``name`` made; "" for a name that is no id."""
    try:
        made = datetime.strptime(name[:16], "r%Y%m%dt%H%M%S").replace(tzinfo=timezone.utc)
    except ValueError:
        return ""
    return canonical.utc(made.timestamp() + order.keep_hours * 3600)


def _captured(point: Mapping[str, Any]) -> Mapping[str, Any]:
    """What a restore point keeps of this component."""
    found: Mapping[str, Any] = point.get("components", {}).get("postgres", {})
    return found


def _note(store: Bucket, key: str) -> dict[str, Any]:
    """The note of an archive; one that cannot be read belongs to nobody, so its archive stays."""
    try:
        return backup.read_note(store, key)
    except RollbackError:
        return {}
