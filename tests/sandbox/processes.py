# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which processes belong to a sandbox, read from /proc, so that stopping can prove that none is left."""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Process:
    """One process; ``born`` (clock ticks since boot) tells it from a later one with the same id."""

    pid: int
    parent: int
    session: int
    born: int


def of_session(leader: int) -> list[Process]:
    """Every live process of the leader's session and every descendant of one: a daemon may begin its own session."""
    alive = _alive()
    found = {process.pid: process for process in alive if process.session == leader or process.pid == leader}
    while True:
        children = [one for one in alive if one.parent in found and one.pid not in found]
        if not children:
            return list(found.values())
        found.update({child.pid: child for child in children})


def still_there(processes: list[Process]) -> list[Process]:
    """Those of ``processes`` that are alive; a zombie is dead, it only waits for its parent."""
    alive = set(_alive())
    # An orphan has another parent than before.
    born = {(process.pid, process.born) for process in alive}
    return [process for process in processes if (process.pid, process.born) in born]


def kill(processes: list[Process]) -> None:
    """End them at once."""
    for process in still_there(processes):
        try:
            os.kill(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            continue


def _alive() -> list[Process]:
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                text = (entry / "stat").read_text(encoding="utf-8", errors="replace")
            except OSError:
                continue
            # The name may hold spaces and parentheses; the fields after its last parenthesis are plain.
            fields = text.rpartition(")")[2].split()
            if fields[0] not in "ZX":
                found.append(Process(int(entry.name), int(fields[1]), int(fields[3]), int(fields[19])))
    return found
