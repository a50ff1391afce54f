# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A conversation with the Celery application of a release."""

from __future__ import annotations

import inspect
import json
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable
from typing import IO, Any, cast

from ..core.errors import CommandFailed, NotEffective
from ..django_command import Project
from . import celery_agent, celery_scripts

POLL = 0.5  # seconds between two looks at the workers


def until(done: Callable[[], bool], seconds: float) -> bool:
    """Whether ``done`` came true within ``seconds``; asked at least once."""
    end = time.monotonic() + seconds
    while not done():
        if time.monotonic() >= end:
            return False
        time.sleep(POLL)
    return True


class CeleryApp:
    """A conversation with the agent inside a release: the application is imported once, for all questions.

    ``patience`` is how many seconds workers may take to answer one control message.
    """

    def __init__(self, project: Project, app: str, patience: float = 2.0) -> None:
        self.project, self.app, self.patience = project, app, patience

    def __enter__(self) -> CeleryApp:
        self.errors = tempfile.TemporaryFile("w+")
        argv = ["-c", inspect.getsource(celery_agent), self.app, json.dumps(celery_scripts.SCRIPTS)]
        pipe = subprocess.PIPE
        self.process = self.project.start(argv, stdin=pipe, stdout=pipe, stderr=self.errors)
        return self

    def __exit__(self, *_exc: object) -> None:
        self.process.kill()
        self.process.communicate()
        self.errors.close()

    def ask(self, do: str, **args: Any) -> Any:
        """The agent's answer to one question. Raises CommandFailed when there is none within the project's timeout."""
        # Both are pipes, see __enter__.
        questions, answers = cast(IO[str], self.process.stdin), cast(IO[str], self.process.stdout)
        clock = threading.Timer(self.project.timeout, self.process.kill)
        clock.start()
        try:
            questions.write(json.dumps({"do": do, **args}) + "\n")
            questions.flush()
            line = answers.readline()
        except BrokenPipeError:
            line = ""
        finally:
            clock.cancel()
        answer = json.loads(line) if line else {}
        if "ok" in answer:
            return answer["ok"]
        self.errors.seek(0)
        said = self.project.tail(answer.get("error") or self.errors.read())
        raise CommandFailed(
            f"The Celery application {self.app} in {self.project.directory} did not answer '{do}': "
            f"{said.splitlines()[-1] if said else f'nothing within {self.project.timeout:g} s'}",
            hint=f"The application must import, and its broker must be reachable.\n{said}",
            next=self.project.by_hand(f"-m celery -A {self.app} inspect ping"),
            code="celery-unusable",
        )

    def workers(self) -> dict[str, list[str]]:
        """The queues that each worker consumes. One that listens and does not answer is an error, not an absence."""
        state: dict[str, Any] = {}

        def complete() -> bool:
            state.update(self.ask("workers", patience=self.patience))
            return bool(len(state["workers"]) >= state["listening"])

        if until(complete, 3 * self.patience):
            workers: dict[str, list[str]] = state["workers"]
            return workers
        silent = state["listening"] - len(state["workers"])
        raise NotEffective(
            f"{silent} of {state['listening']} workers listen on the broker and do not answer"
            f" (answered: {', '.join(sorted(state['workers'])) or 'none'}).",
            hint="A worker with pool=solo is silent while it works, a hung one for ever. Wait, or stop that process.",
            next="ps -eo pid,etimes,args | grep '[c]elery'",
            code="workers-silent",
            workers=state["workers"],
        )
