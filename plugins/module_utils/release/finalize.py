# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Delete releases that nobody will go back to: the only part of this room that deletes."""

from __future__ import annotations

import os
import shutil
from collections.abc import Collection
from pathlib import Path
from typing import Any

from ..core.canonical import epoch
from ..core.errors import BadInput, LockHeld
from . import locks
from .layout import SHORT, Home, Release

GOING = ".removing-"


def prune(home: Home, keep: int, named: Collection[str], dry_run: bool) -> dict[str, Any]:
    """Leave the ``keep`` newest releases and all that somebody names. ``named`` are commits of restore points."""
    if keep < 1:
        raise BadInput(f"release_keep is {keep}: the live release must stay.", hint="Keep at least 1, better 5.")
    held = protected(home, named)
    whole = [release for release in home.all() if not release.problem]
    newest = sorted(whole, key=lambda release: _age(home, release), reverse=True)
    going = [release.path for release in newest[keep:] if release.path.name not in held]
    going += [path for path in sorted(home.releases.glob("*.kept-*")) if path.is_dir() and not path.is_symlink()]
    left = sorted(home.releases.glob(f"{GOING}*"))
    busy: list[str] = []
    if not dry_run:
        busy = [path.name for path in going if not _remove(home, path)]
        for path in left:
            shutil.rmtree(path)
        _forget(home)
    gone = {path.name for path in going} - set(busy)
    return {
        "changed": bool(gone or left),
        "removed": sorted(gone),
        "busy": sorted(busy),
        "kept": [f"{release.path.name} {release.tag}".strip() for release in newest if release.path.name not in gone],
    }


def protected(home: Home, named: Collection[str]) -> set[str]:
    """Names of what must stay: live, linked, named by a restore point, or a way back of the newest rollback."""
    links = [path for path in home.root.iterdir() if path.is_symlink()]
    names = {Path(os.path.realpath(link)).name for link in links}
    names |= {commit[:SHORT] for commit in named}
    good = [line["commit"] for line in home.switches() if not home.bad(line["commit"])]
    names |= {commit[:SHORT] for commit in good[-1:]}
    changes = [home.change(path.stem) for path in (home.root / "changes").glob("*.json")]
    newest = max(changes, key=lambda record: str(record.get("at", "")), default={})
    names |= {str(newest[part]["commit"])[:SHORT] for part in ("target", "replaced") if part in newest}
    return names


def _age(home: Home, release: Release) -> tuple[float, int]:
    """When the release was last switched to or built, and its place in the log. Times of files mean nothing."""
    said = [(_seconds(line.get("at")), n) for n, line in enumerate(home.switches()) if line["commit"] == release.commit]
    return max([*said, (_seconds(release.built), -1)])


def _seconds(text: Any) -> float:
    try:
        return epoch(str(text))
    except ValueError:
        return 0.0


def _remove(home: Home, path: Path) -> bool:
    """Take a release away under its lock; False when a build works in it. What a kill leaves has a name of its own."""
    try:
        with locks.held(home.releases / f".{path.name[:SHORT]}.lock", 0):
            going = path.with_name(GOING + path.name)
            path.rename(going)
            shutil.rmtree(going)
    except LockHeld:
        return False
    return True


def _forget(home: Home) -> None:
    """Drop the records of changes whose releases are gone: they can be neither undone nor done again."""
    there = {release.path.name for release in home.all()}
    for path in (home.root / "changes").glob("*.json"):
        record = home.change(path.stem)
        if record and not {record[part]["commit"][:SHORT] for part in ("target", "replaced")} & there:
            path.unlink()
