# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The checks that an inventory declares, and the repairs that an operator chooses among them. Pure.

A check is a condition on the rows of one table, a repair is new values for such rows: so which rows are affected, what
is kept of them and how they come back follow from the declaration, and SQL text comes from the inventory alone.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ..core.errors import BadInput

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}\Z")
# The options of a module that checks or repairs data (doc fragment: integrity).
OPTIONS: dict[str, dict[str, Any]] = {
    "checks": {
        "type": "list",
        "elements": "dict",
        "required": True,
        "options": {
            "name": {"type": "str", "required": True},
            "table": {"type": "str", "required": True},
            "where": {"type": "str", "required": True},
            "severity": {"type": "str", "choices": ["critical", "warning"], "default": "critical"},
            "show": {"type": "list", "elements": "str", "default": []},
            "repairs": {"type": "dict", "default": {}},
        },
    },
    "change": {"type": "str", "required": True},
    "repair": {"type": "str", "default": ""},
    "seconds": {"type": "float", "default": 30},
    "most": {"type": "int", "default": 10000},
}


@dataclass(frozen=True)
class Repair:
    """What to do with the rows of a check: ``columns`` are SQL expressions over the row, by column; or it goes."""

    check: str
    option: str
    table: str
    where: str
    columns: Mapping[str, str]
    delete: bool = False

    @property
    def name(self) -> str:
        """As the operator chooses it."""
        return f"{self.check}:{self.option}"


@dataclass(frozen=True)
class Check:
    """Rows of ``table`` that fulfil ``where`` contradict something. Critical ones close the gate."""

    name: str
    table: str
    where: str
    critical: bool
    show: Sequence[str]
    repairs: Sequence[Repair]


def load(given: Sequence[Mapping[str, Any]]) -> list[Check]:
    """The checks of an inventory; raises BadInput (integrity-checks-wrong) with everything that is wrong with them."""
    problems: list[str] = []
    found = [_check(each, problems) for each in given]
    names = [check.name for check in found]
    problems += [f"{name}: there are two of that name" for name in sorted(set(names)) if names.count(name) > 1]
    if problems:
        raise BadInput(
            "The checks of integrity_checks cannot be used: " + "; ".join(problems),
            hint="A check has name, table and where; a repair is {set: {column: SQL expression}} or {delete: true}.",
            next="ansible-doc -t role steady.rollback.integrity",
            code="integrity-checks-wrong",
        )
    return found


def choose(known: Sequence[Check], text: str) -> list[Repair]:
    """The repairs that ``check:option[,check:option]`` names; raises BadInput (repair-unknown) for any other text."""
    offered = {repair.name: repair for check in known for repair in check.repairs}
    names = list(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))
    if unknown := [name for name in names if name not in offered]:
        raise BadInput(
            "There is no such repair: " + ", ".join(f"{name[:80]!r}" for name in unknown),
            hint="The inventory offers: " + (", ".join(offered) or "none"),
            next="ansible-playbook data-repair.yml --check",
            code="repair-unknown",
        )
    return [offered[name] for name in names]


def _check(given: Mapping[str, Any], problems: list[str]) -> Check:
    name, table, where = str(given["name"]), str(given["table"]), str(given["where"])
    if not NAME.match(name):
        problems.append(f"{name[:80]!r}: a name is letters, digits, '_', '-' and '.'")
    if not table or table.count(".") > 1:
        problems.append(f"{name}: the table is named as table or schema.table")
    if not where.strip():
        problems.append(f"{name}: where is empty, so every row would be affected")
    repairs = []
    for option, what in given["repairs"].items():
        repair = _repair(Repair(name, str(option), table, where, {}), what)
        if repair is None or not NAME.match(repair.option):
            problems.append(f"{name}: the repair {str(option)[:80]!r} says neither what to set nor delete: true")
        else:
            repairs.append(repair)
    show = [str(column) for column in given["show"]]
    return Check(name, table, where, given["severity"] == "critical", show, repairs)


def _repair(named: Repair, what: Any) -> Repair | None:
    """None when it is not exactly one of the two: SQL texts by column, or the word that the row goes."""
    if what == {"delete": True}:
        return replace(named, delete=True)
    columns = what["set"] if isinstance(what, Mapping) and list(what) == ["set"] else None
    if not isinstance(columns, Mapping) or not columns or not all(map(_is_sql, columns.values())):
        return None
    return replace(named, columns=dict(columns))


def _is_sql(text: Any) -> bool:
    return isinstance(text, str) and bool(text.strip())
