# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What one table has that the same table of another database has not: two sorted streams, in bounded memory."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..drivers import package

# The same value has the same text in both databases, whatever each has set.
SESSION = {"timezone": "UTC", "datestyle": "ISO", "intervalstyle": "postgres", "bytea_output": "hex"}
SHAPES = """
SELECT format('%I.%I', nspname, relname), nspname::text, relname::text,
  ARRAY(SELECT attname::text FROM pg_attribute WHERE attrelid = c.oid AND attnum > 0 AND NOT attisdropped
        ORDER BY attnum),
  ARRAY(SELECT ARRAY[attname::text, format_type(atttypid, NULL)]
        FROM pg_index i CROSS JOIN unnest(indkey::int2[]) WITH ORDINALITY k(number, place)
        JOIN pg_attribute a ON attrelid = indrelid AND attnum = number
        WHERE indrelid = c.oid AND indisprimary AND place <= indnkeyatts ORDER BY place)
FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
"""
SUMMARY = "SELECT count(*), sum(hashtextextended(ROW({columns})::text, 0)::numeric) FROM ONLY {table}"
# Texts in hex sort alike in every collation and in Python.
STREAM = """
COPY (SELECT encode(convert_to(ROW({keys})::text, 'UTF8'), 'hex') COLLATE "C" AS key,
             hashtextextended(ROW({columns})::text, 0), {texts} FROM ONLY {table} ORDER BY key) TO STDOUT
"""
END: Sequence[Any] = ("~",)  # sorts after every key in hex
CHOSEN = "FROM unnest({arrays}) WITH ORDINALITY chosen({names}, place) JOIN ONLY {table} t ON {matches}"
EXPORT = "COPY (SELECT difference, t.* {chosen} ORDER BY place) TO STDOUT (FORMAT csv, HEADER {header})"
WINDOW = "SELECT count(*) FILTER (WHERE t.{column} >= {since}::timestamptz), max(t.{column})::text {chosen}"


@dataclass(frozen=True)
class Shape:
    """One table: its columns in order, its primary key as (column, type) in order."""

    schema: str
    name: str
    columns: list[str]
    key: list[list[str]]


@dataclass(frozen=True)
class Difference:
    """One row by its key. ``kind``: missing (only in the first), changed, new (only in the second)."""

    kind: str
    key: list[str]


def shapes(connection: Any, tables: Mapping[str, Any]) -> dict[str, Shape]:
    """{quoted name: shape} of the named tables."""
    return {quoted: Shape(*rest) for quoted, *rest in connection.execute(SHAPES) if quoted in tables}


def summary(connection: Any, table: Shape, columns: Sequence[str]) -> tuple[int, Any]:
    """Rows of a table, and a sum over them that is the same for the same rows in any order."""
    sql = package("psycopg.sql", "python3-psycopg")
    query = sql.SQL(SUMMARY).format(columns=_listed(columns), table=sql.Identifier(table.schema, table.name))
    found: tuple[int, Any] = connection.execute(query).fetchone()
    return found


def stream(connection: Any, table: Shape | None, columns: Sequence[str]) -> Generator[Sequence[Any], None, None]:
    """[sort key, digest, key columns as text ...] of every row, sorted; none of a table that is not there."""
    if table is None:
        return
    sql = package("psycopg.sql", "python3-psycopg")
    keys = [name for name, _type in table.key]
    texts = sql.SQL(", ").join(sql.SQL("{}::text").format(sql.Identifier(name)) for name in keys)
    where = sql.Identifier(table.schema, table.name)
    query = sql.SQL(STREAM).format(keys=_listed(keys), columns=_listed(columns), texts=texts, table=where)
    with connection.cursor() as cursor, cursor.copy(query) as copy:
        yield from copy.rows()


def merge(first: Iterator[Sequence[Any]], second: Iterator[Sequence[Any]]) -> Iterator[Difference]:
    """The differences of two sorted streams. Pure."""
    one, other = next(first, END), next(second, END)
    while one is not END or other is not END:
        if one[0] < other[0]:
            yield Difference("missing", list(one[2:]))
            one = next(first, END)
        elif other[0] < one[0]:
            yield Difference("new", list(other[2:]))
            other = next(second, END)
        else:
            if one[1] != other[1]:
                yield Difference("changed", list(one[2:]))
            one, other = next(first, END), next(second, END)


def export(connection: Any, table: Shape, rows: Sequence[Difference], header: bool) -> Iterator[bytes]:
    """The rows as CSV with a header, in the order given; the first column, difference, says why a row is there."""
    sql = package("psycopg.sql", "python3-psycopg")
    query = sql.SQL(EXPORT).format(chosen=_chosen(table, rows), header=sql.Literal(header))
    with connection.cursor() as cursor, cursor.copy(query) as copy:
        yield from map(bytes, copy)


def window(connection: Any, table: Shape, rows: Sequence[Difference], column: str, since: str) -> tuple[int, str]:
    """How many of the rows are of ``since`` or later by their timestamp ``column``, and the newest of all."""
    sql = package("psycopg.sql", "python3-psycopg")
    parts = {"column": sql.Identifier(column), "since": sql.Literal(since), "chosen": _chosen(table, rows)}
    count, newest = connection.execute(sql.SQL(WINDOW).format(**parts)).fetchone()
    return int(count), str(newest or "")


def _chosen(table: Shape, rows: Sequence[Difference]) -> Any:
    """The rows of a table by their keys, found through its primary key's index."""
    sql = package("psycopg.sql", "python3-psycopg")
    columns = [[row.key[place] for row in rows] for place in range(len(table.key))]
    arrays = [sql.SQL("{}::text[]").format(sql.Literal(each)) for each in [[row.kind for row in rows], *columns]]
    names = [sql.SQL("difference"), *(sql.Identifier(f"key{place}") for place in range(len(table.key)))]
    matches = [
        sql.SQL("t.{} = chosen.{}::" + kind).format(sql.Identifier(name), sql.Identifier(f"key{place}"))
        for place, (name, kind) in enumerate(table.key)
    ]
    return sql.SQL(CHOSEN).format(
        arrays=sql.SQL(", ").join(arrays),
        names=sql.SQL(", ").join(names),
        table=sql.Identifier(table.schema, table.name),
        matches=sql.SQL(" AND ").join(matches),
    )


def _listed(columns: Sequence[str]) -> Any:
    sql = package("psycopg.sql", "python3-psycopg")
    return sql.SQL(", ").join(map(sql.Identifier, columns))
