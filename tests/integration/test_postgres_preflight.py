"""What a preflight finds on a real server: every problem at once, each with its way out, and nothing written."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.steady.rollback.plugins.module_utils.core import canonical
from ansible_collections.steady.rollback.plugins.module_utils.databases import (
    backup,
    names,
    preflight,
    restore,
    snapshot,
)
from ansible_collections.steady.rollback.plugins.module_utils.storage.objects import Bucket
from integration.postgres_fixtures import (  # noqa: F401
    Cluster,
    cluster17_fixture,
    cluster_fixture,
    product_fixture,
    s3_client,
    s3_fixture,
)
from integration.restore_fixtures import CHANGE, POINT, order

SWAP = ["prepare", "postgres.swap"]


@pytest.fixture(name="facts")
def facts_fixture(product: Cluster, s3: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """A backup of the product."""
    bucket = Bucket(s3)
    yield backup.take(product.server, bucket, backup.Order("wabot", "production", POINT, "pre_deploy"), dry_run=False)[
        "backup"
    ]
    for key in bucket.keys(""):
        bucket.delete(key)


def terms(cluster: Cluster, **more: Any) -> preflight.Terms:
    return preflight.Terms(**{"data_directory": str(cluster.directory), **more})


def found(cluster: Cluster, s3: dict[str, Any], wanted: restore.Order, **more: Any) -> dict[str, dict[str, Any]]:
    """{name of the row: the row} of those that are not ok."""
    seen = preflight.look(cluster.server, s3, wanted, terms(cluster, **more), SWAP)
    assert all(row["fix"] and (row["code"] or row["level"] == "warn") for row in seen["rows"] if row["level"] != "ok")
    return {row["name"]: row for row in seen["rows"] if row["level"] != "ok"}


def test_all_is_well_and_the_loss_is_known(product: Cluster, s3: dict[str, Any], facts: dict[str, Any]) -> None:
    product.run("wabot", "INSERT INTO conversation (tenant) SELECT 'new' FROM generate_series(1, 7)")
    product.run("wabot", "CREATE TABLE bot_new AS SELECT 1 AS x", "DELETE FROM django_migrations WHERE id = 1")
    old = {**facts, "started": canonical.utc(canonical.epoch(facts["started"]) - 600)}
    # The note in the store must say the same, so the backup is aged on both sides.
    Bucket(s3).put(backup.note_of(facts["key"]), canonical.dumps(old))
    seen = preflight.look(product.server, s3, order(old), terms(product), SWAP)
    assert [row for row in seen["rows"] if row["level"] != "ok"] == []
    assert 10 <= seen["loss"]["minutes"] < 12
    assert seen["loss"]["tables"] == {
        "public.bot_new": {"then": 0, "now": 1},
        "public.conversation": {"then": 200, "now": 207},
        "public.django_migrations": {"then": 2, "now": 1},
        "public.message": {"then": 2000, "now": 2000},
    }
    assert product.databases() == {"postgres", "wabot"}


def test_a_strategy_without_a_swap_is_not_asked_for_a_backup(product: Cluster, s3: dict[str, Any]) -> None:
    with product.connect("wabot", user="wabot") as prepared:
        prepared.execute("BEGIN")
        prepared.execute("INSERT INTO conversation (tenant) VALUES ('in two phases')")
        prepared.execute("PREPARE TRANSACTION 'left behind'")
    quiet = preflight.look(product.server, s3, order({}), terms(product), ["postgres.verify"])
    undo = preflight.look(product.server, s3, order({}), terms(product), ["postgres.swap_back"])
    product.run("wabot", "ROLLBACK PREPARED 'left behind'")
    assert [row["name"] for row in quiet["rows"]] == ["server", "role"]
    assert [row["name"] for row in undo["rows"]] == ["server", "role", "database"]
    assert quiet["loss"] == undo["loss"] == {}


def test_rows_that_a_policy_hides_are_no_reason_to_stop(
    product: Cluster, s3: dict[str, Any], facts: dict[str, Any]
) -> None:
    product.run("wabot", "ALTER TABLE message ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY")
    assert {name: row["level"] for name, row in found(product, s3, order(facts)).items()} == {"data lost": "warn"}


def test_every_problem_is_found_at_once(product: Cluster, s3: dict[str, Any], facts: dict[str, Any]) -> None:
    product.create(names.good("wabot", CHANGE))
    product.run("postgres", "ALTER ROLE rollback NOCREATEDB", "REVOKE pg_signal_backend FROM rollback")
    product.run("wabot", "SELECT pg_create_logical_replication_slot('cdc', 'pgoutput')")
    held = product.connect("wabot", user="wabot")
    held.execute("BEGIN")
    held.execute("SELECT 1")
    with product.connect("wabot", user="wabot") as prepared:
        prepared.execute("BEGIN")
        prepared.execute("INSERT INTO conversation (tenant) VALUES ('in two phases')")
        prepared.execute("PREPARE TRANSACTION 'left behind'")
    try:
        changed = {**facts, "size": 1, "purpose": "evidence"}
        bad = found(product, s3, order(changed), long=0.0, max_age=0.0, data_directory="")
    finally:
        product.run("wabot", "SELECT pg_drop_replication_slot('cdc')", "ROLLBACK PREPARED 'left behind'")
        product.run("postgres", "ALTER ROLE rollback CREATEDB", "GRANT pg_signal_backend TO rollback")
        held.close()
    assert {name: row["code"] for name, row in bad.items()} == {
        "role": "role-lacks-rights",
        "database": "database-bound",
        "transactions": "",
        "names": "name-taken",
        "disk space": "",
        "backup's purpose": "backup-purpose",
        "backup's object": "backup-short",
        "age of the target": "",
    }
    assert bad["role"]["fix"] == "ALTER ROLE rollback CREATEDB; GRANT pg_signal_backend TO rollback"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"system_identifier": "7000000000000000000"}, "backup-foreign"),
        ({"environment": "staging"}, "backup-foreign"),
        ({"server_version": 190001}, "backup-newer"),
        ({"extensions": ["no_such_extension"]}, "extension-missing"),
        ({"sha256": "0" * 64}, "backup-note-differs"),
        ({"key": "production/postgres/none.dump"}, "object-missing"),
    ],
)
def test_a_bad_backup_is_found(
    product: Cluster, s3: dict[str, Any], facts: dict[str, Any], change: dict[str, Any], code: str
) -> None:
    bad = found(product, s3, order({**facts, **change}))
    assert code in {row["code"] for row in bad.values()}


def test_a_damaged_note_a_missing_store_and_wrong_credentials(
    product: Cluster, s3: dict[str, Any], facts: dict[str, Any]
) -> None:
    assert found(product, {}, order(facts))["backup"]["code"] == "backup-missing"
    assert found(product, s3, order({}))["backup"]["code"] == "backup-missing"
    wrong = found(product, {**s3, "secret_key": "wrong"}, order(facts))["backup"]
    assert "SignatureDoesNotMatch" in wrong["found"]
    s3_client(s3).put_object(Bucket=s3["bucket"], Key=backup.note_of(facts["key"]), Body=b"<html>404</html>")
    assert found(product, s3, order(facts))["backup"]["code"] == "backup-note-unreadable"


def test_with_a_copy_in_the_cluster_the_backup_is_the_second_way(
    product: Cluster, s3: dict[str, Any], facts: dict[str, Any]
) -> None:
    kept = snapshot.take(product.server, "wabot", POINT, stall=10)
    bad = found(product, s3, order({**facts, "size": 1}, snapshot=kept))
    assert {name: row["level"] for name, row in bad.items()} == {"backup's object": "warn"}


def test_a_server_that_is_down_is_said_once(product: Cluster, s3: dict[str, Any], facts: dict[str, Any]) -> None:
    nowhere = replace(product.server, port=1)
    seen = preflight.look(nowhere, s3, order(facts), terms(product), SWAP)
    assert seen["rows"][0]["code"] == "database-failed"
    assert seen["loss"] == {}


def test_a_superuser_a_standby_and_old_tools(
    product: Cluster, cluster17: Cluster, s3: dict[str, Any], facts: dict[str, Any], tmp_path: Path
) -> None:
    superuser = replace(product.server, user="postgres", tools=str(cluster17.tools))
    seen = preflight.look(superuser, s3, order(facts), terms(product), SWAP)
    rows = {row["name"]: row for row in seen["rows"] if row["level"] != "ok"}
    assert rows["role"]["level"] == "warn"
    assert rows["role"]["found"] == "postgres is a superuser: code inside a dump would run as one"
    assert rows["client programs"]["code"] == "tools-too-old"
    assert rows["backup's version"]["code"] == "backup-newer"
    empty = preflight.look(replace(product.server, tools=str(tmp_path)), s3, order(facts), terms(product), SWAP)
    assert "driver-missing" in {row["code"] for row in empty["rows"]}
    product.run("postgres", "ALTER DATABASE wabot OWNER TO postgres", "GRANT postgres TO rollback")
    owned = found(product, s3, order(facts))["role"]
    product.run("postgres", "REVOKE postgres FROM rollback")
    assert owned["fix"] == "Give the database and what is in it to a role without SUPERUSER: it belongs to postgres."


def test_no_room_for_a_second_database(product: Cluster, s3: dict[str, Any], facts: dict[str, Any]) -> None:
    full = found(product, s3, order(facts), data_directory="/proc")
    assert full["disk space"]["code"] == "disk-full"


def test_what_is_prepared_or_live_already_needs_no_backup(
    product: Cluster, s3: dict[str, Any], facts: dict[str, Any]
) -> None:
    restore.prepare(product.server, Bucket(s3), order(facts), dry_run=False)
    Bucket(s3).delete(facts["key"])
    assert found(product, s3, order(facts)) == {}
    product.run("postgres", f'ALTER DATABASE wabot RENAME TO "{names.bad("wabot", CHANGE)}"')
    product.run("postgres", f'ALTER DATABASE "{names.good("wabot", CHANGE)}" RENAME TO wabot')
    seen = preflight.look(product.server, s3, order(facts), terms(product), SWAP)
    assert [row for row in seen["rows"] if row["level"] != "ok"] == []
    assert seen["loss"] == {}
