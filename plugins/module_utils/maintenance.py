# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Maintenance: switched by a command of the product or by a flag file, and proven by an answer from outside."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path

from . import files, tls, web
from .core import checks, failpoint
from .core.errors import CommandFailed, NotEffective
from .django_command import Project

POLL = 0.1  # seconds between two questions from outside
IN_A_ROW = 3  # answers that agree before they are believed
CLOSED = 503
# An answer that a proxy gives when nobody is behind it.
NOBODY = (502, 504)


@dataclass(frozen=True)
class Flag:
    """The file that says whether maintenance is on. Missing, or holding just a 0, is off."""

    path: Path

    def is_on(self) -> bool:
        """Whether maintenance is on."""
        data = files.read(self.path)
        return data is not None and data.strip() != b"0"

    def turn(self, on: bool) -> None:
        """Write the file, or take it away. The server reads it with another account, so all may read it."""
        if on:
            files.write(self.path, b"1\n", 0o644)
        else:
            files.remove(self.path)


@dataclass(frozen=True)
class Outside:
    """Where customers would ask: ``url`` under the name ``host``. ``timeout``: seconds until the answers must agree.

    ``text`` is what the maintenance page holds. With ``silent_ok`` no answer at all is taken for the wanted one.
    """

    url: str
    host: str = ""
    verify: bool = True
    ca_file: str = ""
    text: str = ""
    timeout: float = 10.0
    silent_ok: bool = False

    def look(self) -> tuple[str, str]:
        """One question: (closed, incomplete, open or silent; what was seen)."""
        try:
            answer = web.ask(self.url, host=self.host, verify=self.verify, ca_file=self.ca_file, timeout=2.0)
        except web.Unanswered as error:
            return "silent", str(error)
        seen = f"status {answer.status}"
        if answer.status != CLOSED:
            return "silent" if answer.status in NOBODY else "open", seen
        missing = [] if answer.headers.get("retry-after") else ["Retry-After"]
        missing += [] if "no-store" in answer.headers.get("cache-control", "") else ["Cache-Control: no-store"]
        missing += [] if self.text in answer.body.decode(errors="replace") else [f"the text '{self.text}'"]
        return ("incomplete", f"{seen} without {', '.join(missing)}") if missing else ("closed", seen)

    def prove(self, on: bool) -> dict[str, object]:
        """Ask until answers agree that maintenance is on (or off); raises NotEffective when they do not in time."""
        if not self.url:
            return {"proven": False}
        wanted = {"closed" if on else "open", *(["silent"] if self.silent_ok else [])}
        start, good = time.monotonic(), 0
        while True:
            state, seen = self.look()
            good = good + 1 if state in wanted else 0
            waited = time.monotonic() - start
            if good >= IN_A_ROW:
                return {"proven": True, "seen": seen, "waited": round(waited, 2)}
            if waited >= self.timeout:
                break
            time.sleep(POLL)
        other = "Another server answers under this address, or it reads another flag file."
        dead = "The application behind it does not answer. Look at its log: users wait."
        raise NotEffective(
            f"Maintenance was turned {'on' if on else 'off'}, but after {self.timeout:g} s {self.url} answers: {seen}.",
            hint=other if on or state != "silent" else dead,
            next=f"curl -i {self.url}",
            code="maintenance-not-effective" if on else "maintenance-not-over",
        )


@dataclass(frozen=True)
class Maintenance:
    """One host's maintenance. With ``project`` the product's own command turns it, else the file alone."""

    flag: Flag
    outside: Outside
    project: Project | None = None
    notice: tuple[str, ...] = ()

    def turn(self, on: bool, dry_run: bool) -> tuple[dict[str, object], list[str]]:
        """Make it so and prove it. Returns (facts, warnings)."""
        before, warnings = self.flag.is_on(), list[str]()
        facts: dict[str, object] = {"changed": before != on, "was_on": before, "on": before if dry_run else on}
        if dry_run:
            return facts, warnings
        if before != on:
            if not on:  # users do not wait for the start of the product's command
                self.flag.turn(on)
            warnings += self._command(on)
            if self.flag.is_on() != on:
                self.flag.turn(on)
        failpoint.inside(f"maintenance.{'enable' if on else 'disable'}")
        facts.update(self.outside.prove(on))
        if on and not before and self.notice and self.project:
            try:
                self.project.manage(*self.notice)
                facts["notified"] = True
            except CommandFailed as error:
                facts["notified"] = False
                warnings.append(f"Users were not notified: {error.message}")
        return facts, warnings

    def _command(self, on: bool) -> list[str]:
        """Run the product's command. A release that cannot start must not keep maintenance from being turned."""
        if self.project is None:
            return []
        try:
            self.project.manage("maintenance_mode", "on" if on else "off")
        except CommandFailed as error:
            return [f"The file {self.flag.path} was used instead of the product's command: {error.message}"]
        if self.flag.is_on() != on:
            return [f"The product's command did not change {self.flag.path}; it was changed directly."]
        return []

    def check(self) -> list[checks.Check]:
        """What could keep maintenance from being turned, before anything is touched."""
        directory = self.flag.path.parent
        if not os.access(directory, os.W_OK | os.X_OK):
            found = f"{directory} is missing or cannot be written."
            rows = [checks.fail("flag", found, f"ls -ld {directory}", "maintenance-flag-unwritable")]
        elif self.flag.is_on():
            rows = [checks.warn("flag", "Maintenance is on already.", "The run turns it off at its end.")]
        else:
            rows = [checks.ok("flag", f"off: {self.flag.path}")]
        if self.project:
            try:
                self.project.manage("maintenance_mode", "--help")
                rows.append(checks.ok("command", "manage.py maintenance_mode"))
            except CommandFailed as error:
                rows.append(checks.warn("command", error.message, "The flag file is written instead."))
        return rows + self._check_outside()

    def _check_outside(self) -> list[checks.Check]:
        if not self.outside.url:
            return [checks.warn("outside", "Nothing proves maintenance from outside.", "Set maintenance_url.")]
        state, seen = self.outside.look()
        found = f"{self.outside.url}: {seen}"
        if state in ("open", "closed"):
            return [
                checks.ok("outside", found),
                *([] if self.outside.verify else tls.web("outside", self.outside.url, False)),
            ]
        return [checks.warn("outside", found, f"curl -i {self.outside.url}")]

    def verify(self) -> dict[str, object]:
        """Prove that maintenance is over. Changes nothing."""
        if self.flag.is_on():
            raise NotEffective(
                f"Maintenance is still on: {self.flag.path} says so.",
                hint="The step maintenance.disable turns it off.",
                next="ansible-playbook resume.yml",
                code="maintenance-not-over",
            )
        return {"on": False, **self.outside.prove(on=False)}
