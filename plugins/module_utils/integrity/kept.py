# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The rows of a repair as they were and as they became, in a schema of their own beside the product's.

They are written by the transaction that repairs, so there is never a repair without them, nor they without a repair;
they outlive every host but the database's own, and are as private as the rows themselves.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ..core.errors import TargetRefused
from . import table

SCHEMA = "rollback_kept"
MAKE = (
    f"CREATE SCHEMA {SCHEMA}",
    f"""CREATE TABLE {SCHEMA}.repair (number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, change text NOT NULL,
    subject text NOT NULL, choice text NOT NULL, relation text NOT NULL, columns text[] NOT NULL,
    deleted boolean NOT NULL, done timestamptz NOT NULL DEFAULT now(), back timestamptz)""",
    f"""CREATE TABLE {SCHEMA}.row (repair bigint REFERENCES {SCHEMA}.repair ON DELETE CASCADE,
    place bigint GENERATED ALWAYS AS IDENTITY, key text[] NOT NULL, before jsonb NOT NULL, after jsonb,
    PRIMARY KEY (repair, place))""",
)
OWNERS = """
SELECT pg_get_userbyid(datdba)::text, (SELECT pg_get_userbyid(nspowner)::text FROM pg_namespace
                                       WHERE nspname = %s)
FROM pg_database WHERE datname = current_database()
"""
LISTED = f"""
SELECT number, subject, choice, relation, columns, deleted FROM {SCHEMA}.repair
WHERE change = %s AND (back IS NULL) = %s ORDER BY number
"""  # noqa: S608
OPEN = f"""
INSERT INTO {SCHEMA}.repair (change, subject, choice, relation, columns, deleted)
VALUES (%s, %s, %s, %s, %s, %s) RETURNING number
"""  # noqa: S608
BACK = f"UPDATE {SCHEMA}.repair SET back = now() WHERE number = %s"  # noqa: S608
OLD = f"SELECT number, subject, choice FROM {SCHEMA}.repair WHERE done < now() - make_interval(secs => %s) ORDER BY 1"  # noqa: S608
DROP = f"DELETE FROM {SCHEMA}.repair WHERE number = ANY(%s)"  # noqa: S608


@dataclass(frozen=True)
class Batch:
    """What one repair kept. ``columns`` are those that it has set, or all of a row that it has deleted."""

    number: int
    check: str
    option: str
    relation: str
    columns: Sequence[str]
    deleted: bool


def parts(where: table.Table, columns: Sequence[str]) -> dict[str, Any]:
    """What the statements over kept rows have in common: ``k`` is a kept row, ``t`` the one that it was."""
    return {
        "table": where.sql,
        "kept": table.identifier(SCHEMA, "row"),
        "match": where.keyed("k"),
        "names": table.array(map(table.literal, columns)),
    }


def there(connection: Any) -> bool:
    """Whether anything is kept in this database; raises TargetRefused (kept-foreign) for a schema that is not ours."""
    owner, mine = connection.execute(OWNERS, [SCHEMA]).fetchone()
    if mine not in (None, owner):
        raise TargetRefused(
            f"The schema {SCHEMA} belongs to {mine}, not to {owner}, who owns the database.",
            hint="Nothing was changed. Somebody else made it: find out who, and rename it or give it to the owner.",
            next=f"ALTER SCHEMA {SCHEMA} OWNER TO {owner}",
            code="kept-foreign",
        )
    return mine is not None


def lacks(connection: Any) -> str:
    """The statement that a superuser has to run before anything can be kept; empty when all is there."""
    owner, _mine = connection.execute(OWNERS, [SCHEMA]).fetchone()
    may, role = connection.execute("SELECT pg_has_role(%s, 'MEMBER'), current_user::text", [owner]).fetchone()
    return "" if there(connection) or may else f"GRANT {owner} TO {role}"


def make(connection: Any) -> None:
    """The schema, once; it is the database owner's, so that the product's own backups can read it."""
    if there(connection):
        return
    owner = connection.execute(OWNERS, [SCHEMA]).fetchone()[0]
    connection.execute(table.raw("SET LOCAL ROLE {}").format(table.identifier(owner)))
    for statement in MAKE:
        connection.execute(statement)
    connection.execute("SET LOCAL ROLE NONE")


def batches(connection: Any, change: str, *, back: bool) -> list[Batch]:
    """The repairs of a change in their order: those that were taken back, or those that stand."""
    if not there(connection):
        return []
    return [Batch(*row) for row in connection.execute(LISTED, [change, not back])]


def add(connection: Any, change: str, batch: Batch) -> int:
    """Begin a batch; returns its number."""
    values = [change, batch.check, batch.option, batch.relation, list(batch.columns), batch.deleted]
    return int(connection.execute(OPEN, values).fetchone()[0])


def close(connection: Any, batch: Batch) -> None:
    """It was put back."""
    connection.execute(BACK, [batch.number])


def drop(connection: Any, hours: float, dry_run: bool) -> list[str]:
    """Delete what is older than ``hours``, and the schema when nothing is left in it; returns what goes, by name."""
    if not there(connection):
        return []
    old = connection.execute(OLD, [hours * 3600]).fetchall()
    if old and not dry_run:
        connection.execute(DROP, [[number for number, *_name in old]])
        if connection.execute(f"SELECT count(*) FROM {SCHEMA}.repair").fetchone()[0] == 0:  # noqa: S608
            connection.execute(f"DROP SCHEMA {SCHEMA} CASCADE")
    return [f"{check}:{option} ({number})" for number, check, option in old]
