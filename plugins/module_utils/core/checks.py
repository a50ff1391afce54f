# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One row of a preflight: what was looked at, what was found, and the command that mends it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

LEVELS = ("ok", "warn", "fail")


@dataclass(frozen=True)
class Check:
    """A finding. ``level`` is one of LEVELS; ``fix`` is a command or one sentence, empty when all is well."""

    level: str
    name: str
    found: str
    fix: str = ""
    code: str = ""

    def row(self) -> dict[str, Any]:
        """As a module returns it in ``rows``."""
        return asdict(self)


def ok(name: str, found: str) -> Check:
    """All is well."""
    return Check("ok", name, found)


def warn(name: str, found: str, fix: str = "", code: str = "") -> Check:
    """The operator should know; the run may go on."""
    return Check("warn", name, found, fix, code)


def fail(name: str, found: str, fix: str, code: str) -> Check:
    """The run must not start. A failing check always says how to mend it."""
    return Check("fail", name, found, fix, code)
