# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a prober outside the system saw: requests that worked and failed, before, during and after the outage."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from .reading import mapping, number

BINS = 120
AROUND = 120.0  # seconds shown before and after the run


@dataclass(frozen=True)
class Sample:
    """One request: when (seconds since the epoch), how long (milliseconds), and whether it was answered well."""

    at: float
    ms: float
    ok: bool


@dataclass(frozen=True)
class Period:
    """The figures of some requests; percentiles are those of the good ones, None when there are none."""

    name: str
    requests: int
    failed: int
    p50_ms: float | None
    p95_ms: float | None

    @property
    def error_ratio(self) -> float:
        """Share of failed requests, from 0 to 1."""
        return self.failed / self.requests if self.requests else 0.0


@dataclass(frozen=True)
class View:
    """``outage`` is the longest time without one good answer, open when it had not ended with the last sample."""

    start: float
    end: float
    bins: list[Period]
    outage: tuple[float, float] | None
    ongoing: bool
    periods: list[Period]

    @property
    def failed(self) -> int:
        """Failed requests from the outage's begin on."""
        return sum(period.failed for period in self.periods[1:])


def parse(lines: Iterable[str]) -> list[Sample]:
    """The samples of a file of JSON lines ``{t, ms, ok}``, in order; lines that are none are left out."""
    found = []
    for line in lines:
        try:
            each = mapping(json.loads(line))
        except (ValueError, RecursionError):
            continue
        at, ms = number(each.get("t")), number(each.get("ms"))
        if at is not None and ms is not None and isinstance(each.get("ok"), bool):
            found.append(Sample(at, max(0.0, ms), each["ok"]))
    return sorted(found, key=lambda sample: sample.at)


def view(samples: Sequence[Sample], start: float, end: float) -> View | None:
    """What was seen around the run from ``start`` to ``end``; None when nobody looked."""
    shown = [sample for sample in samples if start - AROUND <= sample.at <= end + AROUND]
    if not shown:
        return None
    first, last = shown[0].at, max(shown[-1].at, shown[0].at + 1.0)
    width = (last - first) / BINS
    binned: list[list[Sample]] = [[] for _bin in range(BINS)]
    for sample in shown:
        binned[min(BINS - 1, int((sample.at - first) / width))].append(sample)
    outage, ongoing = _outage([sample for sample in shown if sample.at >= start])
    split = outage or (start, end)
    parts = {
        "before": [s for s in shown if s.at < split[0]],
        "during": [s for s in shown if split[0] <= s.at < split[1]],
        "after": [s for s in shown if s.at >= split[1]],
    }
    return View(
        start=first,
        end=last,
        bins=[figures("", each) for each in binned],
        outage=outage,
        ongoing=ongoing,
        periods=[figures(name, each) for name, each in parts.items()],
    )


def figures(name: str, samples: Sequence[Sample]) -> Period:
    """The figures of some samples."""
    good = sorted(sample.ms for sample in samples if sample.ok)
    return Period(name, len(samples), len(samples) - len(good), _percentile(good, 0.5), _percentile(good, 0.95))


def _percentile(ordered: Sequence[float], share: float) -> float | None:
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else None


def _outage(samples: Sequence[Sample]) -> tuple[tuple[float, float] | None, bool]:
    """The longest stretch from a failed request to the next good one, and whether it is still going on."""
    found: list[tuple[float, float, bool]] = []
    since: float | None = None
    for sample in samples:
        if not sample.ok and since is None:
            since = sample.at
        elif sample.ok and since is not None:
            found.append((since, sample.at, False))
            since = None
    if since is not None:
        found.append((since, samples[-1].at, True))
    if not found:
        return None, False
    begin, end, ongoing = max(found, key=lambda each: each[1] - each[0])
    return (begin, end), ongoing
