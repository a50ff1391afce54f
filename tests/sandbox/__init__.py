# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The embedded sandbox: WabotIQ and everything it needs, in one directory, on loopback, without privileges.

``start``, ``stop`` and ``status`` are the life of it; ``deploy`` puts a release on it as the team's pipeline would;
``load.Load`` are its customers, ``fingerprint`` and ``difference`` compare the world with itself.
"""

from __future__ import annotations

from .deployment import deploy, manage
from .layout import Sandbox
from .life import start, status, stop
from .privileges import unprivileged
from .world import difference, fingerprint

__all__ = [
    "Sandbox",
    "deploy",
    "difference",
    "fingerprint",
    "manage",
    "start",
    "status",
    "stop",
    "unprivileged",
]
