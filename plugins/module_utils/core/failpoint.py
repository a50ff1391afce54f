# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Named places at which a test has a run die, fail or freeze. Off unless the controller's environment names one.

``ROLLBACK_FAILPOINT=<step>:<before|inside|after>:<kill|raise|hang>``: before is on the controller, when the intent of
the step is written; after, when its work is done and not yet recorded; inside is on its hosts, amid its act.
"""

from __future__ import annotations

import os
import signal

from .errors import RollbackError

CONTROLLER = "ROLLBACK_FAILPOINT"
HOST = "ROLLBACK_FAILPOINT_HOST"  # set by the engine for the step that is meant, so that no preflight stumbles over it


class Failpoint(RollbackError):
    """A failure that was asked for."""

    code = "failpoint"


def armed_inside(step: str) -> str:
    """What the hosts of ``step`` have to know, empty when it is not the one that is meant."""
    armed = os.environ.get(CONTROLLER, "")
    return armed if armed.startswith(f"{step}:inside:") else ""


def inside(*steps: str) -> None:
    """Half-way through the act of any of ``steps``, on a host."""
    armed = os.environ.get(HOST)
    if armed:
        for step in steps:
            _reach(armed, f"{step}:inside")


def reach(step: str, moment: str, *pids: int) -> None:
    """``before`` or ``after`` a step, on the controller, whose processes are this one and ``pids``."""
    armed = os.environ.get(CONTROLLER)
    if armed:
        _reach(armed, f"{step}:{moment}", *pids)


def _reach(armed: str, place: str, *pids: int) -> None:
    where, _colon, how = armed.rpartition(":")
    if where != place:
        return
    if how == "raise":
        raise Failpoint(
            f"The failpoint {armed} was reached.",
            hint=f"A test asked for it by {CONTROLLER}.",
            next="ansible-playbook resume.yml",
        )
    for pid in (*pids, os.getpid()):
        os.kill(pid, {"kill": signal.SIGKILL, "hang": signal.SIGSTOP}[how])
