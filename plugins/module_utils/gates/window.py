# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a series of readings says in figures. Pure: time comes in with the samples."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Reading:
    """One look through a probe. ``ok`` is None when the probe could not tell: no data, NaN, no such file."""

    ok: bool | None
    note: str = ""


@dataclass(frozen=True)
class Sample:
    """A reading in time: ``at`` is seconds since the gate began, ``ms`` how long the probe took."""

    at: float
    ms: float
    reading: Reading


@dataclass(frozen=True)
class Summary:
    """The figures of a window. Ratios and percentiles are None when nothing is known."""

    count: int
    good: int
    bad: int
    unknown: int
    error_ratio: float | None
    p50_ms: float | None
    p95_ms: float | None
    streak: int  # good readings in a row, up to the newest
    longest: int  # the longest row of good readings

    @property
    def known(self) -> int:
        return self.good + self.bad


def percentile(values: Sequence[float], share: float) -> float | None:
    """The nearest-rank percentile: the smallest value that at least ``share`` of all values do not exceed."""
    if not values:
        return None
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]


def summary(samples: Sequence[Sample]) -> Summary:
    """The figures of ``samples``, oldest first."""
    good = sum(1 for sample in samples if sample.reading.ok is True)
    bad = sum(1 for sample in samples if sample.reading.ok is False)
    times = [sample.ms for sample in samples if sample.reading.ok is not None]
    streak = longest = 0
    for sample in samples:
        streak = streak + 1 if sample.reading.ok else 0
        longest = max(longest, streak)
    return Summary(
        count=len(samples),
        good=good,
        bad=bad,
        unknown=len(samples) - good - bad,
        error_ratio=bad / (good + bad) if good + bad else None,
        p50_ms=percentile(times, 0.5),
        p95_ms=percentile(times, 0.95),
        streak=streak,
        longest=longest,
    )


def since(samples: Sequence[Sample], at: float) -> Sequence[Sample]:
    """The samples from ``at`` on."""
    return [sample for sample in samples if sample.at >= at]


def thinned(samples: Sequence[Sample], most: int) -> Sequence[Sample]:
    """At most ``most`` samples, evenly spread, the first and the newest always among them."""
    if len(samples) <= most:
        return samples
    if most <= 1:
        return samples[-1:][:most]
    step = (len(samples) - 1) / (most - 1)
    return [samples[round(index * step)] for index in range(most)]
