# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The names under which databases lie side by side. A name alone says whose a database is and what it is for."""

from __future__ import annotations

import hashlib

LONGEST = 63  # bytes of a PostgreSQL identifier; the server cuts longer ones without a word


def good(database: str, change: str) -> str:
    """What is to go live in this change; after it was undone, what had been live in between."""
    return _beside(database, f"__good_{change}")


def bad(database: str, change: str) -> str:
    """What this change took out of service: the way back, and the forensic copy."""
    return _beside(database, f"__bad_{change}")


def snapshot(database: str, point: str) -> str:
    """The copy that a restore point keeps inside the cluster."""
    return _beside(database, f"__point_{point}")


def _beside(database: str, suffix: str) -> str:
    """``database`` + ``suffix``; one that is too long is cut, and a hash of the whole keeps it apart from others."""
    if len((database + suffix).encode()) <= LONGEST:
        return database + suffix
    suffix = f"~{hashlib.sha256(database.encode()).hexdigest()[:8]}{suffix}"
    return database.encode()[: LONGEST - len(suffix.encode())].decode(errors="ignore") + suffix
