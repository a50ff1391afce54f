# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Celery over Redis: stop consuming, wait for what runs, park what the target release cannot run, and the ways back."""

from __future__ import annotations

import shlex
import time
from typing import Any

from ..core import checks, failpoint
from ..core.errors import DrainTimeout, NotEffective, PlanRefused, TargetRefused
from .celery_app import POLL, CeleryApp, until

IDS = 10_000  # ids of waiting jobs that a restore point keeps

# Moves a whole list in one step: the newest job first, so the order stays.
REPLAY = (
    "while true do local j = redis.call('LPOP', KEYS[1]) if not j then return 1 end redis.call('RPUSH', KEYS[2], j) end"
)


def pause(app: CeleryApp, change: str, dry_run: bool) -> dict[str, Any]:
    """No worker consumes any more; jobs that are running go on, new ones wait in the broker."""
    before = app.workers()
    consuming = {worker: queues for worker, queues in before.items() if queues}
    if consuming and not dry_run:
        app.ask("pause", change=change, patience=app.patience)
        failpoint.inside("queue.pause")
        if not until(lambda: not any(app.workers().values()), 5 * app.patience):
            raise NotEffective(
                f"Workers still consume after they were told to stop: {app.workers()}.",
                hint="A worker that was restarted just now consumes what its command line says. Run the step again.",
                code="queue-not-paused",
            )
    return {"changed": bool(consuming), "workers": sorted(before), "paused": consuming}


def resume(app: CeleryApp, change: str, dry_run: bool) -> dict[str, Any]:
    """Workers consume again what pause took from them; workers that were started since need nothing."""
    wanted: dict[str, list[str]] = app.ask("consumers", change=change)
    queues = {queue for consumed in wanted.values() for queue in consumed}
    missing = {w: gone for w, now in app.workers().items() if (gone := sorted(set(wanted.get(w, [])) - set(now)))}
    if wanted and not dry_run:
        if missing:
            app.ask("resume", change=change, patience=app.patience)
        failpoint.inside("queue.resume")
        seen: list[dict[str, list[str]]] = []

        def back() -> bool:
            seen.append(app.workers())
            consumed = {queue for now in seen[-1].values() for queue in now}
            return queues <= consumed and all(set(wanted.get(w, [])) <= set(now) for w, now in seen[-1].items())

        if not until(back, 10 * app.patience):
            raise NotEffective(
                f"Nobody consumes all of {', '.join(sorted(queues))} again; workers now: {seen[-1] or 'none'}.",
                hint="Start the workers, then run this step again.",
                code="queue-not-resumed",
            )
        app.ask("forget", change=change)
    return {"changed": bool(missing), "resumed": missing}


def drain(app: CeleryApp, timeout: float, stable: float, on_timeout: str) -> dict[str, Any]:
    """Wait ``timeout`` seconds until paused workers hold no job, and ``stable`` more. ``on_timeout``: fail or go_on."""
    start, idle_since = time.monotonic(), 0.0
    while True:
        state = app.ask("busy", patience=app.patience)
        now = time.monotonic()
        consuming = sorted(worker for worker, queues in state["workers"].items() if queues)
        if consuming:
            raise PlanRefused(
                f"The queues are not paused: {', '.join(consuming)} would take new jobs while others drain.",
                hint="Run the verb pause of this component first.",
                code="queue-not-paused",
            )
        silent = state["listening"] - len(state["workers"])
        facts = {"workers": sorted(state["workers"]), "silent": silent, "running": state["jobs"]}
        held = bool(state["jobs"]) or silent > 0
        if held:
            idle_since = 0.0
        else:
            idle_since = idle_since or now
            if now - idle_since >= stable or not state["listening"]:
                unacked = app.ask("describe")["unacked"]
                return {"drained": True, "waited": round(now - start, 1), "unacked": unacked, **facts}
        # Workers that are idle are looked at until that is certain, also beyond the time.
        if held and now - start >= timeout:
            if on_timeout == "go_on":
                return {"drained": False, "waited": round(now - start, 1), **facts}
            names = [f"{j['task']} [{j['id']}] on {j['worker']}, {j['state']} for {j['age']} s" for j in state["jobs"]]
            names += [f"{silent} silent worker(s)"] if silent > 0 else []
            raise DrainTimeout(
                f"After {timeout:g} s workers still hold: {'; '.join(names)}.",
                hint="Wait longer (queue_drain_timeout), or go on without these jobs (queue_drain_on_timeout=go_on): "
                "a job that is cut off is put back in its queue when its task has acks_late, else it is lost.",
                next="ansible-playbook resume.yml",
                **facts,
            )
        time.sleep(POLL)


def park(app: CeleryApp, change: str, known: list[str] | None, dry_run: bool) -> dict[str, Any]:
    """Set aside the waiting jobs that this release cannot run, and those not in ``known`` ids when it is given."""
    if running := app.workers():
        raise TargetRefused(
            f"Workers are running ({', '.join(sorted(running))}): they would take jobs while these are sorted.",
            hint="Stop the workers of every host first; service.stop comes before queue.park.",
            code="workers-running",
        )
    before = app.ask("describe")
    restored = 0
    if before["unacked"] and not dry_run:
        restored = app.ask("restore_unacked", change=change)
    failpoint.inside("queue.park")
    plan = app.ask("judge", known=known)
    if (plan["tasks"] or before["half_parked"]) and not dry_run:
        app.ask("park", change=change, known=known)
        if left := app.ask("judge", known=known)["tasks"]:
            raise NotEffective(
                f"Jobs came in while they were sorted: {left}.",
                hint="Something still sends jobs: maintenance must be on and beat stopped. Then run this step again.",
                code="queue-still-fed",
            )
    after = before if dry_run else app.ask("describe")
    return {
        "changed": bool(plan["tasks"] or before["half_parked"] or restored),
        "parked": plan["tasks"],
        "reasons": plan["reasons"],
        "kept": plan["kept"],
        "restored": restored if not dry_run else before["unacked"],
        "replay": [replay(after, key, change) for key in after["parked"] if f"rollback:parked:{change}:" in key],
    }


def replay(where: dict[str, Any], key: str, change: str) -> str:
    """The command that puts a parked list back by hand, once a release that knows its tasks is live."""
    prefix, queue = key.split(f"rollback:parked:{change}:", 1)
    server = ["-h", where["host"], "-p", str(where["port"])] if where["host"] else []
    return shlex.join(["redis-cli", *server, "-n", str(where["db"]), "EVAL", REPLAY, "2", key, prefix + queue])


def unpark(app: CeleryApp, change: str, dry_run: bool) -> dict[str, Any]:
    """Put the parked jobs of a change back at the head of their queues."""
    before = app.ask("describe")
    waiting = {k: n for k, n in before["parked"].items() if f"rollback:parked:{change}:" in k}
    waiting.update(before["half_parked"])
    moved = app.ask("unpark", change=change) if waiting and not dry_run else waiting
    failpoint.inside("queue.unpark")
    return {"changed": bool(waiting), "unparked": moved}


def capture(app: CeleryApp) -> dict[str, Any]:
    """What a restore point keeps: jobs that wait or run, by id and by task. No arguments: they may hold secrets."""
    state, jobs = app.ask("describe"), app.ask("jobs", limit=IDS)
    return {"queues": state["queues"], "unacked": state["unacked"], **jobs}


def preflight(app: CeleryApp, park_newer: bool, captured: dict[str, Any]) -> list[checks.Check]:
    """Every problem that can be seen before anything is touched."""
    state = app.ask("describe")
    found = f"{state['broker']}: {sum(state['queues'].values())} jobs wait, {state['unacked']} are taken"
    rows = [checks.ok("broker", found)]
    try:
        workers = app.workers()
    except NotEffective as error:
        rows.append(checks.fail("workers", error.message, error.next, error.code))
        workers = error.facts["workers"]
    if workers:
        rows.append(checks.ok("workers", f"{len(workers)} answer: {', '.join(sorted(workers))}"))
    elif len(rows) == 1:
        rows.append(checks.warn("workers", "No worker is running.", "Start the workers, or expect jobs to wait."))
        if state["unacked"]:
            found = f"{state['unacked']} jobs were taken by workers that are gone."
            rows.append(checks.warn("unacked", found, "The step queue.park puts them back."))
    if state["half_parked"]:
        found = f"A park was cut off and left {state['half_parked']}."
        rows.append(checks.warn("parking", found, "The step queue.park finishes it.", "queue-half-parked"))
    if park_newer and not captured.get("complete"):
        found = "The restore point does not name all jobs that were waiting, so newer ones cannot be told."
        rows.append(checks.fail("jobs", found, "Set queue_park_newer=false.", "queue-ids-missing"))
    return rows


def verify(app: CeleryApp, min_workers: int, max_waiting: int, timeout: float) -> dict[str, Any]:
    """Workers answer, every queue of theirs is consumed, and no more than ``max_waiting`` jobs wait."""
    seen: dict[str, Any] = {}

    def well() -> bool:
        state = app.ask("workers", patience=app.patience)
        waiting = app.ask("describe")["queues"]
        seen.update(workers=state["workers"], listening=state["listening"], queues=waiting)
        consuming = [worker for worker, queues in state["workers"].items() if queues]
        consumed = {queue for queues in state["workers"].values() for queue in queues}
        orphaned = {q for q in waiting if q.split("\x06\x16")[0] not in consumed}
        return len(consuming) >= min_workers and not orphaned and sum(waiting.values()) <= max_waiting

    if not until(well, timeout):
        raise NotEffective(
            f"Jobs are not being worked off after {timeout:g} s: workers {seen['workers'] or 'none'}"
            f" (at least {min_workers} must consume), waiting {seen['queues'] or 0} (at most {max_waiting}).",
            hint="Are the workers running, and does one consume each queue that has jobs?",
            next=app.project.by_hand(f"-m celery -A {app.app} inspect active_queues"),
            code="queue-not-consumed",
            **seen,
        )
    return seen
