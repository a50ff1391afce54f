"""A world for the engine with toy components: a new component is a new role, and no file of the engine knows it.

The collection under test is a copy whose roles are generated here. Each verb appends its name to ``<world>/<host>``.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import yaml
from ansible_collections.steady.rollback.plugins.module_utils.core import point

REPO = Path(__file__).resolve().parents[2]
COMPONENTS = yaml.safe_load((REPO / "tests/fixtures/engine/components.yml").read_text())
VERB = """---
- name: Leave a trace
  steady.rollback.trace:
    world: {world}
    host: "{{{{ inventory_hostname }}}}"
    verb: {name}
  register: __{component}_effect
"""
PREFLIGHT = """---
- name: Look
  ansible.builtin.set_fact:
    __door_preflight:
      rows:
        - level: "{{ door_level | default('ok') }}"
          name: door
          found: "{{ door_found | default('The door is there') }}"
          fix: mend it
          code: door-bad
"""
CAPTURE = """---
- name: Measure
  ansible.builtin.set_fact:
    __data_capture:
      captured:
        rows: 7
      good: "{{ data_good | default(true) | bool }}"
"""
STRATEGY = """---
- name: Swap behind a closed door
  ansible.builtin.import_playbook: steady.rollback.run
  vars:
    rollback_strategy: toy
    rollback_steps: [door.close, data.swap, door.open]
"""


# A ladder of three rungs: the first is refused by its preflight, the gate of the second may stay closed.
LADDER = """---
- import_playbook: steady.rollback.run
  vars: {rollback_ladder: true, rollback_strategy: config, rollback_steps: [door.close, door.open], door_level: fail}
- import_playbook: steady.rollback.run
  vars: {rollback_ladder: true, rollback_strategy: code, rollback_steps: [door.close, door.open]}
- import_playbook: steady.rollback.run
  vars: {rollback_ladder: true, rollback_strategy: full, rollback_steps: [door.close, data.swap, door.open]}
"""


class World:
    """A collection, an inventory and the traces that the steps leave."""

    def __init__(self, tmp: Path) -> None:
        self.tmp, self.traces, self.root = tmp, tmp / "world", tmp / "anchor"
        self.traces.mkdir(parents=True)
        home = tmp / "ansible_collections/steady/rollback"
        for name in ("plugins", "playbooks", "meta"):
            shutil.copytree(REPO / name, home / name)
        shutil.copy(REPO / "tests/fixtures/engine/trace.py", home / "plugins/modules")
        shutil.copy(REPO / "galaxy.yml", home)
        for component, content in COMPONENTS.items():
            self._role(home / "roles" / component, component, content)
        (tmp / "toy.yml").write_text(STRATEGY)
        (tmp / "ladder.yml").write_text(LADDER)
        (tmp / "far.yml").write_text(STRATEGY.replace("data.swap", "far.push"))
        hosts = {name: {"ansible_connection": "local"} for name in ("edge1", "db1", "ctl")}
        hosts["far1"] = {"ansible_host": "127.0.0.1", "ansible_port": 1, "ansible_ssh_common_args": "-oBatchMode=yes"}
        groups = {"anchor": "ctl", "rollback_door": "edge1", "rollback_data": "db1", "rollback_far": "far1"}
        variables = {"rollback_environment": "toy", "rollback_dir": str(self.root), "rollback_confirmation": "toy/data"}
        variables["ansible_python_interpreter"] = sys.executable
        children = {group: {"hosts": {host: {}}} for group, host in groups.items()}
        inventory = {"all": {"hosts": hosts, "vars": variables, "children": children}}
        (tmp / "inventory.yml").write_text(yaml.safe_dump(inventory))
        body = {"id": "p1", "created": "2026-01-01T00:00:00.000000Z", "environment": "toy", "purpose": "pre_deploy"}
        points = self.root / "toy" / "points"
        points.mkdir(parents=True)
        (points / "p1.json").write_bytes(point.pack({**body, "good": True, "components": {}, "hosts": {}}))

    def _role(self, home: Path, component: str, content: dict[str, Any]) -> None:
        for name in ("tasks", "meta"):
            (home / name).mkdir(parents=True)
        (home / "meta/verbs.yml").write_text(yaml.safe_dump(content))
        specs: dict[str, Any] = {verb: {"short_description": verb, "options": {}} for verb in content["verbs"]}
        if component == "data":
            specs["verify"]["options"] = {"data_rows": {"type": "int"}}
        (home / "meta/argument_specs.yml").write_text(yaml.safe_dump({"argument_specs": specs}))
        for verb in content["verbs"]:
            text = VERB.format(world=self.traces, name=verb, component=component)
            (home / "tasks" / f"{verb}.yml").write_text({"preflight": PREFLIGHT, "capture": CAPTURE}.get(verb, text))

    def play(self, book: str, *args: str, rc: int = 0) -> str:
        """Run a playbook of the collection, or a file of this world."""
        done = self.start(book, *args)
        out = done.communicate(timeout=240)[0]
        assert done.returncode == rc, out
        return out

    def start(self, book: str, *args: str) -> subprocess.Popen[str]:
        """Begin a playbook; both its streams come as one."""
        target = str(self.tmp / book) if book.endswith(".yml") else f"steady.rollback.{book}"
        env = {**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(self.tmp), "ANSIBLE_HOME": str(self.tmp / "home")}
        env.update(ANSIBLE_LOCALHOST_WARNING="false", ANSIBLE_NOCOLOR="1", ANSIBLE_PIPELINING="1")
        env.update(ANSIBLE_STDOUT_CALLBACK="steady.rollback.runbook")
        return subprocess.Popen(
            ["ansible-playbook", "-i", str(self.tmp / "inventory.yml"), target, *args],
            env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, stdin=subprocess.DEVNULL,
        )  # fmt: skip

    def killed_in(self, verb: str, host: str, seconds: float) -> None:
        """Run the strategy and kill its controller in the middle of a step, which goes on for ``seconds``."""
        slow, began = self.traces / f"slow-{verb}-{host}", self.traces / f"began-{verb}-{host}"
        slow.write_text(str(seconds))
        run = self.start("toy.yml", *GO)
        until = time.monotonic() + 120
        while not began.exists():
            assert time.monotonic() < until and run.poll() is None, run.communicate(timeout=10)
            time.sleep(0.05)
        run.kill()
        run.wait()
        slow.unlink()

    def trace(self, host: str) -> list[str]:
        """What happened on a host, in order."""
        path = self.traces / host
        return path.read_text().split() if path.exists() else []

    def journal(self) -> list[dict[str, Any]]:
        """The records of the newest run."""
        newest = max((self.root / "toy/runs").iterdir(), key=lambda path: path.stat().st_mtime_ns)
        return [json.loads(line) for line in (newest / "journal.jsonl").read_text().splitlines()]


GO = ("-e", "confirm=toy/data")
