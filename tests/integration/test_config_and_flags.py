"""Configuration and feature flags of WabotIQ itself: its own commands, its own models, on a real PostgreSQL."""

from __future__ import annotations

import json
import stat
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.steady.rollback.plugins.module_utils.config import flags, rows, snapshot
from ansible_collections.steady.rollback.plugins.module_utils.core.errors import (
    BadInput,
    CommandFailed,
    NotEffective,
    TargetMissing,
)
from ansible_collections.steady.rollback.plugins.module_utils.django_command import Project
from integration.postgres_fixtures import PASSWORD, Cluster, cluster_fixture  # noqa: F401

V1 = Path(__file__).parents[1] / "systems" / "wabot" / "v1"
MODEL = "bot.AgentConfiguration"
FEATURES = {
    "harmonization": "enable_message_harmonization",
    "immediate-display": "enable_immediate_product_display",
    "grounded-validation": "enable_grounded_validation",
    "reference-resolution": "enable_reference_resolution",
}
CHANGE = "r20261124t022301-4f2a"


@pytest.fixture(name="release", scope="module")
def release_fixture(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """WabotIQ v1 with its demo data."""
    home = tmp_path_factory.mktemp("wabot")
    cluster.drop_all()
    cluster.create(content="SELECT 1")
    lines = {"HOST": "127.0.0.1", "PORT": cluster.port, "NAME": "wabot", "USER": "wabot", "PASSWORD": PASSWORD}
    (home / "env").write_text("".join(f"WABOT_DB_{name}={value}\n" for name, value in lines.items()))
    project = Project(str(V1), str(home / "env"), python=sys.executable, timeout=120)
    project.manage("migrate", "--verbosity", "0")
    project.manage("seed_demo_data", "--conversations", "2", "--messages", "2")
    yield project
    cluster.drop_all()


@pytest.fixture(name="configured")
def configured_fixture(cluster: Cluster, release: Project) -> Cluster:
    """Every switch on."""
    fields = ", ".join(f"{field} = true" for field in FEATURES.values())
    cluster.run("wabot", f"UPDATE bot_agentconfiguration SET {fields}, max_products_to_show = 5")
    return cluster


def configuration(tmp_path: Path, release: Project, **changed: Any) -> snapshot.Configuration:
    (tmp_path / "env").write_text("MODE=good\nDB_PASSWORD=first\n") if not (tmp_path / "env").exists() else None
    chosen: dict[str, Any] = {
        "paths": [str(tmp_path / "env")], "models": [MODEL], "keep": ["*PASSWORD*"],
        "directory": str(tmp_path / "kept"),
        "project": release, **changed,
    }  # fmt: skip
    return snapshot.Configuration(**chosen)


def made(tmp_path: Path, release: Project, *tenants: str) -> flags.Flags:
    return flags.Flags(release, "configure_ux_features", MODEL, FEATURES, "tenant", tenants, str(tmp_path / "flags"))


def test_rows_and_files_go_back_and_forth_exactly(configured: Cluster, release: Project, tmp_path: Path) -> None:
    of = configuration(tmp_path, release)
    captured = snapshot.capture(of, False)
    good = rows.read(release, [MODEL])
    (tmp_path / "env").write_text("MODE=bad\nDB_PASSWORD=second\nNEW=1\n")
    configured.run("wabot", "UPDATE bot_agentconfiguration SET max_products_to_show = 0")
    configured.run("wabot", "INSERT INTO messaging_tenant (slug, business_name) VALUES ('late', 'Late')")
    configured.run(
        "wabot",
        "INSERT INTO bot_agentconfiguration SELECT 99, true, 3, true, 5, true, true, true, '', id "
        "FROM messaging_tenant WHERE slug = 'late'",
    )
    bad, bad_env = rows.read(release, [MODEL]), (tmp_path / "env").read_text()
    assert snapshot.restore(of, captured, CHANGE, True)["rows"] == 4
    assert rows.read(release, [MODEL]) == bad
    assert not of.record(CHANGE).exists()

    done = snapshot.restore(of, captured, CHANGE, False)
    assert (done["changed"], done["rows"]) == (True, 4)
    assert done["files"] == {str(tmp_path / "env"): ["MODE", "NEW"]}
    assert rows.read(release, [MODEL]) == good
    assert (tmp_path / "env").read_text() == "MODE=good\nDB_PASSWORD=second\n"
    assert snapshot.restore(of, captured, CHANGE, False)["changed"] is False

    assert snapshot.restore_back(of, CHANGE, False)["changed"] is True
    assert rows.read(release, [MODEL]) == bad
    assert (tmp_path / "env").read_text() == bad_env
    assert snapshot.restore_back(of, CHANGE, False)["changed"] is False
    assert snapshot.restore(of, captured, CHANGE, False)["changed"] is True  # undoing the undo
    assert stat.S_IMODE((tmp_path / "kept").stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "kept").glob("*[0-9a-f]")} <= {0o600, 0o700}
    configured.run("wabot", "DELETE FROM messaging_tenant WHERE slug = 'late'")


def test_two_steps_of_one_change_are_both_taken_back(configured: Cluster, release: Project, tmp_path: Path) -> None:
    """A ladder restores the configuration, then the whole database; undoing it comes by here twice."""
    of = configuration(tmp_path, release)
    captured = snapshot.capture(of, False)
    configured.run("wabot", "UPDATE bot_agentconfiguration SET max_products_to_show = 0")
    bad = rows.read(release, [MODEL])
    snapshot.restore(of, captured, CHANGE, False)
    snapshot.restore_back(of, CHANGE, False)
    # Meanwhile the database was switched back to one in which the first step's work is in force.
    configured.run("wabot", "UPDATE bot_agentconfiguration SET max_products_to_show = 5")
    snapshot.restore_back(of, CHANGE, False)
    assert rows.read(release, [MODEL]) == bad
    # Done once more, the account is of today.
    configured.run("wabot", "UPDATE bot_agentconfiguration SET max_products_to_show = 1")
    later = rows.read(release, [MODEL])
    snapshot.restore(of, captured, CHANGE, False)
    snapshot.restore_back(of, CHANGE, False)
    assert rows.read(release, [MODEL]) == later


def test_an_attempt_that_was_killed_half_way_is_taken_up_and_taken_back(
    configured: Cluster, release: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    of = configuration(tmp_path, release)
    captured = snapshot.capture(of, False)
    (tmp_path / "env").write_text("MODE=bad\n")
    configured.run("wabot", "UPDATE bot_agentconfiguration SET max_products_to_show = 0")
    bad = rows.read(release, [MODEL])
    with monkeypatch.context() as patch:
        patch.setattr(rows, "replace", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            snapshot.restore(of, captured, CHANGE, False)
    assert (tmp_path / "env").read_text().startswith("MODE=good")
    snapshot.restore(of, captured, CHANGE, False)
    snapshot.restore_back(of, CHANGE, False)
    assert (tmp_path / "env").read_text() == "MODE=bad\n"
    assert rows.read(release, [MODEL]) == bad


def test_a_copy_that_was_changed_is_refused_before_anything(
    configured: Cluster, release: Project, tmp_path: Path
) -> None:
    of = configuration(tmp_path, release)
    captured = snapshot.capture(of, False)
    (tmp_path / "kept" / captured["files"][of.paths[0]]["sha256"]).write_text("MODE=evil\n")
    (tmp_path / "env").write_text("MODE=bad\n")
    with pytest.raises(TargetMissing, match=r"is not in .* or was changed there"):
        snapshot.restore(of, captured, CHANGE, False)
    assert (tmp_path / "env").read_text() == "MODE=bad\n"


def test_old_copies_go_and_named_ones_stay(release: Project, tmp_path: Path) -> None:
    of = configuration(tmp_path, release, models=[])
    first = snapshot.capture(of, False)
    (tmp_path / "env").write_text("MODE=better\n")
    second = snapshot.capture(of, False)
    points = [{"hosts": {"app1": {"config": second}}}]
    gone = snapshot.finalize(of, points, 0, False)
    assert gone == [first["files"][of.paths[0]]["sha256"]]
    assert snapshot.finalize(of, points, 0, False) == []


def test_features_go_off_and_come_back_as_they_stood(configured: Cluster, release: Project, tmp_path: Path) -> None:
    configured.run("wabot", "UPDATE bot_agentconfiguration SET enable_reference_resolution = false WHERE tenant_id = 1")
    before, of = rows.read(release, [MODEL]), made(tmp_path, release)
    assert flags.disable(of, [], CHANGE, True)["disabled"]["harmonization"] == 3
    assert rows.read(release, [MODEL]) == before
    assert flags.disable(of, [], CHANGE, False)["disabled"]["reference-resolution"] == 2
    assert not any(row["fields"][field] for row in rows.read(release, [MODEL]) for field in FEATURES.values())
    assert flags.disable(of, [], CHANGE, False)["changed"] is False
    assert flags.restore(of, CHANGE, False) == {"changed": True, "restored": 3}
    assert rows.read(release, [MODEL]) == before
    assert flags.restore(of, CHANGE, False)["changed"] is False


def test_one_feature_for_one_tenant(configured: Cluster, release: Project, tmp_path: Path) -> None:
    flags.disable(made(tmp_path, release, "2"), ["harmonization"], CHANGE, False)
    off = [
        row["fields"]["tenant"] for row in rows.read(release, [MODEL]) if not row["fields"][FEATURES["harmonization"]]
    ]
    assert off == [2]
    assert flags.capture(made(tmp_path, release)) == {**dict.fromkeys(FEATURES, 3), "harmonization": 2}


def test_an_unknown_feature_is_refused_by_name(release: Project, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="There is no feature telepathy") as error:
        flags.disable(made(tmp_path, release), ["telepathy"], CHANGE, False)
    assert "harmonization, immediate-display" in error.value.hint


def test_a_command_that_does_not_take_hold_is_noticed(configured: Cluster, release: Project, tmp_path: Path) -> None:
    of = flags.Flags(release, "show_ux_config", MODEL, FEATURES, "tenant", (), str(tmp_path / "flags"))
    with pytest.raises((CommandFailed, NotEffective)):
        flags.disable(of, ["harmonization"], CHANGE, False)
    assert [row.level for row in flags.preflight(made(tmp_path, release), [])] == ["ok"]
    assert json.loads(of.record(CHANGE).read_text())["1"] == {"enable_message_harmonization": True}


def test_a_release_that_cannot_start_does_not_keep_its_rollback_from_beginning(
    configured: Cluster, release: Project, tmp_path: Path
) -> None:
    captured = snapshot.capture(configuration(tmp_path, release), False)
    (tmp_path / "env").write_text("MODE=bad\nDB_PASSWORD=first\n")
    broken = configuration(tmp_path, replace(release, directory=str(tmp_path)))
    ok, missed = snapshot.preflight(broken, captured, True)
    assert (ok.level, missed.level, missed.code) == ("ok", "warn", "django-unusable")
    assert "MODE" in ok.found
    with pytest.raises(CommandFailed) as caught:
        snapshot.preflight(broken, captured, False)
    # A person reads this: not the text of the question.
    assert len(caught.value.message) < 300
    assert len(caught.value.next) < 300
