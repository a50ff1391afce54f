# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which commit a rollback goes to: decided once for a change, then kept."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..core.errors import TargetMissing
from .git import Mirror, name
from .layout import SHA, Home

PREVIOUS = "previous"


@dataclass(frozen=True)
class Target:
    """A full commit and its tag; ``where`` says by what it is known: change, mirror, host, origin or its own name."""

    commit: str
    tag: str
    where: str


def find(home: Home, mirror: Mirror, change: str, wanted: str) -> Target:
    """The target of a change. ``wanted`` is a tag, a commit or 'previous'."""
    if kept := home.change(change).get("target"):
        return Target(kept["commit"], kept["tag"], "change")
    if not wanted:
        raise TargetMissing(
            "No release is named to go back to.",
            hint="A restore point names one. Without one: -e release=<tag, commit or previous>.",
            code="release-unnamed",
        )
    if wanted == PREVIOUS:
        line = previous(home)
        return Target(line["commit"], str(line.get("tag", "")), "host")
    if found := mirror.resolve(wanted):
        tag = mirror.tag(found) if SHA.match(wanted) or wanted == found[: len(wanted)] else wanted
        return Target(found, tag, "mirror")
    for release in home.all():
        if not release.problem and (release.tag == wanted or release.commit.startswith(wanted)):
            return Target(release.commit, release.tag, "host")
    if mirror.origin and (found := mirror.advertised(name(wanted))):
        return Target(found, "" if SHA.match(wanted) else wanted, "origin")
    if SHA.match(wanted):
        return Target(wanted, "", "name")
    raise TargetMissing(
        f"Nobody knows a release {wanted!r}: neither the mirror, nor the releases on this host, nor the repository.",
        hint="Name a tag, a full commit, or 'previous'.",
        next=f"git --git-dir {home.mirror} tag --list",
        code="release-unknown",
    )


def previous(home: Home) -> dict[str, Any]:
    """The line of the release log of the newest release before the live one that no rollback has left."""
    live = home.live().commit
    for line in reversed(home.switches()):
        if line["commit"] != live and not home.bad(line["commit"]):
            return dict(line)
    raise TargetMissing(
        "The release log names no earlier release that is good.",
        hint="What a rollback has left is marked bad and never chosen by 'previous'. Name a tag or a commit.",
        next=f"cat {home.log}",
        code="release-no-previous",
    )
