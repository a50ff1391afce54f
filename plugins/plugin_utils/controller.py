# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the engine's action plugins share: they decide on the controller, and change only the anchor's record."""

from __future__ import annotations

import getpass
import os
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from ansible.errors import AnsibleConnectionFailure
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display
from ansible_collections.steady.rollback.plugins.module_utils.core import plan, redact
from ansible_collections.steady.rollback.plugins.module_utils.core.errors import CommandFailed, RollbackError

ROLES = Path(__file__).resolve().parents[2] / "roles"
PREFIX = "rollback_"


class Refused(RollbackError):
    """An error of a module on the anchor, passed on as it came."""


class EngineAction(ActionBase):
    """One task of the engine: ``work`` returns the result, and every RollbackError becomes a clear failure."""

    TRANSFERS_FILES = False
    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Called by Ansible, once for each task."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        variables = task_vars or {}
        try:
            result.update(self.work(dict(self._task.args), variables))
        except RollbackError as error:
            result.update(failed=True, msg=explain(error), code=error.code, hint=error.hint, next=error.next)
            result.update(error.facts)
        return result

    def work(self, args: dict[str, Any], variables: dict[str, Any]) -> dict[str, Any]:
        """What the plugin does; ``args`` are the task's options, ``variables`` all of Ansible's."""
        raise NotImplementedError

    def anchor(self, module: str, args: Mapping[str, Any], variables: dict[str, Any]) -> dict[str, Any]:
        """Run a module of this collection on the anchor, to which the task is delegated."""
        try:
            result: dict[str, Any] = self._execute_module(
                module_name=f"steady.rollback.{module}", module_args=dict(args), task_vars=variables
            )
        except AnsibleConnectionFailure as error:
            raise Refused(
                f"The anchor host does not answer: {' '.join(str(error).split())}",
                hint="Nothing is changed that cannot be recorded there. What had begun stands in its journal: look "
                "when it is back, or on a new anchor after fetch.yml.",
                next="ansible-playbook status.yml",
                code="anchor-unreachable",
            ) from error
        if result.get("failed") or result.get("unreachable"):
            code = str(result.get("code", "anchor-failed"))
            text = str(
                result.get("msg")
                or getattr(result.get("exception"), "event", None)
                or "The anchor host did not answer."
            )
            said = str(result.get("module_stderr", "")).strip().rpartition("\n")[2]
            hint = str(result.get("hint") or (f"The anchor's Python said: {said}" if said else ""))
            raise Refused(text, hint=hint, next=str(result.get("next", "")), code=code)
        return result

    @property
    def checking(self) -> bool:
        """Whether nothing may be written."""
        return bool(self._task.check_mode)

    @staticmethod
    def show(text: str) -> None:
        """Print for the operator. What hosts have said cannot move his cursor or colour his screen."""
        if text:
            Display().display(redact.clean(text))


def explain(error: RollbackError) -> str:
    """An error as the operator reads it: what, hint, next command."""
    parts = [error.message]
    if error.hint:
        parts.append(f"Hint: {error.hint}")
    if error.next:
        parts.append(f"Next: {error.next}")
    return "\n".join(parts)


def catalogue() -> dict[str, dict[str, plan.Verb]]:
    """The verbs of every component role of the collection."""
    files = {path.parts[-3]: yaml.safe_load(path.read_text()) for path in sorted(ROLES.glob("*/meta/verbs.yml"))}
    return plan.catalogue(files)


def hosts(variables: Mapping[str, Any], components: Mapping[str, Any]) -> dict[str, list[str]]:
    """The hosts of each component: the members of the inventory's group ``rollback_<component>``."""
    groups = variables["groups"]
    return {component: list(groups.get(PREFIX + component, [])) for component in components}


def results(variables: Mapping[str, Any], component: str, kind: str, names: list[str]) -> dict[str, dict[str, Any]]:
    """What a verb of ``component`` did on each of the hosts ``names``: the one result that its file keeps."""
    found = registered(variables, component, kind, names)
    return {name: result for name, result in found.items() if not result.get("skipped")}


def registered(variables: Mapping[str, Any], component: str, kind: str, names: list[str]) -> dict[str, dict[str, Any]]:
    """What a verb of ``component`` registered, also where it had nothing to do."""
    found = {name: variables["hostvars"][name].get(f"__{component}_{kind}") for name in names}
    return {name: dict(value) for name, value in found.items() if isinstance(value, Mapping)}


def holder() -> dict[str, Any]:
    """Who drives this run, from where."""
    user = os.environ.get("AWX_USER_NAME") or os.environ.get("SUDO_USER") or _user()
    return {"user": user, "host": socket.gethostname(), "pid": os.getppid() if _forked() else os.getpid()}


def gone(lease: Mapping[str, Any]) -> bool:
    """Whether the holder of a lease ran on this machine and is dead; a zombie is dead."""
    if not lease or lease["holder"]["host"] != socket.gethostname():
        return False
    try:
        state = Path(f"/proc/{lease['holder']['pid']}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return True
    except OSError as error:
        raise CommandFailed(f"/proc cannot be read: {error.strerror}.") from error
    return state in {"Z", "X"}


def _forked() -> bool:
    """Tasks run in a worker process; the run lives as long as its parent does."""
    return os.getppid() == os.getpgid(0) or "ansible" in _command(os.getppid())


def _command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text()
    except OSError:
        return ""


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())
