# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Maintenance against the real nginx of the edge, and the real command of WabotIQ."""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from ansible_collections.steady.rollback.plugins.module_utils import web
from ansible_collections.steady.rollback.plugins.module_utils.core.errors import NotEffective
from ansible_collections.steady.rollback.plugins.module_utils.django_command import Project
from ansible_collections.steady.rollback.plugins.module_utils.maintenance import Flag, Maintenance, Outside
from integration.wabot_fixtures import release
from sandbox import programs
from sandbox.layout import Sandbox
from sandbox.privileges import unprivileged


class Shop(BaseHTTPRequestHandler):
    """The application behind the edge."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"open")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        return


@pytest.fixture(name="app")
def app_fixture() -> Iterator[Callable[[Sandbox], None]]:
    """Starts the application of a sandbox's app1."""
    servers: list[ThreadingHTTPServer] = []

    def start(box: Sandbox) -> None:
        servers.append(ThreadingHTTPServer(("127.0.0.1", box.ports["app1"]), Shop))
        threading.Thread(target=servers[-1].serve_forever, daemon=True).start()

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture(name="edge", scope="module")
def edge_fixture(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """nginx with the sandbox's own configuration, and nobody behind it."""
    box = Sandbox.create(tmp_path_factory.mktemp("edge"))
    programs.write(box)
    home = box.home("edge1")
    command = [programs.program("nginx"), "-c", str(home / "nginx.conf"), "-e", "stderr"]
    nginx = subprocess.Popen(unprivileged(command))
    end = time.monotonic() + 10
    while time.monotonic() < end and Outside(box.url()).look() == ("silent", "Connection refused"):
        time.sleep(0.05)
    yield box
    nginx.terminate()
    nginx.wait(10)


@pytest.fixture(name="maintenance")
def maintenance_fixture(edge: Sandbox) -> Iterator[Maintenance]:
    """The edge's maintenance, off."""
    flag = Flag(edge.home("edge1") / "maintenance.flag")
    yield Maintenance(flag, Outside(edge.url() + "/v1/products", text="We will be back", timeout=2))
    flag.turn(False)


def test_the_page_is_shown_at_once_and_taken_away(
    edge: Sandbox, maintenance: Maintenance, app: Callable[[Sandbox], None]
) -> None:
    app(edge)
    start = time.monotonic()
    facts, warnings = maintenance.turn(True, dry_run=False)
    assert time.monotonic() - start < 2
    assert (facts["changed"], facts["was_on"], facts["proven"], warnings) == (True, False, True, [])
    answer = web.ask(edge.url())
    assert (answer.status, answer.headers["retry-after"], answer.headers["cache-control"]) == (503, "120", "no-store")
    assert maintenance.turn(True, dry_run=False)[0]["changed"] is False
    assert maintenance.turn(False, dry_run=False)[0]["changed"] is True
    assert web.ask(edge.url()).body == b"open"
    assert maintenance.verify()["proven"] is True


def test_check_mode_looks_and_leaves(maintenance: Maintenance) -> None:
    facts, _ = maintenance.turn(True, dry_run=True)
    assert facts == {"changed": True, "was_on": False, "on": False}
    assert not maintenance.flag.is_on()


def test_a_flag_that_no_server_reads_is_not_maintenance(
    edge: Sandbox, tmp_path: Path, app: Callable[[Sandbox], None]
) -> None:
    app(edge)
    elsewhere = Maintenance(Flag(tmp_path / "flag"), Outside(edge.url(), timeout=0.5))
    with pytest.raises(NotEffective, match="answers: status 200") as caught:
        elsewhere.turn(True, dry_run=False)
    assert caught.value.code == "maintenance-not-effective"


def test_users_are_not_let_in_to_nobody(maintenance: Maintenance) -> None:
    maintenance.flag.turn(True)
    with pytest.raises(NotEffective) as caught:
        maintenance.turn(False, dry_run=False)
    assert caught.value.code == "maintenance-not-over"
    # An undo may lead back to a release that does not answer.
    maintenance.flag.turn(True)
    undo = replace(maintenance, outside=replace(maintenance.outside, silent_ok=True))
    assert undo.turn(False, dry_run=False)[0]["proven"] is True


def test_an_application_that_does_not_answer_is_closed(tmp_path: Path) -> None:
    gone = Maintenance(Flag(tmp_path / "flag"), Outside("http://127.0.0.1:9/", timeout=0.5, silent_ok=True))
    assert gone.turn(True, dry_run=False)[0]["proven"] is True


def test_preflight_names_what_would_fail(tmp_path: Path) -> None:
    found = Maintenance(Flag(tmp_path / "missing" / "flag"), Outside("")).check()
    assert [(row.level, row.name) for row in found] == [("fail", "flag"), ("warn", "outside")]


@pytest.fixture(name="project", scope="module")
def project_fixture(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """WabotIQ v1 with an env file; its database is out of reach."""
    home = tmp_path_factory.mktemp("wabot")
    (home / "env").write_text(f"WABOT_MAINTENANCE_FILE={home}/maintenance.flag\nWABOT_DB_PORT=9\n")
    return Project(str(release(home, "v1")), str(home / "env"), timeout=20)


def test_the_products_command_turns_it(project: Project) -> None:
    flag = Flag(Path(project.env_file).parent / "maintenance.flag")
    maintenance = Maintenance(flag, Outside(""), project)
    assert [row.level for row in maintenance.check()] == ["ok", "ok", "warn"]
    assert maintenance.turn(True, dry_run=False)[1] == []
    assert flag.path.read_text().startswith("20")
    assert maintenance.turn(False, dry_run=False)[1] == []
    assert not flag.path.exists()


def test_users_are_back_before_the_products_command_has_started(project: Project, tmp_path: Path) -> None:
    seen = tmp_path / "seen"
    slow = tmp_path / "python"
    slow.write_text(f"#!/bin/sh\ntest -e {tmp_path}/flag && echo closed >> {seen} || echo open >> {seen}\n")
    slow.chmod(0o700)
    maintenance = Maintenance(Flag(tmp_path / "flag"), Outside(""), replace(project, python=str(slow)))
    for on in (True, False):
        assert maintenance.turn(on, dry_run=False)[0]["changed"]
        assert maintenance.flag.is_on() is on
    assert seen.read_text() == "open\nopen\n"  # on the way in they stay until it has ended


def test_a_release_that_cannot_start_is_closed_all_the_same(project: Project, tmp_path: Path) -> None:
    broken = replace(project, directory=str(tmp_path), python=project.interpreter)
    maintenance = Maintenance(Flag(tmp_path / "flag"), Outside(""), broken)
    _, warnings = maintenance.turn(True, dry_run=False)
    assert "was used instead of the product's command" in warnings[0]
    assert maintenance.flag.is_on()
    maintenance.turn(False, dry_run=False)
    assert not maintenance.flag.is_on()


def test_users_that_cannot_be_told_stop_nothing(project: Project) -> None:
    flag = Flag(Path(project.env_file).parent / "maintenance.flag")
    maintenance = Maintenance(flag, Outside(""), project, ("send_maintenance_notification",))
    facts, warnings = maintenance.turn(True, dry_run=False)
    assert facts["notified"] is False
    assert warnings[0].startswith("Users were not notified")
    assert "notified" not in maintenance.turn(True, dry_run=False)[0]
    flag.turn(False)


def test_the_state_file_of_django_maintenance_mode_is_understood(tmp_path: Path) -> None:
    flag = Flag(tmp_path / "state")
    for content, on in (("0", False), ("1", True), ("", True)):
        flag.path.write_text(content)
        assert flag.is_on() is on
