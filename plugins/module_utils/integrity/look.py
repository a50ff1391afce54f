# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How many rows each check finds, some of them to show, and what a repair would make of them. Reads only."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..core import canonical
from ..core.errors import GateFailed, RollbackError
from ..core.redact import line, redact
from ..drivers import package
from . import table
from .checks import Check, Repair
from .session import Place, said

ROWS = "SELECT count(*) OVER (), {texts} FROM {table} WHERE {where} {order} LIMIT %s"
COUNT = "SELECT count(*) FROM {table} WHERE {where} AND true = %s"


@dataclass(frozen=True)
class Finding:
    """``rows`` is None when the check could not be read; then ``why`` says so, else ``sample`` tells some rows."""

    check: Check
    rows: int | None
    sample: list[str] = field(default_factory=list)
    why: str = ""

    @property
    def verdict(self) -> str:
        """Not knowing is not the same as being whole."""
        return "inconclusive" if self.rows is None else "fail" if self.rows else "pass"


def look(place: Place, known: Sequence[Check], shown: int) -> list[Finding]:
    """What every check finds, with some rows of each; one that cannot be read says why, and hinders no other."""
    with place.reading() as connection:
        return [_finding(connection, check, shown) for check in known]


def _finding(connection: Any, check: Check, shown: int) -> Finding:
    try:
        where = table.find(connection, check.table)
        columns = [*where.key, *(column for column in check.show if column not in where.key)]
        rows, sample = _rows(connection, where, check.where, where.texts(columns), shown)
    except RollbackError as error:
        return Finding(check, None, why=error.message)
    except package("psycopg", "python3-psycopg").Error as error:
        if connection.broken:
            raise
        return Finding(check, None, why=said(error))
    return Finding(check, rows, [told(columns, values) for (values,) in sample])


def preview(connection: Any, where: table.Table, repair: Repair, shown: int) -> tuple[int, list[str]]:
    """The number of rows that a repair would change, and some of them with their values before and after."""
    columns = list(repair.columns)
    new = [
        table.raw(f"CAST({{}} AS {table.escaped(where.types[column])})::text").format(table.expression(text))
        for column, text in repair.columns.items()
    ]
    texts = table.listed([where.texts(where.key), where.texts(columns), table.array(new)])
    rows, sample = _rows(connection, where, repair.where, texts, shown)
    return rows, [f"{told(where.key, key)} {_changed(repair, old, fresh)}" for key, old, fresh in sample]


def count(connection: Any, where: table.Table, condition: str) -> int:
    """The number of rows that fulfil a condition."""
    # A parameter makes the server take this as one statement, whatever the inventory says.
    query = table.raw(COUNT).format(table=where.sql, where=table.expression(condition))
    return int(connection.execute(query, [True]).fetchone()[0])


def gate(found: Sequence[Finding], then: Mapping[str, int], place: str, began: float) -> dict[str, Any]:
    """{verdict, reason, probes, counts, noticed}: as a gate is told in the report. Pure but for the clock."""
    critical = [each for each in found if each.check.critical]
    verdicts = [each.verdict for each in critical]
    verdict = next((each for each in ("fail", "inconclusive") if each in verdicts), "pass")
    bad = [f"{each.check.name}: {reason(each, then)}" for each in critical if each.verdict != "pass"]
    probes = [
        {
            "name": each.check.name,
            "kind": "sql" if each.check.critical else "sql, a warning",
            "verdict": each.verdict,
            "reason": reason(each, then),
            "samples": int(each.rows is not None),
        }
        for each in found
    ]
    return {
        "verdict": verdict,
        "reason": "; ".join(bad) or "no critical check finds a row",
        "probes": probes,
        "counts": {each.check.name: each.rows for each in found},
        "noticed": [f"{e.check.name}: {reason(e, then)}" for e in found if not e.check.critical and e.rows != 0],
        "from": place,
        "started": canonical.utc(began),
        "seconds": round(time.time() - began, 3),
    }


def open_or_raise(facts: dict[str, Any]) -> dict[str, Any]:
    """The facts of a gate that is open; raises GateFailed for any other."""
    if facts["verdict"] != "pass":
        raise GateFailed(
            f"The data is not whole ({facts['verdict']}): {facts['reason']}.",
            hint="See the rows: data-repair.yml --check. To repair them, end this run first: resume, undo or unlock.",
            next="ansible-playbook data-repair.yml --check",
            code="gate-failed" if facts["verdict"] == "fail" else "gate-inconclusive",
            **facts,
        )
    return facts


def reason(found: Finding, then: Mapping[str, int]) -> str:
    """One check in words."""
    if found.rows is None:
        return f"it cannot be read: {found.why}"
    before = then.get(found.check.name)
    return f"{found.rows} rows" + ("" if before is None or not found.rows else f", {before} at the restore point")


def told(columns: Sequence[str], values: Sequence[Any]) -> str:
    """Some columns of a row, short and without secrets."""
    return " ".join(f"{column}={shown(value)}" for column, value in zip(columns, values))


def shown(value: Any) -> str:
    """A value as people read it."""
    return "NULL" if value is None else line(redact(str(value)), 40)


def _changed(repair: Repair, old: Sequence[Any], new: Sequence[Any]) -> str:
    if repair.delete:
        return "goes"
    return ", ".join(f"{name}: {shown(a)} -> {shown(b)}" for name, a, b in zip(repair.columns, old, new))


def _rows(connection: Any, where: table.Table, condition: str, texts: Any, shown: int) -> tuple[int, list[Any]]:
    keys = table.listed(table.identifier(where.name, column) for column in where.key)
    order = table.raw("ORDER BY {}").format(keys) if where.key else table.raw("")
    parts = {"texts": texts, "table": where.sql, "where": table.expression(condition), "order": order}
    found = connection.execute(table.raw(ROWS).format(**parts), [max(1, shown)]).fetchall()
    return (int(found[0][0]) if found else 0), [row[1:] for row in found]
