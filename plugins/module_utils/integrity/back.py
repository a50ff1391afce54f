# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Put back what a repair has replaced, the last repair first, each in one transaction.

A row that somebody has changed since is not ours any more: it is named, and stays as it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..core import failpoint
from ..core.errors import NotEffective, TargetRefused
from . import kept, look, table
from .session import ALONE, Place

LOCK = "SELECT 1 FROM {table} t, {kept} k WHERE k.repair = %s AND {match} ORDER BY {order} FOR UPDATE OF t"
STATES = """
SELECT k.place, k.key, CASE
  WHEN t.{first} IS NULL THEN CASE WHEN k.after IS NULL THEN 'repaired' ELSE 'changed' END
  WHEN jsonb_object({names}, {values}) = k.before THEN 'back'
  WHEN jsonb_object({names}, {values}) = k.after THEN 'repaired'
  ELSE 'changed' END
FROM {kept} k LEFT JOIN {table} t ON {match} WHERE k.repair = %s ORDER BY 1
"""
RETURN = "UPDATE {table} t SET {values} FROM {kept} k WHERE k.repair = %s AND k.place = ANY(%s) AND {match}"
INSERT = """
INSERT INTO {table} ({columns}) OVERRIDING SYSTEM VALUE
SELECT {values} FROM {kept} k WHERE k.repair = %s AND k.place = ANY(%s)
"""


def put_back(place: Place, wait: float, leave: bool, dry_run: bool) -> dict[str, Any]:
    """Put back the rows of this change. When some were changed since: TargetRefused, or ``leave`` those alone."""
    done: dict[str, int] = {}
    left: list[str] = []
    with place.writing(wait) as connection:
        for batch in reversed(kept.batches(connection, place.change, back=False)):
            work = Return(connection, batch)
            with connection.transaction():
                rows = work.look() if dry_run else work.do(leave)
            done[f"{batch.check}:{batch.option} ({batch.number})"] = rows
            left += work.foreign
    return {"changed": bool(done), "restored": done, "left": left}


def finalize(place: Place, wait: float, hours: float, dry_run: bool) -> dict[str, Any]:
    """Delete the kept rows whose time is over."""
    with place.writing(wait) as connection, connection.transaction():
        names = kept.drop(connection, hours, dry_run)
    return {"changed": bool(names), "deleted": [{"kind": "kept rows of the repair", "name": name} for name in names]}


class Return:
    """The way back of one repair. ``foreign`` are the keys of rows that somebody has changed since."""

    def __init__(self, connection: Any, batch: kept.Batch) -> None:
        self.connection, self.batch = connection, batch
        self.where = table.find(connection, batch.relation)
        self.parts = kept.parts(self.where, batch.columns)
        self.foreign: list[str] = []
        self.mine: list[int] = []

    def look(self) -> int:
        """The number of rows that are as the repair has left them."""
        found = self._states()
        self.mine = [place for place, _key, state in found if state == "repaired"]
        self.foreign = [look.told(self.where.key, key) for _place, key, state in found if state == "changed"]
        return len(self.mine)

    def do(self, leave: bool) -> int:
        """Put them back, and look again."""
        self.connection.execute(ALONE)
        order = table.listed(table.identifier("t", column) for column in self.where.key)
        self._run(table.raw(LOCK).format(**self.parts, order=order))
        rows = self.look()
        if self.foreign and not leave:
            raise TargetRefused(
                f"{len(self.foreign)} rows of {self.where.quoted} were changed since {self.batch.check}:"
                f"{self.batch.option} repaired them: {_some(self.foreign)}.",
                hint="Nothing of this repair was put back. Leave those as they are, and put back the others: "
                "-e integrity_changed=leave",
                next="ansible-playbook resume.yml -e integrity_changed=leave",
                code="repair-changed-since",
            )
        self._run(self._return(), self.mine)
        failpoint.inside("integrity.repair_back")
        acted = set(self.mine)
        wrong = [
            look.told(self.where.key, key) for place, key, state in self._states() if place in acted and state != "back"
        ]
        if wrong:
            raise NotEffective(
                f"{len(wrong)} rows of {self.where.quoted} are not what they were: {_some(wrong)}.",
                hint="Nothing of this repair was put back. A trigger of that table changes what is written.",
                code="repair-not-back",
            )
        kept.close(self.connection, self.batch)
        return rows

    def _states(self) -> list[tuple[int, list[str], str]]:
        """(place, key, state) of every row: as the repair left it, back already, or changed since."""
        values, first = self.where.texts(self.batch.columns, "t"), table.identifier(self.where.key[0])
        found = self._run(table.raw(STATES).format(**self.parts, values=values, first=first))
        return list(found.fetchall())

    def _return(self) -> Any:
        """What was set is set again, what was deleted is inserted."""
        names = [table.identifier(column) for column in self.batch.columns]
        values = [self.where.value("k", "before", column) for column in self.batch.columns]
        if self.batch.deleted:
            listed = {"columns": table.listed(names), "values": table.listed(values)}
            return table.raw(INSERT).format(**self.parts, **listed)
        pairs = [table.raw("{} = {}").format(*pair) for pair in zip(names, values)]
        return table.raw(RETURN).format(**self.parts, values=table.listed(pairs))

    def _run(self, statement: Any, *values: Any) -> Any:
        return self.connection.execute(statement, [self.batch.number, *values])


def _some(rows: Sequence[str]) -> str:
    return "; ".join(rows[:5]) + (" ..." if len(rows) > 5 else "")
