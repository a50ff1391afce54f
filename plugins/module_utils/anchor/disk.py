# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How the record reaches the disk: one writer at a time; a file is replaced whole, and what is appended is synced.

What cannot be written raises JournalBroken.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .. import files
from ..core.errors import JournalBroken, LockHeld

PATIENCE = 60.0  # seconds for which a critical section of another process is waited for
POLL = 0.02
# A symlink in the place of a file leads astray: neither lock nor journal is opened through one.
APPENDING = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW


def directory(path: Path) -> None:
    """Create ``path`` and what is missing above it, each closed to others (``parents=True`` would not be)."""
    for each in [*reversed(path.parents), path]:
        each.mkdir(exist_ok=True, mode=0o700)


@contextmanager
def exclusive(home: Path) -> Iterator[None]:
    """Nobody else writes below ``home`` meanwhile; ends with the process, however it ends."""
    try:
        directory(home)
        handle = os.open(home / "lock", APPENDING, 0o600)
    except OSError as error:
        raise JournalBroken(
            f"{home} cannot be written: {error.strerror}.",
            hint="The anchor keeps the journal of every run. Mend the directory, or set rollback_dir.",
            next=f"install -d -m 0700 {home}",
            code="anchor-unwritable",
        ) from error
    try:
        _take(handle, home)
        yield
    finally:
        os.close(handle)


def _take(handle: int, home: Path) -> None:
    """A section takes milliseconds. One that does not end is a process that was stopped, or a disk that hangs."""
    until = time.monotonic() + PATIENCE
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if time.monotonic() > until:
                raise LockHeld(
                    f"Another process has held the record in {home} for {PATIENCE:g} s.",
                    hint="It is stopped, or its disk hangs. Nothing was changed. Let it go on or end it.",
                    next=f"fuser -v {home / 'lock'}",
                    code="anchor-busy",
                ) from None
            time.sleep(POLL)


def replace(path: Path, data: bytes) -> None:
    """Make ``data`` the content of ``path`` by one rename; the directory is made where it is missing."""
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    with _said(path):
        directory(path.parent)
        try:
            handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
            with os.fdopen(handle, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            os.replace(fresh, path)
        except OSError:
            fresh.unlink(missing_ok=True)
            raise
        files.sync_directory(path.parent)


def append(path: Path, length: int, data: bytes) -> None:
    """Put ``data`` behind the first ``length`` bytes of ``path``; what a crash left behind them goes."""
    with _said(path), os.fdopen(os.open(path, APPENDING, 0o600), "r+b") as file:
        file.truncate(length)
        file.seek(length)
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


@contextmanager
def _said(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise JournalBroken(
            f"{path} cannot be written: {error.strerror}.",
            hint="Nothing is changed that cannot be recorded first. Make room on the anchor, then resume.",
            next="ansible-playbook resume.yml",
            code="journal-unwritable",
        ) from error
