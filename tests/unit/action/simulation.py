"""The whole engine without Ansible: its real action plugins, modules and files, driven in the order of run.yml.

An operator is a forked process that may be killed at any write to the disk. The world is one file that steps change.
"""

from __future__ import annotations

import json
import os
import signal
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from ansible_collections.steady.rollback.plugins.action import plan as plan_action
from ansible_collections.steady.rollback.plugins.action import run as run_action
from ansible_collections.steady.rollback.plugins.module_utils import entry, hold
from ansible_collections.steady.rollback.plugins.module_utils.anchor.store import Store
from ansible_collections.steady.rollback.plugins.module_utils.core.errors import (
    CommandFailed,
    GateFailed,
    RollbackError,
)
from ansible_collections.steady.rollback.plugins.modules import run as run_module
from ansible_collections.steady.rollback.plugins.modules import run_info
from ansible_collections.steady.rollback.plugins.plugin_utils import controller, variables_check

COMPONENTS = yaml.safe_load((Path(__file__).parents[2] / "fixtures/engine/components.yml").read_text(encoding="utf-8"))
STEPS = ["door.close", "data.swap", "door.open"]
NEW, OLD = {"door": "open", "data": "new"}, {"door": "open", "data": "old"}
EFFECTS = {
    "door.close": ("door", "closed"),
    "door.open": ("door", "open"),
    "data.swap": ("data", "old"),
    "data.swap_back": ("data", "new"),
}
GROUPS = {"rollback_door": ["edge1"], "rollback_data": ["db1"]}
MODULES = {"run": run_module, "run_info": run_info}


def specs() -> dict[str, dict[str, Any]]:
    """The defaults of each module's options."""
    found: dict[str, dict[str, Any]] = {}
    real = entry.run
    for name, module in MODULES.items():

        def caught(_do: Any, name: str = name, **spec: Any) -> None:
            found[name] = {key: option.get("default") for key, option in spec["argument_spec"].items()}

        entry.run = caught  # type: ignore[assignment]
        module.main()
    entry.run = real
    return found


DEFAULTS = specs()


def here(module: Any, check: bool = False) -> Any:
    """An action plugin whose anchor is this machine; what it shows is kept in ``screen``."""

    class Here(module.ActionModule):  # type: ignore[misc]
        def __init__(self) -> None:
            self._task = SimpleNamespace(check_mode=check)
            self.screen: list[str] = []

        def anchor(self, name: str, args: dict[str, Any], variables: dict[str, Any]) -> dict[str, Any]:
            params = json.loads(
                json.dumps({**DEFAULTS[name], **{k: v for k, v in args.items() if k in DEFAULTS[name]}})
            )
            outcome = MODULES[name].do(entry.Call(params, check, print))
            return dict(json.loads(json.dumps({"changed": outcome.changed, **outcome.facts})))

        def show(self, text: str) -> None:  # type: ignore[override]
            self.screen.append(text)

    return Here()


class Simulation:
    """One environment below ``home``. ``clock`` is how far its time is ahead."""

    def __init__(self, home: Path, patch: pytest.MonkeyPatch) -> None:
        self.home, self.clock = home, 0.0
        roles = home / "roles"
        for component, content in COMPONENTS.items():
            (roles / component / "meta").mkdir(parents=True)
            (roles / component / "meta/verbs.yml").write_text(yaml.safe_dump(content))
            (roles / component / "meta/argument_specs.yml").write_text("argument_specs: {}\n")
        self.write(NEW)
        real = time.time
        patch.setattr(time, "time", lambda: real() + self.clock)
        patch.setenv("TMPDIR", str(home))
        patch.setattr(tempfile, "tempdir", None)
        patch.setattr(controller, "ROLES", roles)
        patch.setattr(variables_check, "ROLES", roles)

    @property
    def world(self) -> dict[str, str]:
        """What the steps have made of it."""
        return dict(json.loads((self.home / "world.json").read_bytes()))

    def write(self, world: dict[str, str]) -> None:
        """Change the world in one moment."""
        (self.home / "fresh.json").write_text(json.dumps(world))
        os.replace(self.home / "fresh.json", self.home / "world.json")

    @property
    def store(self) -> Store:
        """The files on the anchor."""
        return Store(str(self.home / "anchor"), "toy")

    def operate(self, mode: str = "run", **how: Any) -> str:
        """One command of an operator in a process of its own; returns its end: an outcome, an error's code, killed."""
        return self.ended(*self.begin(mode, **how))

    def begin(
        self,
        mode: str,
        *,
        kill: int = 0,
        freeze: int = 0,
        fail: str = "",
        gate: str = "",
        who: str = "anna",
        **args: Any,
    ) -> tuple[int, int]:
        """Start an operator's process; returns what ``ended`` takes.

        ``kill`` or ``freeze`` is the number of the disk write at which the process is killed or stopped, 0 for none;
        after the step ``gate`` a gate stays closed.
        """
        mine, theirs = os.pipe()
        child = os.fork()
        if not child:
            end = "crashed"
            try:
                os.close(mine)
                controller.holder = lambda: {"user": who, "host": f"host-of-{who}", "pid": os.getpid()}
                controller.socket.gethostname = lambda: f"host-of-{who}"
                _arm(kill or freeze, signal.SIGSTOP if freeze else signal.SIGKILL)
                end = self._drive(mode, fail, gate, {**args, "who": who})
            except BaseException as error:  # the parent asserts on it
                end = f"crashed: {error!r}"
            os.write(theirs, end.encode())
            os._exit(0)
        os.close(theirs)
        return child, mine

    @staticmethod
    def ended(child: int, mine: int) -> str:
        """How an operator's process ended."""
        with os.fdopen(mine, "rb") as pipe:
            end = pipe.read().decode() or "killed"
        os.waitpid(child, 0)
        return end

    def _drive(self, mode: str, fail: str, gate: str, args: dict[str, Any]) -> str:
        variables: dict[str, Any] = {
            "groups": GROUPS,
            "hostvars": {"edge1": {}, "db1": {}},
            "ansible_play_hosts_all": ["edge1", "db1"],
        }
        who = args.pop("who")
        asked = {"mode": mode, "strategy": "toy", "steps": STEPS, "environment": "toy", "restore_point": "", "run": ""}
        asked.update(root=str(self.home / "anchor"), reason="", confirm="toy", confirmation="toy", take_over="")
        try:
            planned = here(plan_action).work({**asked, "after": "", "ladder": "", **args}, variables)
            base = {"root": asked["root"], "planned": planned}
            opened = here(run_action).work({**base, "state": "opened"}, variables)
        except RollbackError as error:
            (self.home / f"said-{who}").write_text(f"{error.message}\n{error.hint}\n{error.next}\n")
            return error.code
        try:
            for step in planned["remaining"]:
                marked = here(run_action).work({**base, "state": "marked", "opened": opened, "step": step}, variables)
                if step["name"] == fail:
                    raise CommandFailed("It is stuck.")
                self._act(step, marked["hold"])
                if step["name"] == gate:
                    raise GateFailed("The gate is closed.")
                for host in step["hosts"]:
                    variables["hostvars"][host][f"__{step['component']}_effect"] = {"changed": True}
            ended = here(run_action).work({**base, "state": "closed", "opened": opened}, variables)
        except RollbackError as error:
            variables["hostvars"]["db1"]["ansible_failed_result"] = {"msg": error.message, "code": error.code}
            try:
                ended = here(run_action).work({**base, "state": "failed", "opened": opened}, variables)
            except RollbackError as second:
                return second.code
            return str(ended.get("code", "climbs"))
        return str(ended["outcome"])

    def _act(self, step: dict[str, Any], held: str) -> None:
        claim = hold.Claim.parse(f"{held}/{step['hosts'][0]}" if held else "")
        with hold.hold(claim and replace(claim, budget=0.2), step["name"], print):
            if step["name"] in EFFECTS:
                key, value = EFFECTS[step["name"]]
                world = self.world
                if world[key] != value:  # every verb looks before it acts
                    self.write({**world, key: value})


def _arm(at: int, end: signal.Signals) -> None:
    """Kill or stop this process at its write number ``at``: a sync is one moment, a rename two, before and after."""
    left, replace = at, os.replace

    def tick(*_args: Any) -> None:
        nonlocal left
        left -= 1
        if left == 0:
            os.kill(os.getpid(), end)

    def replaced(source: Any, target: Any) -> None:
        tick()
        replace(source, target)
        tick()

    os.fsync, os.replace = tick, replaced  # type: ignore[assignment]
