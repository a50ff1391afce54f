"""Downtime is what customers saw: measured between answers, not between commands."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from sandbox.load import Sample, downtime, read, summary


def samples(text: str, every: float = 0.5) -> list[Sample]:
    """One sample for each letter: ``.`` is served, ``x`` is not."""
    return [Sample(place * every, 10.0, letter == ".", 200, "1.0.0") for place, letter in enumerate(text)]


@pytest.mark.parametrize(
    ("seen", "seconds"),
    [
        ("", 0.0),
        ("....", 0.0),
        (".x.x.", 0.0 + 2.0),
        ("..xxxx..", 2.5),
        (".xxx.xxx.", 4.0),
        (".xxxx", 2.0),
        ("xxxx.", 0.0),
    ],
)
def test_downtime_is_from_the_last_good_answer_to_the_next(seen: str, seconds: float) -> None:
    assert downtime(samples(seen)) == seconds


def test_a_single_failure_is_no_downtime() -> None:
    assert downtime(samples(".x.x.x.", 0.1)) == 0.0


def test_a_pause_of_the_prober_is_no_downtime() -> None:
    assert downtime([Sample(0.0, 10.0, True, 200, ""), Sample(60.0, 10.0, True, 200, "")]) == 0.0


def test_only_the_samples_between_two_moments_count() -> None:
    found = summary(samples("xx....xx"), 1.0, 3.0)
    assert (found.requests, found.failed, found.error_ratio) == (4, 0, 0.0)


def test_a_line_that_is_half_written_is_left_out(tmp_path: Path) -> None:
    file = tmp_path / "samples.jsonl"
    whole = json.dumps({"t": 1.0, "ms": 2.0, "ok": True, "status": 200, "version": ""})
    file.write_text(f'{whole}\n{{"t": 2')
    assert [sample.t for sample in read(file)] == [1.0]
