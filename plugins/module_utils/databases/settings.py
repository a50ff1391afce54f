# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a database wears: owner, grants, connection limit, settings. A restored one has none of it; it is copied.

``ALTER DATABASE ... SET``, ``GRANT ... ON DATABASE`` and the comment are in no dump that is restored under another
name, so a database that goes live without them has lost its timeouts and lets everybody connect.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..core import checks
from ..core.errors import TargetRefused
from ..drivers import package

# Settings that hold a list: their elements are quoted one by one, as pg_dump does it.
LISTS = {
    "local_preload_libraries",
    "search_path",
    "session_preload_libraries",
    "shared_preload_libraries",
    "temp_tablespaces",
    "unix_socket_directories",
}
# Fixed when a database is made, so a difference can only be told.
FIXED = ("encoding", "datlocprovider", "datcollate", "datctype", "datlocale", "daticulocale", "tablespace")
WORN = """
SELECT pg_get_userbyid(datdba)::text, datconnlimit,
  (SELECT jsonb_agg(jsonb_build_array(CASE grantee WHEN 0 THEN '' ELSE pg_get_userbyid(grantee) END, privilege_type,
   is_grantable)) FROM aclexplode(coalesce(datacl, acldefault('d', datdba)))),
  (SELECT jsonb_object_agg(coalesce(rolname, ''), setconfig) FROM pg_db_role_setting
   LEFT JOIN pg_roles r ON r.oid = setrole WHERE setdatabase = d.oid AND rolsuper IS NOT TRUE)
FROM pg_database d WHERE datname = %s
"""
SUPERUSERS = """
SELECT rolname::text FROM pg_db_role_setting JOIN pg_database d ON d.oid = setdatabase
JOIN pg_roles r ON r.oid = setrole WHERE datname = %s AND rolsuper ORDER BY 1
"""
# Roles whose settings this role cannot set in their name, and parameters that it may not set: with the way out.
FOREIGN = """
SELECT DISTINCT format('settings of role %%I', rolname), format('GRANT %%I TO %%I', rolname, current_user)
FROM pg_db_role_setting JOIN pg_database d ON d.oid = setdatabase JOIN pg_roles r ON r.oid = setrole
WHERE datname = %s AND NOT rolsuper AND NOT pg_has_role(current_user, r.oid, 'MEMBER')
"""
RESERVED = """
SELECT DISTINCT format('parameter %%I', name), format('GRANT SET ON PARAMETER %%I TO %%I', name, who)
FROM pg_db_role_setting JOIN pg_database d ON d.oid = setdatabase LEFT JOIN pg_roles r ON r.oid = setrole,
  unnest(setconfig) entry, split_part(entry, '=', 1) name, coalesce(rolname, current_user) who
WHERE datname = %s AND rolsuper IS NOT TRUE AND NOT has_parameter_privilege(who, name, 'SET')
  AND NOT EXISTS (SELECT FROM pg_settings s WHERE lower(s.name) = lower(split_part(entry, '=', 1))
                  AND context IN ('user', 'backend'))
"""

Grant = tuple[str, str, bool]  # role, "" for everybody; privilege; whether it may be passed on


@dataclass(frozen=True)
class Clothes:
    """``settings[role]`` are the ``name=value`` of a role in this database; the role ``""`` is everybody."""

    owner: str
    limit: int
    grants: frozenset[Grant]
    settings: Mapping[str, list[str]]


def worn(connection: Any, name: str) -> Clothes:
    """What the database ``name`` wears. Settings of superusers are their own business."""
    owner, limit, grants, settings = connection.execute(WORN, [name]).fetchone()
    return Clothes(owner, limit, frozenset(map(tuple, grants or [])), settings or {})


def differences(connection: Any, like: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    """What of the database ``like`` cannot be copied to ``other``, as sentences. Rows are those of beside.look."""
    found = [f"{key} is {other[key]!r}, was {like[key]!r}" for key in FIXED if other.get(key) != like.get(key)]
    superusers = connection.execute(SUPERUSERS, [like["datname"]]).fetchall()
    return found + [f"settings of the superuser {role} stay behind" for (role,) in superusers]


def forbidden(connection: Any, like: str) -> list[checks.Check]:
    """A failing row for each thing that ``dress`` may not copy from database ``like``; its fix is a superuser's."""
    found = connection.execute(FOREIGN, [like]).fetchall()
    if connection.info.server_version >= 150000:
        found += connection.execute(RESERVED, [like]).fetchall()
    text = "this role may not copy the {}"
    return [checks.fail("settings", text.format(what), fix, "clothes-refused") for what, fix in sorted(found)]


def dress(connection: Any, like: str, name: str) -> None:
    """Copy what database ``like`` wears to ``name``, inside the caller's transaction, and look again.

    Raises TargetRefused (clothes-refused) when the role that rolls back may not set something.
    """
    wanted, has = worn(connection, like), worn(connection, name)
    if has.owner != wanted.owner:
        do(connection, name, "the owner", "ALTER DATABASE {database} OWNER TO {role}", role=wanted.owner)
    if has.limit != wanted.limit:
        limit = f"ALTER DATABASE {{database}} CONNECTION LIMIT {int(wanted.limit)}"
        do(connection, name, "the connection limit", limit)
    # Privileges are words of the server's own; a role without a name is everybody.
    for role, privilege, _option in sorted(worn(connection, name).grants - wanted.grants):
        revoke = f"REVOKE {privilege} ON DATABASE {{database}} FROM {'{role}' if role else 'PUBLIC'} CASCADE"
        do(connection, name, f"grants to {role or 'everybody'}", revoke, role=role)
    for role, privilege, option in sorted(wanted.grants - worn(connection, name).grants):
        grant = f"GRANT {privilege} ON DATABASE {{database}} TO {'{role}' if role else 'PUBLIC'}"
        do(connection, name, f"grants to {role or 'everybody'}", grant + " WITH GRANT OPTION" * option, role=role)
    for role in sorted({*wanted.settings, *has.settings}):
        if wanted.settings.get(role) != has.settings.get(role):
            _copy_settings(connection, name, role, wanted.settings.get(role, []))
    if worn(connection, name) != wanted:
        raise TargetRefused(
            f"Grants or settings of database {like!r} could not be copied to {name!r} as they are.",
            hint="A superuser set them, or something else changes them. Compare the two: psql, \\l+ and \\drds.",
            next="psql -c '\\drds'",
            code="clothes-refused",
        )


def _copy_settings(connection: Any, database: str, role: str, wanted: list[str]) -> None:
    """The ``name=value`` of a role in a database, in their order; the role ``""`` is everybody."""
    target = "ALTER ROLE {role} IN DATABASE {database}" if role else "ALTER DATABASE {database}"
    whose = f"of {role}" if role else "of everybody"
    if role:
        # By the role itself: a member of it need not have the right to change roles.
        do(connection, database, f"settings {whose}", "SET LOCAL ROLE {role}", role=role)
    do(connection, database, f"settings {whose}", f"{target} RESET ALL", role=role)
    for entry in wanted:
        name, value = entry.split("=", 1)
        values = next(csv.reader([value], skipinitialspace=True), [""]) if name in LISTS else [value]
        literals: dict[str, str | None] = {f"v{n}": each for n, each in enumerate(values)}
        listed = ", ".join(f"{{{key}}}" for key in literals)
        statement = f"{target} SET {{setting}} = {listed}"
        do(connection, database, f"the setting {name} {whose}", statement, literals, role=role, setting=name)
    if role:
        connection.execute("SET LOCAL ROLE NONE")


def do(
    connection: Any,
    database: str,
    what: str,
    statement: str,
    literals: Mapping[str, str | None] | None = None,
    **names: str,
) -> None:
    """One statement on ``database``: names are quoted as identifiers, literals as strings.

    Raises TargetRefused (clothes-refused), with ``what`` instead of the statement: a setting may hold a secret.
    """
    sql, errors = package("psycopg.sql", "python3-psycopg"), package("psycopg.errors", "python3-psycopg")
    parts = {key: sql.Identifier(name) for key, name in {"database": database, **names}.items() if name}
    parts.update({key: sql.Literal(value) for key, value in (literals or {}).items()})
    try:
        connection.execute(sql.SQL(statement).format(**parts))
    except errors.InsufficientPrivilege as error:
        raise TargetRefused(
            f"The role that rolls back may not set {what} of database {database!r}: " + " ".join(str(error).split()),
            hint="It must be a member of the database's owner, and of every role that has settings in the database "
            "(GRANT owner TO ...). A parameter for superusers needs GRANT SET ON PARAMETER. Nothing was changed.",
            next="ansible-playbook resume.yml",
            code="clothes-refused",
        ) from error
