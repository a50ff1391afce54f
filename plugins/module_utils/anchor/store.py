# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The files of an environment on its anchor host: the lock, the restore points, and one directory for each run.

Layout below ``<root>/<environment>``: ``lock.json``, ``points/<id>.json``, ``runs/<id>/{plan.json, journal.jsonl}``.
Directories are 0700, files 0600. What is replaced is replaced by one rename; what is appended is synced.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ..core import canonical, journal, lease
from ..core.errors import BadInput, JournalBroken, TargetMissing

# A symlink in the place of a file leads astray: neither lock nor journal is opened through one.
APPENDING = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}\Z")


class Store:
    """All reading and writing for one environment. ``root`` is for example ``/var/lib/rollback``."""

    def __init__(self, root: str, environment: str) -> None:
        if not NAME.match(environment):
            raise BadInput(
                f"{environment[:100]!r} cannot name an environment.",
                hint="Set rollback_environment to letters, digits, '-', '_' and '.'.",
            )
        self.home = Path(root) / environment

    # -- the lock -----------------------------------------------------------------------------------------------

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """Nobody else changes the lock or a journal meanwhile; ends with the process, however it ends."""
        try:
            self._directory(self.home)
            handle = os.open(self.home / "lock", APPENDING, 0o600)
        except OSError as error:
            raise JournalBroken(
                f"{self.home} cannot be written: {error.strerror}.",
                hint="The anchor keeps the journal of every run. Mend the directory, or set rollback_dir.",
                next=f"install -d -m 0700 {self.home}",
                code="anchor-unwritable",
            ) from error
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)

    def read_lease(self) -> lease.Lease | None:
        """The lease as it stands, or None when there never was one."""
        path = self.home / "lock.json"
        try:
            data = json.loads(self._read(path))
            return lease.Lease(**{**data, "holder": lease.Holder(**data["holder"])})
        except FileNotFoundError:
            return None
        except (ValueError, KeyError, TypeError) as error:
            raise JournalBroken(
                f"The lock {path} cannot be read: it was changed, or written by another version.",
                hint="Read the newest journal beside it. Was that run closed, move the lock away; else keep its run, "
                "generation and state.",
                next="ls -t " + str(self.home / "runs"),
                code="lock-unreadable",
            ) from error

    def write_lease(self, value: lease.Lease) -> None:
        """Replace the lease."""
        self._replace(self.home / "lock.json", canonical.dumps(asdict(value)))

    # -- runs ---------------------------------------------------------------------------------------------------

    def run_dir(self, run: str) -> Path:
        """Where a run keeps its plan, journal, evidence and report; raises BadInput for what cannot be an id."""
        if not NAME.match(run):
            raise BadInput(
                f"{run[:100]!r} is not the id of a run.",
                hint="It is what status.yml shows, for example r20260101t120000-4f2a.",
                next="ansible-playbook status.yml",
                code="run-missing",
            )
        return self.home / "runs" / run

    def runs(self) -> list[str]:
        """The ids of all runs, oldest first: an id begins with its date."""
        try:
            return sorted(path.name for path in (self.home / "runs").iterdir() if (path / "plan.json").exists())
        except FileNotFoundError:
            return []

    def write_plan(self, run: str, plan: Mapping[str, Any]) -> None:
        """Begin a run: its directory and its plan."""
        self._replace(self.run_dir(run) / "plan.json", canonical.dumps(plan))

    def plan(self, run: str) -> dict[str, Any]:
        """The stored plan of a run; raises TargetMissing when there is none, JournalBroken when it is not whole."""
        path = self.run_dir(run) / "plan.json"
        try:
            found = plan_of(self._read(path), run)
        except FileNotFoundError:
            if self._journal(run):
                raise _plan_lost(f"The plan of run {run} is missing: {path}.", code="plan-missing") from None
            raise TargetMissing(
                f"There is no run {run} in {self.home}.",
                hint="Known: " + (", ".join(self.runs()[-5:]) or "none"),
                next="ansible-playbook status.yml",
                code="run-missing",
            ) from None
        if self._sealed(run) not in ("", canonical.digest(found)):
            raise _plan_lost(f"The plan of run {run} was changed after it was written: {path}.", code="plan-damaged")
        return found

    def write_report(self, run: str, files: Mapping[str, str]) -> None:
        """Keep the report of a run beside its journal."""
        for name, text in files.items():
            self._replace(self.run_dir(run) / os.path.basename(name), text.encode())

    def report(self, run: str) -> str:
        """Where the report of a run lies, empty when it has none."""
        path = self.run_dir(run) / "report.html"
        return str(path) if path.exists() else ""

    def records(self, run: str) -> list[journal.Record]:
        """The journal of a run, without a line that a crash tore."""
        return self._decoded(run).records

    def append(self, run: str, records: Sequence[Mapping[str, Any]]) -> None:
        """Add records and sync them. Call it inside ``exclusive``; a torn line of an earlier crash is cut off first."""
        decoded = self._decoded(run)
        data, tail, now = b"", decoded.tail, canonical.utc(time.time())
        for record in records:
            line, tail = journal.encode(tail, now, record)
            data += line
        path = self.run_dir(run) / "journal.jsonl"
        try:
            handle = os.open(path, APPENDING, 0o600)
            with os.fdopen(handle, "r+b") as file:
                file.truncate(decoded.length)
                file.seek(decoded.length)
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise JournalBroken(
                f"{path} cannot be written: {error.strerror}.",
                hint="Nothing is changed that cannot be recorded first. Make room on the anchor, then resume.",
                next="ansible-playbook resume.yml",
                code="journal-unwritable",
            ) from error

    def _decoded(self, run: str) -> journal.Decoded:
        return journal.decode(self._journal(run), run)

    def _journal(self, run: str) -> bytes:
        try:
            return self._read(self.run_dir(run) / "journal.jsonl")
        except FileNotFoundError:
            return b""

    def _sealed(self, run: str) -> str:
        """The digest of the plan, as the first line of the journal has it; empty where it has none."""
        first, newline, _rest = self._journal(run).partition(b"\n")
        return str(journal.decode(first + newline, run).records[0].get("sealed", "")) if newline else ""

    # -- restore points -----------------------------------------------------------------------------------------

    def points(self) -> list[str]:
        """The ids of all restore points."""
        return sorted(path.stem for path in (self.home / "points").glob("*.json"))

    def point(self, name: str) -> bytes:
        """The file of a restore point."""
        return self._read(self.home / "points" / f"{name}.json")

    def write_point(self, name: str, data: bytes) -> Path:
        """Keep a restore point."""
        path = self.home / "points" / f"{name}.json"
        self._replace(path, data)
        return path

    def remove_point(self, name: str) -> None:
        """Delete a restore point; one that is gone already is no error."""
        (self.home / "points" / f"{name}.json").unlink(missing_ok=True)

    def bring(self, name: str, data: bytes) -> None:
        """Write a file that was fetched (``points/<id>.json``, ``runs/<id>/<file>``); what was in its place is kept."""
        path = self.home / name
        if path.exists():
            os.replace(path, path.with_name(f"{path.name}.broken"))
        self._replace(path, data)

    def _read(self, path: Path) -> bytes:
        try:
            return path.read_bytes()
        except FileNotFoundError:
            raise
        except OSError as error:
            raise JournalBroken(
                f"{path} cannot be read: {error.strerror}.",
                hint="The anchor's record belongs to the user that runs rollbacks, and to nobody else. Mend it.",
                next=f"ls -ld {path}",
                code="anchor-unreadable",
            ) from error

    def _directory(self, path: Path) -> None:
        """Create ``path`` and what is missing above it, each closed to others (``parents=True`` would not be)."""
        for each in [*reversed(path.parents), path]:
            each.mkdir(exist_ok=True, mode=0o700)

    def _replace(self, path: Path, data: bytes) -> None:
        self._directory(path.parent)
        fresh = path.with_name(f".{path.name}.{os.getpid()}")
        handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(fresh, path)
        directory = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)


def plan_of(data: bytes, run: str) -> dict[str, Any]:
    """The content of a ``plan.json``; raises JournalBroken when it is none."""
    try:
        return dict(json.loads(data))
    except (ValueError, TypeError) as error:
        raise _plan_lost(
            f"The plan of run {run} cannot be read: it is cut or changed.", code="plan-unreadable"
        ) from error


def _plan_lost(message: str, *, code: str) -> JournalBroken:
    return JournalBroken(
        message,
        hint="Without it nobody can resume or undo that run. Bring its copy back from the object store.",
        next="ansible-playbook fetch.yml",
        code=code,
    )
