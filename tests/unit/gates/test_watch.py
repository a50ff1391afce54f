# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The loop, with a clock that costs no time."""

from __future__ import annotations

from ansible_collections.steady.rollback.plugins.module_utils.gates.verdict import FAIL, INCONCLUSIVE, PASS, Rule
from ansible_collections.steady.rollback.plugins.module_utils.gates.watch import Watched, watch
from ansible_collections.steady.rollback.plugins.module_utils.gates.window import Reading
from hypothesis import given
from hypothesis import strategies as st

STATES = {"g": True, "b": False, "u": None}


class FakeClock:
    def __init__(self) -> None:
        self.time = 1000.0

    def now(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        assert seconds >= 0
        self.time += seconds


def play(rule: Rule, cost: float = 0.0, **patterns: str) -> tuple[dict[str, Watched], float]:
    """Each probe follows its pattern and then repeats the last letter; gives what was watched and how long."""
    clock = FakeClock()
    rounds = iter(range(100_000))

    def look() -> dict[str, tuple[Reading, float]]:
        number = next(rounds)
        clock.time += cost
        return {
            name: (Reading(STATES[pattern[min(number, len(pattern) - 1)]]), cost * 1000)
            for name, pattern in patterns.items()
        }

    tracks = watch(look, rule, clock, timed=lambda name: True)
    return tracks, clock.time - 1000


def test_it_stops_at_the_first_row_of_good_ones() -> None:
    tracks, seconds = play(Rule(consecutive=3, timeout=60), api="bbg")
    assert tracks["api"].verdict.status == PASS
    assert (len(tracks["api"].samples), seconds) == (5, 4.0)


def test_all_probes_must_pass_in_the_same_round() -> None:
    tracks, _ = play(Rule(consecutive=2, timeout=5), app="ggbbbb", database="bbggbb")
    assert {track.verdict.status for track in tracks.values()} == {FAIL}


def test_flapping_is_watched_to_the_end_and_stays_inconclusive() -> None:
    tracks, seconds = play(Rule(consecutive=3, timeout=9), api="gbgbgbgbgbgb")
    assert tracks["api"].verdict.status == INCONCLUSIVE
    assert seconds == 9.0


def test_a_window_is_seen_whole_even_when_all_is_well() -> None:
    tracks, seconds = play(Rule(consecutive=1, window=30, timeout=40, max_error_ratio=0.0), api="g")
    assert (tracks["api"].verdict.status, seconds, len(tracks["api"].samples)) == (PASS, 30.0, 31)


def test_a_bad_start_slides_out_of_the_window() -> None:
    tracks, seconds = play(Rule(consecutive=1, window=10, timeout=30, max_error_ratio=0.0), api="bbbbbg")
    assert (tracks["api"].verdict.status, seconds) == (PASS, 15.0)


def test_a_soak_that_cannot_pass_any_more_ends_early() -> None:
    tracks, seconds = play(Rule(consecutive=1, window=300, timeout=300, max_error_ratio=0.01), api="gggb")
    assert tracks["api"].verdict.status == FAIL
    assert seconds < 10


def test_slow_probes_do_not_stretch_the_beat() -> None:
    _, seconds = play(Rule(consecutive=5, interval=2, timeout=60), cost=0.5, api="g")
    assert seconds == 8.5


def test_no_probes_end_at_once() -> None:
    assert play(Rule()) == ({}, 0.0)


@given(st.text("gbu", min_size=1, max_size=30), st.integers(1, 4), st.sampled_from([0.0, 5.0]), st.floats(0, 3))
def test_it_always_ends_in_time_and_passes_only_on_good_ends(
    pattern: str, consecutive: int, window: float, cost: float
) -> None:
    rule = Rule(consecutive=consecutive, window=window, timeout=20, max_error_ratio=0.5)
    tracks, seconds = play(rule, cost=cost, api=pattern)
    assert seconds <= 20 + cost + 1e-6
    if tracks["api"].verdict.status == PASS:
        newest = [sample.reading.ok for sample in tracks["api"].samples[-consecutive:]]
        assert newest == [True] * consecutive
