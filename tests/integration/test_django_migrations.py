# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Migrations of the real WabotIQ on a real PostgreSQL: what v1 can serve after v2, down and up again."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.steady.rollback.plugins.module_utils.core.errors import (
    CommandFailed,
    NotEffective,
    TargetMissing,
    TargetRefused,
)
from ansible_collections.steady.rollback.plugins.module_utils.kept import Kept
from ansible_collections.steady.rollback.plugins.module_utils.migrations.django import Migrations
from ansible_collections.steady.rollback.plugins.module_utils.migrations.verdict import judge
from ansible_collections.steady.rollback.plugins.module_utils.release.commands import Runner
from ansible_collections.steady.rollback.plugins.module_utils.release.git import Mirror
from ansible_collections.steady.rollback.plugins.module_utils.release.layout import Home
from integration.postgres_fixtures import cluster_fixture  # noqa: F401
from integration.wabot_fixtures import Wabot, release, wabot_fixture  # noqa: F401

PLAN: dict[str, Any] = {"swaps": False, "undoing": False, "allow_down": False, "captured": {}}
HEADER = "from django.db import migrations, models\n\n\nclass Migration(migrations.Migration):\n"


def migrations(wabot: Wabot, wanted: str = "v1") -> Migrations:
    home = Home(str(wabot.home), "requirements.lock")
    return Migrations(wabot.project, home, Mirror(home.mirror, "", Runner()), "r1", wanted)


def kept(wabot: Wabot) -> Kept:
    return Kept(str(wabot.home / "rollback"), "r1")


class Additions:
    """Migrations that a test adds to the live release, as a deployment after v1.1 would have brought them."""

    def __init__(self, wabot: Wabot) -> None:
        self.wabot, self.written = wabot, list[Path]()
        wabot.deploy("v1.1")

    def add(self, app: str, name: str, after: str, body: str, migrate: bool = True) -> None:
        """A migration with ``body``, the text of its class after the dependencies."""
        path = release(self.wabot.home, "v1.1") / "apps" / app / "migrations" / f"{name}.py"
        path.write_text(f'{HEADER}    dependencies = [("{app}", "{after}")]\n    {body}\n')
        self.written.append(path)
        if migrate:
            self.wabot.project.manage("migrate", "--verbosity", "0")

    def undo(self) -> None:
        """Take everything away again."""
        self.wabot.switch("v1.1")
        for app in ("bot", "messaging"):
            if any(path.parent.parent.name == app for path in self.written):
                self.wabot.project.manage("migrate", "--verbosity", "0", app, "0001_initial")
        for path in self.written:
            path.unlink()
            shutil.rmtree(path.parent / "__pycache__", ignore_errors=True)


@pytest.fixture
def newer(wabot: Wabot) -> Iterator[Additions]:
    """v1.1 is live, and may get more migrations."""
    made = Additions(wabot)
    yield made
    made.undo()


def test_a_restore_point_keeps_heads_and_all_that_is_applied(wabot: Wabot) -> None:
    wabot.deploy("v1")
    facts = migrations(wabot).capture()
    assert facts["captured"]["heads"] == {"bot": ["0001_initial"], "messaging": ["0001_initial"]}
    assert facts["captured"]["applied"] == {"bot": ["0001_initial"], "messaging": ["0001_initial"]}
    assert "good" not in facts


def test_code_on_an_unchanged_schema_can_go_back(wabot: Wabot) -> None:
    wabot.deploy("v1.1")
    assert [row.level for row in migrations(wabot).preflight(**PLAN)] == ["ok", "ok"]
    assert migrations(wabot).down(kept(wabot), False, False)["changed"] is False
    assert migrations(wabot).verify(allow_unknown=False, expected={})["applied"] == 2


def test_older_code_lives_with_what_is_only_added(newer: Additions, wabot: Wabot) -> None:
    field = 'migrations.AddField("message", "extra", models.TextField(null=True))'
    index = 'migrations.AddIndex("message", models.Index(fields=["text"], name="by_text"))'
    newer.add("messaging", "0002_extra", "0001_initial", f"operations = [{field}, {index}]")
    built = migrations(wabot).preflight(**PLAN)[1]
    # Before the release is built its migrations are read from the mirror, and the answer is the same.
    marker = release(wabot.home, "v1") / ".release.json"
    marker.rename(marker.with_name("hidden"))
    unbuilt = migrations(wabot).preflight(**PLAN)[1]
    marker.with_name("hidden").rename(marker)
    for row, where in ((built, "the built release"), (unbuilt, "the mirror")):
        assert row.level == "ok"
        assert where in row.found
        assert "messaging.0002_extra" in row.found
    assert migrations(wabot).down(kept(wabot), True, False)["changed"] is False


def test_a_rename_is_undone_when_allowed_and_done_again(newer: Additions, wabot: Wabot) -> None:
    rename = 'operations = [migrations.RenameField("product", "price_cents", "cents")]'
    newer.add("bot", "0002_rename", "0001_initial", rename)
    newer.add("messaging", "0002_extra", "0001_initial", 'operations = [migrations.AlterModelOptions("message", {})]')
    refused = migrations(wabot).preflight(**PLAN)[1]
    assert (refused.level, refused.code) == ("fail", "schema-needs-down")
    assert refused.fix == "ansible-playbook code-rollback.yml -e migrations_allow_down=true"
    assert migrations(wabot).preflight(**{**PLAN, "allow_down": True})[1].level == "warn"
    with pytest.raises(TargetRefused):
        migrations(wabot).down(kept(wabot), False, False)
    column = "SELECT column_name FROM information_schema.columns WHERE column_name LIKE '%cents'"
    assert migrations(wabot).down(kept(wabot), True, True)["changed"] is True
    assert wabot.rows(column) == [("cents",)]
    done = migrations(wabot).down(kept(wabot), True, False)
    assert done["undone"] == ["bot.0002_rename"]
    assert wabot.rows(column) == [("price_cents",)]
    assert migrations(wabot).down(kept(wabot), True, False)["changed"] is False
    # The older code is live; only the newer one can go up again.
    wabot.switch("v1")
    assert migrations(wabot).verify(allow_unknown=True, expected={})["unknown"] == ["messaging.0002_extra"]
    with pytest.raises(NotEffective, match="not on disk"):
        migrations(wabot).verify(allow_unknown=False, expected={})
    with pytest.raises(TargetMissing):
        migrations(wabot).up(kept(wabot), False)
    wabot.switch("v1.1")
    assert migrations(wabot).up(kept(wabot), False)["applied"] == ["bot.0002_rename"]
    assert wabot.rows(column) == [("cents",)]
    assert migrations(wabot).up(kept(wabot), False)["changed"] is False


def test_a_migration_that_was_cut_off_is_seen(newer: Additions, wabot: Wabot) -> None:
    add = 'operations = [migrations.AddField("product", "colour", models.TextField(null=True))]'
    newer.add("bot", "0002_colour", "0001_initial", add, migrate=False)
    assert migrations(wabot).preflight(**PLAN)[0].level == "warn"
    assert migrations(wabot).capture()["good"] is False
    wabot.rows("ALTER TABLE bot_product ADD COLUMN colour text")
    row = migrations(wabot).preflight(**PLAN)[1]
    assert (row.level, row.code) == ("fail", "schema-refused")
    assert "bot.0002_colour is applied in part: column bot_product.colour exists" in row.found
    # A plan that brings back the database may go on.
    applied = {"bot": ["0001_initial"], "messaging": ["0001_initial"]}
    swap = {**PLAN, "swaps": True, "captured": applied}
    assert [row.level for row in migrations(wabot).preflight(**swap)] == ["warn", "ok"]
    wabot.rows("ALTER TABLE bot_product DROP COLUMN colour")
    # CREATE INDEX CONCURRENTLY that was cut off.
    wabot.rows("CREATE INDEX half ON bot_product (name)")
    wabot.rows("UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'half'::regclass")
    assert "the index half is invalid" in migrations(wabot).preflight(**PLAN)[1].found
    wabot.rows("DROP INDEX half")


def test_every_operation_is_judged(newer: Additions, wabot: Wabot) -> None:
    operations = {
        'migrations.AddField("product", "a", models.TextField(default="x"))': (True, True),
        'migrations.AddField("product", "b", models.TextField(db_default="x"))': (False, True),
        'migrations.AlterField("product", "name", models.CharField(max_length=100))': (True, False),
        'migrations.AlterField("product", "name", models.TextField())': (False, False),
        'migrations.AlterField("product", "name", models.IntegerField())': (True, True),
        'migrations.AddConstraint("product", models.UniqueConstraint(fields=["name"], name="u"))': (True, False),
        'migrations.CreateModel("U", [("id", models.AutoField(primary_key=True))], {"managed": False})': (False, False),
        'migrations.SeparateDatabaseAndState([], [migrations.DeleteModel("U")])': None,
        "migrations.RunPython(migrations.RunPython.noop, migrations.RunPython.noop)": (False, False),
        'migrations.RunSQL("SELECT 1", "SELECT 1")': (True, False),
        'migrations.RunSQL("SELECT 1", migrations.RunSQL.noop)': (True, True),
        'migrations.RunSQL("SELECT 1")': (True, False),
    }
    newer.add("bot", "0002_many", "0001_initial", f"operations = [{', '.join(operations)}]", migrate=False)
    found = migrations(wabot).schema().steps["bot.0002_many"]["operations"]
    wanted = [verdict for verdict in operations.values() if verdict is not None]
    assert [(bool(op["breaks"]), bool(op["loses"])) for op in found] == wanted
    assert [op["what"] for op in found if not op["back"]] == ["bot: Raw SQL operation"]


def test_only_a_restore_brings_v2_back(wabot: Wabot) -> None:
    wabot.deploy("v1")
    wabot.project.manage("seed_demo_data")
    applied = migrations(wabot).capture()["captured"]["applied"]
    wabot.deploy("v2")
    row = migrations(wabot).preflight(**PLAN)[1]
    assert (row.level, row.code, row.fix) == ("fail", "schema-needs-restore", "ansible-playbook full-rollback.yml")
    live = migrations(wabot).schema()
    reasons = judge(live, migrations(wabot).target(live)[0]).reasons
    text = "\n".join(reasons)
    for name in ("messaging.0003", "messaging.0004", "bot.0004", "bot.0005"):
        assert f"{name}_" in text
    for harmless in ("messaging.0002", "bot.0003"):
        assert f"{harmless}_" not in text.split("undoing")[0]
    # A plan with a swap: code and backup must belong together.
    swap = {**PLAN, "swaps": True, "captured": applied}
    assert migrations(wabot).preflight(**swap)[1].level == "ok"
    assert migrations(wabot, "v2").preflight(**swap)[1].code == "schema-not-of-target"
    assert migrations(wabot, "v1").preflight(**{**swap, "captured": {**applied, "bot": ["0009_x"]}})[1].level == "fail"
    assert len(migrations(wabot, "v2").preflight(**{**PLAN, "undoing": True})) == 1
    # A release that cannot start is what one rolls back from.
    settings = release(wabot.home, "v2") / "config" / "settings.py"
    good = settings.read_text()
    settings.write_text("broken =\n")
    assert [row.level for row in migrations(wabot).preflight(**swap)] == ["warn", "ok"]
    with pytest.raises(CommandFailed):
        migrations(wabot).preflight(**PLAN)
    settings.write_text(good)
    # v1 on v2's schema: an INSERT would fail, and the exact comparison says why.
    wabot.switch("v1")
    with pytest.raises(NotEffective, match="newer than the restore point"):
        migrations(wabot).verify(allow_unknown=True, expected=applied)
