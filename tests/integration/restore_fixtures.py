"""What the tests of restores have in common: one restore point, one change, and the order to restore it."""

from __future__ import annotations

from typing import Any

from ansible_collections.steady.rollback.plugins.module_utils.databases import backup, restore, source
from ansible_collections.steady.rollback.plugins.module_utils.storage.objects import Bucket
from integration.postgres_fixtures import Cluster

POINT, CHANGE = "r20261125t040000-4f2a", "r20261125t050000-00ff"
PLACE = source.Place("wabot", "production")


def captured(cluster: Cluster, bucket: Bucket, database: str = "wabot", purpose: str = "pre_deploy") -> dict[str, Any]:
    """A backup of now, as a restore point keeps it."""
    order = backup.Order(database, "production", POINT, purpose)
    facts: dict[str, Any] = backup.take(cluster.server, bucket, order, dry_run=False)["backup"]
    return facts


def order(facts: dict[str, Any], **more: Any) -> restore.Order:
    """The order to restore it beside."""
    return restore.Order(**{"place": PLACE, "change": CHANGE, "backup": facts, "snapshot": {}, **more})
