# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One code rollback meets one fault of the application after the other, stops each time, and ends well.

Each stop is judged by its last screen, read as a whole, and by the world; after each the fault is mended and the run
resumed. What a single module does with these faults is tested in tests/integration and tests/unit.
"""

from __future__ import annotations

import json
import re
import shutil
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
import sandbox
import yaml
from sandbox import playbooks, supervisor_rpc

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from conftest import Product

pytestmark = pytest.mark.slow

CONFIRMED = {"confirm": playbooks.ENVIRONMENT, "reason": "errors"}
JOB = "from apps.bot.tasks import expire_reference_contexts as job; job.delay()"
# The job deletes it in the end.
OLD_ROW = """
INSERT INTO bot_referencecontext (conversation_id, items, created_at)
SELECT id, '[]', now() - interval '30 days' FROM messaging_conversation LIMIT 1
"""
DEAD = "http://127.0.0.1:1"
WAYS = [
    "  resume    ansible-playbook resume.yml",
    "  undo      ansible-playbook undo.yml",
    "  details   ansible-playbook status.yml",
]
LET_IN = "  can wait  NO: users are in and the change is not finished; resume or undo now"
KEPT_OUT = "  can wait  yes: users are kept out, and all that is replaced is kept"
# Ids, seconds and ports are other ones each time.
MOVING = (
    (r"[0-9a-f]{8}-[0-9a-f-]{27}", "ID"),
    (r"\d of the newest \d", "N of the newest N"),
    (r"active for [\d.]+ s", "active for N s"),
    (r"127\.0\.0\.1:\d{2,}", "HOST"),
    (r"\b[0-9a-f]{40}\b", "COMMIT"),
)


@pytest.fixture(scope="module")
def broken(product: Product) -> Product:
    """v1.1 is live: bad code, the same schema."""
    product.release("v1.1")
    return product


def releases(product: Product, host: str) -> dict[str, Path]:
    """{tag: directory} of the releases that a host has."""
    markers = (product.box.home(host) / "releases").glob("[!.]*/.release.json")
    return {json.loads(marker.read_text(encoding="utf-8"))["tag"]: marker.parent for marker in markers}


def screen(said: str) -> list[str]:
    """The last screen, with what changes from run to run taken out; a person reads it whole and at once."""
    lines = said[said.rindex("FAILED at") :].rstrip("\n").split("\n")
    assert len(lines) <= 15, said
    assert all(len(line) <= 80 for line in lines), said
    text = "\n".join(lines)
    for pattern, name in MOVING:
        text = re.sub(pattern, name, text)
    return text.split("\n")


@contextmanager
def changed(path: Path, old: str, new: str) -> Iterator[None]:
    """A file of a release with other content."""
    kept = path.read_text(encoding="utf-8")
    assert old in kept
    path.write_text(kept.replace(old, new, 1), encoding="utf-8")
    try:
        yield
    finally:
        path.write_text(kept, encoding="utf-8")


@contextmanager
def jobs_that_never_end(product: Product) -> Iterator[None]:
    """A worker has a job that waits for a row that somebody holds, and no limit of the server's ends it."""
    with (
        psycopg.connect(**product.box.postgres()) as connection,
        psycopg.connect(**product.box.postgres(), autocommit=True) as beside,
    ):
        beside.execute("ALTER ROLE wabot IN DATABASE wabot SET statement_timeout = 0")
        beside.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'wabot'")
        beside.execute(OLD_ROW)
        connection.execute("SELECT FROM bot_referencecontext WHERE created_at < now() - interval '7 days' FOR UPDATE")
        sandbox.manage(product.box, "worker1", "shell", "-c", JOB)
        while not beside.execute("SELECT FROM pg_locks WHERE NOT granted").fetchall():
            time.sleep(0.1)
        yield
        connection.rollback()
        beside.execute("ALTER ROLE wabot IN DATABASE wabot RESET statement_timeout")


@contextmanager
def old_process(port: int, commit: str) -> Iterator[None]:
    """A process that nobody has ended holds a server's port and says that all is well."""

    class Old(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.dumps({"status": "ok", "database": "ok", "redis": "ok", "commit": commit}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Nobody reads it."""

    server = ThreadingHTTPServer(("127.0.0.1", port), Old)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()


@contextmanager
def no_logins(product: Product) -> Iterator[None]:
    """PostgreSQL lets the application in no more."""
    with psycopg.connect(**product.box.postgres(database="postgres"), autocommit=True) as connection:
        connection.execute("ALTER ROLE wabot NOLOGIN")
        connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'wabot'")
        try:
            yield
        finally:
            connection.execute("ALTER ROLE wabot LOGIN")


def test_a_host_that_does_not_answer_stops_a_run_before_it_begins(broken: Product) -> None:
    inventory = broken.box.inventory
    kept = inventory.read_text(encoding="utf-8")
    content = yaml.safe_load(kept)
    content["all"]["hosts"]["app2"].update(
        ansible_connection="ssh", ansible_host="127.0.0.1", ansible_port=1, ansible_ssh_common_args="-oBatchMode=yes"
    )
    inventory.write_text(yaml.safe_dump(content), encoding="utf-8")
    try:
        said = broken.play("code-rollback", 2, **CONFIRMED)
    finally:
        inventory.write_text(kept, encoding="utf-8")
    assert "FAIL  app2 evidence: app2 cannot be reached: " in said
    assert "Preflight found 1 problem; nothing was changed." in said
    assert playbooks.runs(broken.box) == []
    assert broken.is_as("v1.1") == []


def test_an_index_out_of_reach_stops_a_run_before_users_notice(broken: Product, tmp_path: Path) -> None:
    shutil.rmtree(releases(broken, "app2")["v1"])
    nowhere = {"release_index_url": f"{DEAD}/simple", "release_build_variables": {"UV_CACHE_DIR": str(tmp_path)}}
    said = broken.play("code-rollback", 2, **CONFIRMED, **nowhere)
    shown = screen(said)
    assert shown[0] == "FAILED at [2/23] release.prepare on app2"
    # The address of an index may hold a token, so it is not shown.
    assert "cause: Connection refused" in said, said
    assert shown[-10:] == [
        "  users     let in",
        "  queues    open; no jobs set aside",
        "  services  running",
        "  schema    as it was",
        "  code      the release from before",
        "  config    the one from before",
        "  can wait  yes: nothing that users notice has changed",
        "  resume    not needed: give the same command again",
        "  undo      not needed: there is nothing to take back",
        WAYS[2],
    ]
    assert broken.is_as("v1.1") == []


def test_one_run_survives_one_fault_after_the_other(broken: Product) -> None:
    ports, v1 = broken.box.ports, releases(broken, "app1")["v1"]
    bad = broken.worlds["v1.1"]["release"]["app2"]
    sink = {"name": "team", "kind": "webhook", "url": "https://127.0.0.1:1/hook"}
    with jobs_that_never_end(broken):
        waiting = {"queue_drain_on_timeout": "fail", "queue_drain_timeout": 2, "notify_sinks": [sink]}
        said = broken.play("code-rollback", 2, **CONFIRMED, **waiting)
    assert screen(said) == [
        "FAILED at [4/23] queue.drain on worker1",
        "  After 2 s workers still hold: bot.expire_reference_contexts",
        "  [ID] on worker@worker1, active for N s.",
        "  Wait longer (queue_drain_timeout), or go on without these jobs",
        "  (queue_drain_on_timeout=go_on): a job that is cut off is put back in its ...",
        "  users     let in",
        "  queues    paused; no jobs set aside",
        "  services  running",
        "  schema    as it was",
        "  code      the release from before",
        "  config    the one from before",
        LET_IN,
        *WAYS,
    ]
    run = playbooks.runs(broken.box)[-1]
    assert playbooks.journal(run)[-1]["undelivered"] == [{"sink": "team", "reason": "Connection refused"}]
    assert "team: Connection refused" in (run / "report.md").read_text(encoding="utf-8")
    # The bad release itself answers, well or ill; 503 would be the maintenance page.
    assert broken.ask("GET", "/v1/products?tenant=bakery") in (200, 500)

    # Its health answers 200 whatever it finds: the gate has to read what it says.
    views = changed(v1 / "apps" / "operations" / "views.py", "status=200 if well else 503", "status=200")
    with views:
        with changed(v1 / "config" / "wsgi.py", "import os", "no Python"):
            said = broken.play("resume", 2)
        assert screen(said) == [
            "FAILED at [12/23] service.start on app1",
            "  app1-gunicorn starts and ends again and again (5 times). SyntaxError: invalid",
            "  syntax",
            "  Mend what its log says, then resume; or undo.",
            "  users     shown the maintenance page",
            "  queues    paused; unfit jobs set aside",
            "  services  app1 not certain: running or still stopped; app2,worker1 running",
            "  schema    newer migrations taken back",
            "  code      the target release",
            "  config    that of the restore point",
            KEPT_OUT,
            *WAYS,
        ]
        supervisor_rpc.connect(broken.box.socket).stopProcess("app2-gunicorn")
        with old_process(ports["app2"], bad):
            said = broken.play("resume", 2, wabot_smoke_seconds=5)
        assert screen(said) == [
            "FAILED at [14/23] gate.smoke on app2",
            "  The gate is closed (fail): health: N of the newest N readings are bad: commit",
            "  is COMMIT, expected",
            "  COMMIT: another release is answering.",
            "  Look at the probe that is named. Traffic stays as it is until the gate passes.",
            "  users     shown the maintenance page",
            "  queues    paused; unfit jobs set aside",
            "  services  running",
            "  schema    newer migrations taken back",
            "  code      the target release",
            "  config    that of the restore point",
            KEPT_OUT,
            *WAYS,
        ]

    with no_logins(broken):
        said = broken.play("resume", 2, wabot_smoke_seconds=5)
    shown = screen(said)
    assert shown[0] == "FAILED at [14/23] gate.smoke on app1"
    assert " ".join(" ".join(shown[1:4]).split()).startswith(
        "The gate is closed (fail): health: N of the newest N readings are bad: status is error, expected ok; "
    )
    assert broken.ask("GET", "/v1/products?tenant=bakery") == 503

    # Users are back, and their window holds too few readings to tell: that is not good enough.
    said = broken.play("resume", 2, gate_soak={"window": 2, "min_samples": 1000, "probes": "{{ wabot_soak_app }}"})
    shown = screen(said)
    assert shown[0] == "FAILED at [23/23] gate.soak on app1"
    assert shown[-10:] == [
        "  users     let in",
        "  queues    open; unfit jobs set aside",
        "  services  running",
        "  schema    newer migrations taken back",
        "  code      the target release",
        "  config    that of the restore point",
        "  can wait  NO: users are in and the change is not finished; resume or undo now",
        *WAYS,
    ]

    broken.play("resume")
    now = sandbox.fingerprint(broken.box.directory, broken.worlds["v1.1"]["watermarks"])
    assert now["release"] == broken.worlds["v1"]["release"]
    assert now["running"] == broken.worlds["v1"]["running"]
    assert now["rows"] == broken.worlds["v1.1"]["rows"]
    assert playbooks.journal(run)[-1]["outcome"] == "completed"
    assert not any(now["maintenance"].values())
