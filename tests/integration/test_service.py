# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Services under a real supervisord: real gunicorn, programs that will not end, will not start, or only seem to."""

from __future__ import annotations

import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.steady.rollback.plugins.module_utils import looks
from ansible_collections.steady.rollback.plugins.module_utils.core.errors import (
    BadInput,
    CommandFailed,
    NotEffective,
)
from ansible_collections.steady.rollback.plugins.module_utils.service import processes
from ansible_collections.steady.rollback.plugins.module_utils.service.control import Control
from ansible_collections.steady.rollback.plugins.module_utils.service.provider import Unit
from ansible_collections.steady.rollback.plugins.module_utils.service.supervisor import Supervisor
from integration.queue_fixtures import free_port, wait_for
from integration.service_fixtures import BIN, Daemon

APP = "import os\ndef app(environ, start):\n    start('200 OK', [])\n    return [str(os.getpid()).encode()]\n"
STUBBORN = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('not now', flush=True); time.sleep(600)"
)
# Its child is in a group of its own, as that of a daemon: it outlives the end of its parent.
ORPHAN = (
    "import subprocess, sys, time;"
    "subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(4)'], start_new_session=True); time.sleep(600)"
)
TALKS = "import sys, time; print('DB_PASSWORD=hunter22'); print('token topsecret1'); sys.exit('no database')"


class World:
    """A supervisord with its programs in one directory."""

    def __init__(self, root: Path) -> None:
        self.root, self.port, self.socket = root, free_port(), root / "s.sock"
        (root / "web.py").write_text(APP)
        programs = {
            "web": f"{BIN}/gunicorn web:app --bind 127.0.0.1:{self.port} --workers 2 --no-control-socket",
            "sleeper": f"{sys.executable} -c 'import time; time.sleep(600)'",
            "stubborn": f'{sys.executable} -c "{STUBBORN}"',
            "orphan": f'{sys.executable} -c "{ORPHAN}"',
            "talks": f'{sys.executable} -c "{TALKS}"',
            "brief": f"{sys.executable} -c 'import time; time.sleep(0.4)'",
            "broken": f"{sys.executable} {root}/broken.py",
        }
        (root / "broken.py").write_text("print('starting', flush=True)\nno Python\n")
        self.daemon = Daemon(root, programs, slow=("talks",), again=("broken",))
        self.web = Unit("web", health=f"http://127.0.0.1:{self.port}/")

    def control(self, *units: Unit) -> Control:
        return Control(Supervisor(str(self.socket)), units, ["topsecret1"])

    def served_by(self) -> str:
        with urllib.request.urlopen(self.web.health, timeout=5) as answer:
            return str(answer.read().decode())


@pytest.fixture(name="world", scope="module")
def world_fixture(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    world = World(tmp_path_factory.mktemp("s"))
    yield world
    world.daemon.stop()


def test_start_stop_and_again(world: World) -> None:
    services = world.control(world.web, Unit("sleeper"))
    assert services.start(20, dry_run=True) == {"changed": True, "started": ["web", "sleeper"]}
    done = services.start(20, dry_run=False)
    assert (done["changed"], done["started"]) == (True, ["web", "sleeper"])
    assert world.served_by() and all(done["pids"].values())
    assert services.start(20, dry_run=False)["changed"] is False
    assert services.verify(5)["pids"] == done["pids"]
    mine = Supervisor(str(world.socket)).processes(world.web)
    assert len(mine) == 3
    assert services.stop(20, dry_run=True)["changed"] and processes.still_there(mine)
    stopped = services.stop(20, dry_run=False)
    assert stopped == {"changed": True, "stopped": ["sleeper", "web"]}
    assert not processes.still_there(mine)
    assert services.stop(20, dry_run=False)["changed"] is False
    with pytest.raises(NotEffective, match="web is not up within 0 s: STOPPED"):
        services.verify(0)


@pytest.mark.parametrize("way", ["restart", "graceful"])
def test_a_reload_brings_new_processes(world: World, way: str) -> None:
    unit = Unit("web", way, world.web.health)
    services = world.control(unit)
    before = services.start(20, dry_run=False)["pids"]["web"]
    old = processes.children(before)
    assert services.reload(20, 20, dry_run=True)["changed"] and processes.still_there(old) == old
    after = services.reload(20, 20, dry_run=False)["pids"]["web"]
    assert (after == before) == (way == "graceful")
    assert not processes.still_there(old)
    assert world.served_by() not in {str(process.pid) for process in old}


def test_a_reload_that_replaces_nothing_is_told(world: World) -> None:
    services = world.control(Unit("stubborn", "graceful"))
    services.start(20, dry_run=False)
    pid = services.verify(1)["pids"]["stubborn"]
    # HUP ends a program that does not handle it, and supervisor does not start it again.
    with pytest.raises(NotEffective, match="still runs its old processes") as told:
        services.reload(20, 1, dry_run=False)
    assert told.value.code == "service-not-reloaded" and pid


def test_a_service_that_will_not_end_is_named_and_not_killed(world: World) -> None:
    services = world.control(Unit("stubborn"))
    services.start(20, dry_run=False)
    wait_for(lambda: "not now" in Supervisor(str(world.socket)).log(Unit("stubborn")))
    with pytest.raises(NotEffective, match=r"stubborn did not end within 0\.5 s; left: \d+ \(python") as told:
        services.stop(0.5, dry_run=False)
    assert told.value.code == "service-not-stopped" and "not now" in told.value.hint
    assert Supervisor(str(world.socket)).processes(Unit("stubborn"))
    with pytest.raises(NotEffective, match="did not end"):
        services.stop(0.5, dry_run=False)
    world.daemon.kill("stubborn")
    wait_for(lambda: not services.stop(5, dry_run=False)["changed"])


def test_a_stopped_service_whose_child_lives_is_not_stopped(world: World) -> None:
    services = world.control(Unit("orphan"))
    services.start(20, dry_run=False)
    wait_for(lambda: len(Supervisor(str(world.socket)).processes(Unit("orphan"))) == 2)
    began = time.monotonic()
    services.stop(20, dry_run=False)
    assert time.monotonic() - began > 1


def test_a_service_that_fails_shows_its_log_without_secrets(world: World) -> None:
    with pytest.raises(NotEffective) as told:
        world.control(Unit("talks")).start(3, dry_run=False)
    assert told.value.code == "service-not-started"
    assert "no database" in told.value.hint and "DB_PASSWORD=***" in told.value.hint
    assert "hunter22" not in told.value.hint and "topsecret1" not in told.value.hint


def test_up_and_gone_is_not_started(world: World) -> None:
    with pytest.raises(NotEffective, match="brief ended right after its start"):
        world.control(Unit("brief")).start(5, dry_run=False)


def test_up_and_not_healthy_is_not_started(world: World) -> None:
    services = world.control(Unit("sleeper", health=f"http://127.0.0.1:{free_port()}/"))
    with pytest.raises(NotEffective, match=r"sleeper is not healthy after 0\.5 s: .*: Connection refused") as told:
        services.start(0.5, dry_run=False)
    assert told.value.code == "service-not-healthy"


def test_a_service_that_cannot_become_healthy_is_given_up_before_its_time(world: World) -> None:
    """One with a syntax error that its supervisor starts again and again, and one that stays down."""
    health = f"http://127.0.0.1:{free_port()}/"
    with pytest.raises(NotEffective) as told:
        world.control(Unit("broken", health=health)).start(60, dry_run=False)
    assert told.value.message == ("broken starts and ends again and again (5 times). SyntaxError: invalid syntax")
    assert told.value.hint.startswith("Mend what its log says, then resume; or undo.\nThe end of its log:\n")
    assert (told.value.next, told.value.code) == ("ansible-playbook status.yml", "service-not-started")
    Supervisor(str(world.socket)).stop(Unit("broken"))
    with pytest.raises(NotEffective, match=r"brief has ended: EXITED\.$"):
        world.control(Unit("brief", health=health)).start(60, dry_run=False)


@pytest.mark.parametrize("name", ["nothing", "all", "group:*", "group:all", "", "web\nsleeper", "-h"])
def test_only_one_known_program_at_a_time(world: World, name: str) -> None:
    (row,) = looks.rows("services", world.control(Unit(name)).rows)
    assert row["level"] == "fail" and row["fix"]
    with pytest.raises(BadInput):
        world.control(Unit(name)).stop(1, dry_run=False)


def test_preflight_and_a_dead_daemon(world: World, tmp_path: Path) -> None:
    world.control(Unit("sleeper")).start(5, dry_run=False)
    world.control(Unit("orphan")).stop(20, dry_run=False)
    found = world.control(Unit("sleeper"), Unit("orphan")).rows()
    assert [(row.level, row.code) for row in found] == [("ok", ""), ("warn", "service-not-running")]
    dead = Control(Supervisor(str(tmp_path / "none.sock")), [Unit("web")])
    (row,) = looks.rows("services", dead.rows)
    assert (row["level"], row["code"]) == ("fail", "service-refused")
    with pytest.raises(CommandFailed, match="did not do getProcessInfo web"):
        dead.states()
