# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What going back has lost, counted between two real databases, and written down."""

from __future__ import annotations

import csv
import hashlib
import stat
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.steady.rollback.plugins.module_utils.databases import ledger, names, swap
from django.utils.dateparse import parse_datetime
from integration.postgres_fixtures import Cluster, cluster_fixture, product_fixture  # noqa: F401

CHANGE = "r20261125t022301-4f2a"
GOOD, BAD = names.good("wabot", CHANGE), names.bad("wabot", CHANGE)
SINCE = "2026-11-25T02:00:00.000000Z"
# What happened between the restore point and the rollback.
DAMAGE = """
SET ROLE wabot;
INSERT INTO message (conversation_id, body, sent)
  SELECT 1, 'lost ' || n, '2026-11-25 02:10Z' FROM generate_series(1, 700) n;
INSERT INTO message (conversation_id, body, sent)
  VALUES (1, E'a "quoted", line\\nand another', '2026-11-25 02:20:00.5Z');
UPDATE conversation SET state = 'closed', created = '2026-11-25 02:05Z' WHERE id <= 3;
DELETE FROM message WHERE id <= 5;
ALTER TABLE message ADD COLUMN channel text DEFAULT 'web';
CREATE TABLE "odd ""one"" table" ("key 1" uuid, k2 varchar(9), v int, PRIMARY KEY (k2, "key 1"));
INSERT INTO "odd ""one"" table" VALUES (gen_random_uuid(), 'a,"{}', 1), (gen_random_uuid(), E'\\\\ \\n', 2);
CREATE TABLE keyless (v int);
RESET ROLE;
"""


@pytest.fixture(name="swapped")
def swapped_fixture(product: Cluster) -> Cluster:
    """The restored database is live, the damaged one is kept."""
    with product.connect() as connection:
        connection.execute(f'CREATE DATABASE "{GOOD}" TEMPLATE wabot OWNER wabot'.encode())
        note = f"""COMMENT ON DATABASE "{GOOD}" IS '{{"rollback": "{CHANGE}", "complete": true}}'"""
        connection.execute(note.encode())
    product.run("wabot", DAMAGE)
    swap.swapped(product.server, swap.Terms("wabot", CHANGE, CHANGE, 72, 10), False)
    return product


def order(directory: Path, **more: Any) -> ledger.Order:
    stamps = {"public.message": "sent", "public.conversation": "created"}
    wanted = {"since": SINCE, "then": {"public.message": 2000}, "timestamps": stamps, "seconds": 60, "limit": 1 << 20}
    return ledger.Order(live="wabot", change=CHANGE, directory=str(directory), **{**wanted, **more})


def account(cluster: Cluster, directory: Path, **more: Any) -> dict[str, Any]:
    return ledger.account(cluster.server, order(directory, **more), False)


def rows(facts: dict[str, Any], table: str) -> list[dict[str, str]]:
    """The rows of a table's file, whose size, hash and mode are as they must be."""
    path = Path(facts["tables"][table]["file"])
    data = path.read_bytes()
    assert hashlib.sha256(data).hexdigest() == facts["tables"][table]["sha256"]
    assert (stat.S_IMODE(path.stat().st_mode), stat.S_IMODE(path.parent.stat().st_mode)) == (0o600, 0o700)
    found = list(csv.DictReader(data.decode().splitlines(keepends=True)))
    assert len(found) == facts["tables"][table]["rows"]
    return found


def test_the_restored_database_alone_would_say_that_nothing_was_lost(swapped: Cluster, tmp_path: Path) -> None:
    after = f"SELECT count(*) FROM message WHERE sent >= '{SINCE}' AND body LIKE 'lost%'"
    assert swapped.run("wabot", after) == [(0,)]
    facts = account(swapped, tmp_path / "lost")
    told = {key: facts["tables"]["public.message"][key] for key in ("then", "kept", "now", "missing", "changed", "new")}
    assert told == {"then": 2000, "kept": 2696, "now": 2000, "missing": 701, "changed": 0, "new": 5}
    assert facts["tables"]["public.message"]["in_window"] == 701
    assert facts["tables"]["public.message"]["newest"] == "2026-11-25 02:20:00.5+00"
    assert (facts["recovery"], facts["reasons"], facts["lost"]["changed"]) == ("possible", [], 3)
    assert sorted(facts["tables"]) == ['public."odd ""one"" table"', "public.conversation", "public.message"]
    kept = rows(facts, "public.message")
    assert {row["difference"] for row in kept} == {"missing"}
    assert {row["body"] for row in kept} >= {"LOST 1", "LOST 700", 'A "QUOTED", LINE\nAND ANOTHER'}
    assert {row["channel"] for row in kept} == {"web"}
    # As the product's import_lost_messages reads it.
    assert {parse_datetime(row["sent"]).minute for row in kept} == {10, 20}
    closed = rows(facts, "public.conversation")
    assert [(row["difference"], row["state"]) for row in closed] == [("changed", "closed")] * 3
    assert {row["v"] for row in rows(facts, 'public."odd ""one"" table"')} == {"1", "2"}
    assert facts["window"]["from"] == SINCE
    assert facts["window"]["minutes"] > 0


def test_a_key_that_was_given_out_again_hides_no_lost_row(swapped: Cluster, tmp_path: Path) -> None:
    swapped.run("wabot", "SET ROLE wabot", "INSERT INTO message (conversation_id, body) VALUES (1, 'since then')")
    told = account(swapped, tmp_path)["tables"]["public.message"]
    assert (told["missing"], told["changed"], told["in_window"], told["rows"]) == (700, 1, 701, 701)


def test_again_is_the_same(swapped: Cluster, tmp_path: Path) -> None:
    (tmp_path / "message.part").write_text("left by a killed one")
    first = account(swapped, tmp_path)
    assert account(swapped, tmp_path) == {**first, "changed": False}
    assert first["changed"]
    assert sorted(path.name for path in tmp_path.iterdir())[1:] == ["conversation.csv", "message.csv"]


def test_a_file_ends_where_it_must_and_rows_are_counted_on(swapped: Cluster, tmp_path: Path) -> None:
    facts = account(swapped, tmp_path, limit=1000)
    told = facts["tables"]["public.message"]
    assert (told["missing"], told["rows"], facts["recovery"]) == (701, ledger.BATCH, "partial")
    assert facts["reasons"] == ["public.message: the file ends at 1000 bytes"]


def test_what_cannot_be_compared_is_said(swapped: Cluster, tmp_path: Path) -> None:
    swapped.run("wabot", "SET ROLE wabot", "CREATE TABLE keyless (v int)", "INSERT INTO keyless VALUES (1)")
    facts = account(swapped, tmp_path, timestamps={"public.conversation": "nope"})
    assert facts["recovery"] == "partial"
    assert sorted(reason.split(":")[0] for reason in facts["reasons"]) == ["public.conversation", "public.keyless"]
    assert facts["tables"]["public.message"]["rows"] == 701
    assert not list(tmp_path.glob("*.part"))
    late = account(swapped, tmp_path, seconds=0)
    assert (late["tables"], len(late["reasons"])) == ({}, 5)


def test_without_a_kept_database_nothing_can_be_brought_back(product: Cluster, tmp_path: Path) -> None:
    facts = account(product, tmp_path / "lost")
    assert (facts["recovery"], facts["reasons"]) == ("not possible", [f"there is no kept database {BAD!r}"])
    nowhere = ledger.account(ledger.Server("127.0.0.1", 1, "nobody", "", "disable"), order(tmp_path), False)
    assert nowhere["recovery"] == "not possible"
    assert not (tmp_path / "lost").exists()
