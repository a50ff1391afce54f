# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Where the releases of a host lie, and what their markers and the release log say.

::

    <home>/repo.git            bare mirror of the repository
    <home>/releases/<sha12>/   one release with its own venv/; its marker .release.json is written last
    <home>/releases/<sha12>.bad   a rollback left this release; it is never chosen again by itself
    <home>/current             symlink to the live release
    <home>/releases.jsonl      one line for each switch
    <home>/changes/<change>.json  what a rollback goes to and what it replaced
"""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .. import files
from ..core.errors import BadInput, TargetMissing

SHA = re.compile(r"[0-9a-f]{40}\Z")
CHANGE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}\Z")
MARKER, BUILDING, SHORT = ".release.json", ".building", 12


@dataclass(frozen=True)
class Release:
    """A release on disk. ``problem`` says why it cannot be used, empty when it is complete."""

    path: Path
    commit: str = ""
    tag: str = ""
    lock_sha256: str = ""
    built: str = ""
    problem: str = ""


class Home:
    """The directory of the product on one host. ``lock`` is the lock file within a release, empty for none."""

    def __init__(self, directory: str, lock: str = "") -> None:
        self.root = Path(directory)
        self.lock = lock
        self.releases = self.root / "releases"
        self.current = self.root / "current"
        self.mirror = self.root / "repo.git"
        self.log = self.root / "releases.jsonl"

    def directory(self, commit: str) -> Path:
        """Where the release of a full commit lies, or would lie."""
        if not SHA.match(commit):
            raise BadInput(f"{commit!r} is not a full commit.", hint="A commit has 40 hexadecimal digits.")
        return Path(files.inside(str(self.releases), str(self.releases / commit[:SHORT])))

    def release(self, commit: str) -> Release:
        """The release of ``commit``; its ``problem`` is not empty when it is absent, unfinished or damaged."""
        found = self.inspect(self.directory(commit))
        if not found.problem and found.commit != commit:
            return Release(found.path, problem=f"{found.path} belongs to commit {found.commit}, not to {commit}")
        return found

    def inspect(self, path: Path) -> Release:
        """What lies at ``path``."""
        if not path.is_dir():
            return Release(path, problem="it is not on this host")
        marker = _json(files.read(path / MARKER))
        commit = str(marker.get("commit", ""))
        if not marker:
            return Release(path, problem=f"{path} was never finished: it has no {MARKER}")
        if not SHA.match(commit) or path.name != commit[:SHORT]:
            return Release(path, problem=f"the marker of {path} names commit {commit!r}")
        said, real = str(marker.get("lock_sha256", "")), self.lock_sha256(path)
        tag = str(marker.get("tag", ""))
        problem = f"{self.lock} of {path} was changed after the build" if said and said != real else ""
        return Release(path, commit, tag, real, str(marker.get("built", "")), problem)

    def lock_sha256(self, path: Path) -> str:
        """The SHA-256 of a release's lock file, empty when it has none."""
        data = files.read(path / self.lock) if self.lock else None
        return files.digest(data) if data is not None else ""

    def link(self) -> str:
        """Where ``current`` points, as it is written; empty when there is none."""
        if not os.path.lexists(self.current):
            return ""
        if not self.current.is_symlink():
            raise BadInput(
                f"{self.current} is not a symlink, so it cannot be switched.",
                hint="Move the release to releases/<first 12 of its commit>/ and make current a symlink to it.",
                next=f"ls -ld {self.current}",
                code="release-current-not-link",
            )
        return os.readlink(self.current)

    def live(self) -> Release:
        """The release that ``current`` leads to."""
        if not self.link():
            return Release(self.current, problem=f"there is no {self.current}")
        found = self.inspect(files.inside(str(self.releases), str(self.current)))
        return found if found.path.is_dir() else Release(found.path, problem=f"{self.current} leads to nothing")

    def all(self) -> list[Release]:
        """Every release directory, finished or not."""
        if not self.releases.is_dir():
            return []
        names = sorted(os.listdir(self.releases))
        return [self.inspect(self.releases / name) for name in names if re.fullmatch(r"[0-9a-f]{12}", name)]

    def bad(self, commit: str) -> dict[str, str]:
        """The mark of a bad release, {} when it has none."""
        return _json(files.read(self._mark(commit)))

    def mark_bad(self, commit: str, change: str, reason: str, at: str) -> None:
        """Have ``commit`` never chosen again by itself; an older mark stays."""
        if not self.bad(commit):
            said = {"at": at, "change": change, "reason": reason}
            files.write(self._mark(commit), json.dumps(said).encode() + b"\n", 0o644)

    def unmark_bad(self, commit: str, change: str) -> None:
        """Take away the mark that ``change`` has made."""
        if self.bad(commit).get("change") == change:
            files.remove(self._mark(commit))

    def switches(self) -> list[dict[str, Any]]:
        """The release log, oldest first. A line that was cut off in the middle is left out."""
        lines = (files.read(self.log) or b"").split(b"\n")
        found = [_json(line) for line in lines if line]
        return [line for line in found if SHA.match(str(line.get("commit", "")))]

    def append(self, line: dict[str, Any]) -> None:
        """Add one line to the release log, on disk when this returns."""
        torn = not (files.read(self.log) or b"\n").endswith(b"\n")
        with open(self.log, "ab") as log:
            log.write(b"\n" * torn + json.dumps(line).encode() + b"\n")
            log.flush()
            os.fsync(log.fileno())

    def change(self, name: str) -> dict[str, Any]:
        """What a change goes to and what it replaced, {} when it was never prepared."""
        return {} if not name else _json(files.read(self._change(name)))

    def write_change(self, name: str, record: dict[str, Any]) -> None:
        """Keep what a change is about."""
        files.write(
            files.private_directory(self.root / "changes") / f"{name}.json", json.dumps(record).encode() + b"\n"
        )

    def _change(self, name: str) -> Path:
        if not CHANGE.match(name):
            raise BadInput(f"{name!r} is not the id of a change.", hint="It is letters, digits, '-', '_' and '.'.")
        return self.root / "changes" / f"{name}.json"

    def _mark(self, commit: str) -> Path:
        return self.releases / f"{self.directory(commit).name}.bad"


def require(release: Release, name: str) -> Release:
    """``release`` when it is complete, else TargetMissing."""
    if release.problem:
        raise TargetMissing(
            f"The release {name} cannot be used: {release.problem}.",
            hint="A complete release has its marker .release.json, which a build writes last.",
            next=f"ls -la {release.path}",
            code="release-missing",
        )
    return release


def _json(data: bytes | None) -> dict[str, Any]:
    try:
        found = json.loads(data or b"{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
