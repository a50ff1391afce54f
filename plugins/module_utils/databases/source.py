# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether a backup may be restored here: looked at before anything is changed, and again before it is read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ..core import checks
from ..core.errors import BackupUnusable
from ..storage.objects import Bucket
from . import archive
from . import backup as backups
from .postgres import MAINTENANCE, Server

STATUS = "ansible-playbook status.yml"


@dataclass(frozen=True)
class Place:
    """Where a backup is to be restored. ``accept``: system identifier of another cluster whose backup may be used."""

    database: str
    environment: str
    accept: str = ""


def look(server: Server, bucket: Bucket | None, backup: Mapping[str, Any], place: Place) -> Iterator[checks.Check]:
    """One row for each thing that can be wrong with a backup; the first failing one says why it is refused."""
    if not backup or bucket is None:
        where = "the restore point names no backup" if not backup else "there is no object store to read it from"
        yield checks.fail("backup", where, "Choose another restore point, or set rollback_s3.", "backup-missing")
        return
    with server.connect(MAINTENANCE) as connection:
        yield _fit_to_restore(backup)
        yield _from_here(connection, backup, place)
        yield _readable(server, connection, backup)
        yield from _encoding(connection, backup, place)
        yield _extensions(connection, backup)
        yield from _reserved(connection, backup)
        yield _grants(connection, backup)
    stored = _stored(bucket, backup)
    yield stored
    if stored.level == "ok":
        yield archive.look(next(iter(bucket.read(backup["key"])), b""), backup)


def refuse(rows: Iterable[checks.Check]) -> None:
    """Raise BackupUnusable for the first row that fails."""
    for row in rows:
        if row.level == "fail":
            raise BackupUnusable(
                f"The {row.name} cannot be used: {row.found}.", hint=row.fix, next=STATUS, code=row.code
            )


def repeats_grants(server: Server, backup: Mapping[str, Any]) -> bool:
    """Whether the owner can grant again everything that was granted inside the database."""
    with server.connect(MAINTENANCE) as connection:
        return _grants(connection, backup).level == "ok"


def _fit_to_restore(backup: Mapping[str, Any]) -> checks.Check:
    if backup.get("purpose") == "pre_deploy" and backup.get("format") == "custom":
        return checks.ok("backup's purpose", "taken before a deployment")
    found = f"purpose {backup.get('purpose')}, format {backup.get('format')}"
    fix = "It was kept as evidence of a damaged state. Choose a restore point that was taken before the deployment."
    return checks.fail("backup's purpose", found, fix, "backup-purpose")


def _from_here(connection: Any, backup: Mapping[str, Any], place: Place) -> checks.Check:
    """The same environment, cluster and database: a backup of another one would go in without a word."""
    here = connection.execute("SELECT system_identifier::text FROM pg_control_system()").fetchone()[0]
    wanted = {"environment": {place.environment}, "database": {place.database}}
    wanted["system_identifier"] = {here, place.accept} - {""}
    other = [f"{key} {backup.get(key)!r}" for key, values in wanted.items() if backup.get(key) not in values]
    if not other:
        return checks.ok("backup's origin", f"{place.environment}, {place.database}, cluster {here}")
    fix = f"This is {place.environment}, {place.database}, cluster {here}. When the cluster was replaced on purpose: "
    fix += f"-e postgres_accept_system_identifier={backup.get('system_identifier')}"
    return checks.fail("backup's origin", "from " + ", ".join(other), fix, "backup-foreign")


def _readable(server: Server, connection: Any, backup: Mapping[str, Any]) -> checks.Check:
    """Neither server nor pg_restore may be older than what wrote the backup."""
    major, tool = connection.info.server_version // 10000, backups.tool_version(server, "pg_restore")
    wrote, dumped = int(backup["server_version"]) // 10000, int(backup["dump_version"])
    if wrote > major or dumped > tool:
        found = f"written by PostgreSQL {wrote} with pg_dump {dumped}; here are server {major} and pg_restore {tool}"
        fix = f"apt-get install postgresql-client-{max(dumped, major)}, and set postgres_tools."
        return checks.fail("backup's version", found, fix, "backup-newer")
    return checks.ok("backup's version", f"PostgreSQL {wrote}, pg_dump {dumped}")


def _encoding(connection: Any, backup: Mapping[str, Any], place: Place) -> Iterator[checks.Check]:
    """Text of another encoding may not fit, which would show in the middle of the restore."""
    query = "SELECT pg_encoding_to_char(encoding)::text FROM pg_database WHERE datname = %s"
    (here,) = connection.execute(query, [place.database]).fetchone() or ("",)
    wrote = backup.get("encoding", here)
    if here and wrote != here:
        fix = f"Make the database {place.database!r} anew with ENCODING '{wrote}', or choose another restore point."
        yield checks.fail("backup's encoding", f"{wrote}; the database here has {here}", fix, "backup-encoding")


def _reserved(connection: Any, backup: Mapping[str, Any]) -> Iterator[checks.Check]:
    """The owner may not create everything."""
    needed = backup.get("reserved", {}).get("needed", [])
    if needed and not _owned_by_superuser(connection, backup):
        fix = "Take restore points with postgres_snapshot: true: a copy inside the cluster needs no restore."
        found = f"only a superuser may create {_listed(needed)}: the restore would fail there"
        yield checks.fail("backup's objects", found, fix, "backup-reserved")
    if other := [each for each in left_out(connection, backup) if each[0] != "EXTENSION"]:
        found = f"only a superuser may create {_listed(other)}: left out"
        yield checks.warn("backup's objects", found, "Create them again after the rollback.")


def _listed(objects: Iterable[Iterable[str]]) -> str:
    return ", ".join(f"{kind.lower()} {name}" for kind, name in objects)


def left_out(connection: Any, backup: Mapping[str, Any]) -> list[tuple[str, str]]:
    """(kind, name) of what a restore leaves out, because only a superuser may create it and nothing else needs it."""
    if _owned_by_superuser(connection, backup):
        return []
    query = """
        SELECT name::text FROM pg_available_extension_versions JOIN pg_available_extensions USING (name)
        WHERE version = default_version AND superuser AND NOT trusted AND name = ANY(%s) ORDER BY 1"""
    extensions = connection.execute(query, [list(backup.get("extensions", []))])
    return [("EXTENSION", name) for (name,) in extensions] + [*map(tuple, backup.get("reserved", {}).get("other", []))]


def _owned_by_superuser(connection: Any, backup: Mapping[str, Any]) -> bool:
    """A restore runs as the owner of the live database, whoever starts it."""
    query = "SELECT rolsuper FROM pg_roles r JOIN pg_database d ON r.oid = datdba WHERE datname = %s"
    return bool((connection.execute(query, [backup["database"]]).fetchone() or [False])[0])


def _extensions(connection: Any, backup: Mapping[str, Any]) -> checks.Check:
    query = "SELECT name::text FROM pg_available_extensions WHERE name = ANY(%s)"
    wanted = list(backup.get("extensions", []))
    missing = sorted(set(wanted) - {name for (name,) in connection.execute(query, [wanted])})
    if missing:
        fix = "Install them on the database host (apt-get install postgresql-contrib holds most)."
        return checks.fail("backup's extensions", f"not on this server: {', '.join(missing)}", fix, "extension-missing")
    if waiting := [name for kind, name in left_out(connection, backup) if kind == "EXTENSION"]:
        found = f"only a superuser may create {', '.join(waiting)}: left out unless the template database has them"
        fix = "When tables need them, set postgres_template to a database that has nothing but these extensions."
        return checks.warn("backup's extensions", found, fix)
    return checks.ok("backup's extensions", ", ".join(wanted) or "none needed")


def _grants(connection: Any, backup: Mapping[str, Any]) -> checks.Check:
    grants = backup.get("grants", {})
    query = "SELECT rolname::text FROM pg_roles WHERE rolname = ANY(%s)"
    roles = list(grants.get("roles", []))
    missing = sorted(set(roles) - {name for (name,) in connection.execute(query, [roles])})
    if not missing and not grants.get("foreign"):
        return checks.ok("grants on tables", f"to {', '.join(roles) or 'nobody'}: are restored")
    why = f"no role {', '.join(missing)}" if missing else "some were made by a superuser or another role"
    return checks.warn("grants on tables", f"will not be restored: {why}", "Grant them again after the rollback.")


def _stored(bucket: Bucket, backup: Mapping[str, Any]) -> checks.Check:
    """The object is there, as long as it was, and its note says what the restore point says."""
    size = bucket.size(backup["key"])
    if size != backup["size"]:
        found = f"{backup['key']} has {size} bytes; {backup['size']} were written"
        return checks.fail("backup's object", found, "Choose another restore point.", "backup-short")
    if backups.read_note(bucket, backup["key"]) != dict(backup):
        found = f"the note of {backup['key']} says something else than the restore point"
        return checks.fail("backup's object", found, "Choose another restore point.", "backup-note-differs")
    return checks.ok("backup's object", f"{backup['key']}, {size} bytes")
