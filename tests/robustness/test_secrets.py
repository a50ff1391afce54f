# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Every secret of a sandbox is a word that is found again (``S3cr3t-<uuid>``). It is looked for wherever it could leak.

Where a secret lives, it may be: the product's env file and the copies that a restore point keeps of it, the
configuration of the services, the inventory, and the environment of a process, which only its own account reads. All
else is searched: both streams of every play at ``-vvv``, the command line of every process twenty times a second, every
file of the sandbox and of the temporary directories, every object in the store, and what a webhook was sent.
"""

from __future__ import annotations

import json
import os
import re
import stat
import subprocess
import tempfile
import threading
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
import sandbox
from ansible_collections.steady.rollback.plugins.module_utils.storage.objects import Bucket
from sandbox import layout, playbooks
from unit.web_server import certificate, say, serve

CANARY = re.compile(rb"S3cr3t-[0-9a-f]{8}")
LIVES = re.compile(
    # What the team itself wrote: the sandbox's own files, and the services'.
    r"(sandbox\.json|inventory\.yml|given\.json|redis/users\.acl|s3/identities\.json"
    # The env file of a host, and the copies that restore points and runs keep of it.
    r"|(app1|app2|worker1)/env|anchor/production/config/[a-z0-9]+/[0-9a-f]{64})\Z"
)
# Directories of ours: nobody else may look into them.
OURS = ("anchor", "app1/changes", "app2/changes", "worker1/changes")


class Watched:
    """A sandbox, and everything that was said, sent and started while plays ran."""

    def __init__(self, directory: Path) -> None:
        self.said: dict[str, str] = {}
        self.sent: list[bytes] = []
        self.started: set[bytes] = set()
        self.box = sandbox.start(directory)
        self.own = directory / "own"
        self.own.mkdir()
        self.given = directory / "given.json"

    def play(self, name: str, book: str, code: int, **variables: object) -> None:
        """Type a command at the highest verbosity that anybody uses, with a umask that hides nothing."""
        self.given.touch(mode=0o600)
        self.given.write_text(json.dumps(variables))
        kept = {"TMPDIR": "tmp", "ANSIBLE_HOME": "ansible", "ANSIBLE_REMOTE_TEMP": "ansible/remote"}
        where = {variable: str(self.own / place) for variable, place in kept.items()}
        (self.own / "tmp").mkdir(exist_ok=True)
        over = threading.Event()
        watcher = threading.Thread(target=self._watch, args=(over,))
        watcher.start()
        try:
            done = subprocess.run(
                [*playbooks.command(self.box, book), "-vvv", "-e", f"@{self.given}"],
                cwd=playbooks.ROOT, env={**playbooks.environment(), **where}, stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, umask=0,
                timeout=2 * playbooks.LONGEST,
            )  # fmt: skip
        finally:
            over.set()
            watcher.join()
        self.said[name] = done.stdout
        assert done.returncode == code, done.stdout[-3000:]

    def _watch(self, over: threading.Event) -> None:
        """Every command line there is, twenty times a second."""
        while not over.wait(0.05):
            for entry in os.scandir("/proc"):
                if entry.name.isdigit():
                    try:
                        self.started.add(Path(entry.path, "cmdline").read_bytes())
                    except OSError:
                        continue

    def files(self) -> Iterator[tuple[str, Path]]:
        """Every file of the sandbox by its path in it."""
        for directory, _below, names in os.walk(self.box.directory):
            for path in (Path(directory, name) for name in names):
                if stat.S_ISREG(path.lstat().st_mode):
                    yield str(path.relative_to(self.box.directory)), path

    def objects(self) -> Iterator[tuple[str, bytes]]:
        """Every object in the store."""
        secret = self.box.passwords["s3_rollback"]
        where = {"bucket": layout.BUCKET, "endpoint_url": self.box.url("s3")}
        store = Bucket({**where, "access_key": "rollback", "secret_key": secret})
        for key in store.keys(""):
            yield key, store.get(key)


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    """A whole story: a restore point, a bad release, a preflight that fails, a rollback, its undo."""
    with tempfile.TemporaryDirectory(prefix="secrets-") as directory:
        try:
            found = Watched(Path(directory))
            tell(found, tmp_path_factory.mktemp("tls"))
            yield found
        finally:
            sandbox.stop(Path(directory))


def tell(found: Watched, tls: Path) -> None:
    """The story. Each sink's address holds a token; one of them listens, one has a certificate of nobody."""

    def take(request: object) -> None:
        found.sent.append(request.rfile.read(int(request.headers["Content-Length"])))  # type: ignore[attr-defined]
        say(request, 200)  # type: ignore[arg-type]

    def wrong() -> str:
        return f"S3cr3t-{uuid.uuid4()}"

    context, _certificate = certificate(tls, "hooks.example.com")
    with serve(take) as heard, serve(take, context) as foreign:
        token = {"kind": "webhook", "secret_headers": {"X-Token": wrong()}}
        sinks = [
            {**token, "name": "heard", "url": f"{heard}/{wrong()}", "allow_http": True},
            {**token, "name": "foreign", "url": f"{foreign}/{wrong()}"},
            {"name": "file", "kind": "file", "path": str(found.box.directory / "anchor" / "notices.jsonl")},
        ]
        told = {"notify_sinks": sinks}
        sandbox.deploy(found.box.directory, "v1")
        found.play("restore point", "restore-point", 0, **told)
        sandbox.deploy(found.box.directory, "v2")
        port = found.box.ports["redis"]
        store = {"bucket": layout.BUCKET, "endpoint_url": found.box.url("s3"), "access_key": "rollback"}
        found.play(
            "refused", "preflight", 2, **told,
            cache_url=f"redis://rollback:{wrong()}/x#y@127.0.0.1:{port}/1",
            rollback_s3={**store, "secret_key": wrong()},
            postgres_password=wrong(),
        )  # fmt: skip
        found.play("full rollback", "full-rollback", 0, **told, confirm="production", reason="secrets")
        found.play("undo", "undo", 0, **told)
        found.play("status", "status", 0, **told)


def test_no_secret_is_said_sent_or_typed(watched: Watched) -> None:
    found = {name: hits for name, text in watched.said.items() if (hits := around(text.encode()))}
    assert not found
    assert len(watched.started) > 100
    assert not [each for each in watched.started if CANARY.search(each)]
    assert len(watched.sent) >= 4
    assert not [each for each in watched.sent if CANARY.search(each)]
    refused = " ".join(watched.said["refused"].split())
    assert "The Redis URL cannot be read." in refused and "password authentication failed" in refused
    assert "SignatureDoesNotMatch" in refused
    assert "TLS certificate refused: self-signed certificate" in watched.said["full rollback"]


def test_no_secret_is_kept_but_where_it_lives(watched: Watched) -> None:
    holding = {name: data for name, path in watched.files() if CANARY.search(data := path.read_bytes())}
    assert {name: around(data) for name, data in holding.items() if not LIVES.match(name)} == {}
    assert {"app1/env", "inventory.yml"} <= set(holding)
    assert any(name.startswith("anchor/production/config/") for name in holding)
    objects = dict(watched.objects())
    assert len(objects) > 5
    assert not [key for key, data in objects.items() if CANARY.search(data)]


def test_what_we_write_is_for_nobody_else(watched: Watched) -> None:
    modes = {}
    for top in OURS:
        for path in (watched.box.directory / top).rglob("*"):
            modes[str(path.relative_to(watched.box.directory))] = stat.S_IMODE(path.lstat().st_mode)
    assert len(modes) > 20
    assert {name: oct(mode) for name, mode in modes.items() if mode not in (0o600, 0o700)} == {}


def around(data: bytes) -> list[bytes]:
    """Each secret with what stands before it."""
    return [data[max(0, hit.start() - 120) : hit.start() + 15] for hit in CANARY.finditer(data)][:5]
