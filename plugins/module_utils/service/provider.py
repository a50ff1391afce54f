# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the services of a host are, and what a supervisor of processes can do with one of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from .processes import Process

LOG_LINES = 40


@dataclass(frozen=True)
class Unit:
    """One service. ``reload`` is restart or graceful; ``health`` is a URL that answers 200 once it is up, or empty."""

    name: str
    reload: str = "restart"
    health: str = ""


@dataclass(frozen=True)
class State:
    """What a provider says of a unit. ``word`` is its own word; ``pid`` is 0 when it does not run."""

    up: bool
    settled: bool
    word: str
    pid: int = 0


class Provider(Protocol):
    """systemd or supervisor. Every request returns at once; the caller looks until it has taken hold."""

    def state(self, unit: Unit) -> State:
        """How the unit is. Raises BadInput when there is no such unit."""

    def processes(self, unit: Unit) -> frozenset[Process]:
        """Every process that belongs to the unit now."""

    def stop(self, unit: Unit) -> None:
        """Ask it to end gracefully."""

    def start(self, unit: Unit) -> None:
        """Ask it to start."""

    def reload(self, unit: Unit) -> None:
        """Ask it to replace its workers without closing its sockets."""

    def log(self, unit: Unit) -> str:
        """The end of what it wrote, for a message."""
