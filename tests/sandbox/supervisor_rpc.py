# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The sandbox's supervisord, spoken to over its socket."""

from __future__ import annotations

import http.client
import time
import xmlrpc.client
from typing import TYPE_CHECKING, Any, Callable

from supervisor.xmlrpc import Faults, SupervisorTransport

if TYPE_CHECKING:
    from pathlib import Path

# What a call raises when nobody answers at the socket.
NOBODY_THERE = (OSError, http.client.HTTPException)


def connect(socket: Path) -> Any:
    """The ``supervisor`` namespace of its XML-RPC interface."""
    transport: Any = SupervisorTransport(None, None, f"unix://{socket}")  # type: ignore[no-untyped-call]
    return xmlrpc.client.ServerProxy("http://127.0.0.1", transport=transport).supervisor


def states(socket: Path) -> dict[str, str]:
    """{program: state}, empty when supervisord is not up."""
    try:
        return {program["name"]: program["statename"] for program in connect(socket).getAllProcessInfo()}
    except NOBODY_THERE:
        return {}


def restart(socket: Path, name: str) -> None:
    """Stop a program if it runs, and start it from what is current now."""
    supervisor = connect(socket)
    try:
        supervisor.stopProcess(name)
    except xmlrpc.client.Fault as fault:
        if fault.faultCode != Faults.NOT_RUNNING:
            raise
    supervisor.startProcess(name)


def add(socket: Path, names: list[str]) -> None:
    """Have supervisord know programs that its configuration has got since it started."""
    supervisor = connect(socket)
    supervisor.reloadConfig()
    known = states(socket)
    for name in names:
        if name not in known:
            supervisor.addProcessGroup(name)


def until(is_so: Callable[[], bool], seconds: float, what: str) -> None:
    """Wait for ``is_so``; raises TimeoutError that names ``what`` was awaited."""
    end = time.monotonic() + seconds
    while not is_so():
        if time.monotonic() > end:
            raise TimeoutError(f"{what} did not come within {seconds:g} s.")
        time.sleep(0.05)
