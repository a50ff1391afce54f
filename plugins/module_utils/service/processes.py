# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which processes belong to a unit, read from /proc: a service is stopped when none of them is left."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")


@dataclass(frozen=True)
class Process:
    """One process; ``born`` (clock ticks since boot) tells it from a later one with the same id."""

    pid: int
    born: int


@dataclass(frozen=True)
class _Seen:
    process: Process
    parent: int
    group: int


def of_leader(pid: int) -> frozenset[Process]:
    """The process ``pid``, its process group and all their descendants."""
    alive = _alive()
    return _below(alive, {one.process.pid for one in alive if pid in (one.process.pid, one.group)})


def descendants(pid: int) -> frozenset[Process]:
    """The process ``pid`` and all that it has started."""
    alive = _alive()
    return _below(alive, {one.process.pid for one in alive if one.process.pid == pid})


def _below(alive: list[_Seen], found: set[int]) -> frozenset[Process]:
    while True:
        more = {one.process.pid for one in alive if one.parent in found} - found
        if not more:
            return frozenset(one.process for one in alive if one.process.pid in found)
        found |= more


def children(pid: int) -> frozenset[Process]:
    """The processes that ``pid`` has started."""
    return frozenset(one.process for one in _alive() if one.parent == pid)


def of_cgroup(unit: str) -> frozenset[Process]:
    """The processes in the control group of a systemd unit, whatever the depth."""
    found = set()
    for one in _alive():
        try:
            lines = (PROC / str(one.process.pid) / "cgroup").read_text(encoding="utf-8").splitlines()
        except OSError:
            continue  # it has just ended
        if any(unit in line.rpartition(":")[2].split("/") for line in lines):
            found.add(one.process)
    return frozenset(found)


def still_there(processes: frozenset[Process]) -> frozenset[Process]:
    """Those of ``processes`` that are alive; a zombie is dead, it only waits for its parent."""
    return processes & {one.process for one in _alive()}


def named(processes: frozenset[Process]) -> str:
    """Processes for a message: id and program. Arguments may hold secrets."""
    texts = []
    for pid in sorted(process.pid for process in processes):
        try:
            texts.append(f"{pid} ({(PROC / str(pid) / 'comm').read_text(encoding='utf-8').strip()})")
        except OSError:
            texts.append(str(pid))
    return ", ".join(texts)


def _alive() -> list[_Seen]:
    found = []
    for name in os.listdir(PROC):
        if name.isdigit():
            try:
                text = (PROC / name / "stat").read_text(encoding="utf-8", errors="replace")
            except OSError:
                continue
            # The name may hold spaces and parentheses; the fields after its last parenthesis are plain.
            state, parent, group, *rest = text.rpartition(")")[2].split()
            if state not in "ZX":
                found.append(_Seen(Process(int(name), int(rest[16])), int(parent), int(group)))
    return found
