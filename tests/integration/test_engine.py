"""The engine with two toy components: a new component is a new role, and no file of the engine knows it.

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

import pytest
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
          found: The door is there
          fix: mend it
          code: door-bad
"""
STRATEGY = """---
- name: Swap behind a closed door
  ansible.builtin.import_playbook: steady.rollback.run
  vars:
    rollback_strategy: toy
    rollback_steps: [door.close, data.swap, door.open]
"""


class World:
    """A collection, an inventory and the traces that the steps leave."""

    def __init__(self, tmp: Path) -> None:
        self.tmp, self.traces, self.root = tmp, tmp / "world", tmp / "anchor"
        self.traces.mkdir()
        home = tmp / "ansible_collections/steady/rollback"
        for name in ("plugins", "playbooks", "meta"):
            shutil.copytree(REPO / name, home / name)
        shutil.copy(REPO / "tests/fixtures/engine/trace.py", home / "plugins/modules")
        shutil.copy(REPO / "galaxy.yml", home)
        for component, content in COMPONENTS.items():
            self._role(home / "roles" / component, component, content)
        (tmp / "toy.yml").write_text(STRATEGY)
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
        specs = {verb: {"short_description": verb, "options": {}} for verb in content["verbs"]}
        (home / "meta/argument_specs.yml").write_text(yaml.safe_dump({"argument_specs": specs}))
        for verb in content["verbs"]:
            text = PREFLIGHT if verb == "preflight" else VERB.format(world=self.traces, name=verb, component=component)
            (home / "tasks" / f"{verb}.yml").write_text(text)

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


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_a_run_its_undo_and_the_undo_of_the_undo(world: World) -> None:
    out = world.play("toy.yml", *GO)
    assert world.trace("edge1") == ["close", "open"]
    assert world.trace("db1") == ["prepare", "swap", "verify"]
    assert "[3/5] data.swap on db1" in out
    assert world.journal()[-1]["outcome"] == "completed"
    world.play("undo")
    assert world.trace("db1")[3:] == ["swap_back"]
    assert world.trace("edge1")[2:] == ["close", "open"]
    assert world.journal()[-1]["outcome"] == "undone"
    world.play("undo")
    assert world.trace("db1")[4:] == ["swap"]


def test_check_prints_the_plan_and_writes_nothing(world: World) -> None:
    before = sorted(path for path in world.root.rglob("*"))
    out = world.play("toy.yml", "--check")
    assert "  3  data.swap              db1                         0:05  data.swap_back" in out
    assert "ok    edge1 door: The door is there" in out
    assert sorted(path for path in world.root.rglob("*")) == before
    assert world.trace("db1") == world.trace("edge1") == []


def test_a_failed_step_holds_then_resumes_or_is_undone(world: World) -> None:
    (world.traces / "fail-swap-db1").touch()
    out = world.play("toy.yml", *GO, rc=2)
    assert "FAILED at [3/5] data.swap on db1" in out
    assert "in force: door.close; perhaps: data.swap" in " ".join(out.split())
    assert world.trace("edge1") == ["close"]
    assert "Run r" in world.play("toy.yml", *GO, rc=2)
    assert world.trace("edge1") == ["close"]
    (world.traces / "fail-swap-db1").unlink()
    world.play("resume")
    assert world.trace("db1") == ["prepare", "swap", "verify"]
    assert world.trace("edge1") == ["close", "open"]


def test_a_failed_step_is_undone_by_one_command(world: World) -> None:
    (world.traces / "fail-swap-db1").touch()
    world.play("toy.yml", *GO, rc=2)
    world.play("undo")
    assert world.trace("db1") == ["prepare", "swap_back"]
    assert world.trace("edge1") == ["close", "open"]
    assert "nothing has changed" in world.play("status") or world.journal()[-1]["outcome"] == "undone"


def test_preflight_refuses_with_every_row_and_changes_nothing(world: World) -> None:
    out = world.play("toy.yml", *GO, "-e", "door_level=fail", rc=2)
    assert "FAIL  edge1 door: The door is there\n      mend: mend it" in out
    assert "Preflight found 1 problem; nothing was changed." in out
    assert not (world.root / "toy/runs").exists()


@pytest.mark.parametrize(
    ("args", "text"),
    [
        ((), "data.swap replaces data: confirm it by naming what is rolled back."),
        (("-e", "confirm=prod/data"), "Given was 'prod/data'."),
        ((*GO, "--limit", "localhost,ctl,db1"), "--limit would cut the run"),
        ((*GO, "--tags", "always"), "--tags would cut the run"),
        ((*GO, "--skip-tags", "x"), "--skip-tags would cut the run"),
        ((*GO, "-e", "restore_point=p9"), "There is no restore point p9 for toy."),
        ((*GO, "--start-at-task", "Lock the environment and open the journal"), "This run was never planned"),
    ],
)
def test_bad_input_gets_one_clear_error_and_nothing_is_touched(world: World, args: tuple[str, ...], text: str) -> None:
    out = " ".join(world.play("toy.yml", *args, rc=2).replace("\\n", " ").replace('\\"', '"').split())
    assert text in out
    assert world.trace("edge1") == world.trace("db1") == []
    assert not (world.root / "toy/runs").exists()


def test_status_and_unlock(world: World) -> None:
    assert "No run yet. Restore points: 1" in world.play("status")
    (world.traces / "fail-swap-db1").touch()
    world.play("toy.yml", *GO, rc=2)
    run = world.journal()[0]["run"]
    assert "stopped by" in world.play("status")
    assert "The lock belongs to run" in world.play("unlock", rc=2)
    world.play("unlock", "-e", f"run={run}")
    assert world.journal()[-1]["outcome"] == "abandoned"


def test_nothing_to_resume_is_said(world: World) -> None:
    world.play("toy.yml", *GO)
    assert "there is nothing to resume" in world.play("resume", rc=2)


def test_a_killed_run_is_undone_after_its_orphan_has_ended(world: World) -> None:
    world.killed_in("swap", "db1", 12)
    assert world.trace("db1") == ["prepare"]
    world.play("undo")
    assert world.trace("db1") == ["prepare", "swap", "swap_back"]
    assert world.trace("edge1") == ["close", "open"]


def test_a_host_that_is_lost_half_way_holds_the_run_on_one_screen(world: World) -> None:
    out = world.play("far.yml", "-e", "reason=drill", rc=2)
    assert "far1 could not be reached in the middle of the step." in " ".join(out.split())
    screen = out[out.index("FAILED at") :].rstrip().splitlines()
    assert len(screen) <= 15
    assert max(map(len, out.splitlines())) <= 80
    assert [record["kind"] for record in world.journal()[-2:]] == ["failed", "closed"]
    assert world.journal()[-2]["code"] == "host-unreachable"
    assert world.journal()[-2]["host"] == "far1"
