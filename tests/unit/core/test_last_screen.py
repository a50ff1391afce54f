"""The last screen of a failed run, as somebody reads it who was woken up: whole texts for each kind of step."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.steady.rollback.plugins.module_utils.core import plan, screens, standing
from ansible_collections.steady.rollback.plugins.plugin_utils import controller
from hypothesis import given, settings
from hypothesis import strategies as st

ROOT = Path(__file__).parents[3]
GOLDEN = ROOT / "tests/fixtures/screens.txt"
KNOWN = controller.catalogue()
GROUPS = {
    "release": ["app1", "app2", "worker1"],
    "service": ["app1", "app2", "worker1"],
    "config": ["app1", "app2", "worker1"],
    "postgres": ["db1"],
    "migrations": ["app1"],
    "flags": ["app1"],
    "maintenance": ["app1", "app2", "edge1"],
    "traffic": ["edge1"],
    "queue": ["worker1"],
    "cache": ["worker1"],
    "gate": ["app1", "app2", "edge1"],
    "evidence": ["app1", "db1", "edge1"],
}
STRATEGIES = ("feature_flag", "config", "code", "warm", "full", "emergency")


def built(strategy: str, hosts: plan.Hosts = GROUPS) -> plan.Plan:
    """The plan of a shipped strategy."""
    play = yaml.safe_load((ROOT / f"playbooks/{strategy}_rollback.yml").read_text(encoding="utf-8"))[0]["vars"]
    return plan.build(play["rollback_strategy"], play["rollback_steps"], KNOWN, hosts, "p")


def way_back(of: plan.Plan, upto: int) -> plan.Plan:
    """The undo of a run that has begun its first ``upto`` steps."""
    return plan.undo(of.steps[:upto], KNOWN, "p")


def number(of: plan.Plan, name: str, nth: int = 0) -> int:
    """The number of a step."""
    return [step.n for step in of.steps if step.name == name][nth]


def failed_at(of: plan.Plan, n: int, message: str, hint: str = "", *done_on: str) -> list[dict[str, Any]]:
    """The journal of a run whose step ``n`` failed on the first host that has not done it."""
    records: list[dict[str, Any]] = []
    for step in of.steps[: n - 1]:
        records += [{"kind": kind, "n": step.n, "step": step.name} for kind in ("intent", "done")]
    step = of.steps[n - 1]
    host = next(host for host in step.hosts if host not in done_on)
    said = {"host": host, "message": message, "hint": hint, "done_on": list(done_on)}
    return [*records, {"kind": "intent", "n": n}, {"kind": "failed", "n": n, "step": step.name, **said}]


FULL = built("full")
BACK = way_back(FULL, number(FULL, "gate.smoke"))
CUT_OFF = "app2 could not be reached in the middle of the step. Connection timed out"
UNKNOWN = "Whether the step took effect there is unknown; resume looks before it acts."
HELD = "After 120 s workers still hold: bot.harmonize_messages [9f3a] on worker@worker1, active for 611 s."
WAIT = "Wait longer (queue_drain_timeout), or go on without these jobs (queue_drain_on_timeout=go_on)."
STUCK, SUPERVISOR = "app1-gunicorn did not stop within 120 s.", "See what its processes do."
GONE, SYNTAX = "app1-gunicorn is not up: FATAL, exited too quickly.", "Its log: SyntaxError: invalid syntax"
CLOSED = "The gate is closed: health on app1: database is 'down', not 'ok'."
# What fails (plan, step, how many-th of its name), its message and hint, and the hosts that have done it.
CASES: list[tuple[plan.Plan, str, int, str, str, tuple[str, ...]]] = [
    (FULL, "postgres.prepare", 0, "The backup is cut: it ends after 512 of 4096 bytes.", "Choose an older one.", ()),
    (FULL, "maintenance.enable", 0, "Users still see the application: status 200, not 503.", "", ("app1", "edge1")),
    (FULL, "queue.drain", 0, HELD, WAIT, ()),
    (FULL, "service.stop", 0, STUCK, SUPERVISOR, ("app2", "worker1")),
    (FULL, "postgres.swap", 0, "The database could not be reached.", "", ()),
    (FULL, "release.switch", 0, CUT_OFF, UNKNOWN, ("app1", "worker1")),
    (FULL, "service.start", 0, GONE, SYNTAX, ("app2", "worker1")),
    (FULL, "service.start", 0, "worker1-beat is not up: FATAL, exited too quickly.", "", ("app1", "app2")),
    (FULL, "gate.smoke", 0, CLOSED, "Users are still kept out.", ("app2", "edge1")),
    (FULL, "maintenance.disable", 0, "edge1 still shows the maintenance page.", "", ("app1", "app2")),
    (FULL, "gate.soak", 0, "Error ratio 0.25 exceeds 0.01 in 300 s.", "", ()),
    (built("config"), "cache.flush", 0, "The cache could not be reached.", "", ()),
    (built("warm"), "queue.park", 0, "The broker could not be reached.", "", ()),
    (BACK, "service.stop", 0, STUCK, "", ()),
    (BACK, "postgres.swap_back", 0, "The database could not be reached.", "", ()),
]


def shown() -> str:
    """The screens of all cases."""
    return "\n\n".join(
        screens.failure(failed_at(of, number(of, name, nth), message, hint, *on), of)
        for of, name, nth, message, hint, on in CASES
    )


def test_each_kind_of_failure_ends_in_a_screen_that_can_be_acted_on() -> None:
    assert shown() + "\n" == GOLDEN.read_text(encoding="utf-8")


@settings(deadline=None)
@given(st.data())
def test_no_failure_of_any_step_needs_more_than_one_small_screen(data: st.DataObject) -> None:
    of = data.draw(st.sampled_from([built(name) for name in STRATEGIES] + [BACK]))
    step = data.draw(st.sampled_from(of.steps))
    words = st.text(st.characters(codec="utf-8"), max_size=900) | st.just("word " * 200)
    on = data.draw(st.sets(st.sampled_from(step.hosts), max_size=len(step.hosts) - 1))
    records = failed_at(of, step.n, data.draw(words), data.draw(words), *on)
    lines = screens.failure(records, of).splitlines()
    assert len(lines) <= 15
    assert all(len(line) <= 80 and line.isprintable() for line in lines)
    assert lines[0].startswith(f"FAILED at [{step.n}/{len(of.steps)}] {step.name} on ")
    assert [line.split()[0] for line in lines[-3:]] == ["resume", "undo", "details"]


def test_a_split_fleet_is_told_host_by_host_and_a_large_one_by_number() -> None:
    many = [f"app{n}" for n in range(1, 51)]
    of = built("code", {**GROUPS, "release": many})
    records = failed_at(of, number(of, "release.switch"), "Gone.", "", *many[:48])
    assert dict(standing.parts(records, of))["code"] == (
        "app1,app2 and 46 more the target release; "
        "app49,app50 not certain: the target release or still the release from before"
    )


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_run_and_its_way_back_meet(strategy: str) -> None:
    """What is not touched yet on the way back is what the run has left; at its end all is as before the run."""
    of = built(strategy)
    back = way_back(of, len(of.steps))
    everything = [{"kind": kind, "n": step.n} for step in of.steps for kind in ("intent", "done")]
    undone = [{"kind": kind, "n": step.n} for step in back.steps for kind in ("intent", "done")]
    assert sorted(standing.parts(everything, of)) == sorted(standing.parts([], back))
    assert sorted(standing.parts(undone, back)) == sorted(standing.parts([], of))
