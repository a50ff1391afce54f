# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""From figures to a verdict. Pure. Only PASS passes: what cannot be decided is INCONCLUSIVE, never good."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ..core.errors import BadInput
from .window import Sample, Summary, since, summary

PASS = "pass"  # noqa: S105 -- a verdict, not a password
FAIL = "fail"
INCONCLUSIVE = "inconclusive"


@dataclass(frozen=True)
class Rule:
    """When a gate opens. Times are seconds; ``max_error_ratio`` is a share from 0 to 1."""

    consecutive: int = 3
    interval: float = 1.0
    timeout: float = 60.0
    window: float = 0.0
    min_samples: int = 1
    max_error_ratio: float | None = None
    max_p95_ms: float | None = None

    @property
    def most_samples(self) -> int:
        """No window holds more samples than this."""
        return math.floor(self.window / self.interval) + 2


@dataclass(frozen=True)
class Verdict:
    status: str
    reason: str


def check(rule: Rule) -> None:
    """Refuse a rule that no system could ever satisfy, or that every system would."""
    limits = (
        (rule.consecutive >= 1, "consecutive must be at least 1"),
        (rule.min_samples >= 1, "min_samples must be at least 1"),
        (rule.interval > 0, "interval must be above 0 seconds"),
        (rule.timeout > 0, "timeout must be above 0 seconds"),
        (rule.window >= 0, "window must not be negative"),
        (rule.timeout >= rule.window, f"timeout ({rule.timeout:g} s) is shorter than window ({rule.window:g} s)"),
        (rule.max_error_ratio is None or 0 <= rule.max_error_ratio <= 1, "max_error_ratio is a share from 0 to 1"),
        (rule.max_p95_ms is None or rule.max_p95_ms > 0, "max_p95_ms must be above 0"),
    )
    for holds, message in limits:
        if not holds:
            raise BadInput(f"The gate cannot be judged: {message}.", hint="Correct the variables of the gate.")
    fitting = math.floor(rule.window / rule.interval) + 1
    if rule.window and max(rule.min_samples, rule.consecutive) > fitting:
        raise BadInput(
            f"The gate can never pass: a window of {rule.window:g} s with a probe every {rule.interval:g} s holds "
            f"{fitting} samples, and {max(rule.min_samples, rule.consecutive)} are asked for.",
            hint="Make the window longer, the interval shorter, or ask for fewer samples.",
        )


def judge(samples: Sequence[Sample], rule: Rule, *, timed: bool = True) -> Verdict:
    """The verdict over ``samples`` (those of the window, oldest first). ``timed``: max_p95_ms applies."""
    figures = summary(samples)
    if not figures.known:
        return Verdict(INCONCLUSIVE, "no data" + _note(samples))
    if figures.known < rule.min_samples:
        return Verdict(INCONCLUSIVE, f"only {figures.known} of at least {rule.min_samples} samples")
    if rule.window:
        verdict = _over_window(figures, rule, timed)
        if verdict:
            return verdict
    if figures.streak < rule.consecutive:
        newest = samples[-rule.consecutive :]
        if all(sample.reading.ok is False for sample in newest):
            return Verdict(FAIL, f"{len(newest)} of the newest {len(newest)} readings are bad" + _note(samples))
        return Verdict(
            INCONCLUSIVE,
            f"not steady: {figures.streak} good in a row, {rule.consecutive} needed; "
            f"{figures.good} good, {figures.bad} bad, {figures.unknown} unknown" + _note(samples),
        )
    return Verdict(PASS, f"{figures.good} of {figures.count} good, {figures.streak} in a row")


def hopeless(samples: Sequence[Sample], rule: Rule, begins: float, *, timed: bool = True) -> bool:
    """True when no window that ends before the deadline can pass any more.

    Every window still possible holds all samples since ``begins`` (deadline minus window) and at most
    ``rule.most_samples``; when already these hold too many bad or slow ones, waiting only costs time.
    """
    if not rule.window:
        return False
    fixed = since(samples, begins)
    if rule.max_error_ratio is not None:
        bad = sum(1 for sample in fixed if sample.reading.ok is False)
        if bad > rule.max_error_ratio * rule.most_samples:
            return True
    if timed and rule.max_p95_ms is not None:
        slow = sum(1 for sample in fixed if sample.reading.ok is not None and sample.ms > rule.max_p95_ms)
        return slow > 0.05 * rule.most_samples
    return False


def overall(verdicts: Iterable[Verdict]) -> str:
    """One failure fails all; nothing to judge, or one that cannot be decided, is inconclusive."""
    states = [verdict.status for verdict in verdicts]
    if FAIL in states:
        return FAIL
    return PASS if states and all(state == PASS for state in states) else INCONCLUSIVE


def _over_window(figures: Summary, rule: Rule, timed: bool) -> Verdict | None:
    """The verdict that ratio and p95 force, or None when both are in order."""
    if rule.max_error_ratio is not None:
        ratio = figures.bad / figures.known
        if ratio > rule.max_error_ratio:
            return Verdict(FAIL, f"{ratio:.1%} of {figures.known} readings are bad, {rule.max_error_ratio:.1%} allowed")
        # What is unknown may have been bad.
        if (figures.bad + figures.unknown) / figures.count > rule.max_error_ratio:
            return Verdict(INCONCLUSIVE, f"{figures.unknown} of {figures.count} readings gave no data")
    p95 = figures.p95_ms
    if timed and rule.max_p95_ms is not None and p95 is not None and p95 > rule.max_p95_ms:
        return Verdict(FAIL, f"p95 is {p95:.0f} ms, {rule.max_p95_ms:.0f} ms allowed")
    return None


def _note(samples: Sequence[Sample]) -> str:
    """The newest explanation that a reading gave, as the end of a sentence."""
    notes = [sample.reading.note for sample in samples if sample.reading.ok is not True and sample.reading.note]
    return f": {notes[-1]}" if notes else ""
