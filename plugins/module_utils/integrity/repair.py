# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Change the rows that a check finds, and keep them as they were. Every repair is one transaction.

Killed anywhere, the database holds all of it or nothing. It is committed only when the check finds no row any more.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ..core import failpoint
from ..core.errors import BadInput, NotEffective, TargetRefused
from . import kept, look, table
from .checks import Check, Repair, choose
from .session import ALONE, Place

KEEP = """
INSERT INTO {kept} (repair, key, before)
SELECT %s, {key}, jsonb_object({names}, {values}) FROM {table} WHERE {where} ORDER BY {order} LIMIT %s FOR {lock}
"""
CHANGE = "UPDATE {table} SET {values} WHERE ({key}) IN (SELECT {kept_key} FROM {kept} k WHERE k.repair = %s)"
DELETE = "DELETE FROM {table} t USING {kept} k WHERE k.repair = %s AND {match}"
AFTER = """
UPDATE {kept} k SET after = jsonb_object({names}, {values}) FROM {table} t WHERE k.repair = %s AND {match}
"""


@dataclass(frozen=True)
class Terms:
    """``wait`` seconds for a lock; a repair of more than ``most`` rows is refused."""

    wait: float
    most: int


def repair(place: Place, known: Sequence[Check], text: str, terms: Terms, dry_run: bool) -> dict[str, Any]:
    """Do the repairs that ``text`` names, else those of this change that were taken back."""
    with place.writing(terms.wait) as connection:
        chosen = choose(known, text or ",".join(_again(connection, place.change)))
        if not chosen:
            raise BadInput(
                "No repair is chosen.",
                hint="Name it again: what an operator chose is not part of the plan.",
                next="ansible-playbook resume.yml -e repair=<check>:<option>",
                code="repair-missing",
            )
        done = {each.name: _repair(connection, place.change, each, terms, dry_run) for each in chosen}
    listed = [f"{rows} rows as {name} found them, in the schema {kept.SCHEMA}" for name, rows in done.items() if rows]
    return {"changed": any(done.values()), "repaired": done, "kept": listed}


def hindrances(where: table.Table, repair: Repair) -> list[tuple[str, str]]:
    """Why a repair cannot be done or could not be undone, each with what to do. Pure."""
    found = []
    if not where.key:
        found.append((f"{where.quoted} has no primary key, so its rows could not be put back", "Give it one."))
    if missing := [column for column in repair.columns if column not in where.types]:
        found.append((f"{where.quoted} has no column {', '.join(missing)} that can be set", "Correct the repair."))
    if key := [column for column in repair.columns if column in where.key]:
        found.append((f"it would set the key {', '.join(key)}", "A repair leaves the key alone."))
    if repair.delete and where.follow:
        text = f"rows of {', '.join(where.follow)} would go or lose their reference with it, and nobody keeps them"
        found.append((text, "Repair those first, and let the constraint refuse instead (NO ACTION)."))
    there = [column for column in repair.columns if column in where.types]
    grants = [f"UPDATE ({column})" for column in there if column not in where.may_update]
    if repair.delete:
        grants += [name for name, may in (("DELETE", where.may_delete), ("INSERT", where.may_insert)) if not may]
        # Rows are locked before they go.
        grants += [] if where.may_update else ["UPDATE"]
    if grants:
        fix = f"GRANT {', '.join(grants)} ON {where.sql.as_string(None)} TO the role that rolls back"
        found.append((f"this role may not change {where.quoted}", fix))
    return found


def _again(connection: Any, change: str) -> list[str]:
    return list(dict.fromkeys(f"{each.check}:{each.option}" for each in kept.batches(connection, change, back=True)))


def _repair(connection: Any, change: str, each: Repair, terms: Terms, dry_run: bool) -> int:
    """The number of rows that were repaired: 0 when the check finds none."""
    where = table.find(connection, each.table)
    if problems := hindrances(where, each):
        raise TargetRefused(
            f"{each.name} cannot be done: {'; '.join(text for text, _fix in problems)}.",
            hint=" ".join(fix for _text, fix in problems),
            code="repair-impossible",
        )
    rows = look.count(connection, where, each.where)
    if rows > terms.most:
        raise TargetRefused(
            f"{each.check} finds {rows} rows of {where.quoted}, and a repair may change {terms.most}.",
            hint="Is the check right? Then raise integrity_most.",
            next="ansible-playbook data-repair.yml --check",
            code="repair-too-wide",
        )
    if rows and not dry_run:
        with connection.transaction():
            connection.execute(ALONE)
            kept.make(connection)
            rows = _change(connection, change, where, each, terms.most)
    return rows


def _change(connection: Any, change: str, where: table.Table, each: Repair, most: int) -> int:
    columns = list(where.types) if each.delete else list(each.columns)
    batch = kept.Batch(0, each.check, each.option, each.table, columns, each.delete)
    number = kept.add(connection, change, batch)
    parts = kept.parts(where, columns)
    key = table.listed(table.identifier(where.name, column) for column in where.key)
    keep = table.raw(KEEP).format(
        **parts,
        key=where.texts(where.key),
        values=where.texts(columns),
        where=table.expression(each.where),
        order=key,
        lock=table.raw("UPDATE" if each.delete else "NO KEY UPDATE"),
    )
    rows = connection.execute(keep, [number, most + 1]).rowcount
    if each.delete:
        acted = connection.execute(table.raw(DELETE).format(**parts), [number]).rowcount
    else:
        pairs = [(table.identifier(column), table.expression(text)) for column, text in each.columns.items()]
        values = table.listed(table.raw("{} = {}").format(*pair) for pair in pairs)
        act = table.raw(CHANGE).format(**parts, key=key, kept_key=table.listed(where.keys("k")), values=values)
        acted = connection.execute(act, [number]).rowcount
        after = table.raw(AFTER).format(**parts, values=where.texts(columns, "t"))
        connection.execute(after, [number])
    failpoint.inside("integrity.repair")
    left = look.count(connection, where, each.where)
    if acted != rows or left or rows > most:
        raise NotEffective(
            f"{each.name} changed {acted} of {rows} rows of {where.quoted}, and the check still finds {left}.",
            hint="Nothing was changed. Does the repair lead out of the check's condition, does a trigger hold it up, "
            "or is something still writing such rows?",
            next="ansible-playbook data-repair.yml --check",
            code="repair-incomplete",
        )
    return int(rows)
