# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Look until the verdict is in. Clock and probes are passed in, so that a test of an hour takes no time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Callable, Protocol

from .verdict import PASS, Rule, Verdict, hopeless, judge, overall
from .window import Reading, Sample, since

Probe = Callable[[], Reading]
# One round: every probe once, at the same time; gives reading and milliseconds by name.
Round = Callable[[], Mapping[str, "tuple[Reading, float]"]]

_ROUNDING = 1e-6


class Clock(Protocol):
    def now(self) -> float:
        """Seconds that never run backwards."""

    def sleep(self, seconds: float) -> None:
        """Wait."""


@dataclass(frozen=True)
class Watched:
    """All samples and the verdict of one probe; verdict and ``judged`` are over the last window."""

    samples: Sequence[Sample]
    judged: Sequence[Sample]
    verdict: Verdict


def watch(look: Round, rule: Rule, clock: Clock, timed: Callable[[str], bool]) -> dict[str, Watched]:
    """Take rounds until all probes pass in one and the same round, no probe can pass any more, or time is over.

    With a window the whole window must have been seen. ``timed(name)`` says whether max_p95_ms judges a probe.
    """
    began = clock.now()
    tracks: dict[str, list[Sample]] = {}
    while True:
        at = clock.now() - began
        for name, (reading, ms) in look().items():
            tracks.setdefault(name, []).append(Sample(at, ms, reading))
        oldest = at - rule.window if rule.window else 0.0
        seen = {name: since(track, oldest - _ROUNDING) for name, track in tracks.items()}
        verdicts = {name: judge(part, rule, timed=timed(name)) for name, part in seen.items()}
        passed = at >= rule.window - _ROUNDING and overall(verdicts.values()) == PASS
        spent = clock.now() - began
        begins = rule.timeout - rule.window
        lost = any(hopeless(track, rule, begins, timed=timed(name)) for name, track in tracks.items())
        if passed or lost or not tracks or spent >= rule.timeout - _ROUNDING:
            return {name: Watched(track, seen[name], verdicts[name]) for name, track in tracks.items()}
        # A steady beat: the time that the probes took is not added to the interval.
        clock.sleep(max(0.0, min(at + rule.interval, rule.timeout) - spent))
