# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Show a run as its runbook: the engine's own lines, failures, and a sign of life; nothing is decided here."""

from __future__ import annotations

DOCUMENTATION = r"""
name: runbook
type: stdout
short_description: Shows a rollback as a runbook
version_added: 0.1.0
description:
  - Shows the plan, one line for each step, what failed, and a sign of life during long steps.
  - It only displays. The journal is kept by modules, so a broken screen never breaks a run.
  - Use V(-v) to see the tasks below the steps as the default callback shows them.
extends_documentation_fragment:
  - default_callback
  - result_format_callback
"""

import os
import textwrap
import threading
import time
from typing import Any

from ansible.plugins.callback.default import CallbackModule as Default
from ansible_collections.steady.rollback.plugins.module_utils.core import redact
from ansible_collections.steady.rollback.plugins.plugin_utils import interrupt

WIDTH = 80
SILENCE = 20.0  # seconds after which a sign of life is shown


class CallbackModule(Default):
    """Ansible's own screen without what is not the operator's business at three in the morning."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "stdout"
    CALLBACK_NAME = "steady.rollback.runbook"

    def __init__(self) -> None:
        super().__init__()
        self._began = time.monotonic()
        self._task = ""
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._live, daemon=True)

    @property
    def _verbose(self) -> bool:
        return bool(self._display.verbosity)

    def v2_playbook_on_start(self, playbook: Any) -> None:
        """The first sign of life is due from here on."""
        super().v2_playbook_on_start(playbook)
        self._thread.start()

    def v2_playbook_on_task_start(self, task: Any, is_conditional: bool) -> None:
        """Remember what is under way."""
        self._began, self._task = time.monotonic(), task.get_name()
        if task.action == "steady.rollback.run":
            # Before a run is opened nothing has changed, and what closes it needs no step to stop at.
            (interrupt.listen if task.args.get("state") in ("opened", "marked") else interrupt.over)()
        if self._verbose:
            super().v2_playbook_on_task_start(task, is_conditional)

    def v2_playbook_on_play_start(self, play: Any) -> None:
        """Plays are the engine's own affair."""
        if self._verbose:
            super().v2_playbook_on_play_start(play)

    def v2_playbook_on_include(self, included_file: Any) -> None:
        """So are includes."""
        if self._verbose:
            super().v2_playbook_on_include(included_file)

    def v2_runner_on_ok(self, result: Any) -> None:
        """A task that worked is not news."""
        if self._verbose:
            super().v2_runner_on_ok(result)

    def v2_runner_item_on_ok(self, result: Any) -> None:
        """Nor is a part of one that worked."""
        if self._verbose:
            super().v2_runner_item_on_ok(result)

    def v2_runner_on_skipped(self, result: Any) -> None:
        """Nor is one that did not apply."""
        if self._verbose:
            super().v2_runner_on_skipped(result)

    def v2_runner_item_on_skipped(self, result: Any) -> None:
        """Nor is a part of one."""
        if self._verbose:
            super().v2_runner_item_on_skipped(result)

    def v2_runner_on_failed(self, result: Any, ignore_errors: bool = False) -> None:
        """What, hint and next command; the whole result only when it was asked for."""
        if self._verbose or "code" not in result.result:
            super().v2_runner_on_failed(result, ignore_errors)
            return
        found = result.result
        if not found.get("shown"):
            text, hint = str(found["msg"]), str(found.get("hint") or "")
            more = f"\nHint: {hint}" if hint and hint not in text else ""
            self._red(f"FAILED [{result.host.get_name()}] {text}{more}")

    def v2_runner_on_unreachable(self, result: Any) -> None:
        """The engine tells it once more, with the ways on."""
        if self._verbose:
            super().v2_runner_on_unreachable(result)
            return
        self._red(f"UNREACHABLE [{result.host.get_name()}] {' '.join(str(result.result.get('msg', '')).split())}")

    def _red(self, text: str) -> None:
        # No word is broken: an error ends with a command to be copied. Only its first line begins at the margin, so
        # that what a host has said is never taken for a line of ours.
        fold = textwrap.TextWrapper(WIDTH, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False)
        shown = []
        for line in redact.clean(text).split("\n"):
            shown.append(fold.fill(line))
            fold.initial_indent, fold.subsequent_indent = "  ", "    "
        self._display.display("\n".join(shown), color="red", stderr=True)

    def v2_playbook_on_stats(self, stats: Any) -> None:
        """The end: no sign of life is due any more."""
        self._over.set()
        if self._verbose:
            super().v2_playbook_on_stats(stats)

    def _live(self) -> None:
        shown = time.monotonic()
        while not self._over.wait(1.0):
            now = time.monotonic()
            if now - max(self._began, shown) >= SILENCE:
                shown = now
                # Not through Display: its lock could be held while Ansible forks, and the child would wait for ever.
                os.write(1, f"      still at it: {self._task} ({now - self._began:.0f} s)\n".encode())
