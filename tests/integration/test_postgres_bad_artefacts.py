# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Bad artefacts: each one is refused with its own words, the live database serves on, and nothing is left behind.

``before`` is refused by what a preflight looks at, too; ``inside`` shows only while it is read, in the database beside.
Where the note agrees with a bad archive, the archive was replaced together with its note.
"""

from __future__ import annotations

import gzip
import hashlib
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from ansible_collections.steady.rollback.plugins.module_utils.core import canonical
from ansible_collections.steady.rollback.plugins.module_utils.core.errors import RollbackError
from ansible_collections.steady.rollback.plugins.module_utils.databases import backup, restore, source
from ansible_collections.steady.rollback.plugins.module_utils.storage.objects import Bucket
from integration.postgres_fixtures import (  # noqa: F401
    Cluster,
    cluster_fixture,
    s3_fixture,
)
from integration.restore_fixtures import POINT, order

KEY = f"production/postgres/{POINT}.dump"
ANOTHER, STATUS = "Choose another restore point.", "ansible-playbook status.yml"
REPLACED = "It was replaced in the store. Choose another restore point."
MEND = "Mend what it names, then run this step again."
RESERVED = "Take restore points with postgres_snapshot: true: a copy inside the cluster needs no restore."
MORE = "CREATE COLLATION odd (provider = libc, locale = 'C.utf8'); CREATE EXTENSION hstore"
CONTENT = "SELECT count(*), sum(hashtextextended(m::text, 0)::numeric) FROM message m"


@dataclass
class Artefact:
    """A good backup of the product, to be spoiled: ``facts`` are what the restore point says of it."""

    cluster: Cluster
    bucket: Bucket
    facts: dict[str, Any]
    body: bytes
    store: str

    def put(self, body: bytes, **facts: Any) -> dict[str, Any]:
        """Replace the archive alone; the restore point says ``facts`` besides, and so does the note."""
        self.bucket.put(KEY, body)
        return self.say(**facts)

    def replace(self, body: bytes, **facts: Any) -> dict[str, Any]:
        """Replace the archive, and let restore point and note agree with it."""
        return self.put(body, size=len(body), sha256=hashlib.sha256(body).hexdigest(), **facts)

    def say(self, **facts: Any) -> dict[str, Any]:
        """Let restore point and note agree on other facts."""
        said = {**self.facts, **facts}
        self.bucket.put(backup.note_of(KEY), canonical.dumps(said))
        return said

    def note(self, body: bytes) -> dict[str, Any]:
        """Replace the note alone."""
        self.bucket.put(backup.note_of(KEY), body)
        return self.facts

    def dump(self, *options: str, database: str = "wabot") -> bytes:
        """What pg_dump writes when it is asked otherwise."""
        argv, server = [str(self.cluster.tools / "pg_dump"), *options], self.cluster.server
        return subprocess.run(argv, env=server.environment(database), check=True, capture_output=True).stdout

    def swapped(self, old: bytes, new: bytes) -> dict[str, Any]:
        """The archive with other bytes of the same length in its table of contents, which is not compressed."""
        assert (len(old), self.body.count(old) > 0) == (len(new), True)
        return self.replace(self.body.replace(old, new))

    def lost(self, key: str) -> dict[str, Any]:
        """An object is not there."""
        self.bucket.delete(key)
        return self.facts

    def directory(self) -> bytes:
        """The table of contents of a dump in directory format."""
        where = self.cluster.directory.parent / "directory"
        self.dump("--format=directory", f"--file={where}")
        return (where / "toc.dat").read_bytes()

    def flipped(self) -> bytes:
        """The archive with one other bit, in a row of a table."""
        place = self.body.index(b"MESSAGE 1000")
        return self.body[:place] + b"m" + self.body[place + 1 :]


@dataclass(frozen=True)
class Case:
    """How it is spoiled; when it is found; code, message, hint and next command. ``{...}`` stand for facts."""

    name: str
    spoil: Callable[[Artefact], dict[str, Any]]
    when: str
    code: str
    message: str
    hint: str
    next: str = STATUS


def before(name: str, spoil: Callable[[Artefact], dict[str, Any]], code: str, found: str, hint: str) -> Case:
    """Found by a look; its row and its sentence share their words."""
    return Case(name, spoil, "before", code, f"The {found}.", hint)


def archive(name: str, body: Callable[[Artefact], bytes], code: str, found: str) -> Case:
    """An archive that was replaced together with its note."""
    return before(name, lambda a: a.replace(body(a)), code, f"backup's archive cannot be used: {found}", REPLACED)


def inside(name: str, spoil: Callable[[Artefact], dict[str, Any]], said: str) -> Case:
    """Found by pg_restore."""
    return Case(name, spoil, "inside", "client-program-failed", f"pg_restore ended with 1: {said}", MEND)


def short(name: str, share: float) -> Case:
    return before(
        name,
        lambda a: a.put(a.body[: int(len(a.body) * share)]),
        "backup-short",
        f"backup's object cannot be used: {KEY} has {{there}} bytes; {{size}} were written",
        ANOTHER,
    )


def foreign(name: str, what: str, value: str) -> Case:
    fix = "This is production, wabot, cluster {cluster}. When the cluster was replaced on purpose: "
    fix += f"-e postgres_accept_system_identifier={value if what == 'system_identifier' else '{cluster}'}"
    found = f"backup's origin cannot be used: from {what} {value!r}"
    return before(name, lambda a: a.say(**{what: value}), "backup-foreign", found, fix)


def newer(name: str, what: str, value: int, said: str, major: int) -> Case:
    found = f"backup's version cannot be used: written by {said}; here are server 18 and pg_restore 18"
    fix = f"apt-get install postgresql-client-{major}, and set postgres_tools."
    return before(name, lambda a: a.say(**{what: value}), "backup-newer", found, fix)


CASES = [
    short("cut to nothing", 0),
    short("cut in its head", 0.001),
    short("cut in the middle", 0.5),
    short("cut at its end", 0.99),
    Case(
        "one bit flipped",
        lambda a: a.put(a.flipped()),
        "inside",
        "object-changed",
        f"The object {KEY} in {{store}} is not what was written: {{size}} bytes, SHA-256 {{sha_there}}; "
        "written were {size} bytes, SHA-256 {sha256}.",
        "It was cut, changed or replaced in the store. Never restore it; choose another restore point.",
    ),
    archive("empty, the note agrees", lambda a: b"", "archive-empty", "it is empty"),
    archive(
        "an error page, the note agrees",
        lambda a: b"\n<!DOCTYPE html><title>404</title>",
        "archive-page",
        "it is a web page, no dump",
    ),
    archive(
        "plain SQL",
        lambda a: a.dump("--format=plain"),
        "archive-sql",
        "it is plain SQL, which could run commands when it is read",
    ),
    archive("tar format", lambda a: a.dump("--format=tar"), "archive-tar", "it is a dump in tar format"),
    archive(
        "directory format",
        Artefact.directory,
        "archive-directory",
        "it is the table of contents of a dump in directory format, without its data",
    ),
    archive("packed once more", lambda a: gzip.compress(a.body), "archive-packed", "it is packed"),
    archive("noise", lambda a: bytes(range(7, 256)), "archive-unknown", "it is no dump of PostgreSQL"),
    archive(
        "cut in its head, the note agrees",
        lambda a: a.body[:40],
        "archive-cut",
        "it ends, or is damaged, within its first line",
    ),
    archive(
        "a dump of another database, the note is ours",
        lambda a: a.dump("--format=custom", database="postgres"),
        "archive-foreign",
        "it says that it is of database 'postgres' of PostgreSQL 18, dumped by pg_dump 18; "
        "the restore point says database 'wabot' of PostgreSQL 18, dumped by pg_dump 18",
    ),
    foreign("of another database", "database", "staging"),
    foreign("of another cluster", "system_identifier", "7000000000000000000"),
    foreign("of another environment", "environment", "staging"),
    newer("of a newer server", "server_version", 190001, "PostgreSQL 19 with pg_dump 18", 18),
    newer("by a newer pg_dump", "dump_version", 19, "PostgreSQL 18 with pg_dump 19", 19),
    before(
        "evidence of a damaged state",
        lambda a: a.say(purpose="evidence"),
        "backup-purpose",
        "backup's purpose cannot be used: purpose evidence, format custom",
        "It was kept as evidence of a damaged state. Choose a restore point that was taken before the deployment.",
    ),
    before(
        "an extension is not on this server",
        lambda a: a.say(extensions=["hstore", "timescaledb"]),
        "extension-missing",
        "backup's extensions cannot be used: not on this server: timescaledb",
        "Install them on the database host (apt-get install postgresql-contrib holds most).",
    ),
    before(
        "another encoding",
        lambda a: a.say(encoding="LATIN1"),
        "backup-encoding",
        "backup's encoding cannot be used: LATIN1; the database here has UTF8",
        "Make the database 'wabot' anew with ENCODING 'LATIN1', or choose another restore point.",
    ),
    before(
        "functions of a superuser",
        lambda a: a.say(reserved={"needed": [["FUNCTION", "public.now_c()"]], "other": []}),
        "backup-reserved",
        "backup's objects cannot be used: only a superuser may create function public.now_c(): "
        "the restore would fail there",
        RESERVED,
    ),
    before(
        "the note is an error page",
        lambda a: a.note(b"<html>404</html>"),
        "backup-note-unreadable",
        f"note of the backup {KEY} cannot be read: Expecting value: line 1 column 1 (char 0)",
        "It was changed in the store. Choose another restore point.",
    ),
    before(
        "the note of another backup",
        lambda a: a.note(canonical.dumps({**a.facts, "key": "production/postgres/other.dump"})),
        "backup-note-unreadable",
        f"note of the backup {KEY} cannot be read: it belongs to production/postgres/other.dump",
        "It was changed in the store. Choose another restore point.",
    ),
    before(
        "the note says something else",
        lambda a: a.note(canonical.dumps({**a.facts, "sha256": "0" * 64})),
        "backup-note-differs",
        f"backup's object cannot be used: the note of {KEY} says something else than the restore point",
        ANOTHER,
    ),
    Case(
        "the archive is gone",
        lambda a: a.lost(KEY),
        "before",
        "object-missing",
        f"There is no object {KEY} in {{store}}.",
        "It was deleted, or never written. Choose another restore point.",
    ),
    Case(
        "the note is gone",
        lambda a: a.lost(backup.note_of(KEY)),
        "before",
        "object-missing",
        f"The object store failed at get_object of {KEY}.json in {{store}}: "
        "NoSuchKey: The specified key does not exist.",
        "It was deleted, or never written. Choose another restore point.",
    ),
    before(
        "the restore point names none",
        lambda a: {},
        "backup-missing",
        "backup cannot be used: the restore point names no backup",
        "Choose another restore point, or set rollback_s3.",
    ),
    inside(
        "cut in the middle, the note agrees",
        lambda a: a.replace(a.body[: len(a.body) // 2]),
        "pg_restore: error: could not read from input file: end of file",
    ),
    inside(
        "a file format of the future",
        lambda a: a.replace(a.body[:6] + b"\x14" + a.body[7:]),
        "pg_restore: error: unsupported version (1.20) in file header",
    ),
    inside(
        "a collation that this server has not",
        lambda a: a.swapped(b"locale = 'C.utf8'", b"locale = 'C.utfX'"),
        'pg_restore: error: could not execute query: ERROR: could not create locale "C.utfX": No such file or '
        'directory DETAIL: The operating system could not find any locale data for the locale name "C.utfX". '
        "Command was: CREATE COLLATION public.odd (provider = libc, locale = 'C.utfX');",
    ),
    inside(
        "an extension that the note does not tell of",
        lambda a: a.swapped(b"hstore", b"hstorx"),
        'pg_restore: error: could not execute query: ERROR: extension "hstorx" is not available HINT: The extension '
        "must first be installed on the system where PostgreSQL is running. Command was: CREATE EXTENSION IF NOT "
        "EXISTS hstorx WITH SCHEMA public;",
    ),
    Case(
        "other rows",
        lambda a: a.say(tables={**a.facts["tables"], "public.message": 1999}),
        "inside",
        "restore-differs",
        "What was restored from the backup is not what the restore point says: public.message has 2000 rows, not 1999.",
        "The live database was not touched. Choose another restore point.",
    ),
    Case(
        "another schema",
        lambda a: a.say(schema_fingerprint="0" * 64),
        "inside",
        "schema-differs",
        "What was restored from the backup is not what the restore point says: the schema is another one.",
        "The live database was not touched. Choose another restore point.",
    ),
]


@pytest.fixture(name="good", scope="module")
def good_fixture(cluster: Cluster, s3: dict[str, Any]) -> Iterator[Artefact]:
    """One backup for all cases, uncompressed."""
    cluster.drop_all()
    cluster.create()
    cluster.run("wabot", "SET ROLE wabot", MORE)
    bucket = Bucket(s3)
    order = backup.Order("wabot", "production", POINT, "pre_deploy", compression="0")
    facts = backup.take(cluster.server, bucket, order, dry_run=False)["backup"]
    where = f"bucket {s3['bucket']} at {s3['endpoint_url']} as {s3['access_key']}"
    yield Artefact(cluster, bucket, facts, bucket.get(KEY), where)
    cluster.drop_all()
    for key in bucket.keys(""):
        bucket.delete(key)


@pytest.fixture(name="table", scope="module")
def table_fixture(request: pytest.FixtureRequest) -> Iterator[list[str]]:
    """Lines that are printed when all is done."""
    lines: list[str] = []
    yield lines
    reporter = request.config.pluginmanager.getplugin("terminalreporter")
    for line in ["", f"{'artefact':45} {'found':8} code", *lines]:
        if reporter:
            reporter.write_line(line)


@pytest.mark.parametrize("case", CASES, ids=lambda case: str(case.name))
def test_bad_artefacts(good: Artefact, table: list[str], case: Case) -> None:
    good.put(good.body)
    facts = case.spoil(good)
    content = good.cluster.run("wabot", CONTENT)
    stored = {key: good.bucket.get(key) for key in good.bucket.keys("")}
    there = stored.get(KEY, b"")
    wanted = order(facts)
    with pytest.raises(RollbackError) as error:
        restore.prepare(good.cluster.server, good.bucket, wanted, dry_run=False)
    values = {**facts, "there": len(there), "sha_there": hashlib.sha256(there).hexdigest()}
    values.update(store=good.store, cluster=good.facts["system_identifier"])
    words = [text.format(**values) for text in (case.message, case.hint, case.next)]
    said = error.value
    assert [said.code, said.message, said.hint, said.next] == [case.code, *words]
    assert refused_by_a_look(good, wanted) == (case.when == "before")
    assert good.cluster.databases() == {"postgres", "wabot"}
    assert good.cluster.run("wabot", CONTENT) == content
    assert {key: good.bucket.get(key) for key in good.bucket.keys("")} == stored
    table.append(f"{case.name:45} {case.when:8} {case.code}")


def refused_by_a_look(good: Artefact, wanted: restore.Order) -> bool:
    """Whether the looks of a preflight would have stopped the run."""
    try:
        source.refuse(source.look(good.cluster.server, good.bucket, wanted.backup, wanted.place))
    except RollbackError:
        return True
    return False


def test_the_good_one_is_restored(good: Artefact) -> None:
    facts = good.put(good.body)
    wanted = order(facts)
    done = restore.prepare(good.cluster.server, good.bucket, wanted, dry_run=False)
    assert done["tables"] == facts["tables"]
    assert len(CASES) >= 25
