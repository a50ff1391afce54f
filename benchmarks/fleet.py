# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How long a code rollback of many hosts takes: each is an sshd on an address of its own, with releases and a service.

Usage: benchmarks/fleet.py [--hosts 1,10,50]
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "collections"), str(ROOT / "benchmarks")]

import figures  # noqa: E402
from integration.fleet_fixtures import Fleet  # noqa: E402


def main() -> None:
    """Measure every size."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hosts", default="1,10,50")
    asked = parser.parse_args()
    rows = [measured(int(count)) for count in asked.hosts.split(",")]
    columns = ["whole command (s)", "services away (s)", "same commit everywhere"]
    figures.write("fleet", "code-rollback.yml on many hosts over SSH", columns, rows, "seconds of the whole command")


def measured(count: int) -> figures.Row:
    """One rollback of so many hosts."""
    with tempfile.TemporaryDirectory(prefix="fleet") as name:
        fleet = Fleet(Path(name), count)
        try:
            began = time.monotonic()
            fleet.play("code-rollback.yml", release="v1")
            took = time.monotonic() - began
            same = "yes" if set(fleet.live().values()) == {("v1", "v1")} else "no"
            (journal,) = Path(name).glob("anchor/fleet/runs/*/journal.jsonl")
            done = [json.loads(line) for line in journal.read_text(encoding="utf-8").splitlines()]
            steps = ("service.stop", "release.switch", "service.start")
            away = sum(each["seconds"] for each in done if each["kind"] == "done" and each["step"] in steps)
        finally:
            fleet.stop()
    return figures.Row(f"{count} hosts", True, [f"{took:.1f}", f"{away:.1f}", same], took)


if __name__ == "__main__":
    main()
