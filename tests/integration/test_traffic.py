# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Traffic between two releases behind a real nginx: no request fails, and nothing is switched blindly."""

from __future__ import annotations

import http.server
import json
import shutil
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.steady.rollback.plugins.module_utils import looks
from ansible_collections.steady.rollback.plugins.module_utils.core.errors import (
    BadInput,
    NotEffective,
    RollbackError,
    TargetRefused,
)
from ansible_collections.steady.rollback.plugins.module_utils.service.control import Control
from ansible_collections.steady.rollback.plugins.module_utils.service.provider import Unit
from ansible_collections.steady.rollback.plugins.module_utils.service.supervisor import Supervisor
from ansible_collections.steady.rollback.plugins.module_utils.service.upstream import Proxy, Version
from integration.queue_fixtures import wait_for
from integration.service_fixtures import Daemon, free_ports

NGINX = shutil.which("nginx", path="/usr/sbin:/usr/bin:/sbin:/bin") or "nginx"
CONF = """daemon off; pid {root}/nginx.pid; error_log {root}/error.log;
events {{ }}
http {{
  access_log off;
  client_body_temp_path {root}/t1; proxy_temp_path {root}/t2; fastcgi_temp_path {root}/t3;
  uwsgi_temp_path {root}/t4; scgi_temp_path {root}/t5;
  upstream app {{ include {root}/upstream.conf; }}
  server {{ listen 127.0.0.1:{port}; location / {{ proxy_pass http://app; }} }}
}}
"""
GOOD, BAD = "a" * 40, "b" * 40


class Backend:
    """A server that says which release it is, after ``delay`` seconds."""

    def __init__(self, commit: str, tag: str) -> None:
        self.commit, self.tag, self.status, self.delay = commit, tag, 200, 0.0
        backend = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                time.sleep(backend.delay)
                body = json.dumps({"commit": backend.commit, "tag": backend.tag}).encode()
                self.send_response(backend.status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None: ...

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.server.server_address[1]}"


class World:
    """nginx under supervisord, a live server and a standby."""

    def __init__(self, root: Path) -> None:
        self.root, self.live, self.standby = root, Backend(BAD, "v2"), Backend(GOOD, "v1")
        (port,) = free_ports(1)
        self.url = f"http://127.0.0.1:{port}"
        (root / "nginx.conf").write_text(CONF.format(root=root, port=port))
        self.file = root / "upstream.conf"
        self.file.write_bytes(self.proxy().text("live"))
        self.daemon = Daemon(root, {"nginx": f"{NGINX} -c {root}/nginx.conf -e stderr"})
        Supervisor(str(self.daemon.socket)).start(Unit("nginx"))
        wait_for(lambda: self.answer() == "v2")

    def proxy(self, **options: object) -> Proxy:
        service = Control(Supervisor(str(self.root / "s.sock")), [Unit("nginx", "graceful")])
        usual = {
            "file": self.file,
            "pools": {"live": [self.live.address], "standby": [self.standby.address]},
            "options": "max_fails=1 fail_timeout=1s",
            "test": [NGINX, "-t", "-c", f"{self.root}/nginx.conf", "-e", "stderr"],
            "service": service,
            "url": self.url,
            "version": Version(),
            "timeout": 10.0,
        }
        return Proxy(**{**usual, **options})  # type: ignore[arg-type]

    def answer(self) -> str:
        try:
            with urllib.request.urlopen(self.url + "/v1/version", timeout=5) as reply:
                return str(json.load(reply)["tag"])
        except OSError as error:
            return str(error)


@pytest.fixture(name="world", scope="module")
def world_fixture(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    world = World(tmp_path_factory.mktemp("t"))
    yield world
    world.daemon.stop()


@pytest.fixture(autouse=True)
def at_live(world: World) -> Iterator[None]:
    """Every test begins with the bad release live."""
    yield
    world.live.status = world.standby.status = 200
    world.live.delay, world.live.commit, world.live.tag = 0.0, BAD, "v2"
    world.file.write_bytes(world.proxy().text("live"))
    world.proxy().switch("live", "", dry_run=False)


def test_there_and_back_without_a_failed_request(world: World) -> None:
    seen: list[str] = []
    ended = threading.Event()

    def customers() -> None:
        while not ended.is_set():
            seen.append(world.answer())

    many = [threading.Thread(target=customers) for _ in range(4)]
    for each in many:
        each.start()
    wait_for(lambda: "v2" in seen)
    assert world.proxy().switch("standby", "v1", dry_run=True)["changed"] and world.answer() == "v2"
    done = world.proxy().switch("standby", "v1", dry_run=False)
    assert (done["changed"], done["commit"], done["servers"]) == (True, GOOD, [world.standby.address])
    assert world.answer() == "v1"
    assert world.proxy().switch("standby", GOOD, dry_run=False)["changed"] is False
    assert world.proxy().switch("live", "", dry_run=False)["commit"] == BAD
    ended.set()
    for each in many:
        each.join()
    assert set(seen) == {"v1", "v2"} and len(seen) > 20


def test_a_long_request_is_answered_by_the_release_that_took_it(world: World) -> None:
    world.live.delay = 2
    got: list[str] = []
    slow = threading.Thread(target=lambda: got.append(world.answer()))
    slow.start()
    time.sleep(0.3)
    world.proxy().switch("standby", "", dry_run=False)
    slow.join()
    assert (got, world.answer()) == (["v2"], "v1")


@pytest.mark.parametrize(
    ("expected", "status", "why"),
    [
        ("v9", 200, r"do not run v9: 127\.0\.0\.1:\d+: v1 \(aaaaaaaaaaaa\)\."),
        (BAD, 200, "do not run b+: "),
        ("aaa", 200, "do not run aaa"),
        ("previous", 200, "do not run previous"),
        ("v1", 503, "status 503"),
    ],
)
def test_a_standby_that_is_not_the_target_gets_no_traffic(world: World, expected: str, status: int, why: str) -> None:
    world.standby.status = status
    (row,) = looks.rows("traffic", lambda: world.proxy().rows(expected))
    assert (row["level"], row["code"]) == ("fail", "traffic-standby-wrong") and row["fix"]
    with pytest.raises(TargetRefused, match=why):
        world.proxy().switch("standby", expected, dry_run=False)
    assert world.answer() == "v2" and world.proxy().state() == "live"


def test_servers_of_two_releases_get_no_traffic(world: World) -> None:
    pools = {"live": [world.live.address], "standby": [world.standby.address, world.live.address]}
    with pytest.raises(TargetRefused, match="do not run one release"):
        world.proxy(pools=pools).running("standby", "")


def test_preflight_of_a_warm_standby(world: World) -> None:
    found = looks.rows("traffic", lambda: world.proxy().rows(GOOD))
    assert [row["level"] for row in found] == ["ok", "ok", "ok"]


@pytest.mark.parametrize("content", [None, "server 127.0.0.1:1;\n", ""])
def test_a_file_of_somebody_else_is_left_alone(world: World, content: str | None) -> None:
    world.file.unlink()
    if content is not None:
        world.file.write_text(content)
    with pytest.raises(TargetRefused) as refused:
        world.proxy().switch("standby", "", dry_run=False)
    assert refused.value.code == "traffic-file-unknown"
    assert (world.file.read_text() if world.file.exists() else None) == content


def test_a_configuration_that_nginx_refuses_is_put_back(world: World) -> None:
    with pytest.raises(NotEffective, match="it was put back as it was") as refused:
        world.proxy(test=[sys.executable, "-c", "raise SystemExit('emerg')"]).switch("standby", "", dry_run=False)
    assert (refused.value.code, refused.value.hint, world.proxy().state()) == ("traffic-test-failed", "emerg", "live")


def test_killed_before_the_reload(world: World) -> None:
    world.file.write_bytes(world.proxy().text("standby"))
    assert world.answer() == "v2"
    assert world.proxy().switch("standby", "v1", dry_run=False)["changed"] is False
    assert world.answer() == "v1"


def test_a_switch_that_customers_do_not_see_is_told(world: World) -> None:
    elsewhere = Backend(BAD, "v2")
    with pytest.raises(NotEffective, match=r"answers v2 \(bbbbbbbbbbbb\), not aaaaaaaaaaaa") as told:
        world.proxy(url=f"http://{elsewhere.address}", timeout=2.0).switch("standby", "", dry_run=False)
    assert told.value.code == "traffic-not-switched"


@pytest.mark.parametrize("server", ["127.0.0.1", "a:1; }", "a:1 down", "", "-a:\n1", "unix:/tmp/x"])
def test_only_servers_get_into_the_file(world: World, server: str) -> None:
    with pytest.raises(BadInput, match="cannot be written"):
        world.proxy(pools={"live": [server], "standby": ["b:1"]}).text("live")
    with pytest.raises(RollbackError):
        world.proxy(options="max_fails=1; } http {").text("live")


def test_nginx_takes_what_is_written(world: World) -> None:
    done = subprocess.run(world.proxy().test, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
