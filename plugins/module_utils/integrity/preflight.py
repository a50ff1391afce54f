# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the checks find before anything is changed, and what the chosen repairs would do. Reads only.

Rows that a check finds stop no rollback: it may be what mends them. A repair that cannot be done stops its own run.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from .. import looks
from ..core.checks import Check as Row
from ..core.checks import fail, ok, warn
from ..drivers import package
from . import kept, look, repair, table
from .checks import Check, Repair, choose
from .session import Place, said


@dataclass(frozen=True)
class View:
    """``text`` is what the operator chose; ``acts`` says that this run repairs, ``looking`` that it will not begin."""

    place: Place
    known: Sequence[Check]
    text: str
    shown: int
    most: int
    acts: bool
    looking: bool

    def rows(self) -> list[dict[str, Any]]:
        """Every row of the preflight."""
        chosen: list[Repair] = []

        def choosing() -> Iterator[Row]:
            chosen.extend(choose(self.known, self.text))
            if not chosen:
                # Who only looks need not have chosen yet.
                level, offered = "warn" if self.looking else "fail", [each.name for each in self._offered()]
                fix = f"add   -e repair=<check>:<option>   of: {', '.join(offered) or 'none is declared'}"
                yield Row(level, "repair", "no repair is chosen", fix, "repair-missing")

        found = looks.rows("integrity", self.checks)
        if self.acts:
            found += looks.rows("repair", choosing)
            found += looks.rows("repair", *(partial(self.repair, each) for each in chosen))
        return found

    def checks(self) -> Iterator[Row]:
        """What each check finds."""
        for found in look.look(self.place, self.known, self.shown):
            check = found.check
            if found.rows is None:
                fix = "Correct it in integrity_checks: verify will not pass what it cannot read."
                text = f"{check.name} cannot be read: {found.why}"
                yield warn(check.name, text, fix, "integrity-check-unreadable")
            elif found.rows:
                kind = "critical" if check.critical else "a warning"
                more = "; ..." if found.rows > len(found.sample) else ""
                text = f"{check.name}: {found.rows} rows of {check.table} ({kind}): {'; '.join(found.sample)}{more}"
                ways = " or ".join(each.name for each in check.repairs)
                fix = f"ansible-playbook data-repair.yml --check -e repair={ways}" if ways else "No repair is declared."
                yield warn(check.name, text, fix, "integrity-rows-found")
            else:
                yield ok(check.name, f"{check.name}: no row of {check.table}")

    def repair(self, each: Repair) -> Iterator[Row]:
        """What one repair would do, or everything that is in its way."""
        errors = package("psycopg", "python3-psycopg")
        with self.place.reading() as connection:
            if grant := kept.lacks(connection):
                yield fail(each.name, "this role may not keep the rows as they were", grant, "repair-impossible")
            if connection.execute("SELECT pg_is_in_recovery()").fetchone()[0]:
                fix = "Name the primary in integrity_host."
                yield fail(each.name, "the server is a standby: nothing can be changed on it", fix, "server-standby")
            where = table.find(connection, each.table)
            problems = repair.hindrances(where, each)
            for text, fix in problems:
                yield fail(each.name, f"{each.name}: {text}", fix, "repair-impossible")
            if problems:
                return
            try:
                count, sample = look.preview(connection, where, each, self.shown)
            except errors.Error as error:
                fix = "Correct check and repair in integrity_checks."
                yield fail(each.name, f"{each.name}: PostgreSQL says: {said(error)}", fix, "repair-refused")
                return
            if count > self.most:
                fix = "Is the check right? Then raise integrity_most."
                text = f"{each.name} would change {count} rows, more than {self.most}"
                yield fail(each.name, text, fix, "repair-too-wide")
                return
            more = "; ..." if count > len(sample) else ""
            yield ok(each.name, f"{each.name} would change {count} rows: {'; '.join(sample) or 'none'}{more}")

    def _offered(self) -> Iterator[Repair]:
        for check in self.known:
            yield from check.repairs
