# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Runs a program of the product and looks at how it ends."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from typing import Any

from .. import envfile
from ..core.errors import BadInput
from ..core.redact import line, redact
from .http import matches
from .watch import Probe
from .window import Reading

OUTPUT_LIMIT = 65536  # bytes of standard output that are looked at


def probe(spec: Mapping[str, Any]) -> Probe:
    """Options: argv (list), cwd, env_file, rc, stdout (JSON paths and expected values), timeout."""
    argv = [str(part) for part in spec["argv"]]
    if not argv:
        raise BadInput("A command probe has an empty argument list.", hint="Give the program and its arguments.")

    def look() -> Reading:
        try:
            rc, output, errors = run(argv, spec.get("cwd"), spec.get("env_file"), spec.get("timeout") or 30.0)
        except OSError as error:
            return Reading(False, f"{argv[0]} could not be started: {error.strerror}")
        if rc is None:
            return Reading(False, f"not finished after {spec.get('timeout') or 30.0:g} s")
        if rc not in (spec.get("rc") or [0]):
            return Reading(False, line(f"ended with {rc}: {redact(last_words(errors) or last_words(output))}", 200))
        if not spec.get("stdout"):
            return Reading(True, f"ended with {rc}")
        try:
            return matches(json.loads(output), spec["stdout"])
        except ValueError:
            return Reading(False, "the output is not JSON")

    return look


def run(
    argv: Sequence[str], cwd: str | None, env_file: str | None, timeout: float, limit: int = OUTPUT_LIMIT
) -> tuple[int | None, str, str]:
    """(exit code, or None when it was stopped at ``timeout`` seconds; output; errors), both cut at ``limit`` bytes."""
    environment = {**os.environ, **(envfile.read(env_file) if env_file else {})}
    # Files, not pipes: a program that prints without end fills a file until the timeout, not our memory.
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(
            argv,
            cwd=cwd,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=errors,
            start_new_session=True,
        )
        try:
            rc: int | None = process.wait(timeout)
        except subprocess.TimeoutExpired:
            rc = None
            os.killpg(process.pid, signal.SIGKILL)  # with its children, which would hold the files open
            process.wait()
        texts = []
        for stream in (output, errors):
            stream.seek(0)
            texts.append(stream.read(limit).decode("utf-8", "replace"))
        return rc, texts[0], texts[1]


def last_words(text: str) -> str:
    """The exception that a traceback ends with (SQL may follow it, with a caret below), else the last line."""
    raised = re.findall(r"^[\w.]*(?:Error|Exception): .+$", text, re.MULTILINE)
    return str((raised or text.strip().splitlines() or [""])[-1])
