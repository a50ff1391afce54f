# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How the record reaches the disk: one writer at a time; a file is replaced whole, and what is appended is synced.

What cannot be written raises JournalBroken.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .. import files
from ..core.errors import JournalBroken, LockHeld

PATIENCE = 60.0  # seconds for which a critical section of another process is waited for
# A symlink in the place of a file leads astray: neither lock nor journal is opened through one.
APPENDING = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW


@contextmanager
def exclusive(home: Path) -> Iterator[None]:
    """Nobody else writes below ``home`` meanwhile; ends with the process, however it ends."""
    try:
        files.private_directory(home)
        handle = os.open(home / "lock", APPENDING, 0o600)
    except OSError as error:
        raise JournalBroken(
            f"{home} cannot be written: {error.strerror}.",
            hint="The anchor keeps the journal of every run. Mend the directory, or set rollback_dir.",
            next=f"install -d -m 0700 {home}",
            code="anchor-unwritable",
        ) from error
    try:
        # A section takes milliseconds. One that does not end is a process that was stopped, or a disk that hangs.
        files.lock(handle, PATIENCE, lambda: _busy(home))
        yield
    finally:
        os.close(handle)


def _busy(home: Path) -> LockHeld:
    return LockHeld(
        f"Another process has held the record in {home} for {PATIENCE:g} s.",
        hint="It is stopped, or its disk hangs. Nothing was changed. Let it go on or end it.",
        next=f"fuser -v {home / 'lock'}",
        code="anchor-busy",
    )


def replace(path: Path, data: bytes) -> None:
    """Make ``data`` the content of ``path`` by one rename; the directory is made where it is missing."""
    with _said(path):
        files.replace(files.private_directory(path.parent) / path.name, data)


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
