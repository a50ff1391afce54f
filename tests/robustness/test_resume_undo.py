# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A full rollback is killed between any two of its steps; resume ends it, undo takes it back, and the world is right.

The controller gets SIGKILL the moment the intent of the next step is in the journal: nothing of it may have been done
yet, or half of it, and the step's module may still be running on its host.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from typing import TYPE_CHECKING

import pytest
from sandbox import playbooks

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from conftest import Product

CONFIRMED = {"confirm": playbooks.ENVIRONMENT, "reason": "killed"}
# From here the run is taken back instead: before, between and after everything that the users notice.
TAKEN_BACK = ("maintenance.enable", "service.stop", "postgres.swap", "release.switch")


@pytest.fixture(scope="module")
def broken(product: Product) -> Product:
    """v2 is live."""
    product.release("v2")
    return product


def intents(run: Path) -> dict[int, str]:
    """{number: step} of a run's steps whose intent is written; a resumed step has two."""
    return {record["n"]: record["step"] for record in playbooks.journal(run) if record["kind"] == "intent"}


def killed(product: Product, book: str, step: int, **variables: str) -> str:
    """Run ``book`` until the intent of its run's step ``step`` is written, then kill it; returns the step's name.

    Empty when the run ended before.
    """
    known = {run.name for run in playbooks.runs(product.box)} if book != "resume" else set()
    process = subprocess.Popen(
        playbooks.command(product.box, book, **variables), cwd=playbooks.ROOT, env=playbooks.environment(product.box),
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
    )  # fmt: skip
    try:
        while process.poll() is None:
            fresh = [run for run in playbooks.runs(product.box) if run.name not in known]
            begun = intents(fresh[-1]) if fresh else {}
            if step in begun:
                return begun[step]
            time.sleep(0.01)
        assert process.returncode == 0, process.stdout.read() if process.stdout else ""
        return ""
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def boundaries(product: Product, book: str, **variables: str) -> Iterator[str]:
    """Kill a run at its first step, go on, kill it at the next one, until it ends; yields where it was killed."""
    step, name = 1, killed(product, book, 1, **variables)
    while name:
        yield name
        step += 1
        name = killed(product, "resume", step)


def test_killed_between_any_two_steps_and_resumed(broken: Product) -> None:
    places = list(boundaries(broken, "full-rollback", **CONFIRMED))
    assert places[-1] == "gate.soak"
    assert broken.is_as("v1") == []
    places += list(boundaries(broken, "undo"))
    assert broken.is_as("v2") == []
    print(f"\nkilled and resumed at {len(places)} places: {', '.join(places)}")


@pytest.mark.parametrize("step", TAKEN_BACK)
def test_killed_between_two_steps_and_taken_back(broken: Product, step: str) -> None:
    names = [line for line in steps(broken)]
    assert killed(broken, "full-rollback", names.index(step) + 1, **CONFIRMED) == step
    broken.play("undo")
    assert broken.is_as("v2") == []


def steps(product: Product) -> list[str]:
    """The steps of the newest full rollback."""
    for run in reversed(playbooks.runs(product.box)):
        opened = playbooks.journal(run)[0]
        if opened["strategy"] == "full":
            return [step["name"] for step in opened["plan"]["steps"]]
    return []
