# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Everything that would stop a database rollback, seen before it begins: reads only, and finds all of it at once."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .. import looks, tls
from ..core import canonical, checks
from ..core.errors import DatabaseFailed, DriverMissing
from ..storage.objects import store_of
from . import backup as backups
from . import loss as losses
from . import restore, sessions, settings, source
from .postgres import MAINTENANCE, Server

RIGHTS = """
SELECT r.rolsuper, r.rolcreatedb, pg_has_role(r.oid, d.datdba, 'USAGE'),
       pg_has_role(r.oid, 'pg_signal_backend', 'USAGE'),
       quote_ident(r.rolname), quote_ident(o.rolname), o.rolsuper
FROM pg_roles r, pg_database d JOIN pg_roles o ON o.oid = d.datdba
WHERE r.rolname = current_user AND d.datname = %s"""

LONG = """
SELECT pid, usename::text, extract(epoch FROM now() - xact_start)::int FROM pg_stat_activity
WHERE datname = %s AND pid <> pg_backend_pid() AND now() - xact_start > make_interval(secs => %s)
ORDER BY 3 DESC LIMIT 5"""

SIZE = """
SELECT pg_database_size(oid), (SELECT setting FROM pg_settings WHERE name = 'data_directory'),
       pg_tablespace_location(dattablespace)
FROM pg_database WHERE datname = %s"""


@dataclass(frozen=True)
class Terms:
    """What the operator finds tolerable. ``max_age`` hours of a backup, ``long`` seconds of a transaction.

    ``data_directory`` is where the server keeps its files when this host can see them; empty asks the server.
    """

    max_age: float = 26.0
    long: float = 60.0
    data_directory: str = ""


def look(
    server: Server, s3: Mapping[str, Any], order: restore.Order, terms: Terms, steps: Sequence[str]
) -> dict[str, Any]:
    """{rows, loss}: what ``steps`` need. Only a run that switches to the restored database is asked for a backup."""
    view = View(server, s3, order, terms)
    wanted = [view.server_answers, view.lines, view.rights]
    if {"postgres.swap", "postgres.swap_back"} & set(steps):
        wanted += [view.hindrances, view.transactions]
    restores = "postgres.swap" in steps
    if restores:
        wanted += [view.tools, view.names, view.space, view.target, view.age]
    rows = looks.rows("postgres", *wanted)
    loss: dict[str, Any] = {}
    if restores and rows[0]["level"] == "ok":  # a server that does not answer has said so in its row
        try:
            loss = losses.account(server, order)
        except DatabaseFailed as error:
            rows.append(checks.warn("data lost", f"it cannot be counted: {error.message}", error.hint).row())
    return {"rows": _once(rows), "loss": loss}


@dataclass(frozen=True)
class View:
    """One look at one server; each method is a row or more."""

    server: Server
    s3: Mapping[str, Any]
    order: restore.Order
    terms: Terms

    def server_answers(self) -> Iterator[checks.Check]:
        """Reachable, and the primary."""
        with self.server.connect(self.order.place.database) as connection:
            version, standby = connection.execute(
                "SELECT current_setting('server_version'), pg_is_in_recovery()"
            ).fetchone()
        if standby:
            fix = "Set postgres_host to the primary."
            yield checks.fail("server", "it is a standby: nothing can be changed on it", fix, "server-standby")
        else:
            yield checks.ok("server", f"PostgreSQL {version} at {self.server.host}:{self.server.port}")

    def lines(self) -> Iterator[checks.Check]:
        """Who is at the other end of them."""
        yield from tls.postgres(self.server.host, self.server.sslmode)
        yield from tls.web("object store", str(self.s3.get("endpoint_url") or ""))

    def rights(self) -> Iterator[checks.Check]:
        """Enough to restore beside and to switch, and no more."""
        with self.server.connect(MAINTENANCE) as connection:
            found = connection.execute(RIGHTS, [self.order.place.database]).fetchone()
        if not found:
            return  # the database is missing: its own row says so
        superuser, createdb, member, signal, role, owner, owned_by_superuser = found
        missing = {
            f"ALTER ROLE {role} CREATEDB": createdb or superuser,
            f"GRANT {owner} TO {role}": member,
            f"GRANT pg_signal_backend TO {role}": signal,
        }
        lacks = [statement for statement, there in missing.items() if not there]
        if lacks:
            yield checks.fail("role", f"{role} may not do all that is needed", "; ".join(lacks), "role-lacks-rights")
        elif owned_by_superuser:
            fix = f"Give the database and what is in it to a role without SUPERUSER: it belongs to {owner}."
            yield checks.warn("role", f"{owner} is a superuser: code inside a dump would run as one", fix)
        elif superuser:
            fix = (
                f"ALTER ROLE {role} NOSUPERUSER CREATEDB; GRANT {owner}, pg_signal_backend, pg_read_all_data TO {role}"
            )
            yield checks.warn("role", f"{role} is a superuser: code inside a dump would run as one", fix)
        else:
            yield checks.ok("role", f"{role}, member of {owner}, no superuser")

    def tools(self) -> Iterator[checks.Check]:
        """pg_dump refuses a newer server, pg_restore a newer archive."""
        with self.server.connect(MAINTENANCE) as connection:
            major = connection.info.server_version // 10000
        fix = f"apt-get install postgresql-client-{major}, and set postgres_tools."
        try:
            found = {name: backups.tool_version(self.server, name) for name in ("pg_dump", "pg_restore")}
        except DriverMissing as error:
            yield checks.fail("client programs", error.message, fix, error.code)
            return
        said = ", ".join(f"{name} {version}" for name, version in found.items())
        if min(found.values()) < major:
            yield checks.fail("client programs", f"{said}; the server is {major}", fix, "tools-too-old")
        elif max(found.values()) > major:
            yield checks.warn("client programs", f"{said} are newer than the server, {major}", fix)
        else:
            yield checks.ok("client programs", said)

    def hindrances(self) -> Iterator[checks.Check]:
        """What no eviction ends, and what this role may not copy to the database that comes in."""
        with self.server.connect(MAINTENANCE) as connection:
            yield from settings.forbidden(connection, self.order.place.database)
            for each in sessions.hindrances(connection, [self.order.place.database]):
                what, _colon, way_out = each.partition(": ")
                yield checks.fail("database", f"it cannot be renamed because of {what}", way_out, "database-bound")

    def transactions(self) -> Iterator[checks.Check]:
        """Long work will be cut off by the switch: somebody may want to know."""
        with self.server.connect(MAINTENANCE) as connection:
            found = connection.execute(LONG, [self.order.place.database, self.terms.long]).fetchall()
        for pid, user, seconds in found:
            text = f"pid {pid} of {user} is in a transaction for {canonical.duration(seconds)}: the switch will end it"
            yield checks.warn("transactions", text, f"SELECT pg_terminate_backend({pid})")

    def names(self) -> Iterator[checks.Check]:
        """The names that this change gives to databases are free, or its own."""
        with self.server.connect(MAINTENANCE) as connection:
            stranger = restore.stranger(self.server, connection, self.order)
        if stranger:
            fix = f'Find out whose it is, and rename it: ALTER DATABASE "{stranger}" RENAME TO ...'
            yield checks.fail(
                "names", f"there is a database {stranger!r} that this change did not make", fix, "name-taken"
            )
        else:
            yield checks.ok("names", f"{self.order.side} is free, or of this change")

    def space(self) -> Iterator[checks.Check]:
        """Room for a second database, where it can be known."""
        with self.server.connect(MAINTENANCE) as connection:
            if restore.look(connection, self.order) or restore.has_snapshot(connection, self.order):
                return
            size, data, tablespace = connection.execute(SIZE, [self.order.place.database]).fetchone() or (0, "", "")
        directory = tablespace or self.terms.data_directory or data or ""
        needed = f"the restored database needs about {size / 1e6:.0f} MB"
        try:
            there = os.statvfs(directory)
        except OSError:
            fix = "Look with df on the database host, or set postgres_data_directory."
            yield checks.warn("disk space", f"{needed}; the free space cannot be seen from here", fix)
            return
        free = there.f_bavail * there.f_frsize
        text = f"{needed}; free are {free / 1e6:.0f} MB in {directory}"
        if free < size:
            yield checks.fail("disk space", text, f"Make room there: df -h {directory}", "disk-full")
        else:
            yield checks.ok("disk space", text)

    def target(self) -> Iterator[checks.Check]:
        """There is something to go back to, and it is what was kept."""
        with self.server.connect(MAINTENANCE) as connection:
            state, snapshot = restore.look(connection, self.order), restore.has_snapshot(connection, self.order)
        if state:
            said = {"ready": "lies beside, complete", "swapped": "is live"}[state]
            yield checks.ok("target", f"the database of this change {said} already")
            return
        if snapshot:
            yield checks.ok(
                "target", f"a copy inside the cluster, {self.order.snapshot['database']}: no restore needed"
            )
        for row in looks.rows("backup", self._backup):
            # With a copy in the cluster the backup is the second way, not the only one.
            spare = snapshot and row["level"] == "fail"
            yield checks.Check(**{**row, "level": "warn"} if spare else row)

    def _backup(self) -> Iterator[checks.Check]:
        yield from source.look(self.server, store_of(self.s3), self.order.backup, self.order.place)

    def age(self) -> Iterator[checks.Check]:
        """How old the target is."""
        if taken := losses.taken(self.order):
            hours = (time.time() - taken) / 3600
            text = f"taken {canonical.duration(hours * 3600)} h:min:s ago"
            if hours > self.terms.max_age:
                fix = "Choose a newer restore point: ansible-playbook status.yml lists them."
                yield checks.warn("age of the target", text, fix)
            else:
                yield checks.ok("age of the target", text)


def _once(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """A server that is down makes every look fail with the same words: once is enough."""
    kept: list[dict[str, Any]] = []
    for row in rows:
        if row not in kept:
            kept.append(row)
    return kept
