# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Celery verbs against a real broker, real workers and two real releases."""

from __future__ import annotations

import base64
import json
import shlex
import signal
from collections.abc import Iterator
from typing import Any

import pytest
import redis
from ansible_collections.steady.rollback.plugins.module_utils.core.errors import (
    CommandFailed,
    DrainTimeout,
    NotEffective,
    PlanRefused,
    TargetRefused,
)
from ansible_collections.steady.rollback.plugins.module_utils.django_command import Project
from ansible_collections.steady.rollback.plugins.module_utils.looks import rows
from ansible_collections.steady.rollback.plugins.module_utils.queues import celery, celery_scripts
from ansible_collections.steady.rollback.plugins.module_utils.queues.celery_app import CeleryApp
from integration.queue_fixtures import (  # noqa: F401
    Product,
    broker_fixture,
    product_fixture,
    valkey_fixture,
    wait_for,
)

CHANGE = "r20261124t022301-4f2a"
PARKED = f"rollback:parked:{CHANGE}:celery"


@pytest.fixture
def app(product: Product) -> Iterator[CeleryApp]:
    """The application as the old release knows it."""
    with opened(product) as conversation:
        yield conversation


def opened(product: Product, release: str = "old") -> CeleryApp:
    return CeleryApp(Project(str(product.home / release), str(product.home / "env"), timeout=20), "config")


def waiting(broker: redis.Redis, key: str = "celery") -> list[tuple[str, Any]]:
    """Jobs of a list in the order in which workers take them: (task, args)."""
    found = [json.loads(raw) for raw in reversed(broker.lrange(key, 0, -1))]
    return [(job["headers"]["task"].split(".")[-1], json.loads(base64.b64decode(job["body"]))[0]) for job in found]


def mixed(product: Product) -> None:
    product.send("add", 1, 1)
    product.send("harmonize", "t1", depth=2)
    product.send("add", 1, 2, 3)
    product.send("add", 2, 2)
    product.send("harmonize", "t2")


def test_park_sets_aside_what_the_target_cannot_run_and_unpark_brings_it_back_in_order(
    product: Product, app: CeleryApp, broker: redis.Redis
) -> None:
    mixed(product)
    foreseen = celery.park(app, CHANGE, None, dry_run=True)
    assert (foreseen["changed"], broker.llen("celery"), broker.llen(PARKED)) == (True, 5, 0)
    done = celery.park(app, CHANGE, None, dry_run=False)
    assert done["parked"] == foreseen["parked"] == {"config.harmonize": 2, "config.add": 1}
    assert (done["kept"], done["restored"]) == (2, 0)
    assert done["reasons"]["the release has no task config.harmonize"] == 2
    assert any(reason.startswith("the arguments do not fit") for reason in done["reasons"])
    assert waiting(broker) == [("add", [1, 1]), ("add", [2, 2])]
    assert waiting(broker, PARKED) == [("harmonize", ["t1"]), ("add", [1, 2, 3]), ("harmonize", ["t2"])]
    assert celery.park(app, CHANGE, None, dry_run=False)["changed"] is False
    assert celery.unpark(app, CHANGE, dry_run=True) == {"changed": True, "unparked": {PARKED: 3}}
    assert celery.unpark(app, CHANGE, dry_run=False) == {"changed": True, "unparked": {"celery": 3}}
    assert waiting(broker)[:3] == [("harmonize", ["t1"]), ("add", [1, 2, 3]), ("harmonize", ["t2"])]
    assert celery.unpark(app, CHANGE, dry_run=False)["changed"] is False


def test_the_replay_command_puts_every_parked_job_back(product: Product, app: CeleryApp, broker: redis.Redis) -> None:
    mixed(product)
    (command,) = celery.park(app, CHANGE, None, dry_run=False)["replay"]
    program, *words = shlex.split(command)
    assert (program, words[:6]) == ("redis-cli", ["-h", "127.0.0.1", "-p", words[3], "-n", "0"])
    broker.execute_command(*words[6:])
    assert (broker.exists(PARKED), len(waiting(broker))) == (0, 5)
    assert waiting(broker)[0] == ("harmonize", ["t1"])


def test_jobs_newer_than_the_restore_point_are_parked(product: Product, app: CeleryApp, broker: redis.Redis) -> None:
    product.send("add", 1, 1)
    captured = celery.capture(app)
    assert (captured["queues"], captured["tasks"], captured["complete"]) == ({"celery": 1}, {"config.add": 1}, True)
    product.send("add", 5, 5)
    done = celery.park(app, CHANGE, captured["ids"], dry_run=False)
    assert done["reasons"] == {"newer than the restore point": 1}
    assert waiting(broker) == [("add", [1, 1])]


def test_unreadable_messages_are_parked_not_lost(product: Product, app: CeleryApp, broker: redis.Redis) -> None:
    product.send("add", 1, 1)
    broker.lpush("celery", "not json", '{"body": "!", "headers": {"task": "config.add", "id": "x"}}')
    done = celery.park(app, CHANGE, None, dry_run=False)
    assert (done["kept"], sum(done["parked"].values()), broker.llen(PARKED)) == (1, 2, 2)


@pytest.mark.parametrize("steps", range(4))
def test_a_park_that_is_killed_leaves_each_job_in_one_place_and_is_finished_by_the_next(
    product: Product, app: CeleryApp, broker: redis.Redis, steps: int
) -> None:
    mixed(product)
    everything = sorted(broker.lrange("celery", 0, -1))
    desk = "rollback:parking:celery"
    broker.eval(celery_scripts.TAKE, 2, "celery", desk)
    for raw in broker.lrange(desk, 0, steps - 1) if steps else []:
        broker.eval(
            celery_scripts.SORT,
            3,
            desk,
            "celery",
            PARKED,
            raw,
            "1" if b"harmonize" in raw or b"[1, 2, 3]" in raw else "0",
        )
    product.send("add", 9, 9)
    everything = sorted([*everything, broker.lindex("celery", 0)])
    lists = ("celery", desk, PARKED)
    assert sorted(raw for key in lists for raw in broker.lrange(key, 0, -1)) == everything
    found = {row.name: row for row in celery.preflight(app, False, {})}
    assert found["parking"].code == "queue-half-parked"
    celery.park(app, CHANGE, None, dry_run=False)
    assert waiting(broker) == [("add", [1, 1]), ("add", [2, 2]), ("add", [9, 9])]
    assert waiting(broker, PARKED) == [("harmonize", ["t1"]), ("add", [1, 2, 3]), ("harmonize", ["t2"])]
    assert not broker.exists(desk)
    celery.unpark(app, CHANGE, dry_run=False)
    assert sorted(broker.lrange("celery", 0, -1)) == everything


def test_a_sort_that_was_judged_on_another_desk_moves_nothing(broker: redis.Redis) -> None:
    broker.rpush("desk", "a", "b")
    assert broker.eval(celery_scripts.SORT, 3, "desk", "q", "p", "b", "1") == 0
    assert (broker.lrange("desk", 0, -1), broker.exists("q", "p")) == ([b"a", b"b"], 0)


def test_jobs_of_a_killed_worker_come_back_and_are_judged(
    product: Product, app: CeleryApp, broker: redis.Redis
) -> None:
    product.start("w1", "new")
    product.send("slow", 60)
    product.send("slow", 61)
    product.send("harmonize", "kept")
    wait_for(lambda: broker.hlen("unacked") == 3)
    product.stop("w1", signal.SIGKILL)
    product.send("harmonize", "t1")
    done = celery.park(app, CHANGE, None, dry_run=False)
    assert (done["restored"], done["parked"]) == (3, {"config.harmonize": 2})
    assert waiting(broker, PARKED) == [("harmonize", ["kept"]), ("harmonize", ["t1"])]
    assert waiting(broker) == [("slow", [60]), ("slow", [61])]
    assert (broker.hlen("unacked"), broker.zcard("unacked_index")) == (0, 0)


def test_pause_drain_resume(product: Product, app: CeleryApp, broker: redis.Redis) -> None:
    product.start()
    with pytest.raises(PlanRefused, match=r"not paused: w1@test would take new jobs"):
        celery.drain(app, 5, 1, "fail")
    product.send("slow", 4)
    product.send("slow", 4)
    wait_for(lambda: broker.llen("celery") == 0)
    assert celery.pause(app, CHANGE, dry_run=True)["paused"] == {"w1@test": ["celery"]}
    assert app.workers() == {"w1@test": ["celery"]}
    assert celery.pause(app, CHANGE, dry_run=False)["changed"] is True
    assert celery.pause(app, CHANGE, dry_run=False)["changed"] is False
    product.send("add", 1, 1)
    with pytest.raises(DrainTimeout, match=r"config\.slow \[[0-9a-f-]{36}\] on w1@test, active for \d") as held:
        celery.drain(app, 0, 1, "fail")
    assert held.value.facts["running"][0]["worker"] == "w1@test"
    assert celery.drain(app, 0, 1, "go_on")["drained"] is False
    drained = celery.drain(app, 30, 1, "fail")
    assert (drained["drained"], drained["running"], broker.llen("celery")) == (True, [], 1)
    # Idle workers are not given up because the time is over before it is certain that they are.
    assert celery.drain(app, 0, 1, "fail")["drained"] is True
    with pytest.raises(NotEffective, match=r"at least 1 must consume"):
        celery.verify(app, 1, 50, 0)
    assert celery.resume(app, CHANGE, dry_run=False) == {"changed": True, "resumed": {"w1@test": ["celery"]}}
    wait_for(lambda: broker.llen("celery") == 0)
    assert celery.resume(app, CHANGE, dry_run=False)["changed"] is False
    assert celery.verify(app, 1, 50, 5)["workers"] == {"w1@test": ["celery"]}


def test_workers_that_were_restarted_need_no_resume(product: Product, app: CeleryApp, broker: redis.Redis) -> None:
    product.start()
    celery.pause(app, CHANGE, dry_run=False)
    product.stop("w1")
    assert celery.drain(app, 5, 1, "fail")["workers"] == []
    product.start()
    assert celery.resume(app, CHANGE, dry_run=False)["changed"] is False
    assert not broker.exists(f"rollback:consumers:{CHANGE}")


def test_resume_without_workers_says_so(product: Product, app: CeleryApp) -> None:
    product.start()
    celery.pause(app, CHANGE, dry_run=False)
    product.stop("w1")
    app.patience = 0.1
    with pytest.raises(NotEffective, match=r"Nobody consumes all of celery again; workers now: none"):
        celery.resume(app, CHANGE, dry_run=False)


def test_a_silent_worker_is_not_an_absent_one(product: Product, app: CeleryApp) -> None:
    app.patience = 0.5
    assert celery.pause(app, CHANGE, dry_run=False) == {"changed": False, "workers": [], "paused": {}}
    product.start()
    product.workers["w1"].send_signal(signal.SIGSTOP)
    try:
        with pytest.raises(NotEffective, match=r"1 of 1 workers listen on the broker and do not answer"):
            celery.pause(app, CHANGE, dry_run=False)
        with pytest.raises(DrainTimeout, match=r"1 silent worker"):
            celery.drain(app, 1, 1, "fail")
        assert [r.code for r in celery.preflight(app, False, {}) if r.level == "fail"] == ["workers-silent"]
    finally:
        product.workers["w1"].send_signal(signal.SIGCONT)


def test_park_beside_running_workers_is_refused(product: Product, app: CeleryApp) -> None:
    product.start()
    with pytest.raises(TargetRefused, match=r"Workers are running \(w1@test\)"):
        celery.park(app, CHANGE, None, dry_run=False)


def test_preflight_names_what_is_wrong(product: Product, app: CeleryApp) -> None:
    found = celery.preflight(app, True, {})
    assert [(r.level, r.name) for r in found] == [("ok", "broker"), ("warn", "workers"), ("fail", "jobs")]
    (product.home / "env").write_text("BROKER_URL=redis://:s3cret-pw@127.0.0.1:1/0\n")
    with opened(product) as lost:
        (row,) = rows("broker", lambda: celery.preflight(lost, False, {}))
    assert (row["level"], row["code"]) == ("fail", "celery-unusable")
    assert "Connection refused" in row["found"]
    assert "s3cret-pw" not in str(row)


def test_an_application_that_does_not_import_is_named(product: Product) -> None:
    (product.home / "old" / "config.py").write_text("raise RuntimeError('no settings')")
    with opened(product) as app, pytest.raises(CommandFailed, match=r"did not answer 'describe': .*no settings"):
        app.ask("describe")
    (product.home / "old" / "config.py").write_text("import time; time.sleep(60)")
    slow = CeleryApp(Project(str(product.home / "old"), str(product.home / "env"), timeout=1), "config")
    with slow as app, pytest.raises(CommandFailed, match=r"nothing within 1 s"):
        app.ask("describe")
