# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A fingerprint of the whole sandbox, taken from the outside: no code of the collection looks at the world here.

Two fingerprints of the same state are equal, with these exceptions, which move on their own while customers are there:

* rows that were written since: give the ``watermarks`` of the older fingerprint, and only the rows up to them count;
* the cache, which fills and expires: what counts is whether it holds what release 1 cannot read, and only a change to
  the worse is a difference;
* jobs, which come and go: the same rule, for jobs that release 1 does not know;
* databases beside the live one, the release log and the marks on bad releases: a rollback keeps them on purpose.
"""

from __future__ import annotations

import base64
import hashlib
import http.client
import json
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import redis
from psycopg import sql

from . import deployment, supervisor_rpc
from .layout import APP_HOSTS, RELEASE_HOSTS, Sandbox
from .programs import APPLICATION

if TYPE_CHECKING:
    from collections.abc import Iterator

World = dict[str, Any]
# Parts whose entries come and go: the older world must hold all of the newer one.
MOVING = ("queue", "cache")
UNCOMPARED = ("watermarks", "waiting jobs", "kept databases")
# The jobs that release 1 knows, with their number of arguments.
KNOWN_JOBS = {"bot.harmonize_messages": 2, "bot.remember_references": 2, "bot.expire_reference_contexts": 0}

SCHEMA = """
SELECT table_name, string_agg(line, E'\\n' ORDER BY line) FROM (
  SELECT table_name, concat_ws(' ', column_name, data_type, character_maximum_length, is_nullable, column_default) line
    FROM information_schema.columns WHERE table_schema = 'public'
  UNION ALL
  SELECT conrelid::regclass::text, pg_get_constraintdef(oid)
    FROM pg_constraint WHERE connamespace = 'public'::regnamespace AND conrelid <> 0
  UNION ALL
  SELECT tablename, indexdef FROM pg_indexes WHERE schemaname = 'public'
  UNION ALL
  SELECT relname, concat_ws(' ', pg_get_userbyid(relowner), relacl) FROM pg_class
    WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'
) lines GROUP BY table_name
"""
# Text of a row is the same wherever it stands; the sum does not depend on the order of the rows.
ROWS = """
SELECT count(*), coalesce(sum(hashtextextended(t::text, 0)), 0)::text, max(id) FROM {table} t WHERE id <= {upto}
"""
SEQUENCE = """
SELECT coalesce(last_value, 0) FROM pg_sequences
  WHERE format('%%I.%%I', schemaname, sequencename) = pg_get_serial_sequence(%s, 'id')
"""
CONFIGURATION = """
SELECT t.slug, to_jsonb(c) - 'id' - 'tenant_id'
  FROM bot_agentconfiguration c JOIN messaging_tenant t ON t.id = c.tenant_id
"""
DATABASES = """
SELECT datname, pg_get_userbyid(datdba), datallowconn, datconnlimit, encoding, datcollate, datacl::text,
       shobj_description(d.oid, 'pg_database'),
       (SELECT array_agg(concat_ws(' ', setrole::regrole, setconfig) ORDER BY setrole)
          FROM pg_db_role_setting WHERE setdatabase = d.oid)::text
  FROM pg_database d WHERE NOT datistemplate AND datname <> 'postgres'
"""
FARTHEST = 2**62


def fingerprint(directory: Path, upto: Mapping[str, int] | None = None) -> World:
    """The world as it is now; ``upto`` are the ``watermarks`` of the fingerprint that it is to be compared with."""
    sandbox = Sandbox.open(directory)
    world: World = {
        "release": {host: _current(sandbox, host) for host in RELEASE_HOSTS},
        "running": dict(_running(sandbox)),
        "environment": {host: _digest((sandbox.home(host) / "env").read_bytes()) for host in RELEASE_HOSTS},
        "maintenance": {host: (sandbox.home(host) / "maintenance.flag").exists() for host in (*RELEASE_HOSTS, "edge1")},
        "edge": _edge(sandbox),
        "cache": ["what release 1 cannot read"] if "schema 2" in _cache(sandbox) else [],
    }
    jobs = world["waiting jobs"] = _jobs(sandbox)
    world["queue"] = ["jobs that release 1 does not know"] if any(not _known(*job) for job in jobs) else []
    with psycopg.connect(**sandbox.postgres(database="postgres")) as connection:
        found = {row[0]: [str(value) for value in row[1:]] for row in connection.execute(DATABASES)}
    world["database"] = found.pop("wabot", None)
    world["kept databases"] = sorted(found)
    if world["database"]:
        with psycopg.connect(**sandbox.postgres(), autocommit=True) as connection:
            world.update(_content(connection, upto or {}))
    return world


def difference(before: World, after: World) -> list[str]:
    """What is another thing in ``after``: one line for each entry, empty when the worlds are the same."""
    lines = []
    for part in sorted((before.keys() | after.keys()) - set(UNCOMPARED)):
        one, other = before.get(part), after.get(part)
        if part in MOVING:
            lines += [f"{part}: {entry} is new" for entry in sorted(set(other or ()) - set(one or ()))]
        elif isinstance(one, Mapping) and isinstance(other, Mapping):
            lines += [
                f"{part} of {name}: {_short(one.get(name))} became {_short(other.get(name))}"
                for name in sorted(one.keys() | other.keys())
                if one.get(name) != other.get(name)
            ]
        elif one != other:
            lines.append(f"{part}: {_short(one)} became {_short(other)}")
    return lines


def _content(connection: psycopg.Connection[Any], upto: Mapping[str, int]) -> World:
    """What is in the live database, read in one snapshot."""
    with connection.transaction():
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        schema = {table: _digest(text.encode()) for table, text in connection.execute(SCHEMA)}
        rows, watermarks, behind = {}, {}, []
        for table in schema:
            query = sql.SQL(ROWS).format(table=sql.Identifier(table), upto=sql.Literal(upto.get(table, FARTHEST)))
            count, checksum, highest = connection.execute(query).fetchone() or (0, "", 0)
            rows[table] = f"{count} rows, checksum {_digest(checksum.encode())}"
            watermarks[table] = highest or 0
            given = connection.execute(SEQUENCE, [table]).fetchone()
            if given and given[0] < watermarks[table]:
                behind.append(table)
        return {
            "schema": schema,
            "rows": rows,
            "watermarks": watermarks,
            "sequences behind": behind,
            "configuration": dict(connection.execute(CONFIGURATION).fetchall()),
        }


def _current(sandbox: Sandbox, host: str) -> str:
    """The commit that a host's ``current`` leads to."""
    try:
        marker = json.loads((sandbox.home(host) / "current" / ".release.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        return "none"
    return str(marker["commit"])


def _running(sandbox: Sandbox) -> Iterator[tuple[str, str]]:
    """(program, the release directory that its process works in, else its state)."""
    supervisor = supervisor_rpc.connect(sandbox.socket)
    for program in APPLICATION:
        info = supervisor.getProcessInfo(program)
        if info["statename"] == "RUNNING":
            yield program, Path(f"/proc/{info['pid']}/cwd").resolve().name
        else:
            yield program, info["statename"]
    for host in APP_HOSTS:
        yield f"{host} answers", deployment.running(sandbox, host)[:12]


def _edge(sandbox: Sandbox) -> str:
    """What a customer is answered."""
    connection = http.client.HTTPConnection("127.0.0.1", sandbox.ports["edge"], timeout=10)
    try:
        # The version is open in the application's own maintenance, not in the edge's.
        connection.request("GET", "/v1/version")
        response = connection.getresponse()
        return f"{response.status} from {response.headers.get('X-Wabot-Commit', 'nobody')}"
    except (OSError, http.client.HTTPException) as error:
        return type(error).__name__
    finally:
        connection.close()


def _jobs(sandbox: Sandbox) -> list[tuple[str, int]]:
    """(name, number of arguments) of every waiting job."""
    jobs = []
    with redis.Redis.from_url(sandbox.redis_url(0)) as broker:
        for raw in broker.lrange("celery", 0, -1):
            message = json.loads(raw)
            arguments, *_ = json.loads(base64.b64decode(message["body"]))
            jobs.append((message["headers"]["task"], len(arguments)))
    return sorted(jobs)


def _known(name: str, arguments: int) -> bool:
    return KNOWN_JOBS.get(name) == arguments


def _cache(sandbox: Sandbox) -> set[str]:
    """The shapes of the cached configurations."""
    with redis.Redis.from_url(sandbox.redis_url(1)) as cache:
        kept = [cache.get(key) for key in cache.scan_iter("*config:*")]
    # Our own application pickled it, into a server that listens on loopback only.
    return {"schema 2" if "schema" in pickle.loads(value) else "schema 1" for value in kept if value}


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:12]


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
