# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether an older release can serve the schema as it is now. Pure: it is given both sides and decides.

A migration is called ``app.name``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

CODE_ONLY, DOWN, RESTORE, REFUSE = "code_only_ok", "needs_down_plan", "needs_restore", "refuse"
# The migrations on disk, each with those that it replaces.
Disk = Mapping[str, "list[str]"]


@dataclass(frozen=True)
class Schema:
    """The database as the live release sees it: the agent's ``describe``.

    ``steps``: for each migration its operations (what, breaks, loses, back), its children, and whether it is atomic.
    """

    applied: tuple[str, ...] = ()
    disk: Disk = field(default_factory=dict)
    steps: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    heads: Mapping[str, list[str]] = field(default_factory=dict)
    pending: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
    paths: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, facts: Mapping[str, Any]) -> Schema:
        """From the agent's answer."""
        values: Any = {key: tuple(value) if isinstance(value, list) else value for key, value in facts.items()}
        return cls(**values)


@dataclass(frozen=True)
class Verdict:
    """``kind`` is one of the four above; ``undo`` are the migrations to undo for DOWN, in that order."""

    kind: str
    reasons: tuple[str, ...]
    lacks: tuple[str, ...] = ()
    undo: tuple[str, ...] = ()


def lacking(applied: tuple[str, ...], disk: Disk, target: Disk) -> list[str]:
    """What is applied and the target does not know, neither by name nor through a squash on either side."""
    known = {*target, *(old for olds in target.values() for old in olds)}
    return [
        name
        for name in applied
        if name not in known and not (disk.get(name) and all(old in known for old in disk[name]))
    ]


def missing(applied: tuple[str, ...], disk: Disk, target: Disk) -> list[str]:
    """What the target has on disk and the database has not seen, neither by name nor through a squash."""
    seen = {*applied, *(old for name in applied for side in (disk, target) for old in side.get(name, []))}
    covered = {old for name, olds in target.items() if name in seen for old in olds}
    return [
        name
        for name, olds in target.items()
        if name not in seen and name not in covered and not (olds and all(old in seen for old in olds))
    ]


def judge(live: Schema, target: Disk) -> Verdict:
    """Whether code alone can go back to a release that has ``target`` on disk."""
    lacks = tuple(lacking(live.applied, live.disk, target))
    refusals = [*live.problems]
    refusals += [
        f"{name} is not applied, and the target expects it" for name in missing(live.applied, live.disk, target)
    ]
    if refusals:
        return Verdict(REFUSE, tuple(refusals), lacks)
    strange = [name for name in lacks if name not in live.steps]
    if strange:
        return Verdict(
            RESTORE, tuple(f"{name}: no release here has it, so nobody knows what it did" for name in strange), lacks
        )
    breaking = [name for name in lacks if _said(live, name, "breaks")]
    if not breaking:
        return Verdict(CODE_ONLY, (), lacks)
    undo = _with_children(live, breaking)
    why = tuple(reason for name in breaking for reason in _said(live, name, "breaks"))
    stuck = tuple(reason for name in undo for reason in _stuck(live, name, lacks))
    return Verdict(RESTORE, why + stuck, lacks) if stuck else Verdict(DOWN, why, lacks, tuple(undo))


def _said(live: Schema, name: str, key: str) -> list[str]:
    return [f"{name}: {op['what']}: {op[key]}" for op in live.steps[name]["operations"] if op[key]]


def _stuck(live: Schema, name: str, lacks: tuple[str, ...]) -> list[str]:
    """Why a migration cannot be undone without harm."""
    step = live.steps[name]
    found = [f"{name}: {op['what']}: cannot be undone" for op in step["operations"] if not op["back"]]
    found += [f"{name}: {op['what']}: undoing it would lose: {op['loses']}" for op in step["operations"] if op["loses"]]
    if not step["atomic"]:
        found.append(f"{name} is not atomic: cut off in the middle, it would be undone by half")
    return found if name in lacks else [*found, f"{name} would have to be undone, and the target has it"]


def _with_children(live: Schema, names: list[str]) -> list[str]:
    """These and everything applied that builds on them, the last one first."""
    wanted, open_ends = set[str](), list(names)
    while open_ends:
        name = open_ends.pop()
        if name not in wanted and name in live.applied:
            wanted.add(name)
            open_ends += live.steps[name]["children"] if name in live.steps else []
    # The steps are in the order in which they build on each other.
    return [name for name in reversed(list(live.steps)) if name in wanted]
