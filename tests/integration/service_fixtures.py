# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A real supervisord with programs of a test."""

from __future__ import annotations

import socket
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

from ansible_collections.steady.rollback.plugins.module_utils.service.provider import Unit
from ansible_collections.steady.rollback.plugins.module_utils.service.supervisor import Supervisor
from integration.queue_fixtures import wait_for

BIN = Path(sys.executable).parent
BASE = """[supervisord]
nodaemon=true
logfile={root}/supervisord.log
pidfile={root}/supervisord.pid
childlogdir={root}
[unix_http_server]
file={root}/s.sock
[rpcinterface:supervisor]
supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface
"""
# startsecs=0 says RUNNING at once, as systemd does of a simple service.
PROGRAM = """[program:{name}]
command={command}
directory={root}
autostart=false
autorestart={again}
startsecs={startsecs}
startretries=1
stopwaitsecs=600
redirect_stderr=true
"""


class Daemon:
    """supervisord in ``root`` with ``programs`` by name.

    Those in ``slow`` must live for a second to be RUNNING; those in ``again`` are started again when they end.
    """

    def __init__(
        self, root: Path, programs: dict[str, str], slow: tuple[str, ...] = (), again: tuple[str, ...] = ()
    ) -> None:
        self.socket, self.programs = root / "s.sock", list(programs)
        text = BASE.format(root=root)
        for name, command in programs.items():
            kind = {"startsecs": int(name in slow), "again": str(name in again).lower()}
            text += PROGRAM.format(name=name, command=command, root=root, **kind)
        (root / "supervisord.conf").write_text(text)
        argv = [sys.executable, str(BIN / "supervisord"), "-c", str(root / "supervisord.conf")]
        self.process = subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_for(self.socket.exists)

    def kill(self, name: str) -> None:
        """End a program at once, with all its processes."""
        for process in Supervisor(str(self.socket)).processes(Unit(name)):
            subprocess.run(["kill", "-9", str(process.pid)], check=False)

    def stop(self) -> None:
        """End everything."""
        for name in self.programs:
            self.kill(name)
        self.process.terminate()
        self.process.wait(20)


def free_ports(count: int) -> list[int]:
    """TCP ports that nobody listens on; the system hands out each only once in a while."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
