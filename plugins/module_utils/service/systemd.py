# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Units of systemd, by systemctl."""

from __future__ import annotations

import re
import subprocess

from .. import drivers
from ..core.errors import BadInput, CommandFailed
from . import processes
from .processes import Process
from .provider import LOG_LINES, State, Unit

NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:@\\-]{0,200}\.(?:service|target|socket)\Z")


class Systemd:
    """``sudo``: the account is not root and may run systemctl by a rule of sudo. ``timeout`` is seconds a command."""

    def __init__(self, sudo: bool, timeout: float = 20.0) -> None:
        self.prefix = [drivers.program("sudo", "sudo"), "-n", "--"] if sudo else []
        self.timeout = timeout

    def state(self, unit: Unit) -> State:
        """ActiveState and main process of the unit."""
        wanted = "--property=LoadState,ActiveState,SubState,MainPID"
        shown = self._run(["systemctl", "show", wanted, "--", named(unit)])
        found = dict(line.partition("=")[::2] for line in shown.splitlines())
        if found.get("LoadState") != "loaded":
            raise BadInput(
                f"systemd knows no unit {unit.name}: {found.get('LoadState', 'no answer')}.",
                hint="Correct service_units; a unit of a timer or a template has its full name.",
                next="systemctl list-units --type=service",
                code="service-unknown",
            )
        active = found["ActiveState"]
        settled = active in ("active", "inactive", "failed")
        return State(active == "active", settled, f"{active} ({found['SubState']})", int(found["MainPID"]))

    def processes(self, unit: Unit) -> frozenset[Process]:
        """The unit's control group."""
        return processes.of_cgroup(named(unit))

    def stop(self, unit: Unit) -> None:
        """systemctl stop, without waiting for its end."""
        self._change("stop", unit)

    def start(self, unit: Unit) -> None:
        """systemctl start; a unit that failed too often before gets a fresh count."""
        if self.state(unit).word.startswith("failed"):
            self._change("reset-failed", unit)
        self._change("start", unit)

    def reload(self, unit: Unit) -> None:
        """systemctl reload."""
        self._change("reload", unit)

    def log(self, unit: Unit) -> str:
        """The end of the unit's journal, when this account may read it."""
        try:
            return self._run(
                ["journalctl", "--no-pager", "--output=cat", f"--lines={LOG_LINES}", f"--unit={named(unit)}"]
            )
        except CommandFailed as error:
            return error.message

    def _change(self, verb: str, unit: Unit) -> None:
        self._run([*self.prefix, "systemctl", "--no-ask-password", "--no-block", verb, "--", named(unit)])

    def _run(self, argv: list[str]) -> str:
        try:
            done = subprocess.run(
                argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace",
                timeout=self.timeout, check=False,
            )  # fmt: skip
        except (OSError, subprocess.TimeoutExpired) as error:
            raise CommandFailed(f"{' '.join(argv)} did not run: {error}.", next="systemctl status") from error
        if done.returncode:
            raise CommandFailed(
                f"{' '.join(argv)} ended with code {done.returncode}.",
                hint=done.stderr.strip()
                or "The account may not control units: set service_sudo and the rule of sudo in the role's README.",
                next=f"systemctl status {argv[-1]}",
                code="service-refused",
            )
        return done.stdout


def named(unit: Unit) -> str:
    """The unit's full name; BadInput when it could be anything else."""
    name = unit.name if "." in unit.name else f"{unit.name}.service"
    if not NAME.match(name):
        raise BadInput(f"{unit.name!r} is not the name of a unit.", hint="For example gunicorn.service.")
    return name
