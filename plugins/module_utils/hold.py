# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One acting module at a time on a host: what a killed controller left running is waited for, never joined.

The lock is an open file of the module's user. It ends with the process, however that ends, so nothing can go stale.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import stat
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from .core.errors import CommandFailed, LockHeld

VARIABLE = "ROLLBACK_HOLD"  # set by the engine for steps that change something; its value names environment and host
WAIT = 600.0  # seconds for which an orphan is waited for
POLL = 0.2


@contextlib.contextmanager
def hold(name: str, what: str, wait: float = WAIT) -> Iterator[None]:
    """Be the only holder of ``name`` on this host; raises LockHeld when another one is still there after ``wait``.

    ``what`` tells the one who waits what is running. An empty name holds nothing.
    """
    if not name:
        yield
        return
    path = _directory() / hashlib.sha256(name.encode()).hexdigest()[:16]
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        _take(handle, wait)
        with contextlib.suppress(OSError):  # a full disk hides who holds the lock, and hinders nobody
            os.ftruncate(handle, 0)
            os.pwrite(handle, f"process {os.getpid()}, {what}".encode(), 0)
        yield
    finally:
        os.close(handle)


def _take(handle: int, wait: float) -> None:
    until = time.monotonic() + wait
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if time.monotonic() >= until:
                raise LockHeld(
                    f"A step of an earlier run still runs on this host: {os.pread(handle, 200, 0).decode()}.",
                    hint="Its controller is gone. Wait for it, or end that process; every step can be run again.",
                    next="ansible-playbook resume.yml",
                    code="orphan-running",
                ) from None
            time.sleep(POLL)


def _directory() -> Path:
    """A directory that only this user can write: in a shared one, another could hold the lock, or lead it astray."""
    path = Path(tempfile.gettempdir()) / f".steady-rollback-{os.getuid()}"
    try:
        path.mkdir(mode=0o700, exist_ok=True)
        found = path.lstat()
    except OSError as error:
        raise CommandFailed(
            f"{path} cannot be made: {error.strerror}.", hint="Make room there.", code="hold-unusable"
        ) from error
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o022:
        raise CommandFailed(
            f"{path} belongs to somebody else or is open to others.",
            hint="Nobody but this user may have made it. Look who did, then remove it.",
            next=f"ls -ld {path}",
            code="hold-unusable",
        )
    return path
