# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is in a database, as far as two of them can be compared: rows, schema, grants, extensions."""

from __future__ import annotations

import hashlib
from typing import Any

from ..drivers import package

# Tables that hold the product's own rows. What an extension brings is not in a dump.
TABLES = """
SELECT n.nspname, c.relname, format('%I.%I', n.nspname, c.relname)
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'r' AND c.relpersistence <> 't'
  AND n.nspname <> 'information_schema' AND n.nspname NOT LIKE 'pg\\_%'
  AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d
                  WHERE d.classid = 'pg_catalog.pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
ORDER BY 3
"""

# One line an object. Texts of expressions are left out: they do not survive a dump unchanged ('x'::varchar::text comes
# back with the casts in other places), and an archive that is whole brings them back anyway.
SCHEMA = """
WITH own AS (
  SELECT n.oid, n.nspname FROM pg_catalog.pg_namespace n
  WHERE n.nspname <> 'information_schema' AND n.nspname NOT LIKE 'pg\\_%'
), indexes AS (
  -- What CREATE INDEX CONCURRENTLY has left half made is not in a dump.
  SELECT i.* FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class t ON t.oid = i.indrelid
  WHERE (i.indisvalid OR t.relkind = 'p') AND i.indisready
), lines AS (
  -- An index is an extension's when its table is.
  SELECT 'pg_catalog.pg_class'::regclass AS classid, coalesce(i.indrelid, c.oid) AS oid,
         concat_ws(' ', 'relation', c.relkind, quote_ident(nspname), quote_ident(relname), relpersistence) AS line
  FROM pg_catalog.pg_class c JOIN own ON own.oid = c.relnamespace LEFT JOIN indexes i ON i.indexrelid = c.oid
  WHERE c.relkind NOT IN ('t', 'c') AND (i.indexrelid IS NOT NULL OR c.relkind NOT IN ('i', 'I'))
  UNION ALL
  SELECT 'pg_catalog.pg_class'::regclass, c.oid,
         concat_ws(' ', 'column', quote_ident(nspname), quote_ident(relname), quote_ident(attname),
                   format_type(atttypid, atttypmod), attnotnull, atthasdef, attidentity, attgenerated)
  FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_class c ON c.oid = a.attrelid JOIN own ON own.oid = c.relnamespace
  WHERE a.attnum > 0 AND NOT a.attisdropped AND c.relkind NOT IN ('t', 'i', 'I')
  UNION ALL
  SELECT 'pg_catalog.pg_class'::regclass, i.indrelid,
         concat_ws(' ', 'index', quote_ident(nspname), quote_ident(c.relname), i.indrelid::regclass, indisunique,
                   indisvalid, indnkeyatts)
  FROM indexes i JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid JOIN own ON own.oid = c.relnamespace
  UNION ALL
  SELECT 'pg_catalog.pg_class'::regclass, conrelid,
         concat_ws(' ', 'constraint', quote_ident(nspname), conrelid::regclass, quote_ident(conname), contype,
                   convalidated, condeferrable, NULLIF(confrelid, 0)::regclass, confdeltype)
  FROM pg_catalog.pg_constraint k JOIN own ON own.oid = k.connamespace
  WHERE contype <> 'n'  -- version 18 has rows for what attnotnull says
  UNION ALL
  SELECT 'pg_catalog.pg_proc'::regclass, p.oid,
         concat_ws(' ', 'function', quote_ident(nspname), p.oid::regprocedure, prokind, provolatile, prosecdef,
                   md5(prosrc))
  FROM pg_catalog.pg_proc p JOIN own ON own.oid = p.pronamespace
  UNION ALL
  SELECT 'pg_catalog.pg_class'::regclass, tgrelid,
         concat_ws(' ', 'trigger', tgrelid::regclass, quote_ident(tgname), tgfoid::regprocedure, tgtype, tgenabled)
  FROM pg_catalog.pg_trigger t JOIN pg_catalog.pg_class c ON c.oid = tgrelid JOIN own ON own.oid = c.relnamespace
  WHERE NOT tgisinternal
  UNION ALL
  SELECT 'pg_catalog.pg_type'::regclass, enumtypid,
         concat_ws(' ', 'label', enumtypid::regtype, row_number() OVER (PARTITION BY enumtypid ORDER BY enumsortorder),
                   quote_literal(enumlabel))
  FROM pg_catalog.pg_enum e JOIN pg_catalog.pg_type t ON t.oid = enumtypid JOIN own ON own.oid = t.typnamespace
  UNION ALL
  SELECT 'pg_catalog.pg_class'::regclass, polrelid,
         concat_ws(' ', 'policy', polrelid::regclass, quote_ident(polname), polcmd, polpermissive)
  FROM pg_catalog.pg_policy
)
SELECT line FROM lines l
WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_depend d
                  WHERE d.classid = l.classid AND d.objid = l.oid AND d.deptype = 'e')
"""

# Roles that are named in grants inside the database; and whether a grant was made by somebody who is not the owner of
# what he granted, which only a superuser could repeat.
GRANTS = """
SELECT ARRAY(SELECT DISTINCT pg_get_userbyid(refobjid)::text FROM pg_catalog.pg_shdepend
             WHERE deptype = 'a' AND dbid = (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database())
             ORDER BY 1),
       EXISTS (SELECT FROM pg_catalog.pg_class c, aclexplode(c.relacl) a
               WHERE a.grantor <> c.relowner AND c.relnamespace NOT IN (
                 'pg_catalog'::regnamespace, 'information_schema'::regnamespace))
       OR EXISTS (SELECT FROM pg_catalog.pg_default_acl
                  WHERE defaclrole <> (SELECT datdba FROM pg_catalog.pg_database WHERE datname = current_database()))
"""

# What only a superuser may create, and whether other things may depend on it. Extensions have a list of their own.
RESERVED = """
SELECT kind, name, needed FROM (
  SELECT 'EVENT TRIGGER' AS kind, evtname::text AS name, false AS needed, 'pg_event_trigger'::regclass AS classid, oid
  FROM pg_event_trigger
  UNION ALL
  SELECT 'PUBLICATION', pubname, false, 'pg_publication'::regclass, oid FROM pg_publication p
  WHERE puballtables {SCHEMAS}
  UNION ALL
  SELECT 'SUBSCRIPTION', subname, false, 'pg_subscription'::regclass, s.oid
  FROM pg_subscription s JOIN pg_database d ON d.oid = subdbid WHERE datname = current_database()
  UNION ALL
  SELECT 'FUNCTION', p.oid::regprocedure::text, true, 'pg_proc'::regclass, p.oid
  FROM pg_proc p JOIN pg_language l ON l.oid = prolang WHERE NOT lanpltrusted AND lanname <> 'sql'
  UNION ALL
  SELECT 'FOREIGN DATA WRAPPER', fdwname, true, 'pg_foreign_data_wrapper'::regclass, oid FROM pg_foreign_data_wrapper
  UNION ALL
  SELECT 'OPERATOR FAMILY', opfname, true, 'pg_opfamily'::regclass, oid FROM pg_opfamily
) every
WHERE oid >= 16384  -- what the server itself brings has smaller numbers
  AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = every.classid AND objid = every.oid AND deptype = 'e')
ORDER BY 1, 2
"""
IN_SCHEMAS = "OR EXISTS (SELECT FROM pg_publication_namespace WHERE pnpubid = p.oid)"


def tables(connection: Any) -> dict[str, tuple[str, str]]:
    """{quoted name: (schema, table)} of the product's tables."""
    return {quoted: (schema, table) for schema, table, quoted in connection.execute(TABLES)}


def count(connection: Any, table: tuple[str, str]) -> int:
    """Rows of one table, without those of its children."""
    sql = package("psycopg.sql", "python3-psycopg")
    query = sql.SQL("SELECT count(*) FROM ONLY {}").format(sql.Identifier(*table))
    return int(connection.execute(query).fetchone()[0])


def rows(connection: Any) -> dict[str, int]:
    """{quoted name: exact number of rows} of every table."""
    return {quoted: count(connection, table) for quoted, table in tables(connection).items()}


def fingerprint(connection: Any) -> str:
    """SHA-256 over the schema without extensions: the same for a database and for what its dump was restored to."""
    # With nothing on the search path every name is spelled out, whoever asks.
    with connection.transaction():
        connection.execute("SET LOCAL search_path TO ''")
        lines = sorted(str(line) for (line,) in connection.execute(SCHEMA))
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def grants(connection: Any) -> dict[str, Any]:
    """{roles: named in grants, foreign: whether some grant cannot be repeated by the owner}."""
    roles, foreign = connection.execute(GRANTS).fetchone()
    return {"roles": roles, "foreign": foreign}


def extensions(connection: Any) -> list[str]:
    """Names of the installed extensions, but for the one that every database has."""
    query = "SELECT extname::text FROM pg_catalog.pg_extension WHERE extname <> 'plpgsql' ORDER BY 1"
    return [name for (name,) in connection.execute(query)]


def reserved(connection: Any) -> dict[str, list[list[str]]]:
    """{needed: [[kind, name] ...], other: ...}: what only a superuser may create, needed by others or not."""
    schemas = IN_SCHEMAS if connection.info.server_version >= 150000 else ""
    found: dict[str, list[list[str]]] = {"needed": [], "other": []}
    with connection.transaction():
        connection.execute("SET LOCAL search_path TO ''")
        for kind, name, needed in connection.execute(RESERVED.replace("{SCHEMAS}", schemas)):
            found["needed" if needed else "other"].append([kind, name])
    return found
