# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Emptying a cache on a real server: hostile keys, job queues, servers that refuse."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import redis as driver
from ansible_collections.steady.rollback.plugins.module_utils.caches import redis
from ansible_collections.steady.rollback.plugins.module_utils.core.errors import (
    BadInput,
    DatabaseFailed,
    NotEffective,
    TargetRefused,
)
from integration.queue_fixtures import broker_fixture, valkey_fixture  # noqa: F401

JOB = b'{"body": "W10=", "properties": {"delivery_info": {"routing_key": "mail"}}}'
HOSTILE = [
    b"app:x bull:mail:wait",
    b"app:with'quote",
    b'app:with"double',
    b"app:new\nline",
    b"app:\xff\xfe\x00",
    b"app:*",
    b"app:{slot}[a]?",
    b"app:\xc3\xa9",
]


@pytest.fixture
def cache(valkey: int, broker: driver.Redis) -> redis.Cache:
    """Database 1 of the server whose database 0 is the broker."""
    return redis.Cache(f"redis://127.0.0.1:{valkey}/1", timeout=3)


def test_hostile_keys_are_removed_exactly_and_nothing_else(cache: redis.Cache, broker: driver.Redis) -> None:
    for key in HOSTILE:
        cache.client.set(key, "x")
    cache.client.set("mail", "other")
    cache.client.set("bull:mail:wait", "other")
    broker.lpush("celery", JOB)
    foreseen = redis.flush(cache, ["app:*"], "pattern", True, dry_run=True)
    assert (foreseen["found"], cache.client.dbsize()) == (len(HOSTILE), len(HOSTILE) + 2)
    done = redis.flush(cache, ["app:*"], "pattern", True, dry_run=False)
    assert done == {"changed": True, "found": len(HOSTILE), "removed": len(HOSTILE), "remaining": 0}
    assert sorted(cache.client.keys()) == [b"bull:mail:wait", b"mail"]
    assert broker.llen("celery") == 1
    assert redis.flush(cache, ["app:*"], "pattern", True, dry_run=False)["changed"] is False


def test_many_pages(cache: redis.Cache) -> None:
    cache.client.mset({f"app:{n}": n for n in range(12_345)})
    cache.client.mset({f"other:{n}": n for n in range(5_000)})
    assert redis.flush(cache, ["app:*"], "pattern", True, dry_run=False)["removed"] == 12_345
    assert redis.look(cache, ["app:*", "*"])["keys"] == {"app:*": 0, "*": 5_000}


@pytest.mark.parametrize("key", ["celery", "_kombu.binding.mail", "unacked", "bull:mail:wait", "rq:queue:high"])
@pytest.mark.parametrize("mode", ["pattern", "database"])
def test_a_database_with_jobs_is_never_emptied(cache: redis.Cache, key: str, mode: str) -> None:
    cache.client.set("app:1", "x")
    cache.client.lpush(key, "job")
    with pytest.raises(TargetRefused, match=rf"/1 holds keys of a job queue: {key}\. Emptying it would delete") as no:
        redis.flush(cache, ["*"], mode, True, dry_run=False)
    assert (no.value.code, cache.client.dbsize()) == ("cache-holds-jobs", 2)
    (row,) = redis.preflight(cache, ["*"], mode)
    assert (row.level, row.code) == ("fail", "cache-holds-jobs")


def test_a_queue_of_any_name_is_known_by_what_it_holds(cache: redis.Cache) -> None:
    cache.client.lpush("app:mail", JOB)
    with pytest.raises(TargetRefused, match="app:mail"):
        redis.flush(cache, ["app:*"], "pattern", True, dry_run=False)
    assert cache.client.llen("app:mail") == 1


def test_a_pattern_beside_jobs_is_fine_and_the_whole_database_is_not(cache: redis.Cache) -> None:
    cache.client.set("app:1", "x")
    cache.client.lpush("celery", JOB)
    assert redis.preflight(cache, ["app:*"], "pattern")[0].level == "ok"
    assert redis.flush(cache, ["app:*"], "pattern", True, dry_run=False)["removed"] == 1
    assert cache.client.llen("celery") == 1


def test_the_whole_database_is_emptied_only_when_it_is_the_cache_alone(cache: redis.Cache) -> None:
    cache.client.mset({"app:1": 1, "session:9": 1})
    with pytest.raises(TargetRefused, match=r"not the cache's: session:9\."):
        redis.flush(cache, ["app:*"], "database", True, dry_run=False)
    assert redis.flush(cache, ["app:*", "session:*"], "database", True, dry_run=False)["removed"] == 2
    assert cache.client.dbsize() == 0


class Fed(redis.Cache):
    """A cache that a live application writes to as soon as it is empty."""

    def unlink(self, pattern: str) -> int:
        removed = super().unlink(pattern)
        self.client.set("app:again", "x")
        return removed


def test_keys_that_come_back_are_reported_or_refused(valkey: int, cache: redis.Cache) -> None:
    cache.client.mset({"app:1": 1, "app:2": 1})
    fed = Fed(f"redis://127.0.0.1:{valkey}/1")
    assert redis.flush(fed, ["app:*"], "pattern", False, dry_run=False)["remaining"] == 1
    with pytest.raises(NotEffective, match=r"^1 keys of app:\* are in .*/1 after 4 were removed\.$"):
        redis.flush(fed, ["app:*"], "pattern", True, dry_run=False)


@pytest.fixture
def configured(broker: driver.Redis) -> Iterator[driver.Redis]:
    """The server, as it was, after a test has changed its settings."""
    yield broker
    broker.replicaof("NO", "ONE")
    broker.config_set("maxmemory", 0)
    broker.config_set("requirepass", "")


def test_a_replica_is_named(cache: redis.Cache, configured: driver.Redis) -> None:
    cache.client.set("app:1", "x")
    configured.replicaof("127.0.0.1", 1)
    assert redis.preflight(cache, ["*"], "pattern")[0].code == "redis-read-only"
    with pytest.raises(DatabaseFailed, match="read only replica") as failed:
        redis.flush(cache, ["*"], "pattern", True, dry_run=False)
    assert (failed.value.code, failed.value.hint) == ("redis-read-only", "This server is a replica. Name the primary.")


def test_a_full_server_is_still_emptied(cache: redis.Cache, configured: driver.Redis) -> None:
    cache.client.set("app:1", "x")
    configured.config_set("maxmemory", 1)
    assert redis.flush(cache, ["*"], "pattern", True, dry_run=False)["remaining"] == 0


def test_a_paused_server_is_waited_for(cache: redis.Cache, configured: driver.Redis) -> None:
    cache.client.set("app:1", "x")
    configured.execute_command("CLIENT", "PAUSE", "1000", "WRITE")
    assert redis.flush(cache, ["*"], "pattern", True, dry_run=False)["removed"] == 1


def test_no_server_and_a_wrong_password_are_told_without_the_password(valkey: int, configured: driver.Redis) -> None:
    with pytest.raises(DatabaseFailed, match=r"Redis at 127\.0\.0\.1:1/1 failed: .*refused") as failed:
        redis.look(redis.Cache("redis://:s3cret@127.0.0.1:1/1"), ["*"])
    assert failed.value.code == "redis-unreachable"
    configured.config_set("requirepass", "right")
    with pytest.raises(DatabaseFailed) as denied:
        redis.look(redis.Cache(f"redis://:s3cret@127.0.0.1:{valkey}/1"), ["*"])
    assert denied.value.code == "redis-denied"
    assert "s3cret" not in str(denied.value) + denied.value.hint + denied.value.next


def test_the_url_comes_from_the_env_file(tmp_path: Path) -> None:
    env = tmp_path / "env"
    env.write_text("# settings\nOTHER=1\nCACHE='redis://h/1'\n")
    assert redis.url_of("", str(env), "CACHE") == "redis://h/1"
    with pytest.raises(BadInput, match=r"There is no Redis URL in OTHER of .*env\."):
        redis.url_of("", str(env), "OTHER")
    with pytest.raises(BadInput, match=r"No Redis URL was given\."):
        redis.url_of("", "", "")


def test_a_command_that_empties_the_database_is_refused_where_jobs_share_it(
    cache: redis.Cache, broker: driver.Redis
) -> None:
    cache.client.set("app:1", "x")
    cache.client.lpush("mail", JOB)
    assert redis.preflight(cache, ["app:*"], "pattern")[0].level == "ok"
    assert redis.preflight(cache, ["app:*"], "pattern", command=True)[0].code == "cache-holds-jobs"
    with pytest.raises(TargetRefused, match="mail"):
        redis.flush(cache, ["app:*"], "pattern", True, False, command=True)
    assert cache.client.exists("app:1", "mail") == 2
