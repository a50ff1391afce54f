# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is written on a database that goes out of service, and what is read from it later."""

from __future__ import annotations

import re
from typing import Any

import pytest
from ansible_collections.steady.rollback.plugins.module_utils.core import canonical
from ansible_collections.steady.rollback.plugins.module_utils.databases import finalize, ledger, swap

WAY = swap.Exchange(swap.Terms("wabot", "r20261125t022301-4f2a", "r20261126t000000-0001", 72, 10), "in", "out")
RESTORED = {"rollback": "r20261125t022301-4f2a", "complete": True, "source": "a backup"}


def mark(incoming: dict[str, Any]) -> dict[str, Any]:
    return swap._mark(WAY, {"oid": "16400", "mark": incoming})


def test_the_restores_mark_waits_on_the_kept_one_and_comes_back() -> None:
    kept = mark(RESTORED)
    assert (kept["restored"], kept["kept"]["live"], "complete" in kept) == (RESTORED, 16400, False)
    undone = mark(kept)
    assert {key: undone[key] for key in RESTORED} == RESTORED
    assert undone["kept"]["run"] == WAY.terms.run
    again = mark(undone)
    assert again["restored"] == RESTORED


def test_a_kept_database_whose_comment_was_overwritten_can_still_go_back() -> None:
    assert mark({})["restored"] == {}


def test_it_is_kept_for_the_hours_that_were_asked_for() -> None:
    kept = mark(RESTORED)["kept"]
    assert canonical.epoch(kept["until"]) - canonical.epoch(kept["replaced"]) == pytest.approx(72 * 3600, abs=1)


def test_a_name_says_when_its_thing_was_made() -> None:
    order = finalize.Order("wabot", "test", "r", [], keep_hours=2, keep_backups=1, now=0)
    assert finalize._after("r20261125t022301-4f2a.dump", order) == "2026-11-25T04:23:01.000000Z"
    assert [finalize._after(name, order) for name in ("", "r2026", "r20261399t022301-4f2a", "nightly")] == [""] * 4


@pytest.mark.parametrize(
    "name", ['public."a/../b"', "public.a.b", "x.message", 'public."é"', 'public."' + "n" * 90 + '"']
)
def test_a_file_of_lost_rows_has_a_safe_name(name: str) -> None:
    assert re.fullmatch(r"[A-Za-z0-9_.-]{1,100}", ledger._safe(name))
    assert "/" not in ledger._safe(name)
    assert ledger._safe("public.message") == "message"
