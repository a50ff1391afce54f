# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How often does a pattern stand in a log? The file is read once, in pieces, and not beyond a bound."""

from __future__ import annotations

import os
import re
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import datetime, timedelta, timezone
from typing import Any

from ..core.errors import BadInput
from .watch import Probe
from .window import Reading

READ_LIMIT = 32 * 1024 * 1024  # bytes of one look; the newest are kept
LINE_LIMIT = 65536

_STAMP = re.compile(r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)(?:[.,]\d+)?\s?(Z|[+-]\d\d:?\d\d)?")


def probe(spec: Mapping[str, Any]) -> Probe:
    """Options: path, pattern, max_matches, min_lines, and one of offset (bytes), last_seconds, last_lines.

    With none of the three only lines count that are written after the gate began.
    """
    try:
        pattern = re.compile(spec["pattern"])
    except re.error as error:
        raise BadInput(f"The pattern of a log_count probe cannot be read: {error}.", hint="Correct it.") from error
    if spec.get("last_seconds") or spec.get("last_lines"):
        return lambda: _whole(spec, pattern)
    return _Follower(spec, pattern)


class _Follower:
    """Reads on from where the last look ended, so that no line is read twice."""

    def __init__(self, spec: Mapping[str, Any], pattern: re.Pattern[str]) -> None:
        self._spec = spec
        self._pattern = pattern
        self._lines = 0
        self._hits = 0
        self._inode = 0
        self._offset = spec.get("offset")
        if self._offset is None and os.path.exists(spec["path"]):
            self._offset = os.path.getsize(spec["path"])

    def __call__(self) -> Reading:
        try:
            state = os.stat(self._spec["path"])
        except OSError as error:
            return Reading(None, f"the log cannot be read: {error.strerror}")
        rotated = self._inode not in (0, state.st_ino) or state.st_size < (self._offset or 0)
        begin = 0 if rotated or self._offset is None else self._offset
        self._inode, self._offset = state.st_ino, begin
        try:
            for text, end in lines(self._spec["path"], begin):
                self._lines += 1
                self._hits += bool(self._pattern.search(text))
                self._offset = end
        except OSError as error:
            return Reading(None, f"the log cannot be read: {error.strerror}")
        return verdict(self._hits, self._lines, self._spec)


def _whole(spec: Mapping[str, Any], pattern: re.Pattern[str]) -> Reading:
    try:
        size = os.path.getsize(spec["path"])
        texts = (text for text, _end in lines(spec["path"], max(0, size - READ_LIMIT)))
        if spec.get("last_seconds"):
            kept = recent(texts, datetime.now(timezone.utc) - timedelta(seconds=spec["last_seconds"]))
        else:
            kept = iter(deque(texts, maxlen=spec["last_lines"]))
        seen = hits = 0
        for text in kept:
            seen += 1
            hits += bool(pattern.search(text))
    except OSError as error:
        return Reading(None, f"the log cannot be read: {error.strerror}")
    return verdict(hits, seen, spec)


def lines(path: str, begin: int) -> Iterator[tuple[str, int]]:
    """(line, offset behind it) of every complete line from byte ``begin`` on, READ_LIMIT bytes at most."""
    with open(path, "rb") as log:
        log.seek(begin)
        end = begin
        while end - begin < READ_LIMIT:
            raw = log.readline(LINE_LIMIT)
            # A line without its end is still being written; a longer one than the limit comes in pieces.
            if not raw.endswith(b"\n") and len(raw) < LINE_LIMIT:
                return
            end += len(raw)
            yield raw.decode("utf-8", "replace"), end


def recent(texts: Iterator[str], oldest: datetime) -> Iterator[str]:
    """The lines whose time stamp is not before ``oldest``. A stamp without a zone is UTC.

    A line without a stamp (the rest of a traceback) belongs to the line before it.
    """
    young = False
    for text in texts:
        found = _STAMP.search(text[:200])
        if found:
            day, time, zone = found.groups()
            zone = "+0000" if zone in (None, "Z") else zone.replace(":", "")
            with suppress(ValueError):  # 2026-99-99 is no date: the line goes with the one before it
                young = datetime.strptime(f"{day}T{time}{zone}", "%Y-%m-%dT%H:%M:%S%z") >= oldest
        if young:
            yield text


def verdict(hits: int, seen: int, spec: Mapping[str, Any]) -> Reading:
    """Too many matches are bad even among few lines; too few lines are no data. Pure."""
    most = spec.get("max_matches") or 0
    note = f"{hits} matches in {seen} lines, {most} allowed"
    if hits > most:
        return Reading(False, note)
    if seen < (spec.get("min_lines") or 0):
        return Reading(None, f"only {seen} lines, at least {spec['min_lines']} needed")
    return Reading(True, note)
