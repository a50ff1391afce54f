"""The role postgres as the engine calls it: a restore point, a rollback to it, and the way back."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.steady.rollback.plugins.module_utils.storage.objects import Bucket
from integration.postgres_fixtures import PASSWORD, Cluster, cluster_fixture, product_fixture, s3_fixture  # noqa: F401

ROOT = Path(__file__).parents[2]
STRATEGY = """---
- name: Roll back the database
  ansible.builtin.import_playbook: steady.rollback.run
  vars:
    rollback_strategy: database
    rollback_steps: [prepare, postgres.swap]
"""


class Anchor:
    """One host that is database host and anchor, and the playbooks that run there."""

    def __init__(self, home: Path, cluster: Cluster, s3: dict[str, Any]) -> None:
        self.home, self.env = home, {**os.environ, "ANSIBLE_HOME": str(home / "ansible")}
        self.env["ANSIBLE_COLLECTIONS_PATH"] = str(ROOT / "collections")
        variables = {
            **{f"postgres_{name}": value for name, value in cluster.options.items()},
            "ansible_connection": "local",
            "ansible_python_interpreter": sys.executable,
            "rollback_environment": "production",
            "rollback_dir": str(home / "anchor"),
            "rollback_s3": s3,
            "postgres_database": "wabot",
        }
        groups = {name: {"hosts": {"db1": {}}} for name in ("anchor", "rollback_postgres")}
        inventory = {"all": {"hosts": {"db1": {}}, "vars": variables, "children": groups}}
        (home / "inventory.yml").write_text(yaml.safe_dump(inventory))
        (home / "database.yml").write_text(STRATEGY)

    def play(self, playbook: str, *options: str, good: bool = True) -> str:
        """Run a playbook to its good or its bad end; what it printed."""
        argv = [str(Path(sys.executable).parent / "ansible-playbook"), "-i", str(self.home / "inventory.yml")]
        done = subprocess.run(
            [*argv, playbook, *options], env=self.env, capture_output=True, text=True, check=False, timeout=200
        )
        said = done.stdout + done.stderr
        assert (done.returncode == 0) == good, said
        assert PASSWORD not in said
        return said

    def journals(self) -> list[dict[str, Any]]:
        """Every record of every run."""
        found = sorted(self.home.glob("anchor/production/runs/*/journal*"))
        return [json.loads(line) for path in found for line in path.read_text().splitlines()]


@pytest.fixture(name="anchor")
def anchor_fixture(product: Cluster, s3: dict[str, Any], tmp_path: Path) -> Iterator[Anchor]:
    """The host."""
    yield Anchor(tmp_path, product, s3)
    bucket = Bucket(s3)
    for key in bucket.keys(""):
        bucket.delete(key)


def test_from_restore_point_to_rollback_and_back(anchor: Anchor, product: Cluster) -> None:
    anchor.play("steady.rollback.restore_point")
    product.run("wabot", "DELETE FROM message WHERE id % 2 = 0", "CREATE TABLE bot_new (x int)")
    looked = anchor.play(str(anchor.home / "database.yml"), "-e", "reason=test", "--check")
    assert product.run("wabot", "SELECT count(*) FROM message") == [(1000,)]
    assert "public.message -1000" in looked
    anchor.play(str(anchor.home / "database.yml"), "-e", "reason=test", "-e", "confirm=production")
    assert product.run("wabot", "SELECT count(*), to_regclass('bot_new') FROM message") == [(2000, None)]
    (step,) = [each for each in anchor.journals() if each["kind"] == "done" and each["step"] == "postgres.prepare"]
    assert step["effects"]["db1"]["source"] == "backup"
    anchor.play("steady.rollback.undo", "-e", "reason=test", "-e", "confirm=production")
    assert product.run("wabot", "SELECT count(*), to_regclass('bot_new')::text FROM message") == [(1000, "bot_new")]
    kept = [path for path in (anchor.home / "anchor").rglob("*") if path.is_file()]
    assert kept
    assert not [path for path in kept if PASSWORD.encode() in path.read_bytes()]


def test_without_an_object_store_a_copy_in_the_cluster_will_do(anchor: Anchor, product: Cluster) -> None:
    nowhere = json.dumps({"rollback_s3": {}})
    assert "would hold no data" in anchor.play("steady.rollback.restore_point", "-e", nowhere, good=False)
    copied = json.dumps({"rollback_s3": {}, "postgres_snapshot": True})
    anchor.play("steady.rollback.restore_point", "-e", copied)
    product.run("wabot", "DELETE FROM message WHERE id % 2 = 0")
    options = ["-e", nowhere, "-e", "reason=test", "-e", "confirm=production"]
    anchor.play(str(anchor.home / "database.yml"), *options)
    assert product.run("wabot", "SELECT count(*) FROM message") == [(2000,)]
