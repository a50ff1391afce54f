# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One acting module at a time on a host: what a killed controller left running there is awaited, then ended.

The lock is an open file of the module's user. It ends with the process, however that ends, so nothing can go stale. The
file says who holds it, and which generation of the environment's lock was the last to act here: a controller that was
frozen, and replaced meanwhile, acts no more.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import signal
import stat
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from . import files
from .core.errors import CommandFailed, LockHeld
from .service import processes

VARIABLE = "ROLLBACK_HOLD"  # set by the engine for steps that change something, see Claim.parse
POLL = 0.2
DYING = 5.0  # seconds that a process may take to end after SIGKILL


@dataclass(frozen=True)
class Claim:
    """``name`` is environment and host; ``budget`` seconds are what the step may take.

    Resume and undo bear the ``change`` of the run that they go on with, at a higher ``generation``.
    """

    name: str
    change: str
    generation: int
    budget: float

    def __str__(self) -> str:
        return f"{self.change} {self.generation} {self.budget:g} {self.name}"

    @classmethod
    def parse(cls, text: str) -> Claim | None:
        """The inverse of ``str``; nothing is held by an empty text."""
        if not text:
            return None
        change, generation, budget, name = text.split(" ", 3)
        return cls(name, change, int(generation), float(budget))


@dataclass(frozen=True)
class Held:
    """What the file says of its holder; ``until`` is when its budget ends, on this host's monotonic clock."""

    pid: int = 0
    what: str = "unknown"
    change: str = ""
    generation: int = 0
    until: float = 0.0


@contextlib.contextmanager
def hold(claim: Claim | None, what: str, warn: Callable[[str], None]) -> Iterator[None]:
    """Be the only one who acts for ``claim.name`` on this host; ``what`` tells others what is running.

    Raises LockHeld when this run was replaced, or an orphan cannot be ended. ``warn`` says which one was ended.
    """
    if claim is None:
        yield
        return
    path = _directory() / hashlib.sha256(claim.name.encode()).hexdigest()[:16]
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        _take(handle, path, claim, warn)
        mine = Held(os.getpid(), what, claim.change, claim.generation, time.monotonic() + claim.budget)
        with contextlib.suppress(OSError):  # a full disk hides who holds the lock, and hinders nobody
            line = json.dumps(asdict(mine)).encode() + b"\n"
            os.pwrite(handle, line, 0)
            os.ftruncate(handle, len(line))
        yield
    finally:
        os.close(handle)


def _take(handle: int, path: Path, claim: Claim, warn: Callable[[str], None]) -> None:
    latest, ended = time.monotonic() + claim.budget, 0.0
    while True:
        free, held = files.try_lock(handle), _read(handle)
        if held.change == claim.change and held.generation > claim.generation:
            raise LockHeld(
                f"This run has lost its lock: {held.what} of generation {held.generation} has acted on this host, "
                f"and this is generation {claim.generation}.",
                hint=f"Another operator took over; nothing was changed here. If no other run is known: remove {path}.",
                next="ansible-playbook status.yml",
                code="lock-lost",
            )
        if free:
            return
        now = time.monotonic()
        if ended and now > ended + DYING:
            raise LockHeld(
                f"A step of an earlier run still runs on this host: process {held.pid}, {held.what}.",
                hint="Its controller is gone, and it did not end when it was told to. End it; every step can be run "
                "again.",
                next="ansible-playbook resume.yml",
                code="orphan-running",
            )
        if not ended and now >= (held.until or latest):
            _end(handle, held, warn)
            ended = now
        time.sleep(POLL)


def _read(handle: int) -> Held:
    """What the file says; nothing when it was never written, or not to its end."""
    try:
        return Held(**json.loads(os.pread(handle, 4096, 0).partition(b"\n")[0]))
    except (ValueError, TypeError):
        return Held()


def _end(handle: int, held: Held, warn: Callable[[str], None]) -> None:
    """End the holder and what it has started, once it is proven that this process has our file open."""
    if _has_open(held.pid, os.fstat(handle)):
        warn(f"Process {held.pid}, {held.what}, of a run that was broken off was over its time, and was ended.")
        for each in sorted(processes.descendants(held.pid), key=lambda one: one.pid != held.pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(each.pid, signal.SIGKILL)


def _has_open(pid: int, mine: os.stat_result) -> bool:
    with contextlib.suppress(OSError):  # it has just ended
        for link in Path(f"/proc/{pid}/fd").iterdir():
            with contextlib.suppress(OSError):
                if os.path.samestat(link.stat(), mine):
                    return True
    return False


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
