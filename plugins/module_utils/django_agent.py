# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Questions that only the application itself can answer: functions that run inside a release's own interpreter."""

from __future__ import annotations

import inspect
import json
import subprocess
import sys
from collections.abc import Mapping
from types import ModuleType
from typing import Any

from .core.errors import CommandFailed
from .django_command import Project

MARK = "steady.rollback answers: "


def ask(project: Project, agent: ModuleType, do: str, **arguments: Any) -> Any:
    """What ``agent.do(**arguments)`` returns inside the release. ``agent`` may import nothing of this collection.

    Its text is run by ``manage.py shell``, so settings and apps are loaded as the release itself loads them.
    Arguments go over the standard input, so they are seen by nobody. Raises CommandFailed when there is no answer.
    """
    parts = [inspect.getsource(agent), "import json, sys", inspect.getsource(serve), f"serve(globals(), {MARK!r})"]
    text = "\n".join(parts)
    argv, pipe = ["manage.py", "shell", "--verbosity", "0", "-c", text], subprocess.PIPE
    process = project.start(argv, stdin=pipe, stdout=pipe, stderr=pipe)
    try:
        out, err = process.communicate(json.dumps({"do": do, **arguments}), timeout=project.timeout)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        out, err = "", f"no answer within {project.timeout:g} s"
    line = next((line for line in reversed(out.splitlines()) if line.startswith(MARK)), MARK + "{}")
    answer = json.loads(line[len(MARK) :])
    if "ok" in answer:
        return answer["ok"]
    said = project.tail(answer.get("error") or err or "it said nothing")
    raise CommandFailed(
        f"The release in {project.directory} could not answer '{do}': {said.splitlines()[-1]}",
        hint=f"The project must import, and its database must be reachable.\n{said}",
        next=project.by_hand("manage.py check"),
        code="django-unusable",
    )


def serve(functions: Mapping[str, Any], mark: str) -> None:
    """Answer the one request on the standard input. The mark tells the answer from what the application prints."""
    request = json.load(sys.stdin)
    try:
        answer = {"ok": functions[request.pop("do")](**request)}
    except Exception as error:
        answer = {"error": f"{type(error).__name__}: {error}"}
    sys.stdout.write(f"\n{mark}{json.dumps(answer)}\n")
    sys.stdout.flush()
