# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A preflight never fails: what it cannot look at is itself a finding."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from .core import checks
from .core.errors import RollbackError


def rows(name: str, *looks: Callable[[], Iterable[checks.Check]]) -> list[dict[str, Any]]:
    """The rows of every look. One that raises becomes a failing row called ``name``, and the others still run."""
    found: list[checks.Check] = []
    for look in looks:
        try:
            found += look()
        except RollbackError as error:
            found.append(checks.fail(name, error.message, error.next or error.hint, error.code))
    return [check.row() for check in found]
