# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ctrl-C once: the run stops after the step that is under way. Once more: Ansible ends at once, as ever."""

from __future__ import annotations

import os
import signal
from typing import Any

SAID = b"\n      Ctrl-C: the run stops after this step. Once more: it stops at once.\n"
_state: dict[str, Any] = {"asked": False, "earlier": None}


def listen() -> None:
    """Take Ctrl-C as a wish from now on. Called in Ansible's main process, by the screen."""
    if _state["earlier"] is None and not _state["asked"]:
        _state["earlier"] = signal.signal(signal.SIGINT, _take)


def over() -> None:
    """Leave Ctrl-C to Ansible again."""
    if _state["earlier"] is not None:
        signal.signal(signal.SIGINT, _state["earlier"])
        _state["earlier"] = None


def asked() -> bool:
    """Whether the operator wants the run to stop. A task's process is forked: it knows what was known at its start."""
    return bool(_state["asked"])


def _take(_signum: int, _frame: Any) -> None:
    _state["asked"] = True
    over()
    # Not through Display: whoever holds its lock may be the one that was interrupted.
    os.write(1, SAID)
