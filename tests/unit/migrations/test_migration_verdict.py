# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The verdict over schema and target: a table of cases, and what must hold for every history."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.steady.rollback.plugins.module_utils.migrations.verdict import (
    CODE_ONLY,
    DOWN,
    REFUSE,
    RESTORE,
    Schema,
    judge,
    lacking,
    missing,
)
from hypothesis import given
from hypothesis import strategies as st

HARMLESS = {"what": "op", "breaks": "", "loses": "", "back": True}
ADDS = {**HARMLESS, "loses": "rows"}
RENAMES = {**HARMLESS, "breaks": "older code uses the old name"}
DESTROYS = {**RENAMES, "loses": "what it removed"}
ONE_WAY = {**RENAMES, "back": False}


def line(*operations: dict[str, Any], **more: Any) -> Schema:
    """A history m.0, m.1, ... in one line, with one operation each; m.0 is the target's."""
    names = [f"m.{number}" for number in range(len(operations) + 1)]
    steps = {
        name: {"operations": [op], "children": names[number + 1 : number + 2], "atomic": True}
        for number, (name, op) in enumerate(zip(names, (HARMLESS, *operations)))
    }
    return Schema(applied=tuple(names), disk={name: [] for name in names}, steps=steps, **more)


TARGET: dict[str, list[str]] = {"m.0": []}


@pytest.mark.parametrize(
    ("live", "kind", "undo"),
    [
        (line(), CODE_ONLY, ()),
        (line(ADDS, HARMLESS), CODE_ONLY, ()),
        (line(RENAMES), DOWN, ("m.1",)),
        (line(ADDS, RENAMES, HARMLESS), DOWN, ("m.3", "m.2")),
        (line(RENAMES, ADDS), RESTORE, ()),
        (line(DESTROYS), RESTORE, ()),
        (line(ONE_WAY), RESTORE, ()),
        (line(problems=("half applied",)), REFUSE, ()),
    ],
)
def test_cases(live: Schema, kind: str, undo: tuple[str, ...]) -> None:
    verdict = judge(live, TARGET)
    assert (verdict.kind, verdict.undo) == (kind, undo)


def test_what_is_not_atomic_is_not_undone() -> None:
    live = line(RENAMES)
    live.steps["m.1"]["atomic"] = False  # type: ignore[index]
    assert judge(live, TARGET).kind == RESTORE


def test_what_nobody_knows_needs_a_restore() -> None:
    live = Schema(applied=("m.0", "m.9"), disk=TARGET, steps=line().steps, unknown=("m.9",))
    assert judge(live, TARGET).kind == RESTORE
    assert judge(live, {**TARGET, "m.9": []}).kind == CODE_ONLY


def test_a_target_ahead_of_the_database_is_refused() -> None:
    assert judge(line(), {**TARGET, "m.1": []}).kind == REFUSE


def test_squashed_migrations_are_the_same_on_both_sides() -> None:
    squash = {"m.all": ["m.0", "m.1"]}
    parts: dict[str, list[str]] = {"m.0": [], "m.1": []}
    # The database saw the parts, the target has the squash; and the other way round.
    assert lacking(("m.0", "m.1"), parts, squash) == missing(("m.0", "m.1"), parts, squash) == []
    assert lacking(("m.all",), squash, parts) == missing(("m.all",), squash, parts) == []
    assert lacking(("m.all", "m.2"), squash, parts) == ["m.2"]
    assert missing(("m.0",), parts, squash) == ["m.all"]
    # The target still carries the parts beside the squash.
    assert missing(("m.all",), squash, {**squash, **parts}) == []


operations = st.lists(st.sampled_from([HARMLESS, ADDS, RENAMES, DESTROYS, ONE_WAY]), max_size=6)


@given(operations, st.integers(0, 6))
def test_whatever_is_undone_loses_nothing_and_leaves_nothing_that_breaks(ops: list[dict[str, Any]], cut: int) -> None:
    live = line(*ops)
    target: dict[str, list[str]] = {name: [] for name in live.applied[: cut + 1]}
    verdict = judge(live, target)
    assert set(verdict.lacks) == set(live.applied) - set(target)
    assert set(verdict.undo) <= set(verdict.lacks)
    for name in verdict.undo:
        (op,) = live.steps[name]["operations"]
        assert op["back"]
        assert not op["loses"]
    left = [name for name in verdict.lacks if name not in verdict.undo]
    still = any(op["breaks"] for name in left for op in live.steps[name]["operations"])
    assert still is (verdict.kind == RESTORE)
    if verdict.kind == DOWN:
        # Nothing is undone under something that stays, and afterwards the code can go back.
        after = tuple(name for name in live.applied if name not in verdict.undo)
        assert after == live.applied[: len(after)]
        assert judge(Schema(after, live.disk, live.steps), target).kind == CODE_ONLY


@given(operations)
def test_a_release_can_always_go_to_itself(ops: list[dict[str, Any]]) -> None:
    live = line(*ops)
    assert judge(live, live.disk).kind == CODE_ONLY
