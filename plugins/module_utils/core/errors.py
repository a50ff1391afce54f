# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Every way in which a rollback can refuse or fail: one class a kind, each with its way out."""

from __future__ import annotations

from typing import Any

from .redact import clean


class RollbackError(Exception):
    """What went wrong, what to do about it, and the exact next command.

    ``code`` is stable and has an anchor in ``docs/errors.md``; a raise site may narrow its class's code.
    ``facts`` reach the module's result, so a failure still returns what was known. The texts may quote what others
    wrote: characters that would change how a screen reads are taken off here, for all who show an error.
    """

    code = "failed"

    def __init__(self, message: str, *, hint: str = "", next: str = "", code: str = "", **facts: Any) -> None:  # noqa: A002
        self.message = clean(message)
        self.hint = clean(hint)
        self.next = clean(next)
        super().__init__(self.message)
        self.code = code or type(self).code
        self.facts = facts


class BadInput(RollbackError):
    """A value given by the operator or the inventory cannot be used."""

    code = "bad-input"


class DriverMissing(RollbackError):
    """A Python package or a program that this host needs is not installed."""

    code = "driver-missing"


class TargetMissing(RollbackError):
    """There is nothing to roll back to."""

    code = "target-missing"


class TargetRefused(RollbackError):
    """The target exists, but going back to it would do harm."""

    code = "target-refused"


class BackupUnusable(RollbackError):
    """A backup is missing, short, changed, foreign or too old."""

    code = "backup-unusable"


class StorageFailed(RollbackError):
    """The object store refused or broke off."""

    code = "storage-failed"


class DatabaseFailed(RollbackError):
    """The database refused, or is not reachable."""

    code = "database-failed"


class CommandFailed(RollbackError):
    """A program that was run ended badly."""

    code = "command-failed"


class NotEffective(RollbackError):
    """An action was taken, and reading back shows that it did not take hold."""

    code = "not-effective"


class DrainTimeout(RollbackError):
    """Work in progress did not end within its bound."""

    code = "drain-timeout"


class GateFailed(RollbackError):
    """A gate measured a value beyond its threshold, or could not decide."""

    code = "gate-failed"


class LockHeld(RollbackError):
    """Somebody else changes this environment."""

    code = "lock-held"


class PlanRefused(RollbackError):
    """The plan cannot be run as it was asked for."""

    code = "plan-refused"


class JournalBroken(RollbackError):
    """The record of a run cannot be read or written."""

    code = "journal-broken"
