# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Start, stop and look at a sandbox."""

from __future__ import annotations

import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

from . import processes, programs, supervisor_rpc
from .database import create_roles, initialise, is_ready
from .inventory import overlay
from .layout import Sandbox
from .privileges import unprivileged

LEADER = "leader.pid"
# A unix socket's path must fit into 108 bytes; supervisord adds a suffix of its own while it binds.
LONGEST_SOCKET = 90


def start(directory: Path) -> Sandbox:
    """Start the services of the sandbox in ``directory``; WabotIQ itself comes with the first ``deploy``."""
    sandbox = Sandbox.create(directory)
    if len(str(sandbox.socket)) > LONGEST_SOCKET:
        raise ValueError(f"{sandbox.directory} is too long for a unix socket: choose a shorter --dir.")
    if status(directory):
        return sandbox
    stop(directory)
    (sandbox.directory / "log").mkdir(exist_ok=True)
    programs.write(sandbox)
    sandbox.inventory.write_text(overlay(sandbox), encoding="utf-8")
    sandbox.inventory.chmod(0o600)
    _supervisord(sandbox)
    initialise(sandbox)
    supervisor_rpc.connect(sandbox.socket).startProcess(programs.DATABASE)
    supervisor_rpc.until(lambda: is_ready(sandbox), 15, "PostgreSQL")
    create_roles(sandbox)
    _origin(sandbox)
    supervisor_rpc.until(lambda: _answers(sandbox.url("s3") + "/healthz"), 20, "SeaweedFS")
    supervisor_rpc.until(lambda: _answers(sandbox.url()), 5, "nginx")
    return sandbox


def stop(directory: Path) -> None:
    """Stop everything. Raises RuntimeError when a process outlives even SIGKILL."""
    pid_file = directory.resolve() / LEADER
    if not pid_file.exists():
        return
    sandbox = Sandbox.open(directory)
    ours = processes.of_session(int(pid_file.read_text(encoding="utf-8")))
    if supervisor_rpc.states(sandbox.socket):
        supervisor = supervisor_rpc.connect(sandbox.socket)
        # All at once: a shutdown alone would wait for one program after the other.
        supervisor.stopAllProcesses(True)
        supervisor.shutdown()
        _wait_gone(ours, 15)
    processes.kill(ours)
    _wait_gone(ours, 5)
    left = processes.still_there(ours)
    if left:
        raise RuntimeError(f"These processes did not end: {[process.pid for process in left]}")
    pid_file.unlink()


def status(directory: Path) -> dict[str, str]:
    """{program: state of supervisord}, empty when the sandbox is not up."""
    try:
        sandbox = Sandbox.open(directory)
    except FileNotFoundError:
        return {}
    return supervisor_rpc.states(sandbox.socket)


def _wait_gone(ours: list[processes.Process], seconds: float) -> None:
    try:
        supervisor_rpc.until(lambda: not processes.still_there(ours), seconds, "The end of the processes")
    except TimeoutError:
        return  # The caller looks again, and acts on what is left.


def _supervisord(sandbox: Sandbox) -> None:
    """Start supervisord as the leader of a session of its own, by which all that it starts is found again."""
    program = programs.program("supervisord")
    command = unprivileged([sys.executable, program, "-c", str(sandbox.directory / "supervisord.conf")])
    log = (sandbox.directory / "log" / "supervisord.out").open("ab")
    with log:
        leader = subprocess.Popen(
            command,
            cwd=sandbox.directory,
            env=programs.surroundings(),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    (sandbox.directory / LEADER).write_text(str(leader.pid), encoding="utf-8")
    supervisor_rpc.until(lambda: bool(supervisor_rpc.states(sandbox.socket)), 10, "supervisord")


def _origin(sandbox: Sandbox) -> None:
    """The team's git server: WabotIQ's history, built from this repository's files."""
    origin = sandbox.directory / "origin.git"
    if not origin.exists():
        builder = Path(__file__).resolve().parent.parent / "systems" / "wabot" / "build_history.py"
        subprocess.run([sys.executable, str(builder), str(origin)], check=True, stdout=subprocess.DEVNULL)


def _answers(url: str) -> bool:
    """Whether anything speaks HTTP there, whatever it says."""
    try:
        urllib.request.urlopen(url, timeout=2).close()
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False
    return True
