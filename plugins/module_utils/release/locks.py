# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One builder at a time, also after its module was killed: programs that it started keep the lock until they end."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .. import files
from ..core.errors import LockHeld


@contextmanager
def held(path: Path, timeout: float) -> Iterator[int]:
    """Hold the lock file ``path``; the value is the descriptor that programs inherit."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o644)
    try:
        files.lock(handle, timeout, lambda: _busy(path, timeout))
        yield handle
    finally:
        os.close(handle)


def _busy(path: Path, timeout: float) -> LockHeld:
    return LockHeld(
        f"Another build still works below {path.parent} after {timeout:g} s.",
        hint="Its module may have been killed and its programs live on. Wait for them, or end them.",
        next=f"fuser -v {path}",
        code="release-build-running",
    )
