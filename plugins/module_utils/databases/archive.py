# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What an archive says of itself in its first bytes: its format, and which database it was dumped from. Pure.

A restore point and the note beside the archive may agree and be wrong together; the archive is asked too.
"""

from __future__ import annotations

import io
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..core import checks

NAME, FIX = "backup's archive", "It was replaced in the store. Choose another restore point."
MAGIC, CUSTOM = b"PGDMP", 1
STRANGERS = (
    (re.compile(rb"\Z"), checks.fail(NAME, "it is empty", FIX, "archive-empty")),
    (re.compile(rb"\s*<"), checks.fail(NAME, "it is a web page, no dump", FIX, "archive-page")),
    (
        re.compile(rb"\s*(--|\\|SET |SELECT |CREATE )"),
        checks.fail(NAME, "it is plain SQL, which could run commands when it is read", FIX, "archive-sql"),
    ),
    (re.compile(rb"toc\.dat\0"), checks.fail(NAME, "it is a dump in tar format", FIX, "archive-tar")),
    (re.compile(rb"\x1f\x8b|BZh|\xfd7zXZ|\x28\xb5\x2f\xfd"), checks.fail(NAME, "it is packed", FIX, "archive-packed")),
    (re.compile(rb"(?!PGDMP)"), checks.fail(NAME, "it is no dump of PostgreSQL", FIX, "archive-unknown")),
)


@dataclass(frozen=True)
class Head:
    """``format`` is a number of pg_dump's own; ``server`` and ``dump`` are major versions."""

    format: int
    database: str
    server: int
    dump: int


def look(data: bytes, backup: Mapping[str, Any]) -> checks.Check:
    """Whether an archive that begins with ``data`` is the one that ``backup`` tells of."""
    for start, stranger in STRANGERS:
        if start.match(data):
            return stranger
    try:
        head = read(data)
    except (EOFError, ValueError):
        return checks.fail(NAME, "it ends, or is damaged, within its first line", FIX, "archive-cut")
    if head.format != CUSTOM:
        found = "it is the table of contents of a dump in directory format, without its data"
        return checks.fail(NAME, found, FIX, "archive-directory")
    said = (head.database, head.server, head.dump)
    wanted = (backup["database"], int(backup["server_version"]) // 10000, int(backup["dump_version"]))
    if said != wanted:
        found = f"it says that it is of {_told(said)}; the restore point says {_told(wanted)}"
        return checks.fail(NAME, found, FIX, "archive-foreign")
    return checks.ok(NAME, f"of {_told(said)}")


def read(data: bytes) -> Head:
    """The head of an archive in custom or directory format; raises EOFError or ValueError when it is cut or damaged."""
    stream = io.BytesIO(data)

    def take(count: int) -> bytes:
        found = stream.read(count)
        if len(found) != count:
            raise EOFError
        return found

    def number() -> int:
        negative, value = take(1), int.from_bytes(take(width), "little")
        return -value if negative != b"\0" else value

    def text() -> str:
        length = number()
        return take(length).decode() if length > 0 else ""

    take(len(MAGIC))
    version, width = tuple(take(3)), take(2)[0]
    kind = take(1)[0]
    # Version 1.15 names its compression in a byte; before, its level was a number.
    take(1) if version >= (1, 15, 0) else number()
    for _time in range(7):
        number()
    return Head(kind, text(), _major(text()), _major(text()))


def _major(version: str) -> int:
    found = re.match(r"\d+", version)
    if not found:
        raise ValueError
    return int(found.group())


def _told(said: tuple[Any, ...]) -> str:
    database, server, dump = said
    return f"database {database!r} of PostgreSQL {server}, dumped by pg_dump {dump}"
