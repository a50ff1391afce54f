# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Stop, start and reload the services of a host: look, ask, look until it is so, within a bound."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from .. import web
from ..core import checks, failpoint, redact
from ..core.errors import BadInput, NotEffective
from . import processes
from .processes import Process
from .provider import LOG_LINES, Provider, State, Unit

POLL = 0.05
SETTLE = 1.0  # a service that ends within this time after its start has not started
GONE = 3.0  # one that is down for so long while it should become healthy does not start again
STARTS = 5  # one that needs more starts than this to become healthy never will
CAUSE = re.compile(r"\s*[\w.]*(Error|Exception)\b")  # the line of a log that says why
MEND = "Mend what its log says, then resume; or undo."
RELOADS = ("restart", "graceful")


class Control:
    """The services of one host, in the order in which they start."""

    def __init__(self, provider: Provider, units: Sequence[Unit], secrets: Iterable[str] = ()) -> None:
        self.provider, self.units, self.secrets = provider, units, tuple(secrets)
        wrong = [unit.reload for unit in units if unit.reload not in RELOADS]
        if wrong:
            raise BadInput(
                f"A unit cannot be reloaded by {wrong[0]!r}.", hint="Known are " + " and ".join(RELOADS) + "."
            )

    def stop(self, timeout: float, dry_run: bool) -> dict[str, Any]:
        """Stop every service, the last one first; none of its processes is left. ``timeout`` is seconds each."""
        running = [unit for unit in reversed(self.units) if not self._is_down(unit)]
        if not dry_run:
            for unit in running:
                self._stop(unit, timeout)
                failpoint.inside("service.stop")
        return {"changed": bool(running), "stopped": [unit.name for unit in running]}

    def start(self, timeout: float, dry_run: bool) -> dict[str, Any]:
        """Start every service that does not run, one after the other, each up and healthy before the next."""
        down = [unit for unit in self.units if not self.provider.state(unit).up]
        if not dry_run:
            for unit in self.units:
                if unit in down:
                    self._start(unit, timeout)
                failpoint.inside("service.start")
                self._healthy(unit, timeout)
        return {"changed": bool(down), "started": [unit.name for unit in down], **({} if dry_run else self._pids())}

    def reload(self, stop_timeout: float, timeout: float, dry_run: bool) -> dict[str, Any]:
        """Have every service run new processes, and prove that they are new."""
        if not dry_run:
            for unit in self.units:
                if unit.reload == "graceful" and self.provider.state(unit).up:
                    self._reload(unit, timeout)
                else:
                    if not self._is_down(unit):
                        self._stop(unit, stop_timeout)
                    self._start(unit, timeout)
                failpoint.inside("service.reload")
                self._healthy(unit, timeout)
        names = [unit.name for unit in self.units]
        return {"changed": bool(names), "reloaded": names, **({} if dry_run else self._pids())}

    def verify(self, timeout: float) -> dict[str, Any]:
        """Every service is up, healthy, and stays so."""
        for unit in self.units:
            self._await(unit, lambda state: state.up, timeout, "is not up")
            self._healthy(unit, timeout)
        return {"changed": False, **self._pids()}

    def states(self) -> dict[str, State]:
        """How each service is."""
        return {unit.name: self.provider.state(unit) for unit in self.units}

    def rows(self) -> list[checks.Check]:
        """One finding for each service, for a preflight."""
        found = []
        for unit in self.units:
            state = self.provider.state(unit)
            if state.up:
                found.append(checks.ok(unit.name, f"{unit.name} is {state.word}"))
            else:
                said = f"{unit.name} is {state.word}: a rollback starts it."
                found.append(checks.warn(unit.name, said, "", "service-not-running"))
        return found

    def _stop(self, unit: Unit, timeout: float) -> None:
        mine: set[Process] = set(self.provider.processes(unit))
        self.provider.stop(unit)

        def gone(state: State) -> bool:
            mine.update(self.provider.processes(unit))
            return not state.up and state.settled and not processes.still_there(frozenset(mine))

        if not self._until(unit, gone, timeout):
            left = processes.named(processes.still_there(frozenset(mine))) or "no process"
            raise self._failed(
                unit,
                f"{unit.name} did not end within {timeout:g} s; left: {left}.",
                "It may still end a job. Wait and resume, or raise service_stop_timeout. It was not killed.",
                code="service-not-stopped",
            )

    def _start(self, unit: Unit, timeout: float) -> None:
        self.provider.start(unit)
        self._await(unit, lambda state: state.up, timeout, "did not start")
        pid, end = self.provider.state(unit).pid, time.monotonic() + SETTLE
        while time.monotonic() < end and not unit.health:
            state = self.provider.state(unit)
            if not state.up or state.pid != pid:
                raise self._failed(
                    unit, f"{unit.name} ended right after its start: {state.word}.", code="service-not-started"
                )
            time.sleep(POLL)

    def _reload(self, unit: Unit, timeout: float) -> None:
        """Graceful: the same main process with other workers, or another main process."""
        before = self.provider.state(unit).pid
        old = processes.children(before)
        self.provider.reload(unit)

        def renewed(state: State) -> bool:
            now = processes.children(state.pid) if state.pid else frozenset()
            return state.up and (state.pid != before or bool(now - old)) and not processes.still_there(old)

        if not self._until(unit, renewed, timeout):
            raise self._failed(
                unit,
                f"{unit.name} still runs its old processes {timeout:g} s after its reload.",
                "Set reload: restart for this unit.",
                code="service-not-reloaded",
            )

    def _healthy(self, unit: Unit, timeout: float) -> None:
        if not unit.health:
            return
        said, watch = [""], _Watch()

        def well(state: State) -> bool:
            if lost := watch.lost(state):
                raise self._failed(unit, f"{unit.name} {lost}.", code="service-not-started")
            try:
                answer = web.ask(unit.health, timeout=min(5.0, timeout))
            except web.Unanswered as error:
                said[0] = str(error)
                return False
            said[0] = f"it answers {answer.status}"
            return answer.status == 200

        if not self._until(unit, well, timeout):
            text = f"{unit.name} is not healthy after {timeout:g} s: {unit.health}: {said[0]}."
            raise self._failed(unit, text, code="service-not-healthy")

    def _await(self, unit: Unit, so: Callable[[State], bool], timeout: float, what: str) -> None:
        if not self._until(unit, so, timeout):
            word = self.provider.state(unit).word
            raise self._failed(unit, f"{unit.name} {what} within {timeout:g} s: {word}.", code="service-not-started")

    def _until(self, unit: Unit, so: Callable[[State], bool], timeout: float) -> bool:
        end = time.monotonic() + timeout
        while True:
            if so(self.provider.state(unit)):
                return True
            if time.monotonic() > end:
                return False
            time.sleep(POLL)

    def _is_down(self, unit: Unit) -> bool:
        state = self.provider.state(unit)
        return not state.up and state.settled and not self.provider.processes(unit)

    def _pids(self) -> dict[str, dict[str, int]]:
        return {"pids": {unit.name: self.provider.state(unit).pid for unit in self.units}}

    def _failed(self, unit: Unit, message: str, hint: str = "", *, code: str) -> NotEffective:
        """An error with the end of the service's log, without secrets; the line of it that says why comes first."""
        log = redact.redact(self.provider.log(unit), self.secrets).splitlines()[-LOG_LINES:]
        cause = next((line.strip() for line in reversed(log) if CAUSE.match(line)), "")
        said = "\n".join(["The end of its log:", *log]) if log else "It has written no log."
        return NotEffective(
            f"{message} {cause}".strip(),
            hint="\n".join([hint or MEND, said]),
            next="ansible-playbook status.yml",
            code=code,
        )


class _Watch:
    """Whether a service can still become healthy: it cannot when it stays down, or starts again and again."""

    def __init__(self) -> None:
        self.pids: set[int] = set()
        self.down = 0.0

    def lost(self, state: State) -> str:
        """What went wrong, empty as long as there is hope."""
        if state.up or not state.settled:
            self.down = 0.0
            self.pids.add(state.pid)
            if len(self.pids - {0}) > STARTS:
                return f"starts and ends again and again ({STARTS} times)"
            return ""
        self.down = self.down or time.monotonic()
        return f"has ended: {state.word}" if time.monotonic() - self.down > GONE else ""
