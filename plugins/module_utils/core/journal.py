# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The record of one run: JSON lines, each holding the hash of the line before.

Only ``encode`` makes a line and only ``decode`` reads them; files are the business of ``anchor.store``.
A line that was torn by a crash never counted: it has no newline, and decoding ends before it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from . import canonical, redact
from .errors import JournalBroken

GENESIS = "0" * 64
Record = dict[str, Any]


@dataclass(frozen=True)
class Tail:
    """Where the next line goes: its number and the hash that it must carry."""

    seq: int = 1
    prev: str = GENESIS


@dataclass(frozen=True)
class Decoded:
    """The intact records, the tail behind them, and the number of bytes that they take up."""

    records: list[Record]
    tail: Tail
    length: int


def encode(tail: Tail, at: str, record: Mapping[str, Any]) -> tuple[bytes, Tail]:
    """One line (with its newline) and the tail behind it."""
    # An operator looks at it with cat and tail: nothing in it may move the cursor or end a line.
    line = redact.escaped(canonical.dumps({**record, "seq": tail.seq, "at": at, "prev": tail.prev}).decode()).encode()
    return line + b"\n", Tail(tail.seq + 1, hashlib.sha256(line).hexdigest())


def decode(data: bytes, run: str = "") -> Decoded:
    """The records of a run's journal file; raises JournalBroken where an intact-looking line does not fit its chain."""
    records: list[Record] = []
    tail = Tail()
    lines = data.split(b"\n")
    for line in lines[:-1]:
        records.append(_record(line, tail, run))
        tail = Tail(tail.seq + 1, hashlib.sha256(line).hexdigest())
    return Decoded(records, tail, len(data) - len(lines[-1]))


def _record(line: bytes, tail: Tail, run: str) -> Record:
    try:
        record = json.loads(line)
        fits = record["seq"] == tail.seq and record["prev"] == tail.prev
    except (ValueError, KeyError, TypeError) as error:
        raise _broken(tail, run) from error
    if not fits:
        raise _broken(tail, run)
    return dict(record)


def _broken(tail: Tail, run: str) -> JournalBroken:
    return JournalBroken(
        f"The journal{f' of run {run}' if run else ''} was changed after it was written: "
        f"record {tail.seq} does not fit the one before it.",
        hint="The records before it are sound. Of a run that had ended, fetch.yml brings the copy back from the object "
        "store; of an unfinished one the copy may be older: compare them.",
        next="ansible-playbook fetch.yml",
        code="journal-changed",
    )


def last(records: Iterable[Record], kind: str) -> Record:
    """The newest record of ``kind``, or an empty one."""
    found: Record = {}
    for record in records:
        if record["kind"] == kind:
            found = record
    return found


def done_steps(records: Iterable[Record]) -> set[int]:
    """Numbers of the steps that are proven done."""
    return {record["n"] for record in records if record["kind"] == "done"}


def begun_steps(records: Iterable[Record]) -> set[int]:
    """Numbers of the steps that may have changed something: their intent is written."""
    return {record["n"] for record in records if record["kind"] == "intent"}


def first_open_step(records: Iterable[Record], count: int) -> int:
    """The number of the first step that is not proven done; ``count`` + 1 when all are."""
    done = done_steps(records)
    return next((n for n in range(1, count + 1) if n not in done), count + 1)
