# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The roles queue and cache as the engine calls them: through Ansible, with a run and a restore point."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import redis
import yaml
from integration.queue_fixtures import Product, broker_fixture, product_fixture, valkey_fixture  # noqa: F401

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class Verbs:
    """Verbs of the two roles on one host whose live release is ``new`` and whose restore point names ``old``."""

    def __init__(self, product: Product, port: int) -> None:
        self.product, self.home = product, product.home
        (self.home / "releases").mkdir()
        (self.home / "releases" / COMMIT[:12]).symlink_to(self.home / "old")
        self.switch("new")
        (self.home / "env").open("a").write(f"CACHE_URL=redis://127.0.0.1:{port}/1\n")
        self.variables: dict[str, Any] = {
            "ansible_python_interpreter": sys.executable,
            "rollback_run": {"change": "r1", "steps": ["service.stop"]},
            "rollback_point": {"components": {"release": {"commit": COMMIT}}},
            "queue_project": str(self.home / "current"),
            "queue_env_file": str(self.home / "env"),
            "queue_drain_stable": 0,
            "cache_env_file": str(self.home / "env"),
            "cache_variable": "CACHE_URL",
            "cache_patterns": ["app:*"],
        }

    def switch(self, release: str) -> None:
        link = self.home / "current"
        link.unlink(missing_ok=True)
        link.symlink_to(self.home / release)

    def play(self, *verbs: str) -> list[dict[str, Any]]:
        """Run verbs, and return what each registered for the engine."""
        tasks = []
        for role, verb in (name.split(".") for name in verbs):
            kind = verb if verb in ("capture", "preflight") else "effect"
            result = f"{{{{ __{role}_{kind} | to_json }}}}"
            tasks += [
                {"ansible.builtin.include_role": {"name": f"steady.rollback.{role}", "tasks_from": verb}},
                {"ansible.builtin.lineinfile": {"path": str(self.home / "said"), "line": result, "create": True}},
            ]
        play = {"hosts": "localhost", "gather_facts": False, "vars": self.variables, "tasks": tasks}
        (self.home / "verbs.yml").write_text(yaml.safe_dump([play]))
        (self.home / "said").unlink(missing_ok=True)
        env = {**os.environ, "ANSIBLE_HOME": str(self.home / "ansible"), "ANSIBLE_LOCALHOST_WARNING": "false"}
        argv = [str(Path(sys.executable).parent / "ansible-playbook"), str(self.home / "verbs.yml")]
        done = subprocess.run(argv, env=env, capture_output=True, text=True, check=False, timeout=120)
        assert done.returncode == 0, done.stdout + done.stderr
        return [json.loads(line) for line in (self.home / "said").read_text().splitlines()]


@pytest.fixture
def verbs(product: Product, valkey: int) -> Verbs:
    return Verbs(product, valkey)


def test_jobs_of_the_bad_release_are_parked_and_come_back_with_it(
    verbs: Verbs, broker: redis.Redis, valkey: int
) -> None:
    product, cache = verbs.product, redis.Redis(port=valkey, db=1)
    product.start("w1", "new")
    cache.set("app:1:config", "poison")
    found, captured, empty, paused, drained = verbs.play(
        "queue.preflight", "queue.capture", "cache.preflight", "queue.pause", "queue.drain"
    )
    assert {row["level"] for row in [*found["rows"], *empty["rows"]]} == {"ok"}
    assert captured["captured"]["complete"] is True
    assert paused["paused"] == {"w1@test": ["celery"]}
    assert drained["drained"] is True
    product.send("add", 1, 1)
    product.send("harmonize", "t1")
    product.stop("w1")
    parked, flushed = verbs.play("queue.park", "cache.flush")
    assert parked["parked"] == {"config.harmonize": 1}
    assert parked["replay"][0].startswith("redis-cli -h 127.0.0.1")
    assert (flushed["removed"], flushed["remaining"]) == (1, 0)
    verbs.switch("old")
    product.start("w2", "old")
    resumed, worked_off = verbs.play("queue.resume", "queue.verify")
    assert resumed["changed"] is False
    assert worked_off["workers"] == {"w2@test": ["celery"]}
    product.stop("w2")
    verbs.switch("new")
    (back,) = verbs.play("queue.unpark")
    assert back["unparked"] == {"celery": 1}
    assert broker.llen("celery") == 1
