# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Customers, in a process of their own: about ten requests a second through the edge, each written down as one line.

``python load.py URL FILE`` begins them; SIGTERM ends them, SIGUSR1 stops their writing and SIGUSR2 begins it again.
A line is ``{"t": epoch, "ms": float, "ok": bool, "status": int, "version": str}``; status 0 is no answer at all.
They are an open loop: a slow answer does not slow the others down, so what is missed is counted.
"""

from __future__ import annotations

import http.client
import itertools
import json
import random
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Sequence

RATE = 10.0  # requests a second
PATIENCE = 10.0  # seconds a customer waits for an answer
SHOPS = ("bakery", "florist", "books")
CONVERSATIONS = 150  # seed_demo_data begins these
# One visit: what is read, and twice in twenty what is written.
VISIT = [*["products", "latest", "conversation"] * 3, "say", *["products", "latest", "conversation"] * 3, "begin"]
# Breaks in service shorter than this are single failures, not a downtime.
SHORTEST_DOWNTIME = 1.0


@dataclass(frozen=True)
class Sample:
    """One request: when it began (epoch), how long it took in ms, whether it was served, by which release."""

    t: float
    ms: float
    ok: bool
    status: int
    version: str


@dataclass(frozen=True)
class Summary:
    """What the customers saw between two moments."""

    requests: int
    failed: int
    p95_ms: float
    downtime: float

    @property
    def error_ratio(self) -> float:
        """The share of requests that were not served, from 0 to 1."""
        return self.failed / self.requests if self.requests else 0.0

    def __str__(self) -> str:
        return (
            f"{self.requests} requests, {self.failed} failed ({self.error_ratio:.1%}), p95 {self.p95_ms:.0f} ms, "
            f"down {self.downtime:.1f} s"
        )


class Load:
    """The customers of one edge, as a context."""

    def __init__(self, url: str, file: Path) -> None:
        self.file = file
        command = [sys.executable, str(Path(__file__).resolve()), url, str(file)]
        # A session of its own: Ctrl-C is for whoever started it, and he ends it.
        self._process = subprocess.Popen(command, start_new_session=True)
        # It listens to signals once it asks.
        known = len(read(file))
        while len(read(file)) == known and self._process.poll() is None:
            time.sleep(0.05)

    def __enter__(self) -> Load:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        try:
            self._process.wait(PATIENCE + 2)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def write(self, on: bool) -> None:
        """Let the customers write, or only read."""
        self._process.send_signal(signal.SIGUSR2 if on else signal.SIGUSR1)

    def seen(self, begin: float, end: float | None = None) -> Summary:
        """What they saw since ``begin`` (epoch); raises RuntimeError when there are no customers any more."""
        if self._process.poll() is not None:
            raise RuntimeError(f"The customers ended with {self._process.returncode}.")
        return summary(read(self.file), begin, time.time() if end is None else end)


def read(file: Path) -> list[Sample]:
    """All samples, by the time at which they began."""
    try:
        lines = file.read_text(encoding="utf-8").split("\n")[:-1]
    except FileNotFoundError:
        return []
    return sorted((Sample(**json.loads(line)) for line in lines), key=lambda sample: sample.t)


def summary(samples: Sequence[Sample], begin: float, end: float) -> Summary:
    """Figures over the samples that began between ``begin`` and ``end``."""
    chosen = [sample for sample in samples if begin <= sample.t < end]
    times = sorted(sample.ms for sample in chosen)
    p95 = times[min(len(times) - 1, int(0.95 * len(times)))] if times else 0.0
    return Summary(len(chosen), sum(not sample.ok for sample in chosen), p95, downtime(chosen))


def downtime(samples: Sequence[Sample]) -> float:
    """Seconds in which nobody was served: from the last good answer before a run of failures to the next one after."""
    down = 0.0
    good, failures = None, 0
    for sample in samples:
        if not sample.ok:
            failures += 1
            continue
        gap = sample.t - good if good is not None else 0.0
        if failures and gap >= SHORTEST_DOWNTIME:
            down += gap
        good, failures = sample.t, 0
    if failures and good is not None and samples[-1].t - good >= SHORTEST_DOWNTIME:
        down += samples[-1].t - good
    return round(down, 3)


class Customers:
    """The process itself. A visit that writes begins a conversation of its own and says one thing in it."""

    def __init__(self, url: str, file: Path) -> None:
        self.edge = urlsplit(url).netloc
        self.file = file.open("a", encoding="utf-8")
        self.lock = threading.Lock()
        self.over = threading.Event()
        self.writing = True
        self.begun: int | None = None

    def run(self) -> None:
        """Ask until told to stop."""
        pool = ThreadPoolExecutor(int(RATE * PATIENCE / 2))
        began = time.monotonic()
        for number in itertools.count():
            if self.over.wait(max(0.0, began + number / RATE - time.monotonic())):
                break
            pool.submit(self.ask, VISIT[number % len(VISIT)])
        pool.shutdown(wait=True)

    def write(self, on: bool) -> None:
        """Let the visits write, or only read; a conversation that was begun before is not gone on with."""
        self.writing, self.begun = on, None

    def ask(self, what: str) -> None:
        """One request and its line."""
        if what in ("begin", "say") and not (self.writing and (what == "begin" or self.begun)):
            what = "products"
        shop = random.choice(SHOPS)
        if what == "begin":
            fields = {"tenant": shop, "customer_phone": "+49170", "customer_name": "Customer"}
            asked: tuple[str, str, Any] = ("POST", "/v1/conversations", fields)
        elif what == "say":
            # Each conversation hears one thing: rows that are older than a while never change again.
            asked = ("POST", f"/v1/conversations/{self.begun}/messages", {"text": "What do you have?"})
            self.begun = None
        elif what == "conversation":
            asked = ("GET", f"/v1/conversations/{random.randint(1, CONVERSATIONS)}", None)
        else:
            asked = ("GET", f"/v1/{'products' if what == 'products' else 'conversations'}?tenant={shop}", None)
        sample, answer = self.request(*asked)
        if what == "begin" and sample.ok:
            self.begun = answer["id"]
        with self.lock:
            self.file.write(json.dumps(vars(sample)) + "\n")
            self.file.flush()

    def request(self, method: str, path: str, fields: Any) -> tuple[Sample, Any]:
        """Ask the edge once; an answer that is not JSON was not served."""
        at, started = time.time(), time.monotonic()
        status, version, answer, ok = 0, "", None, False
        connection = http.client.HTTPConnection(self.edge, timeout=PATIENCE)
        try:
            body = None if fields is None else json.dumps(fields)
            connection.request(method, path, body, {"Content-Type": "application/json"})
            response = connection.getresponse()
            status, version = response.status, response.headers.get("X-Wabot-Version", "")
            answer = json.loads(response.read()) if status < 400 else None
            ok = status < 400
        except (OSError, http.client.HTTPException, ValueError):
            ok = False
        finally:
            connection.close()
        took = round((time.monotonic() - started) * 1000, 1)
        return Sample(round(at, 3), took, ok, status, version), answer


def main() -> None:
    """``load.py URL FILE``."""
    url, file = sys.argv[1:]
    customers = Customers(url, Path(file))
    signal.signal(signal.SIGTERM, lambda *_: customers.over.set())
    signal.signal(signal.SIGINT, lambda *_: customers.over.set())
    signal.signal(signal.SIGUSR1, lambda *_: customers.write(False))
    signal.signal(signal.SIGUSR2, lambda *_: customers.write(True))
    customers.run()


if __name__ == "__main__":
    main()
