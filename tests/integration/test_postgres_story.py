# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""All verbs of the role postgres through the engine: swap, verify, ledger, preserve, finalize."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import yaml
from ansible_collections.steady.rollback.plugins.module_utils.storage.objects import Bucket
from integration.postgres_fixtures import Cluster, cluster_fixture, product_fixture, s3_fixture  # noqa: F401
from integration.test_postgres_role import Anchor, anchor_fixture  # noqa: F401

STEPS = ["prepare", "postgres.swap", "postgres.ledger", "postgres.preserve", "verify"]
TABLES = [{"table": "message", "timestamp": "sent"}]
SAID = ["-e", "reason=test", "-e", "confirm=production"]


def effect(anchor: Anchor, step: str) -> dict[str, Any]:
    """What the newest such step of the journals did."""
    done = [each for each in anchor.journals() if each["kind"] == "done" and each["step"] == step]
    found: dict[str, Any] = done[-1]["effects"]["db1"]
    return found


def strategy(anchor: Anchor, name: str, steps: list[str]) -> str:
    """A playbook with these steps."""
    (play,) = yaml.safe_load((anchor.home / "database.yml").read_text())
    play["vars"].update(rollback_strategy=name, rollback_steps=steps)
    path = anchor.home / f"{name}.yml"
    path.write_text(yaml.safe_dump([play]))
    return str(path)


def counted(cluster: Cluster) -> int:
    return int(cluster.run("wabot", "SELECT count(*) FROM message")[0][0])


def test_the_whole_story(anchor: Anchor, product: Cluster, s3: dict[str, Any]) -> None:
    anchor.play("steady.rollback.restore_point")
    product.run("wabot", "INSERT INTO message (conversation_id, body) SELECT 1, 'lost' FROM generate_series(1, 7)")
    anchor.play(strategy(anchor, "story", STEPS), *SAID, "-e", json.dumps({"postgres_ledger_tables": TABLES}))
    assert counted(product) == 2000
    lost = effect(anchor, "postgres.ledger")
    told = lost["tables"]["public.message"]
    assert (told["then"], told["kept"], told["missing"], told["in_window"]) == (2000, 2007, 7, 7)
    assert (lost["recovery"], list(lost["tables"])) == ("possible", ["public.message"])
    with Path(told["file"]).open(newline="") as file:
        assert {row["body"] for row in csv.DictReader(file)} == {"LOST"}
    assert (anchor.home / "anchor/production/runs") in Path(told["file"]).parents
    copy = effect(anchor, "postgres.preserve")["backup"]
    assert (copy["purpose"], copy["tables"]["public.message"]) == ("evidence", 2007)
    assert Bucket(s3).size(copy["key"]) == copy["size"]
    assert effect(anchor, "postgres.verify")["swapped"]
    (kept,) = product.databases() - {"postgres", "wabot"}
    product.run("postgres", f"""COMMENT ON DATABASE "{kept}" IS '{past(product, kept)}'""")
    anchor.play(strategy(anchor, "finalize", ["postgres.finalize"]), *SAID)
    done = effect(anchor, "postgres.finalize")
    assert done["deleted"] == [{"kind": "kept", "name": kept}]
    assert [each["why"] for each in done["stays"]] == ["a restore point names it"]
    assert (product.databases(), counted(product)) == ({"postgres", "wabot"}, 2000)


def past(cluster: Cluster, name: str) -> str:
    """The mark of a kept database, as if its time were over."""
    query = f"SELECT shobj_description(oid, 'pg_database')::jsonb FROM pg_database WHERE datname = '{name}'"
    mark = f"SELECT jsonb_set(({query}), '{{kept,until}}', '\"2026-01-01T00:00:00.000000Z\"')::text"
    return str(cluster.run("postgres", mark)[0][0])
