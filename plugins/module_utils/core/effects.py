# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What of a module's result belongs into the journal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

# Ansible's own keys, and what only a screen needs.
NOISE = frozenset(
    {"invocation", "diff", "warnings", "deprecations", "rows", "stdout_lines", "stderr_lines", "failed", "exception"}
)


def keep(result: Mapping[str, Any]) -> dict[str, Any]:
    """The result without noise. Modules return no secrets, so nothing is masked here."""
    return {key: value for key, value in result.items() if key not in NOISE and not key.startswith(("_", "ansible_"))}


def culprit(results: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """Which host failed and why: ``results`` are the failed or unreachable tasks by host."""
    for host, result in results.items():
        if result.get("unreachable"):
            return _unreachable(host, " ".join(str(result.get("msg", "")).split()))
        message = str(result.get("msg") or result.get("message") or "The task failed without a message.")
        return {
            "host": host,
            # The engine's own errors carry hint and next command in their message, for the screen.
            "message": message.partition("\nHint: ")[0].partition("\nNext: ")[0],
            "code": str(result.get("code", "task-failed")),
            "hint": str(result.get("hint", "")),
            "next": str(result.get("next", "")),
        }
    return _unreachable("an unknown host", "")


def _unreachable(host: str, said: str) -> dict[str, str]:
    return {
        "host": host,
        "message": f"{host} could not be reached in the middle of the step. {said}".strip(),
        "code": "host-unreachable",
        "hint": "Whether the step took effect there is unknown; resume looks before it acts.",
        "next": "ansible-playbook resume.yml",
    }
