# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What customers see while the code goes back: the document's way, and three ways to a release that is there already.

Usage: benchmarks/code_rollback.py [--only document|symlink|stopped|rolling|warm]

Runs WabotIQ on the embedded sandbox, deploys v1.1 over v1 and goes back to v1, each time under ten requests a second
through the edge. For each way: requests that got no answer of the application (its own errors, which v1.1 has on
purpose, do not count), the longest time without service, the time until all customers get v1, and the whole command.
``symlink`` is what Capistrano and Ansistrano do: the newest release directory but one by name or time, one symlink,
and a restart of everything.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "benchmarks")]

import figures  # noqa: E402
import sandbox  # noqa: E402
from sandbox import playbooks, programs, supervisor_rpc  # noqa: E402
from sandbox.layout import RELEASE_HOSTS, Sandbox  # noqa: E402
from sandbox.load import Load  # noqa: E402

STOP = ("worker1-beat", "worker1-worker", "app1-gunicorn", "app2-gunicorn")
STOPPED = ["service.stop", "release.switch", "service.start"]
ROLLING = ["release.switch", "service.reload"]
WARM = ["traffic.to_standby", *STOPPED, "traffic.to_live"]
GONE = (0, 502, 503, 504)  # no answer of the application


def main() -> None:
    """Measure every way."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=list(WAYS))
    asked = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory(prefix="code") as name:
        directory = Path(name)
        box = sandbox.start(directory)
        try:
            sandbox.deploy(directory, "v1")
            for way, (title, act) in WAYS.items():
                if asked.only in (None, way):
                    sandbox.deploy(directory, "v1.1", True)
                    rows.append(measured(box, title, way not in THEIRS, act))
                    sandbox.deploy(directory, "v1")
                    forget(box)
        finally:
            sandbox.stop(directory)
    columns = ["without an answer", "longest gap (s)", "all on v1 after (s)", "whole command (s)"]
    figures.write("code_rollback", "Code rollback to a retained release under load", columns, rows, "longest gap (s)")


def measured(box: Sandbox, title: str, ours: bool, act: Callable[[Sandbox], None]) -> figures.Row:
    """What the customers saw while ``act`` took the code back."""
    file = box.directory / "samples.jsonl"
    file.unlink(missing_ok=True)
    with Load(box.url(), file):
        time.sleep(3)
        began = time.time()
        act(box)
        ended = time.time()
        time.sleep(3)
    rows = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    rows = sorted((row for row in rows if row["t"] >= began), key=lambda row: row["t"])
    gone = [row for row in rows if row["status"] in GONE]
    served = [began] + [row["t"] for row in rows if row["status"] not in GONE]
    gap = max(later - earlier for earlier, later in zip(served, served[1:]))
    old = [row["t"] for row in rows if row["version"] and row["version"] != "1.0.0"]
    back = max(old, default=began) - began
    cells = [f"{len(gone)} of {len(rows)}", f"{gap:.1f}", f"{back:.1f}", f"{ended - began:.1f}"]
    print(f"{title}: {cells}", flush=True)
    return figures.Row(title, ours, cells, gap)


def forget(box: Sandbox) -> None:
    """Have the next deployment build v1.1 again: the document's way has overwritten it."""
    for host in RELEASE_HOSTS:
        live = (box.home(host) / "current").resolve()
        for release in (box.home(host) / "releases").iterdir():
            if release.is_dir() and release != live and (release / ".release.json").exists():
                shutil.rmtree(release)


def document(box: Sandbox) -> None:
    """Stop, check out in place, pip install, collectstatic, start (S3:299-361), as one script without its sleep 120."""
    for name in STOP:
        stop(box, name)

    def in_place(host: str) -> None:
        home = box.home(host)
        live = (home / "current").resolve()
        venv, quiet = live / "venv" / "bin", {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        argv = ["git", "--git-dir", home / "repo.git", "--work-tree", live, "checkout", "--force", "v1", "--", "."]
        subprocess.run(argv, cwd=live, check=True, **quiet)  # type: ignore[call-overload]
        uv = [programs.program("uv"), "pip", "install", "--quiet", "--offline", "-p", venv / "python"]
        subprocess.run([*uv, "-r", live / "requirements.lock"], check=True, **quiet)  # type: ignore[call-overload]
        sandbox.deployment.manage(box, host, "collectstatic", "--noinput", "--verbosity", "0")

    with ThreadPoolExecutor() as hosts:
        list(hosts.map(in_place, RELEASE_HOSTS))
    for name in reversed(STOP):
        supervisor_rpc.connect(box.socket).startProcess(name)


def symlink(box: Sandbox) -> None:
    """The release directory before the newest one, by time, on every host; then a restart of everything."""
    for host in RELEASE_HOSTS:
        releases = [each for each in (box.home(host) / "releases").iterdir() if each.is_dir()]
        *_, before, _newest = sorted(releases, key=lambda each: (each / ".release.json").stat().st_mtime)
        fresh = box.home(host) / "current.new"
        fresh.symlink_to(before)
        fresh.replace(box.home(host) / "current")
    for name in STOP:
        supervisor_rpc.restart(box.socket, name)


def stopped(box: Sandbox) -> None:
    """A release beside the live one, switched by one rename while everything is stopped."""
    rolled(box, STOPPED)


def rolling(box: Sandbox) -> None:
    """The same, and the services restarted one host after the other."""
    rolled(box, ROLLING)


def warm(box: Sandbox) -> None:
    """A release that is kept warm."""
    rolled(box, WARM)


def rolled(box: Sandbox, steps: list[str]) -> None:
    """A rollback with only these steps."""
    variables = {"rollback_strategy": "benchmark", "restore_point": "", "release": "v1", "rollback_steps": steps}
    book = {"name": "Code", "ansible.builtin.import_playbook": "steady.rollback.run", "vars": variables}
    path = box.directory / "benchmark.yml"
    path.write_text(yaml.safe_dump([book]), encoding="utf-8")
    playbooks.play(box, str(path.with_suffix("")))


WAYS: dict[str, tuple[str, Callable[[Sandbox], None]]] = {
    "document": ("stop, checkout, install, start", document),
    "symlink": ("symlink by time, restart", symlink),
    "stopped": ("stop, switch, start", stopped),
    "rolling": ("switch, restart host by host", rolling),
    "warm": ("proxy to a warm standby", warm),
}
THEIRS = ("document", "symlink")


def stop(box: Sandbox, name: str) -> None:
    """Stop a program and wait for its end."""
    supervisor_rpc.connect(box.socket).stopProcess(name)


if __name__ == "__main__":
    main()
