# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the engine costs: seconds of a step beyond the same module in a bare playbook, over real SSH.

Usage: benchmarks/engine.py [--hosts 1,10,50] [--steps 6]

The step is a toy whose module appends one word to a file. The bare playbook is that module as so many tasks. Both run
with pipelining, without it, and with Mitogen's strategy when the package mitogen is installed.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "collections"), str(ROOT / "benchmarks")]

import figures  # noqa: E402
from integration.engine_fixtures import World  # noqa: E402
from integration.fleet_fixtures import Hosts  # noqa: E402

Settings = dict[str, str]


def main() -> None:
    """Measure every number of hosts in every way."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hosts", default="1,10,50")
    parser.add_argument("--steps", type=int, default=6)
    asked = parser.parse_args()
    rows = []
    for count in map(int, asked.hosts.split(",")):
        with tempfile.TemporaryDirectory(prefix="engine") as name:
            hosts = Hosts(Path(name), count)
            try:
                world = many(World(Path(name) / "world"), hosts, asked.steps)
                rows += [measured(world, count, way, settings, asked.steps) for way, settings in ways().items()]
            finally:
                hosts.stop()
    columns = ["bare task (s)", "step (s)", "engine per step (s)", "engine per step and host (s)"]
    figures.write("engine", "The engine's own cost", columns, rows, "seconds of a step beyond its module")


def ways() -> dict[str, Settings]:
    """What Ansible is told, by name."""
    found = {"pipelining": {"ANSIBLE_PIPELINING": "1"}, "no pipelining": {"ANSIBLE_PIPELINING": "0"}}
    mitogen = importlib.util.find_spec("ansible_mitogen")
    if mitogen and mitogen.origin:
        plugins = str(Path(mitogen.origin).parent / "plugins" / "strategy")
        found["Mitogen"] = {"ANSIBLE_STRATEGY_PLUGINS": plugins, "ANSIBLE_STRATEGY": "mitogen_linear"}
    return found


def many(world: World, hosts: Hosts, steps: int) -> World:
    """The toy world on these hosts, with a strategy of so many steps and a playbook of so many bare tasks."""
    path = world.tmp / "inventory.yml"
    inventory = yaml.safe_load(path.read_text(encoding="utf-8"))
    inventory["all"]["hosts"] = {**hosts.inventory(), "ctl": {"ansible_connection": "local"}}
    inventory["all"]["vars"].update(hosts.variables())
    door = {"hosts": {name: {} for name in hosts.addresses}}
    inventory["all"]["children"] = {"anchor": {"hosts": {"ctl": {}}}, "rollback_door": door}
    path.write_text(yaml.safe_dump(inventory), encoding="utf-8")
    walked = [("door.close", "door.open")[number % 2] for number in range(steps)]
    run = {"rollback_strategy": "toy", "rollback_steps": walked, "rollback_confirmation": "toy"}
    book: list[dict[str, Any]] = [{"import_playbook": "steady.rollback.run", "vars": run}]
    (world.tmp / "toy.yml").write_text(yaml.safe_dump(book), encoding="utf-8")
    trace = {"steady.rollback.trace": {"world": str(world.traces), "host": "{{ inventory_hostname }}", "verb": "x"}}
    for name, count in (("one.yml", 1), ("bare.yml", 1 + steps)):
        play = [{"hosts": "rollback_door", "gather_facts": False, "tasks": [trace] * count}]
        (world.tmp / name).write_text(yaml.safe_dump(play), encoding="utf-8")
    return world


def measured(world: World, count: int, way: str, settings: Settings, steps: int) -> figures.Row:
    """Seconds of a bare task and of a step; the connections are open when they are measured."""
    one, bare = (seconds(world, name, settings) for name in ("one.yml", "bare.yml"))
    task = (bare - one) / steps
    seconds(world, "toy.yml", settings)
    step = statistics.median(record["seconds"] for record in world.journal() if record["kind"] == "done")
    cells = [f"{task:.2f}", f"{step:.2f}", f"{step - task:.2f}", f"{(step - task) / count:.3f}"]
    print(f"{count} hosts, {way}: {cells}", flush=True)
    return figures.Row(f"{count} host{'s' * (count > 1)}, {way}", way != "no pipelining", cells, step - task)


def seconds(world: World, book: str, settings: Settings) -> float:
    """The wall seconds of a playbook."""
    env = {**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(world.tmp), "ANSIBLE_HOME": str(world.tmp / "home")}
    env.update(ANSIBLE_FORKS="50", ANSIBLE_LOCALHOST_WARNING="false", **settings)
    argv = [str(Path(sys.executable).parent / "ansible-playbook"), f"-i{world.tmp / 'inventory.yml'}"]
    began = time.monotonic()
    done = subprocess.run(
        [*argv, str(world.tmp / book), "-e", "confirm=toy"], env=env, stdin=subprocess.DEVNULL, check=False, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=900,
    )  # fmt: skip
    if done.returncode:
        raise SystemExit(done.stdout)
    return time.monotonic() - began


if __name__ == "__main__":
    main()
