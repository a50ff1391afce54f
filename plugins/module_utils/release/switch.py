# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Make another release the live one, by one rename, and the way back. What was live is remembered for the change."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

from .. import files
from ..core import failpoint
from ..core.canonical import utc
from ..core.errors import NotEffective, TargetMissing, TargetRefused
from .layout import Home, Release, require
from .target import Target

DEPLOY, ROLLBACK, UNDO = "deploy", "rollback", "undo"


@dataclass(frozen=True)
class Change:
    """A run as the release log names it."""

    name: str
    by: str
    reason: str
    at: float


def remember(home: Home, change: Change, target: Target) -> dict[str, Any]:
    """Write down, once for a change, where it goes and what it will replace."""
    if kept := home.change(change.name):
        return kept
    live = home.live()
    record = {
        "target": {"commit": target.commit, "tag": target.tag},
        "replaced": {"link": home.link(), "commit": live.commit, "tag": live.tag},
        "at": utc(change.at),
    }
    home.write_change(change.name, record)
    return record


def switch(home: Home, change: Change, dry_run: bool) -> dict[str, Any]:
    """Make the target of the change live; what it replaces is marked bad."""
    record = home.change(change.name)
    if not record:
        raise TargetMissing(
            f"The change {change.name} was never prepared on this host.",
            hint="The step release.prepare decides where to go and proves that the release is there.",
            code="release-not-prepared",
        )
    target = require(home.release(record["target"]["commit"]), record["target"]["commit"][:12])
    where = str(target.path)
    moved = _refuse_elsewhere(home, record, where)
    if not dry_run:
        if record["replaced"]["commit"] not in ("", target.commit):
            home.mark_bad(record["replaced"]["commit"], change.name, change.reason, utc(change.at))
        failpoint.inside("release.switch")
        if moved:
            point(home, where)
        _log(home, change, target, ROLLBACK)
    return _result(home, moved, record, target)


def switch_back(home: Home, change: Change, dry_run: bool) -> dict[str, Any]:
    """Make live again what the change has replaced, and take its bad mark away."""
    record = home.change(change.name)
    if not record or record["replaced"]["commit"] == record["target"]["commit"]:
        # Killed before anything was decided, or there was nothing to switch.
        return {"changed": False, **facts(home.live())}
    target = str(home.directory(record["target"]["commit"]))
    moved = _refuse_elsewhere(home, record, target, back=True)
    if not record["replaced"]["link"]:
        raise TargetMissing(
            "No release was live before this change, so there is none to go back to.",
            hint="Name the release that is to be live: code-rollback.yml -e release=<tag>.",
            code="release-none-before",
        )
    if not dry_run:
        if moved:
            point(home, record["replaced"]["link"])
        failpoint.inside("release.switch_back")
        if record["replaced"]["commit"]:
            home.unmark_bad(record["replaced"]["commit"], change.name)
            _log(home, change, home.live(), UNDO)
    return _result(home, moved, record, home.live())


def verify(home: Home, commit: str) -> Release:
    """The live release, when it is the complete release of ``commit``; else NotEffective."""
    live = home.live()
    if live.problem or live.commit != commit:
        raise NotEffective(
            f"Live is {live.commit[:12] or 'no release'}, not {commit[:12]}"
            + (f": {live.problem}." if live.problem else "."),
            hint="Something else has switched releases, or the switch has not run on this host.",
            next=f"tail -n 3 {home.log}",
            code="release-not-live",
        )
    return live


def point(home: Home, where: str) -> None:
    """Have ``current`` lead to ``where``, by one rename."""
    fresh = home.root / ".current.new"
    files.remove(fresh)
    os.symlink(where, fresh)
    os.replace(fresh, home.current)
    files.sync_directory(home.root)
    if home.link() != where:
        raise NotEffective(
            f"{home.current} leads to {home.link()}, not to {where}.",
            hint="Something else switches releases at the same time.",
            code="release-not-live",
        )


def facts(live: Release) -> dict[str, str]:
    """A release as results name it."""
    return {"commit": live.commit, "tag": live.tag, "path": str(live.path), "lock_sha256": live.lock_sha256}


def _refuse_elsewhere(home: Home, record: dict[str, Any], target: str, back: bool = False) -> bool:
    """Whether the link must move; TargetRefused when it is neither at the target nor at what it replaces."""
    now, before = home.link(), record["replaced"]["link"]
    at_target = now == target or (bool(now) and os.path.realpath(home.current) == target)
    if at_target or now == before:
        return at_target if back else not at_target
    raise TargetRefused(
        f"{home.current} leads to {now}: somebody has switched releases since this run was prepared.",
        hint=f"This run goes from {before or 'nothing'} to {target}. Stop the deployment, then start a new rollback.",
        next=f"tail -n 3 {home.log}",
        code="release-moved",
    )


def _log(home: Home, change: Change, live: Release, action: str) -> None:
    """One line for a switch, also when the module was killed between the rename and the line."""
    mine = [line["commit"] for line in home.switches() if line.get("change") == change.name]
    before = mine[-1] if mine else home.change(change.name)["replaced"]["commit"]
    if before != live.commit:
        line = {"at": utc(change.at), "commit": live.commit, "tag": live.tag, "path": str(live.path)}
        home.append({**line, "action": action, "by": change.by, "change": change.name})


def _result(home: Home, moved: bool, record: dict[str, Any], live: Release) -> dict[str, Any]:
    replaced = {key: record["replaced"][key] for key in ("commit", "tag")}
    return {"changed": moved, **facts(live), "replaced": replaced}
