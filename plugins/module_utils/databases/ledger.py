# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What was lost by going back: the kept database against the restored one, and the lost rows as files.

The restored database alone knows nothing of what came after its restore point, so it is never asked alone. Whatever
goes wrong here is said and never stops a run: the service is back, and the kept database is still there.
"""

from __future__ import annotations

import filecmp
import hashlib
import os
import re
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .. import files
from ..core import canonical, failpoint
from ..core.errors import RollbackError
from ..drivers import package
from . import beside, contents, difference, names
from .guard import application
from .postgres import MAINTENANCE, Server

BATCH = 500  # rows that are fetched by their keys at once


@dataclass(frozen=True)
class Order:
    """What to account for, in how many ``seconds``, with how many bytes a file (``limit``).

    ``since`` is the restore point's moment, ``then`` its rows by table, and ``timestamps`` names, by table, the column
    that says when a row was written.
    """

    live: str
    change: str
    directory: str
    since: str
    then: Mapping[str, int]
    timestamps: Mapping[str, str]
    seconds: float
    limit: int


@dataclass
class Lost:
    """One table: rows only in the kept database, rows that differ, rows only in the restored one.

    ``written`` says that the file is another than before.
    """

    kept: int
    now: int
    missing: int = 0
    changed: int = 0
    new: int = 0
    in_window: int = 0
    newest: str = ""
    file: str = ""
    sha256: str = ""
    rows: int = 0
    written: bool = False


@dataclass(frozen=True)
class Both:
    """Two sessions in the kept database, one to stream and one to fetch, and one in the restored one."""

    kept: Any
    fetch: Any
    live: Any
    end: float


def account(server: Server, order: Order, dry_run: bool) -> dict[str, Any]:
    """As written below; whatever goes wrong is a reason why nothing can be brought back by files."""
    try:
        return _account(server, order, dry_run)
    except RollbackError as error:
        return _impossible(error.message)


def _account(server: Server, order: Order, dry_run: bool) -> dict[str, Any]:
    """The window, the tables that lost something, the files, and whether they hold all of it."""
    kept = names.bad(order.live, order.change)
    with server.connect(MAINTENANCE) as connection:
        mark = beside.look(connection, kept).get("mark", {}).get("kept", {})
    if not mark:
        return _impossible(f"there is no kept database {kept!r}")
    facts: dict[str, Any] = {"kept": kept, "window": _window(order.since, mark["replaced"])}
    if dry_run:
        return {"changed": False, **facts, "tables": {}}
    with _sessions(server, order, kept) as both:
        tables, reasons = _compare(both, order)
        failpoint.inside("postgres.ledger")
    lost = {key: sum(getattr(table, key) for table in tables.values()) for key in ("missing", "changed", "in_window")}
    listed = {quoted: _told(table, order.then.get(quoted)) for quoted, table in sorted(tables.items())}
    recovery = "partial" if reasons else "possible"
    written = any(table.written for table in tables.values())
    return {"changed": written, **facts, "tables": listed, "lost": lost, "recovery": recovery, "reasons": reasons}


def _compare(both: Both, order: Order) -> tuple[dict[str, Lost], list[str]]:
    """The tables that lost something, and why not all of it is in the files."""
    errors = package("psycopg", "python3-psycopg")
    before = difference.shapes(both.kept, contents.tables(both.kept))
    now = difference.shapes(both.live, contents.tables(both.live))
    found: dict[str, Lost] = {}
    reasons: list[str] = []
    for quoted, shape in sorted(before.items()):
        try:
            table, why = _table(both, order, quoted, shape, now.get(quoted))
        except (errors.Error, OSError) as error:
            reasons.append(f"{quoted}: " + " ".join(str(error).split()))
            continue
        if table:
            found[quoted] = table
        reasons += [f"{quoted}: {why}"] if why else []
    return found, reasons


def _table(
    both: Both, order: Order, quoted: str, shape: difference.Shape, other: difference.Shape | None
) -> tuple[Lost | None, str]:
    """What one table has lost, None when nothing; and why the files do not hold all of it, "" when they do."""
    if time.monotonic() > both.end:
        return None, "the time was over before it was compared"
    for connection in (both.kept, both.fetch, both.live):
        left = max(1, int((both.end - time.monotonic()) * 1000))
        connection.execute("SELECT set_config('statement_timeout', %s, false)", [str(left)])
    shared = [name for name in shape.columns if other is None or name in other.columns]
    kept = difference.summary(both.kept, shape, shared)
    now = difference.summary(both.live, other, shared) if other else (0, None)
    if kept == now:
        return None, ""
    table = Lost(kept[0], now[0])
    if not shape.key or (other and other.key != shape.key):
        return table, "it has no primary key by which rows could be told apart"
    mine, theirs = difference.stream(both.kept, shape, shared), difference.stream(both.live, other, shared)
    # A stream that was not read to its end would keep its session from the next table.
    with closing(mine), closing(theirs), Sheet(Path(order.directory), quoted, order.limit) as sheet:
        take = Taker(both.fetch, shape, table, sheet, order.timestamps.get(quoted, ""), order.since)
        for row in difference.merge(mine, theirs):
            take.row(row)
        take.batch()
    table.file, table.sha256, table.written = sheet.file, sheet.sha256, sheet.written
    if not table.missing and not table.changed:
        return None, ""
    return table, "" if sheet.room else f"the file ends at {order.limit} bytes"


class Sheet:
    """A file of a table's lost rows; it gets its name when it is whole. ``room`` is over at ``limit`` bytes."""

    def __init__(self, directory: Path, quoted: str, limit: int) -> None:
        self.path, self.limit, self.size = files.private_directory(directory) / f"{_safe(quoted)}.csv", limit, 0
        self.file, self.sha256, self.written, self._hash = "", "", False, hashlib.sha256()

    @property
    def room(self) -> bool:
        """Whether more rows are welcome."""
        return self.size < self.limit

    def write(self, blocks: Iterable[bytes]) -> None:
        """Append."""
        for block in blocks:
            self._hash.update(block)
            self.size += self._open.write(block)

    def __enter__(self) -> Sheet:
        self._part = self.path.with_suffix(".part")
        self._part.unlink(missing_ok=True)
        self._open = open(os.open(self._part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")
        return self

    def __exit__(self, failed: type[BaseException] | None, *_: object) -> None:
        with self._open:
            os.fsync(self._open.fileno())
        if failed or not self.size:
            self._part.unlink()
        else:
            self.written = not (self.path.exists() and filecmp.cmp(self._part, self.path, shallow=False))
            self._part.replace(self.path)
            self.file, self.sha256 = str(self.path), self._hash.hexdigest()


@dataclass
class Taker:
    """Counts the rows of one table as they come, and fetches the lost ones in batches."""

    connection: Any
    shape: difference.Shape
    table: Lost
    sheet: Sheet
    timestamp: str
    since: str
    waiting: list[difference.Difference] = field(default_factory=list)

    def row(self, row: difference.Difference) -> None:
        """One difference."""
        setattr(self.table, row.kind, getattr(self.table, row.kind) + 1)
        if row.kind != "new":
            self.waiting.append(row)
        if len(self.waiting) >= BATCH:
            self.batch()

    def batch(self) -> None:
        """Fetch the rows that wait and write them down, as long as there is room."""
        rows, self.waiting, table = self.waiting, [], self.table
        if rows and self.timestamp:
            counted, newest = difference.window(self.connection, self.shape, rows, self.timestamp, self.since)
            table.in_window, table.newest = table.in_window + counted, max(table.newest, newest)
        if rows and self.sheet.room:
            self.sheet.write(difference.export(self.connection, self.shape, rows, header=table.rows == 0))
            table.rows += len(rows)


@contextmanager
def _sessions(server: Server, order: Order, kept: str) -> Iterator[Both]:
    name = application(order.change)
    with (
        server.connect(kept, name) as first,
        server.connect(kept, name) as second,
        server.connect(order.live, name) as third,
    ):
        for connection in (first, second, third):
            for setting, value in difference.SESSION.items():
                connection.execute("SELECT set_config(%s, %s, false)", [setting, value])
        yield Both(first, second, third, time.monotonic() + order.seconds)


def _window(since: str, replaced: str) -> dict[str, Any]:
    minutes = (canonical.epoch(replaced) - canonical.epoch(since)) / 60 if since else 0.0
    return {"from": since, "to": replaced, "minutes": round(minutes, 1)}


def _told(table: Lost, then: int | None) -> dict[str, Any]:
    """As the module returns it."""
    told = {name: value for name, value in vars(table).items() if name != "written"}
    return {**({"then": then} if then is not None else {}), **told}


def _safe(quoted: str) -> str:
    """A file name for a table: its own where it is plain."""
    plain = re.sub(r"^public\.", "", quoted)
    safe = re.sub(r"[^A-Za-z0-9_.-]", "_", plain)[:80]
    return safe if safe == plain else f"{safe}-{hashlib.sha256(quoted.encode()).hexdigest()[:8]}"


def _impossible(reason: str) -> dict[str, Any]:
    return {"changed": False, "tables": {}, "recovery": "not possible", "reasons": [reason]}
