# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Databases beside the live one: made like it, closed to others, marked with what they are.

The mark is the database's comment: JSON with ``rollback`` (the change or restore point that made it) and ``complete``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ..core.errors import TargetMissing, TargetRefused
from ..drivers import package
from . import contents
from .postgres import Server


def look(guard: Any, database: str) -> dict[str, Any]:
    """The row of pg_database with names for its numbers, and ``mark``; {} when there is no such database."""
    query = """
        SELECT to_jsonb(d) || jsonb_build_object(
          'owner', pg_get_userbyid(datdba), 'tablespace', spcname, 'encoding', pg_encoding_to_char(encoding),
          'comment', shobj_description(d.oid, 'pg_database'), 'open', has_database_privilege(d.oid, 'CONNECT'))
        FROM pg_database d JOIN pg_tablespace t ON t.oid = dattablespace WHERE datname = %s"""
    found = guard.execute(query, [database]).fetchone()
    return {**found[0], "mark": _mark(found[0]["comment"])} if found else {}


def live(guard: Any, database: str) -> dict[str, Any]:
    """As look, for the database that must be there."""
    found = look(guard, database)
    if not found:
        raise TargetMissing(
            f"There is no database {database!r}.",
            hint="Its name decides what is rolled back: check postgres_database.",
            code="database-missing",
        )
    return found


def create(guard: Any, database: str, like: Mapping[str, Any], made: Mapping[str, Any], template: str) -> None:
    """An empty database like another one; it says at once that it is unfinished."""
    _create(guard, database, like, made, [_template(template), *_locale(like)])


def copy(guard: Any, database: str, like: Mapping[str, Any], made: Mapping[str, Any], *, method: str) -> None:
    """A copy of ``like``, in which nobody may be; it stays closed. ``method``: clone (shares blocks) or copy."""
    sql = package("psycopg.sql", "python3-psycopg")
    guard.execute("SELECT set_config(name, %s, false) FROM pg_settings WHERE name = 'file_copy_method'", [method])
    words = [_template(like["datname"])]
    words += [sql.SQL("STRATEGY file_copy")] if guard.info.server_version >= 150000 else []
    words.append(sql.SQL("ALLOW_CONNECTIONS false"))
    _create(guard, database, like, made, words)


def _create(guard: Any, database: str, like: Mapping[str, Any], made: Mapping[str, Any], words: list[Any]) -> None:
    """Only the owner may enter what is made, and the role that rolls back as a member of the owner."""
    sql = package("psycopg.sql", "python3-psycopg")
    statement = [sql.SQL("CREATE DATABASE {} OWNER {}").format(sql.Identifier(database), sql.Identifier(like["owner"]))]
    statement += words
    if like["tablespace"] != "pg_default":
        statement.append(sql.SQL("TABLESPACE {}").format(sql.Identifier(like["tablespace"])))
    guard.execute(sql.SQL(" ").join(statement))
    mark(guard, database, {**made, "complete": False})
    guard.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(sql.Identifier(database)))


def mark(guard: Any, database: str, made: Mapping[str, Any]) -> None:
    """Write what a database is."""
    sql = package("psycopg.sql", "python3-psycopg")
    text = json.dumps(made, sort_keys=True)
    guard.execute(sql.SQL("COMMENT ON DATABASE {} IS {}").format(sql.Identifier(database), sql.Literal(text)))


def open_to_connections(guard: Any, database: str, allowed: bool) -> None:
    """Let sessions in, or not even a superuser's."""
    sql = package("psycopg.sql", "python3-psycopg")
    statement = sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS {}")
    guard.execute(statement.format(sql.Identifier(database), sql.Literal(allowed)))


def rename(guard: Any, database: str, name: str) -> None:
    """Give a database that nobody is connected to another name."""
    sql = package("psycopg.sql", "python3-psycopg")
    guard.execute(sql.SQL("ALTER DATABASE {} RENAME TO {}").format(sql.Identifier(database), sql.Identifier(name)))


def unfinished(server: Server, found: Mapping[str, Any]) -> bool:
    """Whether a database of ours says that it is not complete, or was left between its creation and its mark."""
    if found["mark"]:
        return found["mark"].get("complete") is False
    if found["comment"] or not found["open"]:  # somebody's
        return False
    if not found["datallowconn"]:  # a copy is made closed
        return True
    with server.connect(found["datname"]) as connection:
        return not contents.tables(connection)


def drop_unfinished(server: Server, guard: Any, database: str) -> None:
    """Drop what an attempt left behind: it says that it is unfinished, or it is empty. Anything else is refused."""
    found = look(guard, database)
    if not found:
        return
    if not unfinished(server, found):
        raise TargetRefused(
            f"The database {database!r} is there and is not an unfinished one of this change: it is left alone.",
            hint="Find out whose it is. Rename it when it is in the way.",
            next=f"psql -d postgres -c '\\l+ \"{database}\"'",
            code="name-taken",
        )
    sql = package("psycopg.sql", "python3-psycopg")
    guard.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(database)))


def _template(database: str) -> Any:
    sql = package("psycopg.sql", "python3-psycopg")
    return sql.SQL("TEMPLATE {}").format(sql.Identifier(database))


def _locale(like: Mapping[str, Any]) -> list[Any]:
    """What makes an empty database sort and compare as the old one. Columns differ between versions."""
    sql = package("psycopg.sql", "python3-psycopg")
    locale = like.get("datlocale") or like.get("daticulocale")
    words = {"ENCODING": like["encoding"], "LC_COLLATE": like["datcollate"], "LC_CTYPE": like["datctype"]}
    if like.get("datlocprovider") == "i":
        words.update({"LOCALE_PROVIDER icu ICU_LOCALE": locale})
        words.update({"ICU_RULES": like["daticurules"]} if like.get("daticurules") else {})
    elif like.get("datlocprovider") == "b":
        words.update({"LOCALE_PROVIDER builtin BUILTIN_LOCALE": locale})
    return [sql.SQL(word + " {}").format(sql.Literal(value)) for word, value in words.items()]


def _mark(comment: str | None) -> dict[str, Any]:
    """The mark in a comment; people's own comments are none."""
    try:
        found = json.loads(comment or "")
    except ValueError:
        return {}
    return found if isinstance(found, dict) and "rollback" in found else {}
