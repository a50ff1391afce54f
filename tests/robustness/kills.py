# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Break a run at a named place, and judge the world afterwards."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import redis
import sandbox
from ansible_collections.steady.rollback.plugins.module_utils.anchor.store import Store
from ansible_collections.steady.rollback.plugins.module_utils.core import failpoint
from ansible_collections.steady.rollback.plugins.plugin_utils import controller
from sandbox import playbooks

if TYPE_CHECKING:
    from collections.abc import Sequence

    from conftest import Product

KILL, RAISE, HANG = "kill", "raise", "hang"
HOWS = (KILL, RAISE, HANG)
MOMENTS = ("before", "inside", "after")
# Ansible's own start, its modules and one step; a hanging place is recognised by its stopped process.
LONGEST = 300.0


@dataclass
class Frozen:
    """Processes that a failpoint has stopped: a controller, or a module whose controller was killed."""

    pids: list[int]
    controller: subprocess.Popen[bytes]
    output: Path

    def thaw(self) -> str:
        """Let a frozen controller go on to its end; returns what it has said since."""
        for pid in self.pids:
            os.kill(pid, signal.SIGCONT)
        self.controller.wait(LONGEST)
        return self.output.read_text(encoding="utf-8")


@dataclass
class Broken:
    """How a command ended: ``code`` is None while it hangs."""

    code: int | None
    said: str


@dataclass
class Breaker:
    """Runs commands of one product, broken at failpoints. ``late`` are its frozen controllers, oldest first."""

    product: Product
    late: list[Frozen] = field(default_factory=list)

    def run(self, book: str, place: str = "", /, **variables: str) -> Broken:
        """Type a command; with ``place`` (<step>:<moment>:<how>) it dies, fails or freezes there."""
        box = self.product.box
        environment = playbooks.environment(box)
        if place:
            environment[failpoint.CONTROLLER] = place
        output = box.directory / f"said-{time.monotonic_ns()}"
        with output.open("wb") as said:
            process = subprocess.Popen(
                playbooks.command(box, book, **variables), cwd=playbooks.ROOT, env=environment,
                stdin=subprocess.DEVNULL, stdout=said, stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip
        end = time.monotonic() + LONGEST
        try:
            while process.poll() is None:
                if place.endswith(HANG) and (pids := stopped(place, box.directory)):
                    return self._hanging(place, Frozen(pids, process, output))
                assert time.monotonic() < end, output.read_text(encoding="utf-8")
                time.sleep(0.05)
        finally:
            if process.poll() is None and not self.late:
                process.kill()
        return Broken(process.returncode, output.read_text(encoding="utf-8"))

    def _hanging(self, place: str, frozen: Frozen) -> Broken:
        """A frozen controller is replaced, and wakes later. A frozen module's controller is killed by its operator."""
        said = frozen.output.read_text(encoding="utf-8")
        if ":inside:" in place:
            frozen.controller.kill()
            frozen.controller.wait()
            self._budgets_are_over()
            return Broken(None, said)
        self.late.append(frozen)
        return Broken(None, said)

    def _budgets_are_over(self) -> None:
        """Some minutes pass: the modules that hold their hosts have used up the budgets of their steps."""
        for path in (self.product.box.directory / "tmp").glob(".steady-rollback-*/*"):
            held = json.loads(path.read_bytes())
            path.write_text(json.dumps({**held, "until": 0.1}) + "\n", encoding="utf-8")

    def wake(self, but: int = 0) -> None:
        """Controllers that were frozen and replaced go on, all but the newest: each stops before its next act."""
        while len(self.late) > but:
            said = self.late.pop(0).thaw()
            assert "lost its lock" in said, said

    def store(self) -> Store:
        """The anchor's files."""
        return Store(str(self.product.box.directory / "anchor"), playbooks.ENVIRONMENT)

    def end(self) -> None:
        """Leave no process behind."""
        for frozen in self.late:
            for pid in frozen.pids:
                os.kill(pid, signal.SIGKILL)
            frozen.controller.wait()


def stopped(place: str, tmp: Path) -> list[int]:
    """The processes of this sandbox that a failpoint has stopped, once no more of them join."""
    found: list[int] = []
    while (now := _stopped(place, tmp)) != found:
        found = now
        time.sleep(1)
    return found


def _stopped(place: str, directory: Path) -> list[int]:
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                state = (entry / "stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]
                environment = set((entry / "environ").read_bytes().split(b"\0")) if state == "T" else set()
            except OSError:
                continue
            if {f"{failpoint.CONTROLLER}={place}".encode(), f"TMPDIR={directory / 'tmp'}".encode()} <= environment:
                found.append(int(entry.name))
    return sorted(found)


INSIDE = frozenset(
    f"{component}.{verb}"
    for component, verbs in controller.catalogue().items()
    for verb, entry in verbs.items()
    if entry.inverse or verb in ("prepare", "ledger", "preserve")
)


@dataclass(frozen=True)
class Kind:
    """How a run is broken at each of its steps. A step that only reads has no inside; there it is ``after``."""

    moment: str
    how: str

    def place(self, step: str) -> str:
        """The failpoint of a step."""
        return f"{step}:{self.moment if self.moment != 'inside' or step in INSIDE else 'after'}:{self.how}"


def broken_everywhere(breaker: Breaker, book: str, first: str, kinds: Sequence[Kind], **variables: str) -> list[str]:
    """Break a run at its step ``first``, resume it, break that at the next step, until it ends; returns the places.

    The kinds take turns, step by step. The second half of a step that rolls over its hosts is not broken again.
    """
    places = [kinds[0].place(first)]
    ended = breaker.run(book, places[0], **variables)
    while True:
        assert ended.code == {KILL: -signal.SIGKILL, RAISE: 2, HANG: None}[places[-1].rpartition(":")[2]] or (
            ended.code == 2 and ":inside:kill" in places[-1]
        ), f"{places[-1]} was not reached: {ended.code}\n{ended.said}"
        breaker.wake(but=1)
        run = breaker.store().runs()[-1]
        left = steps_left(breaker, run)
        assert left[0]["name"] == places[-1].partition(":")[0], places[-1]
        following = [step["name"] for step in left if step["name"] != left[0]["name"]]
        # A run that failed before it changed anything is not held: it is started again.
        lease = breaker.store().read_lease()
        goes_on = lease is not None and lease.state != "free"
        command, given = ("resume", {"take_over": run} if breaker.late else {}) if goes_on else (book, variables)
        if not following:
            ended = breaker.run(command, **given)
            assert ended.code == 0, ended.said
            return places
        places.append(kinds[len(places) % len(kinds)].place(following[0]))
        ended = breaker.run(command, places[-1], **given)


def first_back(breaker: Breaker) -> str:
    """The first step of the way back from the newest run: one that is its own inverse follows the step before it."""
    steps = breaker.store().plan(breaker.store().runs()[-1])["plan"]["steps"]
    return next(str(step["inverse"]) for step in reversed(steps) if step["inverse"] not in ("", step["name"]))


def steps_left(breaker: Breaker, run: str) -> list[dict[str, Any]]:
    """The steps of a run that are not proven done."""
    store = breaker.store()
    done = {record["n"] for record in store.records(run) if record["kind"] == "done"}
    return [step for step in store.plan(run)["plan"]["steps"] if step["n"] not in done]


def assert_world(breaker: Breaker, wanted: dict[str, Any], outcome: str) -> None:
    """The whole system is the wanted one (code, migrations, rows, settings, configuration, jobs, cache, maintenance,
    what customers get), nothing is left half-way beside it, and the record says so.
    """
    breaker.wake()
    product, store = breaker.product, breaker.store()
    now = sandbox.fingerprint(product.box.directory, wanted["watermarks"])
    assert sandbox.difference(wanted, now) == []
    run = store.runs()[-1]
    change, records = store.plan(run)["run"]["change"], store.records(run)
    # The journal is whole, has each step done once, and its last word is the outcome.
    done = [record["n"] for record in records if record["kind"] == "done"]
    assert done == list(range(1, len(store.plan(run)["plan"]["steps"]) + 1))
    assert [record.get("outcome") for record in records][-1] == outcome
    lease = store.read_lease()
    assert lease is not None
    assert (lease.run, lease.state) == (run, "free")
    # Of a database that was exchanged one is kept, whole and closed to writes; none is half restored.
    with psycopg.connect(**product.box.postgres(database="postgres")) as connection:
        query = "SELECT datname, shobj_description(oid, 'pg_database') FROM pg_database WHERE datname LIKE %s"
        kept = {name: json.loads(said or "{}") for name, said in connection.execute(query, [f"%{change}"])}
    swapped = any(step["component"] == "postgres" for step in store.plan(run)["plan"]["steps"])
    assert len(kept) == int(swapped), kept
    assert all("kept" in mark or mark.get("complete") for mark in kept.values()), kept
    # No job lies on a desk, and what was parked waits again after an undo.
    with redis.Redis.from_url(product.box.redis_url(0)) as broker:
        desks = [key.decode() for key in broker.scan_iter("*rollback:parking:*")]
        parked = [key.decode() for key in broker.scan_iter(f"*rollback:parked:{change}:*")]
    assert desks == []
    assert not (parked and outcome == "undone"), parked
