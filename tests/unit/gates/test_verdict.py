# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Where a gate opens and where it stays closed: the boundaries."""

from __future__ import annotations

import pytest
from ansible_collections.steady.rollback.plugins.module_utils.core.errors import BadInput
from ansible_collections.steady.rollback.plugins.module_utils.gates.verdict import (
    FAIL,
    INCONCLUSIVE,
    PASS,
    Rule,
    Verdict,
    check,
    hopeless,
    judge,
    overall,
)
from ansible_collections.steady.rollback.plugins.module_utils.gates.window import (
    Reading,
    Sample,
    percentile,
    summary,
    thinned,
)
from hypothesis import given
from hypothesis import strategies as st

STATES = {"g": True, "b": False, "u": None}


def series(pattern: str, ms: float = 10.0) -> list[Sample]:
    """One sample a second: g good, b bad, u unknown."""
    return [Sample(float(at), ms, Reading(STATES[letter], f"note {at}")) for at, letter in enumerate(pattern)]


@pytest.mark.parametrize(
    ("pattern", "status"),
    [
        ("ggg", PASS),
        ("gg", INCONCLUSIVE),
        ("bggg", PASS),
        ("gggb", INCONCLUSIVE),
        ("gbgbgb", INCONCLUSIVE),
        ("ggbgg", INCONCLUSIVE),
        ("bbb", FAIL),
        ("b", FAIL),
        ("gggbbb", FAIL),
        ("uuu", INCONCLUSIVE),
        ("", INCONCLUSIVE),
        ("ggu", INCONCLUSIVE),
        ("gggu", INCONCLUSIVE),
        ("bbu", INCONCLUSIVE),
    ],
)
def test_a_row_of_good_readings_is_needed(pattern: str, status: str) -> None:
    assert judge(series(pattern), Rule(consecutive=3)).status == status


def test_the_reason_names_what_was_seen() -> None:
    verdict = judge(series("gbgb"), Rule(consecutive=2))
    assert verdict.reason == "not steady: 0 good in a row, 2 needed; 2 good, 2 bad, 0 unknown: note 3"
    assert judge(series("uu"), Rule()).reason == "no data: note 1"


@pytest.mark.parametrize(
    ("bad", "status"),
    [(0, PASS), (1, PASS), (2, FAIL)],
)
def test_the_error_ratio_may_be_reached_but_not_exceeded(bad: int, status: str) -> None:
    rule = Rule(consecutive=1, window=100, timeout=100, max_error_ratio=0.01)
    assert judge(series("b" * bad + "g" * (100 - bad)), rule).status == status


def test_what_is_unknown_may_have_been_bad() -> None:
    rule = Rule(consecutive=1, window=100, timeout=100, max_error_ratio=0.01)
    assert judge(series("uu" + "g" * 98), rule).status == INCONCLUSIVE
    assert judge(series("u" + "g" * 99), rule).status == PASS


@pytest.mark.parametrize(("slow", "status"), [(5, PASS), (6, FAIL)])
def test_p95_bears_five_slow_ones_in_a_hundred(slow: int, status: str) -> None:
    rule = Rule(consecutive=1, window=100, timeout=100, max_p95_ms=500)
    samples = series("g" * slow, ms=501) + series("g" * (100 - slow), ms=500)
    assert judge(samples, rule).status == status
    assert judge(samples, rule, timed=False).status == PASS


@pytest.mark.parametrize(("count", "status"), [(4, INCONCLUSIVE), (5, PASS)])
def test_too_few_samples_never_pass(count: int, status: str) -> None:
    assert judge(series("g" * count), Rule(consecutive=1, min_samples=5)).status == status


@given(st.text("gbu", max_size=40), st.integers(1, 6), st.integers(1, 10), st.booleans())
def test_a_pass_is_always_earned(pattern: str, consecutive: int, least: int, windowed: bool) -> None:
    window = 100.0 if windowed else 0.0
    rule = Rule(consecutive=consecutive, min_samples=least, window=window, timeout=100, max_error_ratio=0.2)
    if judge(series(pattern), rule).status == PASS:
        assert pattern.endswith("g" * consecutive)
        assert pattern.count("g") + pattern.count("b") >= least
        assert not windowed or pattern.count("b") <= 0.2 * len(pattern.replace("u", ""))


@given(st.text("gb", min_size=1, max_size=30), st.text("gb", max_size=30), st.floats(0, 0.5))
def test_hopeless_is_never_said_of_a_window_that_could_still_pass(seen: str, coming: str, allowed: float) -> None:
    rule = Rule(consecutive=1, interval=1, window=30, timeout=30, max_error_ratio=allowed)
    whole = (seen + coming)[:31]
    if judge(series(whole), rule).status == PASS:
        assert not hopeless(series(seen[:31]), rule, 0.0)


def test_hopeless_ignores_what_will_have_left_the_window() -> None:
    rule = Rule(window=10, timeout=40, max_error_ratio=0.0)
    assert not hopeless(series("bbbbb"), rule, 30.0)
    assert hopeless(series("g" * 31 + "b"), rule, 30.0)
    slow = Rule(window=10, timeout=10, max_p95_ms=5)
    assert hopeless(series("g", ms=6), slow, 0.0)
    assert not hopeless(series("g", ms=6), slow, 0.0, timed=False)


@given(st.lists(st.sampled_from([PASS, FAIL, INCONCLUSIVE])))
def test_overall_passes_only_when_all_do(states: list[str]) -> None:
    found = overall(Verdict(state, "") for state in states)
    assert (found == PASS) == (bool(states) and set(states) == {PASS})
    assert (found == FAIL) == (FAIL in states)


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        (Rule(consecutive=0), "consecutive must be at least 1"),
        (Rule(interval=0), "interval must be above 0"),
        (Rule(window=61, timeout=60), "is shorter than window"),
        (Rule(max_error_ratio=5), "a share from 0 to 1"),
        (Rule(max_error_ratio=float("nan")), "a share from 0 to 1"),
        (Rule(window=10, timeout=10, min_samples=12), "holds 11 samples, and 12 are asked for"),
    ],
)
def test_a_rule_without_sense_is_refused(rule: Rule, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        check(rule)


@given(st.lists(st.floats(0, 1e6), min_size=1), st.floats(0.01, 1))
def test_a_percentile_is_one_of_the_values_and_covers_its_share(values: list[float], share: float) -> None:
    found = percentile(values, share)
    assert found in values
    assert sum(1 for value in values if value <= found) >= share * len(values) - 1e-9


@given(st.text("gbu", max_size=60))
def test_figures_add_up(pattern: str) -> None:
    figures = summary(series(pattern))
    assert figures.good + figures.bad + figures.unknown == figures.count == len(pattern)
    assert figures.longest == max(map(len, pattern.replace("u", "b").split("b")))
    assert figures.streak <= figures.longest


@given(st.integers(0, 2000), st.integers(1, 700))
def test_thinning_keeps_the_ends(count: int, most: int) -> None:
    samples = series("g" * count)
    kept = thinned(samples, most)
    assert len(kept) <= most
    assert kept[-1:] == samples[-1:]
    assert most == 1 or kept[:1] == samples[:1]
    assert len({sample.at for sample in kept}) == len(kept)
