# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How long the anchor needs to read a long journal, and what status reads when many runs lie there.

Usage: benchmarks/journal.py [--events 10000] [--runs 300]
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "collections"), str(ROOT / "benchmarks")]

import figures  # noqa: E402
from ansible_collections.steady.rollback.plugins.module_utils.anchor import session  # noqa: E402
from ansible_collections.steady.rollback.plugins.module_utils.anchor.store import Store  # noqa: E402

STEPS = 28  # of a full rollback
STEP = {"name": "postgres.swap", "component": "postgres", "verb": "swap", "hosts": ["db1"], "inverse": "swap_back"}
EFFECT = {"changed": True, "gap_ms": 31.2, "kept": "wabot_before", "sessions": 12, "note": "as long as results are" * 4}


def main() -> None:
    """Write, read, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=10_000)
    parser.add_argument("--runs", type=int, default=300)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        long, many = Store(name, "long"), Store(name, "many")
        write(long, "r1", asked.events)
        for number in range(asked.runs):
            write(many, f"r{number:06}", 2 * STEPS)
        rows = [
            row(f"read a journal of {asked.events} events", lambda: long.records("r1")),
            row(f"append to a journal of {asked.events} events", lambda: long.append("r1", [{"kind": "x"}])),
            row(f"what status.yml reads of {asked.runs} runs", lambda: session.look(many, "", "")),
        ]
    figures.write("journal", "The record on the anchor", ["seconds"], rows, "seconds")


def write(store: Store, run: str, events: int) -> None:
    """A run that was completed, with so many events."""
    steps = [{**STEP, "n": n} for n in range(1, STEPS + 1)]
    store.write_plan(run, {"run": {"id": run}, "plan": {"steps": steps}})
    records = [
        {"kind": "intent", "n": 1 + n // 2 % STEPS, "step": STEP["name"], "hosts": ["db1"]}
        if n % 2 == 0
        else {"kind": "done", "n": 1 + n // 2 % STEPS, "step": STEP["name"], "effects": {"db1": EFFECT}, "seconds": 1.5}
        for n in range(events - 1)
    ]
    store.append(run, [*records, {"kind": "closed", "outcome": "completed"}])


def row(name: str, work: Callable[[], object]) -> figures.Row:
    """The fastest of three: what else the machine does is not meant."""
    taken = []
    for _ in range(3):
        began = time.perf_counter()
        work()
        taken.append(time.perf_counter() - began)
    return figures.Row(name, True, [f"{min(taken):.3f}"], min(taken))


if __name__ == "__main__":
    main()
