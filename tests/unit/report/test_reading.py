# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Values of any shape are read, or left out; none of them stops a report."""

from __future__ import annotations

import math
from typing import Any

import pytest
from ansible_collections.steady.rollback.plugins.plugin_utils.report import reading


@pytest.mark.parametrize("value", [True, None, "3", [], math.nan, math.inf, -math.inf, 10**400, 1e16])
def test_what_cannot_be_drawn_is_no_number(value: Any) -> None:
    assert reading.number(value) is None


def test_a_time_without_a_zone_is_utc() -> None:
    assert reading.moment("2026-11-24T02:23:01") == reading.moment("2026-11-24T02:23:01Z") == 1795486981.0
    assert reading.stamp(1795486981.0) == "2026-11-24 02:23:01"
    assert reading.moment("yesterday") is None
    assert reading.stamp(1e14) == reading.stamp(None) == ""


def test_effects_of_done_and_failed_steps_in_order() -> None:
    records: list[dict[str, Any]] = [
        {"kind": "intent", "n": 1, "effects": {"no": {}}},
        {"kind": "done", "n": 1, "step": "a.b", "effects": {"h1": {"x": 1}, "h2": "odd"}},
        {"kind": "failed", "n": 2, "step": "c.d", "effects": {"h1": {"verdict": "fail"}}},
    ]
    found = [(effect.step, effect.host, effect.values) for effect in reading.effects(records)]
    assert found == [("a.b", "h1", {"x": 1}), ("a.b", "h2", {}), ("c.d", "h1", {"verdict": "fail"})]
