"""The sandbox itself: it starts, serves, is its own twin, shows what changes, and leaves nothing behind."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
import sandbox
from sandbox import load, supervisor_rpc


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory) -> Iterator[sandbox.Sandbox]:
    directory = tmp_path_factory.mktemp("box")
    started = sandbox.start(directory)
    try:
        sandbox.deploy(directory, "v1")
        yield started
    finally:
        sandbox.stop(directory)
        assert sandbox.status(directory) == {}


def test_every_program_runs_and_the_edge_serves(box: sandbox.Sandbox) -> None:
    assert set(sandbox.status(box.directory).values()) == {"RUNNING"}
    assert sandbox.fingerprint(box.directory)["edge"].startswith("200 from")


def test_customers_are_served(box: sandbox.Sandbox, tmp_path: Path) -> None:
    file = tmp_path / "samples.jsonl"
    with load.Load(box.url(), file) as customers:
        supervisor_rpc.until(lambda: len(load.read(file)) >= 30, 20, "30 requests")
        seen = customers.seen(0.0)
    assert (seen.failed, seen.downtime) == (0, 0.0)


def test_rows_that_were_written_since_do_not_count(box: sandbox.Sandbox) -> None:
    before = sandbox.fingerprint(box.directory)
    with psycopg.connect(**box.postgres()) as connection:
        connection.execute("INSERT INTO messaging_tenant (slug, business_name) VALUES ('new', 'New')")
    assert sandbox.difference(before, sandbox.fingerprint(box.directory, before["watermarks"])) == []
    assert sandbox.difference(before, sandbox.fingerprint(box.directory))


@pytest.mark.parametrize(
    ("change", "part"),
    [
        ("UPDATE messaging_message SET text = '' WHERE id = 7", "rows"),
        ("ALTER TABLE bot_product ADD COLUMN colour text", "schema"),
        ("CREATE INDEX extra ON bot_product (name)", "schema"),
        ("ALTER DATABASE wabot SET statement_timeout = '31s'", "database"),
        ("GRANT CONNECT ON DATABASE wabot TO postgres", "database"),
        ("SELECT setval('messaging_message_id_seq', 1)", "sequences"),
        ("UPDATE bot_agentconfiguration SET max_products_to_show = 6", "configuration"),
    ],
)
def test_a_change_is_seen(box: sandbox.Sandbox, change: str, part: str) -> None:
    before = sandbox.fingerprint(box.directory)
    with psycopg.connect(**box.postgres()) as connection:
        connection.execute(change)
    lines = sandbox.difference(before, sandbox.fingerprint(box.directory, before["watermarks"]))
    assert any(line.startswith(part) for line in lines), lines
