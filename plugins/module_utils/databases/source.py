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
        yield _extensions(connection, backup)
        yield _grants(connection, backup)
    yield _stored(bucket, backup)


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


def beyond(connection: Any, backup: Mapping[str, Any]) -> list[str]:
    """Extensions of the backup that only a superuser may create; a restore leaves them out."""
    query = """
        SELECT name::text FROM pg_available_extension_versions JOIN pg_available_extensions USING (name)
        WHERE version = default_version AND superuser AND NOT trusted AND name = ANY(%s)
          AND NOT (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) ORDER BY 1"""
    return [name for (name,) in connection.execute(query, [list(backup.get("extensions", []))])]


def _extensions(connection: Any, backup: Mapping[str, Any]) -> checks.Check:
    query = "SELECT name::text FROM pg_available_extensions WHERE name = ANY(%s)"
    wanted = list(backup.get("extensions", []))
    missing = sorted(set(wanted) - {name for (name,) in connection.execute(query, [wanted])})
    if missing:
        fix = "Install them on the database host (apt-get install postgresql-contrib holds most)."
        return checks.fail("backup's extensions", f"not on this server: {', '.join(missing)}", fix, "extension-missing")
    if left_out := beyond(connection, backup):
        found = f"only a superuser may create {', '.join(left_out)}: left out unless the template database has them"
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
