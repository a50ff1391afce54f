# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Programs of supervisor, over the XML-RPC socket of its daemon. Nothing of supervisor is installed for that."""

from __future__ import annotations

import http.client
import re
import socket
import xmlrpc.client
from typing import Any

from ..core.errors import BadInput, CommandFailed
from . import processes
from .processes import Process
from .provider import LOG_LINES, State, Unit

# Faults of supervisor.xmlrpc.
BAD_NAME, ALREADY_STARTED, NOT_RUNNING = 10, 60, 70
NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:-]{0,200}\Z")
LOG_BYTES = 8192


class _Connection(http.client.HTTPConnection):
    def __init__(self, path: str, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self.path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class _Transport(xmlrpc.client.Transport):
    def __init__(self, path: str, timeout: float) -> None:
        super().__init__()
        self.path, self.timeout = path, timeout

    def make_connection(self, host: Any) -> _Connection:
        return _Connection(self.path, self.timeout)


class Supervisor:
    """The daemon behind the unix socket ``path``. Every call returns within ``timeout`` seconds."""

    def __init__(self, path: str, timeout: float = 10.0) -> None:
        self.path = path
        self.server = xmlrpc.client.ServerProxy("http://localhost", transport=_Transport(path, timeout))

    def state(self, unit: Unit) -> State:
        """State and process of the program."""
        info = self._call("getProcessInfo", unit)
        word = str(info["statename"])
        return State(word == "RUNNING", word not in ("STARTING", "STOPPING", "BACKOFF"), word, int(info["pid"]))

    def processes(self, unit: Unit) -> frozenset[Process]:
        """The program's process group and its descendants."""
        pid = self.state(unit).pid
        return processes.of_leader(pid) if pid else frozenset()

    def stop(self, unit: Unit) -> None:
        """Stop it, without waiting for its end."""
        self._call("stopProcess", unit, False, allowed=NOT_RUNNING)

    def start(self, unit: Unit) -> None:
        """Start it, without waiting."""
        self._call("startProcess", unit, False, allowed=ALREADY_STARTED)

    def reload(self, unit: Unit) -> None:
        """The signal HUP."""
        self._call("signalProcess", unit, "HUP")

    def log(self, unit: Unit) -> str:
        """The end of its standard output and error."""
        try:
            parts = [self._call(f"tailProcess{name}Log", unit, 0, LOG_BYTES)[0] for name in ("Stdout", "Stderr")]
        except CommandFailed as error:
            return error.message
        return "\n".join("\n".join(part.splitlines()[-LOG_LINES:]) for part in parts if part)

    def _call(self, method: str, unit: Unit, *arguments: Any, allowed: int = 0) -> Any:
        if not NAME.match(unit.name) or unit.name.rpartition(":")[2] in ("all", "*", ""):
            raise BadInput(
                f"{unit.name!r} is not the name of one program.", hint="Name each program, as group:program."
            )
        try:
            return getattr(self.server.supervisor, method)(unit.name, *arguments)
        except xmlrpc.client.Fault as fault:
            if fault.faultCode == allowed:
                return None
            if fault.faultCode == BAD_NAME:
                raise BadInput(
                    f"supervisor knows no program {unit.name}.",
                    hint="Correct service_units; after a change of its configuration supervisor must read it again.",
                    next=f"supervisorctl -s unix://{self.path} status",
                    code="service-unknown",
                ) from fault
            said = fault.faultString
        except (OSError, http.client.HTTPException, xmlrpc.client.Error) as error:
            said = str(error) or type(error).__name__
        raise CommandFailed(
            f"supervisor at {self.path} did not do {method} {unit.name}: {said}.",
            hint="Does supervisord run, and may this account use its socket?",
            next=f"ls -l {self.path}",
            code="service-refused",
        )
