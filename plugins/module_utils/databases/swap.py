# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Exchange the live database for one that lies beside it, and back. Names alone say where one stands.

There are two states of the world, before and after: grants, settings, comments and both renames are one transaction. A
rename takes a lock on the database that makes new connections wait, and then gives those that are in it some seconds to
go; they are ended from a second connection meanwhile. So nothing is closed that would have to be opened again, and
whoever is killed anywhere leaves either the old database live or the new one. Every way on starts by looking.

Beside ``rollback`` and ``complete`` the mark of a database that was live says ``kept`` = {run, replaced, until, live}:
since when it is out of service, how long it stays at least, and the oid of the one that took over.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from ..core import canonical, failpoint
from ..core.errors import BackupUnusable, DatabaseFailed, NotEffective, PlanRefused, TargetMissing, TargetRefused
from ..drivers import package
from . import beside, names, sessions, settings
from .guard import application, guard
from .postgres import Server

Rows = Mapping[str, Mapping[str, Any]]  # by name, as beside.look gives them


@dataclass(frozen=True)
class Terms:
    """Of one exchange: hours that what is replaced is kept at least, seconds that sessions get to leave."""

    live: str
    change: str
    run: str
    keep_hours: float
    patience: float


@dataclass(frozen=True)
class Exchange:
    """``incoming`` becomes live, and what was live becomes ``outgoing``."""

    terms: Terms
    incoming: str
    outgoing: str

    @property
    def live(self) -> str:
        """The product's database."""
        return self.terms.live


def swapped(server: Server, terms: Terms, dry_run: bool) -> dict[str, Any]:
    """The restored database is live, and what it replaced is kept. Returns the facts of the module."""
    way = Exchange(terms, names.good(terms.live, terms.change), names.bad(terms.live, terms.change))
    with _opened(server, terms) as connection:
        seen = look(connection, way)
        if way.incoming not in seen and way.outgoing not in seen:
            raise TargetMissing(
                f"No database was restored for this change: there is no {way.incoming!r}.",
                hint="The verb prepare of this component makes it.",
                next="ansible-playbook resume.yml",
                code="not-prepared",
            )
        if way.incoming in seen and not seen[way.incoming]["mark"].get("complete"):
            raise BackupUnusable(
                f"The database {way.incoming!r} is not complete: its restore did not come to its end.",
                hint="The verb prepare of this component makes it anew.",
                next="ansible-playbook resume.yml",
                code="restore-incomplete",
            )
        return _ensure(connection, server, way, seen, dry_run)


def swapped_back(server: Server, terms: Terms, dry_run: bool) -> dict[str, Any]:
    """What was live before this change is live again. Nothing to do when the switch was not made."""
    way = Exchange(terms, names.bad(terms.live, terms.change), names.good(terms.live, terms.change))
    with _opened(server, terms) as connection:
        seen = look(connection, way)
        if way.incoming not in seen and way.outgoing not in seen:
            raise TargetMissing(
                f"Nothing is kept of this change: there is neither {way.incoming!r} nor {way.outgoing!r}.",
                hint="The kept database was deleted, by finalize or by hand. Its copy is in the object store.",
                next="ansible-playbook status.yml",
                code="nothing-kept",
            )
        return _ensure(connection, server, way, seen, dry_run)


@contextmanager
def _opened(server: Server, terms: Terms) -> Iterator[Any]:
    """The connection that exchanges. No lock of another one makes it wait longer than sessions get to leave."""
    with guard(server, terms.change) as connection:
        connection.execute("SELECT set_config('lock_timeout', %s, false)", [str(int(terms.patience * 1000))])
        yield connection


def look(connection: Any, way: Exchange) -> Rows:
    """The databases of this exchange that exist; refuses when there is none to exchange, or one too many."""
    rows = {name: beside.look(connection, name) for name in (way.live, way.incoming, way.outgoing)}
    seen = {name: row for name, row in rows.items() if row}
    if way.live not in seen:
        raise TargetMissing(
            f"There is no database {way.live!r}; of this change there are: {', '.join(sorted(seen)) or 'none'}.",
            hint="Somebody renamed or dropped it. Find out who before anything is done.",
            next="psql -l",
            code="database-missing",
        )
    if way.incoming in seen and way.outgoing in seen:
        raise PlanRefused(
            f"Both {way.incoming!r} and {way.outgoing!r} exist beside {way.live!r}: which one goes live is not clear.",
            hint="One of them was made by hand: rename it out of the way. Their comments say what each one is.",
            next="psql -c '\\l+'",
            code="exchange-unclear",
        )
    return seen


def _ensure(connection: Any, server: Server, way: Exchange, seen: Rows, dry_run: bool) -> dict[str, Any]:
    """Act where it is needed, then look again."""
    facts: dict[str, Any] = {"live": way.live, "kept": way.outgoing if way.outgoing in seen else ""}
    if way.incoming not in seen:
        return {"changed": False, **facts}
    if found := sessions.hindrances(connection, [way.live, way.incoming]):
        raise TargetRefused(
            f"The database {way.live!r} cannot be renamed: " + "; ".join(found) + ".",
            hint="Nothing was changed: the database still serves.",
            next="ansible-playbook resume.yml",
            code="database-bound",
        )
    facts.update(
        changed=True,
        kept=way.outgoing,
        differences=settings.differences(connection, seen[way.live], seen[way.incoming]),
    )
    return facts if dry_run else {**facts, **_act(connection, server, way, seen)}


def _act(connection: Any, server: Server, way: Exchange, seen: Rows) -> dict[str, Any]:
    sessions.await_untouchable(connection, [way.live, way.incoming], way.terms.patience)
    done = _exchange(connection, server, way, seen)
    now = look(connection, way)
    if now[way.live]["oid"] != seen[way.incoming]["oid"] or not now[way.live]["datallowconn"]:
        raise NotEffective(
            f"{way.live!r} is not the database that was {way.incoming!r}.",
            hint="Something else renames databases here. Look who is connected before you resume.",
            next="psql -l",
            code="exchange-undone",
        )
    kept = now[way.outgoing]["mark"]["kept"]
    return {**done, "replaced": kept["replaced"], "until": kept["until"]}


def _exchange(connection: Any, server: Server, way: Exchange, seen: Rows) -> dict[str, Any]:
    """The transaction. The server gives up after 5 seconds of waiting for sessions; then it is tried again."""
    errors = package("psycopg.errors", "python3-psycopg")
    both, end = [way.live, way.incoming], time.monotonic() + way.terms.patience
    while True:
        try:
            with connection.transaction():
                # What this role may not copy shows before anybody is turned away.
                settings.dress(connection, way.live, way.incoming)
                with sessions.ending(server, both, application(way.terms.change)) as ended:
                    start = time.monotonic()
                    beside.rename(connection, way.live, way.outgoing)
                    failpoint.inside("postgres.swap", "postgres.swap_back")
                    beside.rename(connection, way.incoming, way.live)
                _note(connection, way, seen)
            return {"gap_ms": round((time.monotonic() - start) * 1000, 1), "sessions_ended": len(ended)}
        except errors.ObjectInUse as error:
            if time.monotonic() > end:
                raise DatabaseFailed(
                    f"Sessions do not leave: {sessions.stubborn(connection, both)}.",
                    hint="They were told to end and did not. Nothing was changed: the database serves.",
                    next="ansible-playbook resume.yml",
                    code="sessions-stay",
                ) from error


def _note(connection: Any, way: Exchange, seen: Rows) -> None:
    """The comment goes with the name; what is kept says so, and is read only."""
    comment = "COMMENT ON DATABASE {database} IS {text}"
    settings.do(connection, way.live, "the comment", comment, {"text": seen[way.live]["comment"]})
    beside.mark(connection, way.outgoing, _mark(way, seen[way.incoming]))
    # Nobody connects to the kept one by its old name. Whoever does by its new one, to look or to copy, does not write.
    read_only = "ALTER DATABASE {database} SET default_transaction_read_only = on"
    settings.do(connection, way.outgoing, "read only", read_only)
    for name in (way.live, way.outgoing):
        beside.open_to_connections(connection, name, True)


def _mark(way: Exchange, incoming: Mapping[str, Any]) -> dict[str, Any]:
    """What is written on the database that goes out of service.

    The mark of a restored one waits on the kept one while it is live, and comes back to it in an undo.
    """
    now = time.time()
    times = {"replaced": canonical.utc(now), "until": canonical.utc(now + way.terms.keep_hours * 3600)}
    kept = {"run": way.terms.run, "live": int(incoming["oid"]), **times}
    mine = {key: value for key, value in incoming["mark"].items() if key != "kept"}
    if "restored" in mine:
        return {"rollback": way.terms.change, **mine["restored"], "kept": kept}
    return {"rollback": way.terms.change, "restored": mine, "kept": kept}
