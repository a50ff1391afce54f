"""Names and spellings that are the same everywhere."""

from __future__ import annotations

from ansible_collections.steady.rollback.plugins.module_utils.core import canonical
from hypothesis import example, given
from hypothesis import strategies as st

MOMENT = st.floats(1_000_000_000, 4_000_000_000, allow_nan=False)


def test_a_run_is_named_after_its_moment() -> None:
    assert canonical.run_id(1_795_500_180.5) == "r20261124t060300-8000"


@given(MOMENT, MOMENT)
@example(1_795_500_180.9999999, 1_795_500_181.0)
def test_names_of_runs_sort_by_time(one: float, other: float) -> None:
    assert (canonical.run_id(min(one, other))) <= canonical.run_id(max(one, other))


@given(MOMENT)
def test_a_moment_survives_its_spelling(now: float) -> None:
    assert abs(canonical.epoch(canonical.utc(now)) - now) < 1e-5


def test_durations_read_as_a_clock_does() -> None:
    assert [canonical.duration(seconds) for seconds in (-1, 0.4, 62, 3725)] == ["0:00", "0:00", "1:02", "1:02:05"]


def test_one_spelling() -> None:
    assert canonical.dumps({"b": 1, "a": "\u00e9"}) == '{"a":"é","b":1}'.encode()
