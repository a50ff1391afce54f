# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Files that matter: written whole or not at all, and kept by what they hold."""

from __future__ import annotations

import fcntl
import hashlib
import os
import stat
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from .core.errors import BadInput, RollbackError

POLL = 0.02  # seconds between two looks at a lock


def digest(data: bytes) -> str:
    """The SHA-256 of ``data`` in hex."""
    return hashlib.sha256(data).hexdigest()


def inside(root: str, path: str) -> Path:
    """The real path of ``path``; a path that leaves ``root``, by dots or by a symlink, is refused."""
    if not os.path.isabs(path):
        raise BadInput(f"The path {path} is not absolute.", hint=f"Give the full path, below {root}.", code="bad-path")
    real, top = Path(os.path.realpath(path)), Path(os.path.realpath(root))
    if top != real and top not in real.parents:
        raise BadInput(
            f"The path {path} leads to {real}, which is outside {top}.",
            hint="A symlink or a '..' leaves the directory that may be changed. Name the real place instead.",
            next=f"ls -ld {path}",
            code="path-escapes",
        )
    return real


def read(path: Path) -> bytes | None:
    """The content of ``path``, None when there is no such file."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None


def write(path: Path, data: bytes, mode: int = 0o600) -> None:
    """Replace ``path`` by ``data`` in one rename, on disk when this returns.

    A file that is there keeps its own mode and owner; a new one gets ``mode``. Raises BadInput for a symlink.
    """
    refuse_link(path)
    old = path.stat() if path.exists() else None
    replace(path, data, stat.S_IMODE(old.st_mode) if old else mode, (old.st_uid, old.st_gid) if old else None)


def replace(path: Path, data: bytes, mode: int = 0o600, owner: tuple[int, int] | None = None) -> None:
    """Make ``data`` the content of ``path`` by one rename, on disk when this returns. ``owner``: user and group id."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fchmod(file.fileno(), mode)
            if owner and owner != (os.geteuid(), os.getegid()):
                os.fchown(file.fileno(), *owner)
            os.fsync(file.fileno())
        os.replace(name, path)
    except BaseException:
        os.unlink(name)
        raise
    sync_directory(path.parent)


def lock(handle: int, seconds: float, busy: Callable[[], RollbackError]) -> None:
    """Lock the open file ``handle``, for as long as it is open in any process; raises ``busy()`` after ``seconds``."""
    until = time.monotonic() + seconds
    while not try_lock(handle):
        if time.monotonic() > until:
            raise busy()
        time.sleep(POLL)


def try_lock(handle: int) -> bool:
    """Whether the open file ``handle`` could be locked at once."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def remove(path: Path) -> bool:
    """Take ``path`` away; False when it was not there."""
    try:
        path.unlink()
    except FileNotFoundError:
        return False
    sync_directory(path.parent)
    return True


def sync_directory(path: Path) -> None:
    """Make renames and removals in ``path`` survive a loss of power."""
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def private_directory(path: Path) -> Path:
    """The directory ``path``, made with what is missing above it, mode 0700; a symlink in its place is refused."""
    refuse_link(path)
    for each in [*reversed(path.parents), path]:  # parents=True would give those in between the mode of the umask
        if not each.exists():
            each.mkdir(mode=0o700, exist_ok=True)
    return path


def refuse_link(path: Path) -> None:
    """Raise BadInput when ``path`` is a symlink: whoever planted it would choose what is written, and who reads it."""
    if path.is_symlink():
        raise BadInput(
            f"{path} is a symlink, to {os.readlink(path)}; only a real file or directory is written to.",
            hint="Look who made it. If it is meant to be there, name the real place instead.",
            next=f"ls -ld {path}",
            code="path-is-link",
        )


class Store:
    """Copies kept under the SHA-256 of what they hold, mode 0600, never overwritten."""

    def __init__(self, directory: str) -> None:
        self.directory = Path(directory)

    def keep(self, data: bytes) -> str:
        """Keep ``data``; returns its SHA-256. Keeping the same content twice is one copy."""
        name = digest(data)
        if self.get(name) is None:
            write(private_directory(self.directory) / name, data)
        return name

    def get(self, name: str) -> bytes | None:
        """The copy ``name``; None when it is missing or when its content does not agree with its name."""
        data = read(self.directory / name)
        return data if data is not None and digest(data) == name else None
