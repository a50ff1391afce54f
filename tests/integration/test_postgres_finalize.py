# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What may be deleted, and all that may not, on a real cluster and a real object store."""

from __future__ import annotations

import json
import time
from contextlib import closing
from typing import Any

import pytest
from ansible_collections.steady.rollback.plugins.module_utils.core import canonical
from ansible_collections.steady.rollback.plugins.module_utils.databases import backup, finalize, names, swap
from ansible_collections.steady.rollback.plugins.module_utils.storage.objects import Bucket
from integration.postgres_fixtures import (  # noqa: F401
    Cluster,
    bucket_fixture,
    cluster_fixture,
    product_fixture,
    s3_fixture,
)

DAY = 24 * 3600
NOW = time.time()


def name_at(age: float) -> str:
    """The id of a run or restore point that began so many seconds ago."""
    return canonical.run_id(NOW - age)


OLD, YOUNG = name_at(9 * DAY), name_at(60)


def finalized(cluster: Cluster, store: Bucket | None, **more: Any) -> dict[str, Any]:
    """{name: why it stays, "" for what is gone}."""
    dry_run = more.pop("dry_run", False)
    wanted = {"points": [], "keep_hours": 72, "keep_backups": 10, "now": NOW, **more}
    order = finalize.Order(database="wabot", environment="test", run="r-finalize", **wanted)
    facts = finalize.finalize(cluster.server, store, order, dry_run)
    assert facts["changed"] == bool(facts["deleted"])
    return {each["name"]: each.get("why", "") for each in [*facts["deleted"], *facts["stays"]]}


def beside(cluster: Cluster, name: str, **mark: Any) -> str:
    """A database with a mark."""
    text = json.dumps(mark).replace("'", "''")
    cluster.run("postgres", f'CREATE DATABASE "{name}" OWNER wabot', f"""COMMENT ON DATABASE "{name}" IS '{text}'""")
    return name


def replaced(cluster: Cluster, change: str) -> str:
    """Switch to a restored database; the kept one's name."""
    beside(cluster, names.good("wabot", change), rollback=change, complete=True)
    swap.swapped(cluster.server, swap.Terms("wabot", change, change, 72, 10), False)
    return names.bad("wabot", change)


def test_a_kept_database_goes_when_its_time_is_over_and_its_copy_is_proven(product: Cluster, bucket: Bucket) -> None:
    kept = replaced(product, OLD)
    assert finalized(product, bucket) == {kept: "its time is not over"}
    later = NOW + 4 * DAY
    assert finalized(product, None, now=later) == {kept: "there is no object store for its copy"}
    assert finalized(product, bucket, now=later, dry_run=True) == {kept: ""}
    assert (kept in product.databases(), bucket.keys("")) == (True, [])
    with closing(product.connect(kept, user="wabot")):
        assert "being accessed by other users" in finalized(product, bucket, now=later)[kept]
    key = f"test/postgres/{OLD}.dump"
    assert backup.note(bucket, key)["purpose"] == "evidence"
    bucket.put(key, b"cut")
    assert finalized(product, bucket, now=later) == {kept: ""}
    assert product.databases() == {"postgres", "wabot"}
    assert bucket.size(key) == backup.note(bucket, key)["size"]
    assert finalized(product, bucket, now=later) == {}


def test_without_a_copy_nothing_that_was_live_goes(product: Cluster, s3: dict[str, Any]) -> None:
    kept = replaced(product, OLD)
    nowhere = Bucket({**s3, "bucket": "there-is-none"})
    with pytest.raises(Exception, match="object store failed"):
        finalized(product, nowhere, now=NOW + 4 * DAY)
    product.run("postgres", f'ALTER DATABASE "{kept}" ALLOW_CONNECTIONS false')
    assert "not currently accepting" in finalized(product, Bucket(s3), now=NOW + 4 * DAY)[kept]
    assert kept in product.databases()


def test_what_came_back_from_an_undo_was_live_too(product: Cluster, bucket: Bucket) -> None:
    replaced(product, OLD)
    swap.swapped_back(product.server, swap.Terms("wabot", OLD, "r20261125t000000-undo", 72, 10), False)
    good = names.good("wabot", OLD)
    assert finalized(product, bucket) == {good: "its time is not over"}
    assert finalized(product, bucket, now=NOW + 4 * DAY) == {good: ""}
    assert backup.note(bucket, "test/postgres/r20261125t000000-undo.dump")["database"] == good


def test_what_never_was_live_goes_by_its_age(product: Cluster) -> None:
    old = beside(product, names.good("wabot", OLD), rollback=OLD, complete=False)
    young = beside(product, names.good("wabot", YOUNG), rollback=YOUNG, complete=True)
    assert finalized(product, None) == {old: "", young: "its time is not over"}
    assert product.databases() == {"postgres", "wabot", young}


def test_strangers_are_not_even_named(product: Cluster) -> None:
    other = beside(product, names.good("another", OLD), rollback=OLD, complete=True)
    mine = beside(product, "wabot__good_of_mine", rollback=OLD)
    plain = beside(product, names.bad("wabot", OLD))
    assert finalized(product, None, now=NOW + 99 * DAY) == {}
    assert product.databases() == {"postgres", "wabot", other, mine, plain}


def test_a_snapshot_stays_as_long_as_a_restore_point_names_it(product: Cluster) -> None:
    snapshot = beside(product, names.snapshot("wabot", OLD), rollback=OLD, complete=True)
    unfinished = beside(product, names.snapshot("wabot", YOUNG), rollback=YOUNG, complete=False)
    point = {"components": {"postgres": {"snapshot": {"database": snapshot}}}}
    assert finalized(product, None, points=[point, {}])[snapshot] == "a restore point names it"
    taken = beside(product, names.good("wabot", OLD), rollback=OLD, complete=True, snapshot={"database": snapshot})
    assert finalized(product, None, points=[point])[taken] == "it is what a restore point names"
    product.run("postgres", f'DROP DATABASE "{taken}"')
    assert finalized(product, None) == {snapshot: "", unfinished: "its time is not over"}


def test_what_was_killed_before_its_mark_goes_by_its_age(product: Cluster) -> None:
    """Such a copy is closed, such a restore is empty; a database that somebody made is neither."""
    copies = [names.snapshot("wabot", each) for each in (OLD, YOUNG)]
    for copy in copies:
        product.run("postgres", f'CREATE DATABASE "{copy}" OWNER wabot ALLOW_CONNECTIONS false')
    empty, theirs = names.good("wabot", OLD), names.good("wabot", name_at(10 * DAY))
    other = names.snapshot("another", OLD)
    for name in (empty, theirs, other):
        product.run("postgres", f'CREATE DATABASE "{name}" OWNER wabot')
    product.run(theirs, "CREATE TABLE mine (x int)")
    assert finalized(product, None) == {copies[0]: "", copies[1]: "its time is not over", empty: ""}
    assert product.databases() == {"postgres", "wabot", copies[1], theirs, other}


def archive(bucket: Bucket, name: str, age: float, **more: Any) -> str:
    """A backup as far as its keys and its note tell."""
    key = f"test/postgres/{name}.dump"
    started = canonical.utc(NOW - age)
    note = {"key": key, "size": 3, "purpose": "pre_deploy", "database": "wabot", "started": started, **more}
    bucket.put(key, b"abc")
    bucket.put(backup.note_of(key), canonical.dumps(note))
    return key


def test_backups(product: Cluster, bucket: Bucket) -> None:
    ages = {name_at(days * DAY): days * DAY for days in (0, 1, 5, 6, 7, 8)}
    today, yesterday, five, six, seven, eight = (archive(bucket, name, age) for name, age in ages.items())
    evidence = archive(bucket, name_at(20 * DAY), 20 * DAY, purpose="evidence")
    other = archive(bucket, name_at(21 * DAY), 21 * DAY, database="another")
    cut_off, running = f"test/postgres/{name_at(22 * DAY)}.dump", f"test/postgres/{name_at(1)}.dump"
    broken = archive(bucket, name_at(23 * DAY), 23 * DAY)
    for key in (cut_off, running):
        bucket.put(key, b"half")
    bucket.put(backup.note_of(broken), b"not json")
    points = [{"components": {"postgres": {"backup": {"key": seven}}}}]
    terms: dict[str, Any] = {"points": points, "keep_backups": 3}
    expected = {
        today: "it is one of the newest 3",
        yesterday: "it is one of the newest 3",
        five: "it is one of the newest 3",
        six: "",
        seven: "a restore point names it",
        eight: "",
        cut_off: "",
        running: "its time is not over",
    }
    assert finalized(product, bucket, **terms, dry_run=True) == expected
    assert six in bucket.keys("")
    assert finalized(product, bucket, **terms) == expected
    stay = {today, yesterday, five, seven, evidence, other, broken}
    assert set(bucket.keys("")) == stay | {backup.note_of(key) for key in stay} | {running}
    assert {key: why for key, why in finalized(product, bucket, **terms).items() if not why} == {}
