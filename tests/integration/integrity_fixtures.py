"""A database with rows that contradict each other, and the checks and repairs that an inventory declares."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from ansible_collections.steady.rollback.plugins.module_utils.integrity import (
    back,
    checks,
    look,
    repair,
)
from ansible_collections.steady.rollback.plugins.module_utils.integrity.session import Place
from integration.postgres_fixtures import PASSWORD, Cluster, cluster_fixture, wait_for  # noqa: F401

CHANGE = "r20261125t022301-4f2a"
COUNTERS = """
SET ROLE wabot;
CREATE TABLE "User" (id text PRIMARY KEY, email text, "requestsToday" text, "dailyRequestLimit" text DEFAULT '50',
  "updatedAt" timestamp NOT NULL DEFAULT '2026-11-01', "lastRequestReset" date DEFAULT '2026-10-31');
INSERT INTO "User" (id, email, "requestsToday") VALUES ('u1', 'a@x.example', '-3'), ('u2', 'b@x.example', '7'),
  ('u3', 'c@x.example', '61'), ('u4', 'd@x.example', '55'), ('u5', 'e@x.example', '4000'), ('u6', NULL, 'n/a');
CREATE TABLE conversation (id bigint PRIMARY KEY);
CREATE TABLE context (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, conversation_id bigint NOT NULL, items jsonb,
  note char(5), span tstzrange, raw bytea, total bigint GENERATED ALWAYS AS (conversation_id * 2) STORED,
  made timestamptz(3) DEFAULT '2026-11-01 03:00:00.123+05', kind text[] DEFAULT '{"a,b",NULL}');
INSERT INTO conversation VALUES (1);
INSERT INTO context (conversation_id, items, note, span, raw) VALUES (1, '[]', 'x', NULL, NULL),
  (8, 'null', 'y', '[2026-11-01,)', '\\x00ff'), (9, NULL, NULL, 'empty', ''), (9, '{"a": 1.50}', ' z', NULL, '\\x25');
CREATE TABLE nokey (value int);
CREATE TABLE parent (id int, part int, state text, PRIMARY KEY (part, id));
CREATE TABLE child (parent int, part int, FOREIGN KEY (part, parent) REFERENCES parent (part, id) ON DELETE CASCADE);
INSERT INTO parent VALUES (1, 2, '100%'), (2, 1, '{bad}'), (2, 2, 'good');
RESET ROLE;
"""
# S0 compares texts by CAST, which one 'n/a' breaks; the order of AND is the server's, that of CASE is ours.
COUNTED = """CASE WHEN "requestsToday" ~ '^-?[0-9]{1,9}$' THEN "requestsToday"::int END"""
LIMIT = """CASE WHEN "dailyRequestLimit" ~ '^[0-9]{1,9}$' THEN "dailyRequestLimit"::int END"""
CAP = {"requestsToday": '"dailyRequestLimit"', "updatedAt": "now()"}
DECLARED: list[dict[str, Any]] = [
    {
        "name": "negative",
        "table": "User",
        "where": f"{COUNTED} < 0 -- the counter is a text",
        "show": ["requestsToday", "lastRequestReset"],
        "repairs": {"reset_negative": {"set": {"requestsToday": "'0'", "updatedAt": "now()"}}},
    },
    {
        "name": "exceeded",
        "table": "public.User",
        "where": f"{COUNTED} > {LIMIT} + 10",
        "repairs": {
            "cap_at_limit": {"set": CAP},
            "script": {"set": {"requestsToday": f"(CASE WHEN {COUNTED} < 0 THEN 0 ELSE {LIMIT} END)"}},
            "half": {"set": {"requestsToday": f"({COUNTED} / 2)"}},
            "no_number": {"set": {"requestsToday": "'x'::int"}},
            "no_such": {"set": {"requests": "'0'"}},
        },
    },
    {"name": "suspicious", "table": "User", "where": f"{COUNTED} > 1000", "severity": "warning"},
    {
        "name": "orphans",
        "table": "context",
        "where": "NOT EXISTS (SELECT FROM conversation c WHERE c.id = conversation_id)",
        "repairs": {"remove": {"delete": True}},
    },
    {
        "name": "odd",
        "table": "parent",
        "where": "state LIKE '100%' OR state = '{bad}'",
        "repairs": {"mend": {"set": {"state": "'50%'"}}, "remove": {"delete": True}},
    },
    {"name": "no_mail", "table": "User", "where": "email IS NULL", "severity": "warning"},
    {"name": "keyless", "table": "nokey", "where": "value < 0", "repairs": {"zero": {"set": {"value": "0"}}}},
]
# As the module's options fill in what an inventory leaves out.
BARE = {"severity": "critical", "show": [], "repairs": {}}
AUDIT = (
    "CREATE TABLE audit (id text)",
    "GRANT INSERT ON audit TO rollback",
    """CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$
       BEGIN INSERT INTO audit VALUES (NEW.id); RETURN NEW; END $$""",
    """CREATE TRIGGER noted AFTER UPDATE ON "User" FOR EACH ROW EXECUTE FUNCTION note()""",
)
OURS = "SELECT 1 FROM pg_stat_activity WHERE application_name LIKE 'rollback:%'"
WAITING = f"{OURS} AND wait_event_type = 'Lock'"
EVERYTHING = (
    'SELECT * FROM "User" ORDER BY 1',
    "SELECT * FROM context ORDER BY 1",
    "SELECT * FROM parent ORDER BY 1, 2",
)


@pytest.fixture(name="there", scope="module")
def there_fixture(cluster: Cluster) -> Iterator[Cluster]:
    """The cluster with the product's tables in a template."""
    cluster.drop_all()
    cluster.create("pattern", COUNTERS)
    yield cluster
    cluster.drop_all()


@pytest.fixture(name="db")
def db_fixture(there: Cluster) -> Cluster:
    """A fresh database ``wabot``."""
    there.run("postgres", "DROP DATABASE IF EXISTS wabot WITH (FORCE)")
    there.run("postgres", "CREATE DATABASE wabot TEMPLATE pattern OWNER wabot")
    return there


def place(db: Cluster, change: str = CHANGE, seconds: float = 20) -> Place:
    return Place(db.server, "wabot", change, seconds)


def declared(*names: str) -> list[checks.Check]:
    return checks.load([{**BARE, **each} for each in DECLARED if not names or each["name"] in names])


def do(db: Cluster, text: str, dry_run: bool = False, most: int = 100, wait: float = 5, **more: Any) -> dict[str, Any]:
    return repair.repair(place(db, **more), declared(), text, repair.Terms(wait, most), dry_run)


def redo(db: Cluster) -> dict[str, Any]:
    return repair.repair(place(db), declared(), "", repair.Terms(5, 100, redo=True), False)


def undo(db: Cluster, leave: bool = False, dry_run: bool = False) -> dict[str, Any]:
    return back.put_back(place(db), 5, leave, dry_run)


def world(db: Cluster) -> list[Any]:
    with db.connect("wabot") as connection:
        return [connection.execute(query).fetchall() for query in EVERYTHING]


def counts(db: Cluster) -> dict[str, int | None]:
    return {each.check.name: each.rows for each in look.look(place(db), declared(), 5)}
