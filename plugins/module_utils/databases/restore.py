# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Restore beside: the target state becomes a second database, compared and complete before anything is switched."""

from __future__ import annotations

import contextlib
import os
import re
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from ..core import failpoint
from ..core.errors import DatabaseFailed, NotEffective, RollbackError
from ..drivers import package
from ..files import private_directory
from ..storage.objects import Bucket, Written
from . import beside, contents, names, pipes, sequences, source
from .guard import application, guard
from .postgres import MAINTENANCE, Server


@dataclass(frozen=True)
class Order:
    """What is to lie beside the live database for this change, and what the restore point has of it.

    ``jobs`` above 1 need the archive as a file: it is kept in ``spool`` for as long as the restore runs.
    ``template`` is what the new database is made from: extensions that only a superuser may create can wait in it.
    ``gap`` above 0 lets sequences go on that many steps beyond what the live database has given out.
    """

    place: source.Place
    change: str
    backup: Mapping[str, Any]
    snapshot: Mapping[str, Any]
    jobs: int = 1
    spool: str = ""
    template: str = "template0"
    gap: int = 0

    @classmethod
    def of(cls, place: source.Place, change: str, captured: Mapping[str, Any], **more: Any) -> Order:
        """From what a restore point has of this component."""
        backup, snapshot = (captured.get(name) or {} for name in ("backup", "snapshot"))
        return cls(place, change, backup, snapshot, **more)

    @property
    def side(self) -> str:
        """The name of the database beside."""
        return names.good(self.place.database, self.change)


def prepare(server: Server, bucket: Bucket | None, order: Order, dry_run: bool) -> dict[str, Any]:
    """Make the database beside, or find that it is made. Returns {changed, database, source, ...}."""
    with server.connect(MAINTENANCE) as connection:
        state = look(connection, order)
        from_snapshot = has_snapshot(connection, order)
    if state or dry_run:
        chosen = "snapshot" if from_snapshot else "backup"
        return {"changed": not state, "database": order.side, "source": state or chosen}
    with guard(server, order.change) as connection:
        if look(connection, order):  # whoever was ended just now had finished
            return {"changed": False, "database": order.side, "source": "ready"}
        if _take_snapshot(connection, order):
            with contextlib.suppress(NotEffective):  # it is not what the restore point says: use the backup
                return _finished(server, connection, order, order.snapshot, "snapshot")
        source.refuse(source.look(server, bucket, order.backup, order.place))
        beside.drop_unfinished(server, connection, order.side)
        try:
            _restore(server, connection, cast(Bucket, bucket), order)  # source.refuse has seen to that
            return _finished(server, connection, order, order.backup, "backup")
        except (RollbackError, package("psycopg", "python3-psycopg").Error) as error:
            full = _disk_full(connection, order, str(error))
            # A half-filled database is of no use, and the disk may be full because of it.
            with contextlib.suppress(RollbackError, package("psycopg", "python3-psycopg").Error):
                beside.drop_unfinished(server, connection, order.side)
            if full:
                raise full from error
            raise


def look(connection: Any, order: Order) -> str:
    """``ready``: it lies there, complete; ``swapped``: it has gone live already; empty: it is still to be made."""
    mark = beside.look(connection, order.side).get("mark", {})
    if mark.get("rollback") == order.change and mark.get("complete"):
        return "ready"
    gone_live = not beside.look(connection, order.side) and beside.look(
        connection, names.bad(order.place.database, order.change)
    )
    return "swapped" if gone_live else ""


def has_snapshot(connection: Any, order: Order) -> bool:
    """Whether the restore point's copy is in the cluster, closed since it was made, or taken by an attempt before."""
    name = order.snapshot.get("database")
    if not name or name != names.snapshot(order.place.database, order.snapshot["point"]):
        return False
    copy = beside.look(connection, name)
    kept = copy or beside.look(connection, order.side)
    return bool(kept) and kept["mark"].get("snapshot") == dict(order.snapshot) and not (copy and copy["datallowconn"])


def stranger(server: Server, connection: Any, order: Order) -> str:
    """A database that bears a name of this change and was not made by it; empty when there is none."""
    side, kept = (beside.look(connection, name) for name in (order.side, names.bad(order.place.database, order.change)))
    if side and not look(connection, order) and not beside.unfinished(server, side):
        return order.side
    return str(kept["datname"]) if side and kept else ""


def _disk_full(connection: Any, order: Order, said: str) -> DatabaseFailed | None:
    """The error of a full disk, with its bytes: they are asked for before what fills it is dropped."""
    if "No space left on device" not in said:
        return None
    query = "SELECT datname::text, pg_database_size(oid) FROM pg_database WHERE datname = ANY(%s)"
    try:
        sizes = dict(connection.execute(query, [[order.side, order.place.database]]).fetchall())
    except package("psycopg", "python3-psycopg").Error:
        return None  # a server whose log has no room left is down: the first error says it
    grown, live = sizes.get(order.side, 0), sizes.get(order.place.database, 0)
    return DatabaseFailed(
        f"The disk of the database server is full: {order.side!r} had grown to {grown} bytes, "
        f"and {order.place.database!r} has {live}.",
        hint="What was restored is dropped, and the live database was not touched. Make room for another of its size.",
        next="df -h",
        code="disk-full",
    )


def _take_snapshot(connection: Any, order: Order) -> bool:
    """Give the restore point's copy the name of the database beside. Rename and mark are one transaction."""
    if not has_snapshot(connection, order):
        return False
    if beside.look(connection, order.snapshot["database"]):
        with connection.transaction():
            beside.rename(connection, order.snapshot["database"], order.side)
            mark = {"rollback": order.change, "complete": False, "snapshot": dict(order.snapshot)}
            beside.mark(connection, order.side, mark)
            beside.open_to_connections(connection, order.side, True)
    return True


def _restore(server: Server, connection: Any, bucket: Bucket, order: Order) -> None:
    """Fill a new database from the object store, as the owner of the live one and never as a superuser."""
    like = beside.live(connection, order.place.database)
    beside.create(connection, order.side, like, {"rollback": order.change}, order.template)
    argv = [server.program("pg_restore"), "--format=custom", "--exit-on-error", "--no-password", "--no-owner"]
    argv += ["--no-subscriptions", f"--role={like['owner']}", server.target(order.side)]
    argv += [] if source.repeats_grants(server, order.backup) else ["--no-privileges"]
    environment = server.environment(order.side, application(order.change))
    written = Written(order.backup["key"], order.backup["size"], order.backup["sha256"])
    with contextlib.closing(bucket.proven(written)) as blocks, tempfile.NamedTemporaryFile("w") as chosen:
        if left_out := source.left_out(connection, order.backup):
            chosen.write(_without(server, bucket, order, left_out))
            chosen.flush()
            argv.append(f"--use-list={chosen.name}")
        if order.jobs > 1:
            with _spooled(blocks, order) as path:
                pipes.run([*argv, f"--jobs={order.jobs}", str(path)], environment, server.seconds)
        else:
            pipes.feed(argv, environment, blocks, server.seconds)
    with server.connect(order.side, application(order.change)) as inside:
        sql = package("psycopg.sql", "python3-psycopg")
        inside.execute(sql.SQL("SET ROLE {}").format(sql.Identifier(like["owner"])))
        # Without statistics the first minutes of the restored service would be its slowest.
        inside.execute("VACUUM (ANALYZE)")


def _without(server: Server, bucket: Bucket, order: Order, left_out: Iterable[Sequence[str]]) -> str:
    """The archive's table of contents without some objects, (kind, name) each; it stands at the archive's head."""
    argv = [server.program("pg_restore"), "--format=custom", "--list"]
    listed = pipes.ask(argv, server.environment(""), bucket.read(order.backup["key"]))
    # A line is: number; two more numbers, kind, schema or a dash, name, owner. Names of comments are quoted.
    names_of = [(kind, re.escape(re.sub(r"[\r\n]", " ", name))) for kind, name in left_out]
    said = "|".join(rf'{kind}(?: TABLE| TABLES IN SCHEMA)? (?:\S+ )?"?{name}"?' for kind, name in names_of)
    entry = re.compile(rf"\d+; \d+ \d+ (?:COMMENT - )?(?:{said})(?: |$)")
    return "\n".join(line for line in listed.split("\n") if not entry.match(line))


@contextlib.contextmanager
def _spooled(blocks: Iterator[bytes], order: Order) -> Iterator[Path]:
    """The archive as a file that nobody else can read, complete and proven; gone afterwards."""
    path = private_directory(Path(order.spool)) / f"{order.change}.dump"
    path.unlink(missing_ok=True)
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.writelines(blocks)
        yield path
    finally:
        path.unlink(missing_ok=True)


def _finished(
    server: Server, connection: Any, order: Order, expected: Mapping[str, Any], origin: str
) -> dict[str, Any]:
    """Compare the database with what the restore point says, then let it count."""
    failpoint.inside("postgres.prepare")
    name = application(order.change)
    with server.connect(order.side, name) as inside:
        rows, schema = contents.rows(inside), contents.fingerprint(inside)
    wanted = expected["tables"]
    differ = [
        f"{name} has {rows.get(name, 'no')} rows, not {wanted.get(name, 'any')}"
        for name in sorted({*rows, *wanted})
        if rows.get(name) != wanted.get(name)
    ]
    if schema != expected["schema_fingerprint"]:
        differ.append("the schema is another one")
    if differ:
        raise NotEffective(
            f"What was restored from the {origin} is not what the restore point says: {'; '.join(differ[:10])}.",
            hint="The live database was not touched. Choose another restore point.",
            next="ansible-playbook status.yml",
            code="restore-differs" if rows != wanted else "schema-differs",
        )
    moved: dict[str, Any] = {}
    if order.gap > 0:
        with server.connect(order.side, name) as inside, server.connect(order.place.database, name) as live:
            moved = {"sequences": sequences.advance(inside, live, order.gap)}
    beside.mark(connection, order.side, {"rollback": order.change, "complete": True, "source": origin})
    facts = {"database": order.side, "source": origin, "tables": rows, "schema_fingerprint": schema}
    return {"changed": True, **facts, **moved}
