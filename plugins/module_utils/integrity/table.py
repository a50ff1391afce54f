# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the server knows of a table, and the pieces of SQL that are made from it.

Values travel as the text that the server gives them, and come back by a cast: exact for every type, and a JSON null
stays apart from no value at all. Every statement is run with parameters, so that the server takes it as one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..core.errors import TargetMissing
from ..drivers import package

SHAPE = """
SELECT nspname::text, relname::text,
  (SELECT jsonb_object_agg(attname, format_type(atttypid, atttypmod)) FROM pg_attribute
   WHERE attrelid = c.oid AND attnum > 0 AND NOT attisdropped AND attgenerated = ''),
  ARRAY(SELECT attname::text FROM pg_index CROSS JOIN unnest(indkey::int2[]) WITH ORDINALITY k(number, place)
        JOIN pg_attribute a ON attrelid = indrelid AND attnum = number
        WHERE indrelid = c.oid AND indisprimary AND place <= indnkeyatts ORDER BY place),
  ARRAY(SELECT conrelid::regclass::text FROM pg_constraint
        WHERE confrelid = c.oid AND contype = 'f' AND confdeltype IN ('c', 'n', 'd')),
  has_table_privilege(c.oid, 'DELETE'), has_table_privilege(c.oid, 'INSERT'),
  ARRAY(SELECT attname::text FROM pg_attribute WHERE attrelid = c.oid AND attnum > 0 AND NOT attisdropped
        AND has_column_privilege(c.oid, attnum, 'UPDATE'))
FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace WHERE c.oid = to_regclass(%s)
"""


@dataclass(frozen=True)
class Table:
    """``types`` of the columns that hold data, the primary ``key``, and tables whose rows ``follow`` a deletion."""

    schema: str
    name: str
    types: Mapping[str, str]
    key: Sequence[str]
    follow: Sequence[str]
    may_delete: bool
    may_insert: bool
    may_update: Sequence[str]

    @property
    def quoted(self) -> str:
        """As people and ``find`` name it."""
        return f"{self.schema}.{self.name}"

    @property
    def sql(self) -> Any:
        """Its full name as SQL."""
        return identifier(self.schema, self.name)

    def texts(self, columns: Iterable[str], owner: str = "") -> Any:
        """``ARRAY[owner.column::text, ...]``; the owner is the table itself unless it has another name here."""
        cast = raw("{}::text")
        return array(cast.format(identifier(owner or self.name, column)) for column in columns)

    def keys(self, rows: str) -> list[Any]:
        """The key that is kept in ``rows.key``, each column in its own type."""
        types = [escaped(self.types[column]) for column in self.key]
        return [raw(f"{rows}.key[{place}]::{each}") for place, each in enumerate(types, 1)]

    def keyed(self, rows: str, owner: str = "t") -> Any:
        """Whether a row is the one whose key is kept in ``rows``; found through the primary key's index."""
        pairs = zip((identifier(owner, column) for column in self.key), self.keys(rows))
        return raw(" AND ").join(raw("{} = {}").format(*pair) for pair in pairs)

    def value(self, rows: str, field: str, column: str) -> Any:
        """The value of a column that is kept in ``rows.field``, in its own type."""
        return raw(f"({rows}.{field} ->> {{}})::{escaped(self.types[column])}").format(literal(column))


def find(connection: Any, name: str) -> Table:
    """The table ``name`` or ``schema.name``; raises TargetMissing (integrity-table-missing)."""
    schema, _dot, table = name.rpartition(".")
    wanted = identifier(schema or "public", table).as_string(connection)
    found = connection.execute(SHAPE, [wanted]).fetchone()
    if found is None:
        raise TargetMissing(
            f"There is no table {name} in this database.",
            hint="Is it misspelt in integrity_checks, or not there in this release's schema?",
            code="integrity-table-missing",
        )
    return Table(*found)


def identifier(*names: str) -> Any:
    """Quoted."""
    return package("psycopg.sql", "python3-psycopg").Identifier(*names)


def literal(text: str) -> Any:
    """A text value."""
    return package("psycopg.sql", "python3-psycopg").Literal(text)


def listed(parts: Iterable[Any]) -> Any:
    """Separated by commas."""
    return raw(", ").join(parts)


def array(parts: Iterable[Any]) -> Any:
    """Texts."""
    return raw("ARRAY[{}]::text[]").format(listed(parts))


def raw(text: str) -> Any:
    """SQL as it stands."""
    return package("psycopg.sql", "python3-psycopg").SQL(text)


def expression(text: str) -> Any:
    """SQL of the inventory as one value: on lines of its own, so that a comment in it ends with it."""
    return raw("(\n{}\n)").format(raw(escaped(text, braces=False)))


def escaped(text: str, *, braces: bool = True) -> str:
    """``text`` with the marks of parameters, and of parts, doubled: they are SQL of its own here."""
    text = text.replace("%", "%%")
    return text.replace("{", "{{").replace("}", "}}") if braces else text
