# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The accounts that ``docs/privileges`` ships may do what is needed, and nothing that could not be taken back.

That they may do enough is shown by every test with a sandbox, which has no other accounts, and by every test of the
databases and of the object store. Here they are asked to do harm.
"""

from __future__ import annotations

import re
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
import redis as driver
from ansible_collections.steady.rollback.plugins.module_utils.caches import redis
from ansible_collections.steady.rollback.plugins.module_utils.core.errors import DatabaseFailed, StorageFailed
from ansible_collections.steady.rollback.plugins.module_utils.gates import redis as redis_gate
from ansible_collections.steady.rollback.plugins.module_utils.service import systemd
from ansible_collections.steady.rollback.plugins.module_utils.service.provider import Unit
from ansible_collections.steady.rollback.plugins.module_utils.storage.objects import Bucket
from integration.postgres_fixtures import Cluster, cluster_fixture, product_fixture, s3_client, start_store  # noqa: F401
from integration.queue_fixtures import free_port
from sandbox import Sandbox, privileges, programs

PASSWORD = "S3cr3t-of-the-tests"


@pytest.fixture(name="valkey", scope="module")
def valkey_fixture(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of a server that has the shipped accounts and no other."""
    home, port = tmp_path_factory.mktemp("valkey"), free_port()
    accounts = home / "users.acl"
    accounts.write_text(privileges.shipped("redis.acl", product_password=PASSWORD, rollback_password=PASSWORD))
    argv = [programs.program("valkey-server"), "--port", str(port), "--bind", "127.0.0.1", "--dir", str(home)]
    server = subprocess.Popen([*argv, "--save", "", "--aclfile", str(accounts)], stdout=subprocess.DEVNULL)
    for _try in range(100):
        try:
            driver.Redis(port=port, username="rollback", password=PASSWORD).ping()
            break
        except driver.ConnectionError:
            time.sleep(0.05)
    yield port
    server.terminate()
    server.wait()


def test_redis(valkey: int) -> None:
    product = driver.Redis(port=valkey, db=1, username="wabot", password=PASSWORD)
    jobs = driver.Redis(port=valkey, db=0, username="wabot", password=PASSWORD)
    jobs.rpush("celery", "job")
    product.mset({f"wabot:{number}": "x" for number in range(2500)})
    product.set("other", "x")
    url = f"redis://rollback:{PASSWORD}@127.0.0.1:{valkey}/1"
    cache = redis.Cache(url)
    assert [row.level for row in redis.preflight(cache, ["wabot:*"], "pattern")] == ["ok"]
    assert redis.look(cache, ["wabot:*"])["keys"] == {"wabot:*": 2500}
    assert redis.flush(cache, ["wabot:*"], "pattern", True, False)["removed"] == 2500
    assert redis_gate.probe({"url": url, "pattern": "wabot:*", "expected": 0})().ok
    # Not one of them leads to another database, to the server's own affairs, or to what is not the cache's.
    for harm in (
        *("FLUSHALL", "FLUSHDB", "CONFIG GET *", "SHUTDOWN", "KEYS *", "GET other", "DEL wabot:1", "UNLINK other"),
        *("SET wabot:1 y", "EVAL return(1) 0", "ACL LIST", "REPLICAOF NO ONE", "SAVE", "MONITOR", "SWAPDB 0 1"),
    ):
        with pytest.raises(driver.ResponseError) as refused:
            cache.client.execute_command(*harm.split())
        assert isinstance(refused.value, driver.exceptions.NoPermissionError), harm
    # The product's own account cannot harm another database, or the server.
    for harm in ("FLUSHALL", "CONFIG GET *", "SHUTDOWN", "ACL LIST", "REPLICAOF NO ONE", "SAVE"):
        with pytest.raises(driver.exceptions.NoPermissionError):
            product.execute_command(*harm.split())
    with pytest.raises(DatabaseFailed) as denied:
        redis.flush(cache, ["*"], "database", True, False)
    assert denied.value.code in ("redis-denied", "cache-not-exclusive") or "other" in denied.value.message
    with pytest.raises(driver.AuthenticationError):
        driver.Redis(port=valkey).ping()
    assert (product.get("other"), jobs.llen("celery")) == (b"x", 1)


def test_postgresql(product: Cluster) -> None:
    product.run("postgres", "CREATE DATABASE foreign_one", "CREATE TABLE public.mine (id int)")
    with product.connect("wabot", user="rollback") as connection:
        flags = connection.execute(
            "SELECT rolsuper, rolcreaterole, rolreplication, rolbypassrls, rolcreatedb FROM pg_roles "
            "WHERE rolname = current_user"
        ).fetchone()
        assert flags == (False, False, False, False, True)
        for harm in (
            "DROP DATABASE foreign_one",
            "ALTER DATABASE foreign_one RENAME TO gone",
            "ALTER SYSTEM SET fsync = off",
            "CREATE ROLE evil SUPERUSER",
            "ALTER ROLE rollback SUPERUSER",
            "COPY (SELECT 1) TO PROGRAM 'true'",
            "COPY (SELECT 1) TO '/tmp/never'",
            "SELECT pg_read_file('/etc/passwd')",
            "CREATE EXTENSION file_fdw",
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'postgres'",
        ):
            with pytest.raises(psycopg.Error) as refused:
                connection.execute(harm.encode()).fetchall()
            assert isinstance(refused.value, (psycopg.errors.InsufficientPrivilege, psycopg.errors.UndefinedFile)), harm
    assert "foreign_one" in product.databases()


@pytest.fixture(name="store", scope="module")
def store_fixture(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """A store, as the account of runs and as the account of finalize see it."""
    directory = tmp_path_factory.mktemp("store")
    finalize, process = start_store(directory)
    yield (
        {**finalize, "access_key": "rollback", "secret_key": Sandbox.open(directory).passwords["s3_rollback"]},
        finalize,
    )
    process.kill()
    process.wait()


def test_the_object_store(store: tuple[dict[str, Any], dict[str, Any]]) -> None:
    run, finalize = store
    writer, keeper = Bucket(run), Bucket(finalize)
    written = writer.write("production/backups/p1", [b"x" * 100, b"y"])
    assert b"".join(writer.proven(written)) == b"x" * 100 + b"y"
    with pytest.raises(RuntimeError, match="the dump broke off"):
        writer.write("production/backups/p2", broken())
    assert writer.keys("production/") == ["production/backups/p1"]
    with pytest.raises(StorageFailed) as refused:
        writer.delete("production/backups/p1")
    assert refused.value.code == "storage-denied"
    assert refused.value.message.startswith("The object store failed at delete_object of production/backups/p1 in")
    assert refused.value.hint == (
        "Correct access_key and secret_key in rollback_s3, or allow this account what the message names."
    )
    client = s3_client(run)
    for harm in (
        lambda: client.delete_objects(Bucket="backups", Delete={"Objects": [{"Key": "production/backups/p1"}]}),
        lambda: client.delete_bucket(Bucket="backups"),
        lambda: client.create_bucket(Bucket="other"),
        lambda: client.put_bucket_policy(Bucket="backups", Policy="{}"),
        lambda: client.put_bucket_lifecycle_configuration(
            Bucket="backups",
            LifecycleConfiguration={"Rules": [{"Status": "Enabled", "Prefix": "", "Expiration": {"Days": 1}}]},
        ),
    ):
        answer = None
        try:
            answer = harm()
        except client.exceptions.ClientError as error:
            assert error.response["Error"]["Code"] in ("AccessDenied", "NoSuchBucket")
        assert not answer or [each["Code"] for each in answer["Errors"]] == ["AccessDenied"]
    assert writer.size("production/backups/p1") == 101
    keeper.delete("production/backups/p1")
    assert keeper.keys("production/") == []


def broken() -> Iterator[bytes]:
    """A stream that ends by an error."""
    yield b"x"
    raise RuntimeError("the dump broke off")


def test_sudo_lets_exactly_what_systemd_is_asked_for(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    text = privileges.shipped("sudoers", account="deploy", unit="gunicorn.service")
    allowed = {line.strip(" ,\\") for line in re.findall(r"/usr/bin/systemctl[^,\\\n]+", text)}
    asked = []
    provider = systemd.Systemd(sudo=False)
    provider.prefix = ["sudo", "-n", "--"]
    states = iter(["failed", "active", "active", "active"])

    def run(argv: list[str]) -> str:
        if argv[0] == "sudo":
            asked.append(" ".join(["/usr/bin/systemctl", *argv[4:]]))
        word = next(states) if "show" in argv else ""
        return f"LoadState=loaded\nActiveState={word}\nSubState=x\nMainPID=1\n"

    monkeypatch.setattr(provider, "_run", run)
    unit = Unit("gunicorn")
    for change in (provider.start, provider.stop, provider.reload):
        change(unit)
    assert set(asked) == allowed and len(allowed) == 4
    readme = Path(privileges.SHIPPED.parents[1], "roles", "service", "README.md").read_text()
    assert {each in readme for each in allowed} == {True}
