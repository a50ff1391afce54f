# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The embedded sandbox: WabotIQ and everything it needs, in one directory, on loopback, without privileges.

``start``, ``stop`` and ``status`` are the life of it; ``deploy`` puts a release on it as the team's pipeline would;
"""

from __future__ import annotations

from .deployment import deploy
from .layout import Sandbox
from .life import start, status, stop
from .privileges import unprivileged

__all__ = [
    "Sandbox",
    "deploy",
    "start",
    "status",
    "stop",
    "unprivileged",
]
