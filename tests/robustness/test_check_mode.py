# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""``--check`` writes nothing, needs no right to write, and names exactly what a run does.

Every strategy is checked under observers: the database's roles may only read, the object store lets only reading
pass, Redis is watched, and no file may have another time afterwards. Whatever wrote would fail, or be seen.
"""

from __future__ import annotations

import os
import re
import socket
import stat
import subprocess
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import psycopg
import pytest
import redis
from sandbox import playbooks, supervisor_rpc

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from conftest import Product

pytestmark = pytest.mark.slow

CONFIRMED = {"confirm": playbooks.ENVIRONMENT, "reason": "check"}
# Each with the exit code of its check: a release that is kept warm is not there, and that is found.
BOOKS = {
    "feature-flag-rollback": 0,
    "config-rollback": 0,
    "code-rollback": 0,
    "warm-rollback": 2,
    "full-rollback": 0,
    "emergency-rollback": 0,
    "data-repair": 0,
    "finalize": 0,
    "restore-point": 0,
}
REQUEST = re.compile(rb"(?:^|\r\n\r\n)([A-Z]+) (\S+) HTTP/1\.1\r\n")
# Workers are asked how they are through the broker: question and answer pass through these keys and are gone.
ASKING = "pidbox"
RUNBOOK = re.compile(r" {0,2}\d+  (\w+\.\w+) +(\S+)")


class ReadOnlyStore:
    """A wire to the object store that lets only reading pass. ``requests`` is (method, path) of all that were tried."""

    def __init__(self, port: int) -> None:
        self.to, self.requests = port, []  # type: tuple[int, list[tuple[str, str]]]
        self.server = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.server.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self.server.accept()
            except OSError:
                return
            upstream = socket.create_connection(("127.0.0.1", self.to))
            for pair in ((client, upstream, True), (upstream, client, False)):
                threading.Thread(target=self._pass, args=pair, daemon=True).start()

    def _pass(self, source: socket.socket, target: socket.socket, asking: bool) -> None:
        try:
            while data := source.recv(65536):
                found = [(m.decode(), p.decode()) for m, p in REQUEST.findall(data)] if asking else []
                self.requests += found
                if any(method not in ("GET", "HEAD") for method, _path in found):
                    break
                target.sendall(data)
        except OSError:
            pass  # The other side has gone: so does this one.
        finally:
            for each in (source, target):
                each.close()


@contextmanager
def read_only_database(product: Product) -> Iterator[None]:
    """The roles of the application and of rollbacks may write nothing; afterwards nothing is counted as written."""

    def written() -> list[tuple[object, ...]]:
        with psycopg.connect(**product.box.postgres(), autocommit=True) as connection:
            rows = connection.execute(
                "SELECT relname, n_tup_ins, n_tup_upd, n_tup_del FROM pg_stat_user_tables ORDER BY 1"
            ).fetchall()
            return [*rows, *connection.execute("SELECT oid, datname, datacl FROM pg_database ORDER BY 1").fetchall()]

    def may(write: bool) -> None:
        with psycopg.connect(**product.box.postgres(), autocommit=True) as connection:
            for role in ("wabot", "rollback"):
                setting = "RESET" if write else "SET"
                value = "" if write else " = on"
                connection.execute(f"ALTER ROLE {role} {setting} default_transaction_read_only{value}")

    before = written()
    may(False)
    try:
        yield
    finally:
        may(True)
    assert written() == before


@contextmanager
def watched_redis(product: Product) -> Iterator[None]:
    """Nothing but the question to the workers is written into Redis, and the keys are what they were."""
    client = redis.Redis.from_url(product.box.redis_url(0, "observer"))
    write = {name.upper() for name, command in client.command().items() if "write" in command["flags"]}
    keys = {number: _keys(product, number) for number in (0, 1)}
    seen: list[str] = []
    over = "the test is over"
    with client.monitor() as monitor:

        def listen() -> None:
            for each in monitor.listen():
                if over in each["command"]:
                    return
                seen.append(each["command"])

        thread = threading.Thread(target=listen, daemon=True)
        thread.start()
        yield
        client.echo(over)
        thread.join(10)
    assert len(seen) > 20, "Redis was not watched"
    # BRPOP is how an idle worker waits; by its mutex it looks every few minutes for jobs that others have lost.
    wrote = [
        line
        for line in seen
        if line.split()[0].upper() in write - {"BRPOP"} and ASKING not in line and "unacked_mutex" not in line
    ]
    assert wrote == []
    assert {number: _keys(product, number) for number in (0, 1)} == keys


def _keys(product: Product, number: int) -> set[bytes]:
    client = redis.Redis.from_url(product.box.redis_url(number, "observer"))
    return {key for key in client.scan_iter() if ASKING not in str(key)}


@contextmanager
def untouched(product: Product) -> Iterator[None]:
    """No file has another time than before, but those of the services themselves."""

    def times() -> dict[str, tuple[int, int]]:
        found = {}
        for parent, below, names in os.walk(product.box.directory):
            own = {"data", "log", "tmp", "redis"}
            below[:] = [name for name in below if name not in own]
            for name in ("", *names):
                status = os.lstat(os.path.join(parent, name))
                # A file of a package is linked from the installer's cache; whoever else links it changes this time.
                linked = status.st_nlink > 1 and not stat.S_ISDIR(status.st_mode)
                found[os.path.join(parent, name)] = (status.st_mtime_ns, 0 if linked else status.st_ctime_ns)
        return found

    before = times()
    yield
    after = times()
    assert sorted(path for path in before.keys() | after.keys() if before.get(path) != after.get(path)) == []


def checked(product: Product, book: str, code: int, store: str, home: Path, read_only: bool = False) -> str:
    """What ``--check`` prints; Ansible leaves nothing in ``home``. ``read_only`` mounts the whole sandbox so."""
    command = [*playbooks.command(product.box, book, **CONFIRMED, wabot_s3_url=store), "--check"]
    if read_only:
        # Whoever asks the product anything has it open its own log.
        logs = 'for log in "$0"/*/log; do mount --bind "$log" "$log" || exit; done'
        mount = f'mount --bind "$0" "$0" && {logs} && mount -o remount,ro,bind "$0" && exec "$@"'
        space = ["unshare", "--mount"] if os.geteuid() == 0 else ["unshare", "--mount", "--map-root-user"]
        command = [*space, "sh", "-c", mount, str(product.box.directory), *command]
    done = subprocess.run(
        command, cwd=playbooks.ROOT,
        env={**playbooks.environment(product.box), "ANSIBLE_REMOTE_TMP": str(home), "ANSIBLE_LOCAL_TEMP": str(home)},
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, timeout=200,
    )  # fmt: skip
    assert done.returncode == code, done.stdout
    assert list(home.iterdir()) == []
    return done.stdout


def listed(said: str) -> list[tuple[str, list[str]]]:
    """[(step, hosts)] of the runbook that ``--check`` prints; hosts that do not fit stand on lines of their own."""
    found: list[tuple[str, list[str]]] = []
    for line in said.splitlines():
        if match := RUNBOOK.match(line):
            found.append((match[1], re.split(r",\s*", line[28:53].strip().rstrip(","))))
        elif found and line.startswith(" " * 28) and line.strip():
            found[-1][1].extend(re.split(r",\s*", line.strip().rstrip(",")))
        elif found:
            break
    return found


@pytest.fixture(scope="module")
def said(product: Product, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """{playbook: what its check printed}; the observers have seen no write."""
    store, home = ReadOnlyStore(product.box.ports["s3"]), tmp_path_factory.mktemp("ansible")
    # What it does on its own would be taken for a write of ours.
    supervisor_rpc.connect(product.box.socket).stopProcess("worker1-beat")
    with read_only_database(product), watched_redis(product), untouched(product):
        printed = {book: checked(product, book, code, store.url, home) for book, code in BOOKS.items()}
        printed["without rights"] = checked(product, "full-rollback", 2, store.url, home, read_only=True)
    supervisor_rpc.connect(product.box.socket).startProcess("worker1-beat")
    store.server.close()
    assert {method for method, _path in store.requests} == {"GET"}
    assert any("dump" in path for _method, path in store.requests), "the backup was not looked at"
    return printed


def test_nothing_is_written_for_any_strategy(said: dict[str, str]) -> None:
    for book, code in BOOKS.items():
        assert ("FAIL" in said[book]) == (code != 0), said[book]


def test_without_the_right_to_write_the_list_is_the_same_and_what_lacks_is_told(said: dict[str, str]) -> None:
    without = said["without rights"]
    assert listed(without) == listed(said["full-rollback"]) != []
    failed = [line for line in re.sub(r"\n {6}(?!mend)", " ", without).splitlines() if line.startswith("FAIL ")]
    assert failed
    assert [line for line in failed if "cannot be written" not in line] == []


def test_the_list_is_what_a_run_journals(product: Product, said: dict[str, str]) -> None:
    product.play("config-rollback", **CONFIRMED)
    records = playbooks.journal(playbooks.runs(product.box)[-1])
    intents = [(record["step"], record["hosts"]) for record in records if record["kind"] == "intent"]
    assert listed(said["config-rollback"]) == intents
