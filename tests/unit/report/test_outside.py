# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a prober outside saw, in figures."""

from __future__ import annotations

import json

from ansible_collections.steady.rollback.plugins.plugin_utils.report import outside
from ansible_collections.steady.rollback.plugins.plugin_utils.report.outside import Sample


def probed(down: tuple[float, float], end: float = 60.0, flaky: tuple[float, ...] = ()) -> list[Sample]:
    """Ten requests a second from 0 to ``end``; none is answered within ``down``, nor at the times of ``flaky``."""
    times = [i / 10 for i in range(int(end * 10))]
    return [Sample(t, 20.0 + t, not (down[0] <= t < down[1] or t in flaky)) for t in times]


def test_the_longest_outage_from_the_first_failure_to_the_next_good_answer() -> None:
    seen = outside.view(probed((20.0, 28.5), flaky=(5.0, 40.0)), 10.0, 50.0)
    assert seen is not None
    assert seen.outage == (20.0, 28.5)
    assert not seen.ongoing
    assert [(p.name, p.requests, p.failed) for p in seen.periods] == [
        ("before", 200, 1),
        ("during", 85, 85),
        ("after", 315, 1),
    ]
    assert seen.failed == 86
    assert sum(each.requests for each in seen.bins) == 600


def test_an_outage_before_the_run_is_not_its_downtime() -> None:
    seen = outside.view(probed((0.0, 9.0), flaky=(30.0,)), 10.0, 50.0)
    assert seen is not None
    assert seen.outage == (30.0, 30.1)


def test_an_outage_that_has_not_ended_is_said_to_go_on() -> None:
    seen = outside.view(probed((20.0, 99.0)), 10.0, 60.0)
    assert seen is not None
    assert (seen.outage, seen.ongoing) == ((20.0, 59.9), True)


def test_no_samples_around_the_run_is_no_view() -> None:
    assert outside.view([], 0.0, 1.0) is None
    assert outside.view(probed((0.0, 0.0)), 9000.0, 9010.0) is None


def test_torn_and_foreign_lines_are_left_out() -> None:
    good = json.dumps({"t": 2.0, "ms": 5, "ok": True, "status": 200})
    lines = [good, "", "{", '{"t": "x", "ms": 1, "ok": true}', '{"t": NaN, "ms": 1, "ok": true}', good[:-9], "[1]"]
    assert outside.parse(lines) == [Sample(2.0, 5.0, True)]
    assert outside.parse(['{"t": 9, "ms": 1, "ok": false}', good])[0].at == 2.0
