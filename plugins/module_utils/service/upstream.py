# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which servers a proxy sends its requests to: the live ones, or those that keep another release warm."""

from __future__ import annotations

import json
import re
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from .. import files, web
from ..core import checks, failpoint
from ..core.errors import BadInput, NotEffective, TargetRefused
from .control import Control

SERVER = re.compile(r"[A-Za-z0-9_.-]+:\d{1,5}\Z")
OPTIONS = re.compile(r"[a-z_0-9= ]*\Z")
ROW = 5  # answers of the expected release in a row, each over a new connection
PAUSE = 0.1


@dataclass(frozen=True)
class Version:
    """How a release says who it is: a JSON object at ``path``, with the commit in ``commit`` and the tag in ``tag``."""

    path: str = "/v1/version"
    commit: str = "commit"
    tag: str = "tag"


@dataclass(frozen=True)
class Proxy:
    """nginx: the file that its upstream includes, the command that tests its configuration, and the service itself.

    ``pools`` are the servers (host:port) of each state; ``url`` is how customers reach the proxy.
    """

    file: Path
    pools: dict[str, Sequence[str]]
    options: str
    test: Sequence[str]
    service: Control
    url: str
    version: Version
    timeout: float

    def text(self, state: str) -> bytes:
        """What the upstream's file says in a state."""
        wrong = [server for server in self.pools[state] if not SERVER.match(server)]
        if wrong or not self.pools[state] or not OPTIONS.match(self.options):
            named = ", ".join(wrong) or self.options or "none"
            raise BadInput(
                f"The {state} servers cannot be written into an upstream: {named}.",
                hint="Each is host:port; options are those of a server of an upstream, as max_fails=1.",
            )
        lines = [f"server {server} {self.options}".strip() + ";" for server in self.pools[state]]
        return "\n".join([f"# {state}", *lines, ""]).encode()

    def state(self) -> str:
        """The state that the file says; TargetRefused when it says anything else."""
        found = files.read(self.file)
        for state in self.pools:
            if found == self.text(state):
                return state
        raise TargetRefused(
            f"{self.file} "
            + ("is missing." if found is None else "was written by somebody else: its servers are others."),
            hint="The deployment writes it once with the live servers; nginx includes it in the upstream.",
            next=f"cat {self.file}",
            code="traffic-file-unknown",
        )

    def switch(self, state: str, expected: str, dry_run: bool) -> dict[str, Any]:
        """Send requests to the servers of ``state``, once they run ``expected`` (commit or tag; empty for any)."""
        before = self.state()
        commit = self.running(state, expected)
        if not dry_run:
            old = self.text(before)
            files.write(self.file, self.text(state), 0o644)
            self._test(old)
            failpoint.inside("traffic.to_standby", "traffic.to_live")
            # Also when the file was right already: a kill may have come before the reload.
            self.service.reload(self.timeout, self.timeout, dry_run=False)
            self.prove(commit)
        return {"changed": before != state, "state": state, "commit": commit, "servers": list(self.pools[state])}

    def running(self, state: str, expected: str) -> str:
        """The one commit that all servers of a state run."""
        said = {server: self._ask(f"http://{server}{self.version.path}") for server in self.pools[state]}
        wrong = [
            f"{server}: {why or _name(answer)}"
            for server, (answer, why) in said.items()
            if why or not fits(answer, expected)
        ]
        commits = {answer["commit"] for answer, _why in said.values() if answer}
        if wrong or len(commits) != 1:
            raise TargetRefused(
                f"The {state} servers do not run {expected or 'one release'}: "
                + "; ".join(wrong or sorted(commits))
                + ".",
                hint="The standby is kept by the deployment, and runs the release before the live one.",
                code="traffic-standby-wrong",
            )
        return commits.pop()

    def prove(self, commit: str) -> None:
        """Customers get answers of ``commit``, several times in a row."""
        end, row, last = time.monotonic() + self.timeout, 0, ""
        while row < ROW:
            answer, why = self._ask(self.url.rstrip("/") + self.version.path)
            row = row + 1 if not why and answer["commit"] == commit else 0
            last = why or _name(answer)
            if time.monotonic() > end:
                raise NotEffective(
                    f"Through {self.url} answers {last}, not {commit[:12]}, {self.timeout:g} s after the switch.",
                    hint="Does nginx include the file, and is there another proxy in front of it?",
                    next=f"cat {self.file}",
                    code="traffic-not-switched",
                )
            time.sleep(PAUSE)

    def rows(self, expected: str) -> list[checks.Check]:
        """What would keep the traffic from being switched."""
        state = self.state()
        row = checks.ok("traffic", f"requests go to the {state} servers {', '.join(self.pools[state])}")
        commit = self.running("standby", expected)
        return [
            row,
            checks.ok("standby", f"{commit[:12]} is warm on {', '.join(self.pools['standby'])}"),
            *self.service.rows(),
        ]

    def _test(self, old: bytes) -> None:
        done = subprocess.run(
            list(self.test), stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=20, check=False
        )
        if done.returncode:
            files.write(self.file, old, 0o644)
            raise NotEffective(
                "nginx does not take its configuration; it was put back as it was.",
                hint=done.stderr.strip(),
                next=" ".join(self.test),
                code="traffic-test-failed",
            )

    def _ask(self, url: str) -> tuple[dict[str, str], str]:
        """Commit and tag that answer at ``url``, or why none does."""
        try:
            answer = web.ask(url, timeout=min(5.0, self.timeout), host=str(urlsplit(self.url).hostname))
            body = json.loads(answer.body)
            found = {"commit": str(body[self.version.commit]), "tag": str(body.get(self.version.tag, ""))}
        except web.Unanswered as error:
            return {}, str(error)
        except (ValueError, KeyError, TypeError, AttributeError):
            return {}, f"status {answer.status} without a version"
        return (found, "") if answer.status == 200 else ({}, f"status {answer.status}")


def fits(answer: dict[str, str], expected: str) -> bool:
    """Whether a release is the expected one: its commit, the beginning of it, or its tag."""
    return not expected or expected == answer["tag"] or (len(expected) > 6 and answer["commit"].startswith(expected))


def _name(answer: dict[str, str]) -> str:
    return f"{answer['tag'] or 'untagged'} ({answer['commit'][:12]})"
