# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Where everything is: directories, ports, passwords. Chosen once, kept in ``sandbox.json``."""

from __future__ import annotations

import json
import random
import socket
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

APP_HOSTS = ("app1", "app2")
WORKER_HOSTS = ("worker1",)
RELEASE_HOSTS = APP_HOSTS + WORKER_HOSTS
HOSTS = (*RELEASE_HOSTS, "db1", "edge1", "s3")
# SeaweedFS adds ten to a port for its gRPC twin, so its ports are one block: s3, master, volume, filer, admin.
S3_BLOCK = (0, 1, 2, 3, 4, 10, 11, 12, 13, 14)
SINGLE_PORTS = ("postgres", "redis", "edge", "app1", "app2", "app1_standby", "app2_standby")
BUCKET = "backups"
# Of PostgreSQL, of Valkey, of the object store, of Django.
USERS = (
    "postgres",
    "wabot",
    "rollback",
    "redis",
    "redis_rollback",
    "redis_observer",
    "s3_rollback",
    "s3_finalize",
    "django",
)


@dataclass(frozen=True)
class Sandbox:
    """One sandbox. ``ports`` by name (see SINGLE_PORTS, and ``s3``); ``passwords`` by user of the service."""

    directory: Path
    ports: dict[str, int]
    passwords: dict[str, str]

    @classmethod
    def open(cls, directory: Path) -> Sandbox:
        """The sandbox that lives in ``directory``; raises FileNotFoundError when there is none."""
        kept = json.loads((directory.resolve() / "sandbox.json").read_text(encoding="utf-8"))
        return cls(directory.resolve(), kept["ports"], kept["passwords"])

    @classmethod
    def create(cls, directory: Path) -> Sandbox:
        """The sandbox of ``directory``, made when it is not there yet."""
        directory = directory.resolve()
        for host in HOSTS:
            (directory / host).mkdir(parents=True, exist_ok=True)
        if not (directory / "sandbox.json").exists():
            # Each is a word that is found again wherever it leaks to.
            kept = {"ports": _free_ports(), "passwords": {user: f"S3cr3t-{uuid.uuid4()}" for user in USERS}}
            kept_file = directory / "sandbox.json"
            kept_file.touch(mode=0o600)
            kept_file.write_text(json.dumps(kept, indent=2), encoding="utf-8")
        return cls.open(directory)

    def home(self, host: str) -> Path:
        """What is ``/srv/wabot`` on a real host."""
        return self.directory / host

    @property
    def inventory(self) -> Path:
        """The overlay to use after ``inventories/wabot``."""
        return self.directory / "inventory.yml"

    @property
    def socket(self) -> Path:
        """Where supervisord listens."""
        return self.directory / "supervisor.sock"

    def postgres(self, user: str = "postgres", database: str = "wabot") -> dict[str, Any]:
        """Keyword arguments for ``psycopg.connect``."""
        return {
            "host": "127.0.0.1",
            "port": self.ports["postgres"],
            "user": user,
            "password": self.passwords[user],
            "dbname": database,
            "connect_timeout": 5,
        }

    def redis_url(self, database: int, user: str = "wabot") -> str:
        """Database 0 is the broker, database 1 the cache. ``user`` is the product, ``rollback`` or ``observer``."""
        password = self.passwords["redis" if user == "wabot" else f"redis_{user}"]
        return f"redis://{user}:{password}@127.0.0.1:{self.ports['redis']}/{database}"

    def url(self, name: str = "edge") -> str:
        """The address of ``edge``, of an app host, or of ``s3``."""
        return f"http://127.0.0.1:{self.ports[name]}"


def _free_ports() -> dict[str, int]:
    """Ports that nobody listens on, below the range from which the kernel takes its own."""
    for _ in range(100):
        base = random.randrange(20000, 32000, 20)
        offsets = [*S3_BLOCK, *(5 + place for place in range(5)), 15, 16]
        if all(_free(base + offset) for offset in offsets):
            singles = [offset for offset in offsets if offset not in S3_BLOCK]
            return {"s3": base, **{name: base + offset for name, offset in zip(SINGLE_PORTS, singles)}}
    raise OSError("No block of 20 free ports was found between 20000 and 32000.")


def _free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
