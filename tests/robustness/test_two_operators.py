# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Two operators type the same command at the same moment: one wins, the other learns all about him and does nothing."""

from __future__ import annotations

import re

import pytest
from integration.engine_fixtures import GO, World

TIMES = [0, *(pytest.param(n, marks=pytest.mark.slow) for n in range(1, 20))]
MOMENT = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"
# As on the screen, with its lines joined.
LOSER = re.compile(
    rf"FAILED \[localhost\] \S+ on \S+ is running (r\d{{8}}t\d{{6}}-[0-9a-f]{{4}}) since {MOMENT}, step \S+, last "
    rf"sign of life \d+:\d\d ago\. Hint: Watch it: ansible-playbook status\.yml\. It may be taken over at {MOMENT}, "
    r"or now by resume\.yml or undo\.yml with -e take_over=\1\. Next: ansible-playbook status\.yml"
)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    found = World(tmp_path_factory.mktemp("two"))
    (found.traces / "slow-swap-db1").write_text("2")  # the winner is still at work when the loser comes to the lock
    return found


@pytest.mark.parametrize("time", TIMES)
def test_of_two_operators_one_wins(world: World, time: int) -> None:
    before = world.trace("edge1"), world.trace("db1")
    both = [world.start("toy.yml", *GO) for _ in range(2)]
    said = {run.communicate(timeout=240)[0]: run.returncode for run in both}
    assert sorted(said.values()) == [0, 2], said
    loser = " ".join(next(text for text, code in said.items() if code).split())
    assert LOSER.search(loser) or "came between this plan and its start" in loser, loser
    assert world.trace("edge1") == [*before[0], "close", "open"]
    assert world.trace("db1") == [*before[1], "prepare", "swap", "verify"]
    assert world.journal()[-1]["outcome"] == "completed"
