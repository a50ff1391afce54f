# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the drill shows: chapters with the time that is gone and left, and a sign of life in between."""

from __future__ import annotations

import os
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

WIDTH = 80
SILENCE = 10.0


class Screen:
    """``chapters`` are the titles with the seconds that each usually takes."""

    def __init__(self, chapters: Mapping[str, float]) -> None:
        self._left = dict(chapters)
        self._count = len(chapters)
        self._began = time.monotonic()

    @contextmanager
    def chapter(self, title: str, talks: bool = False) -> Iterator[None]:
        """One chapter; one that ``talks`` shows its own signs of life."""
        usual, number = self._left[title], self._count - len(self._left) + 1
        gone, left = time.monotonic() - self._began, sum(self._left.values())
        print(
            f"\n{f' [{number}/{self._count}] {title}: {clock(gone)} gone, ~{clock(left)} left ':=^{WIDTH}}", flush=True
        )
        over, began = threading.Event(), time.monotonic()
        sign = threading.Thread(target=_live, args=(over, title, usual), daemon=True)
        if not talks:
            sign.start()
        try:
            yield
        finally:
            over.set()
        self._left.pop(title)
        print(f"  ({time.monotonic() - began:.1f} s)", flush=True)

    @property
    def seconds(self) -> float:
        """How long the drill has run."""
        return time.monotonic() - self._began


def clock(seconds: float) -> str:
    """Minutes and seconds."""
    return f"{int(seconds) // 60}:{int(seconds) % 60:02}"


def _live(over: threading.Event, title: str, usual: float) -> None:
    began = time.monotonic()
    while not over.wait(SILENCE):
        gone = time.monotonic() - began
        # One write: nothing of another thread's output gets between.
        os.write(1, f"  ... {title}: {gone:.0f} s gone, ~{max(0.0, usual - gone):.0f} s left\n".encode())
