"""The engine where it is used: under ansible-runner, on a ladder, before a deployment, and installed."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import ansible_runner
import pytest
from integration.engine_fixtures import GO, REPO, World
from integration.queue_fixtures import wait_for


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_a_cancelled_job_is_shown_and_resumed(world: World) -> None:
    (world.traces / "slow-swap-db1").write_text("15")
    began = world.traces / "began-swap-db1"
    (world.tmp / "job").mkdir()
    job = ansible_runner.run(
        private_data_dir=str(world.tmp / "job"),
        project_dir=str(world.tmp),
        playbook="toy.yml",
        inventory=str(world.tmp / "inventory.yml"),
        envvars={"ANSIBLE_COLLECTIONS_PATH": str(world.tmp), "ANSIBLE_HOME": str(world.tmp / "home")},
        extravars={"confirm": "toy/data"},
        cancel_callback=began.exists,
        quiet=True,
    )
    assert job.status == "canceled"
    (world.traces / "slow-swap-db1").unlink()
    status = world.play("status")
    assert "not closed" in status
    assert "door closed data not certain: the old or still the new" in " ".join(status.split())
    assert max(map(len, status.splitlines())) <= 80
    world.play("resume")
    assert world.trace("edge1") == ["close", "open"]
    assert world.trace("db1")[-2:] == ["swap", "verify"]


def test_ctrl_c_stops_after_the_step_and_a_second_one_at_once(world: World) -> None:
    slow, began = world.traces / "slow-swap-db1", world.traces / "began-swap-db1"
    slow.write_text("5")
    run = world.start("toy.yml", *GO)
    wait_for(began.exists, 120)
    run.send_signal(signal.SIGINT)
    out = run.communicate(timeout=120)[0]
    assert run.returncode == 2
    assert "Ctrl-C: the run stops after this step. Once more: it stops at once.\n" in out
    assert out[out.index("STOPPED") :].splitlines() == [
        "STOPPED before [4/5] door.open",
        "  Ctrl-C: the run has stopped between two steps.",
        "  The steps before it are done and recorded.",
        "  door      closed",
        "  data      the old",
        "  can wait  NO: users are in and the change is not finished; resume or undo now",
        "  resume    ansible-playbook resume.yml",
        "  undo      ansible-playbook undo.yml",
        "  details   ansible-playbook status.yml",
    ]
    assert [each["n"] for each in world.journal() if each["kind"] == "done"] == [1, 2, 3]
    slow.unlink()
    world.play("undo")
    began.unlink()
    slow.write_text("5")
    run = world.start("toy.yml", *GO)
    wait_for(began.exists, 120)
    run.send_signal(signal.SIGINT)
    time.sleep(0.5)
    run.send_signal(signal.SIGINT)
    out = run.communicate(timeout=120)[0]
    assert run.returncode not in (0, 2), out
    assert "STOPPED" not in out
    slow.unlink()
    world.play("resume")
    assert world.journal()[-1]["outcome"] == "completed"


def test_a_ladder_climbs_over_what_is_not_possible_and_what_does_not_help_and_is_undone_as_one(world: World) -> None:
    (world.traces / "gate-open-edge1").touch()
    out = world.play("ladder.yml", *GO, "-e", "until=code", rc=2)
    assert "config is not possible here: on to the next strategy." in out
    assert world.trace("edge1") == ["close"]
    assert world.trace("db1") == []
    run = world.journal()[0]["run"]
    world.play("unlock", "-e", f"run={run}")
    (world.traces / "gate-open-edge1").write_text("once")
    out = world.play("ladder.yml", *GO)
    assert "code did not help: on to the next strategy." in out
    assert world.trace("edge1")[1:] == ["close", "close", "open"]
    assert world.journal()[-1]["outcome"] == "completed"
    world.play("undo")
    assert world.trace("db1")[-1] == "swap_back"
    assert world.trace("edge1")[-2:] == ["close", "open"]


def test_a_restore_point_of_an_unhealthy_system_is_kept_and_not_chosen(world: World) -> None:
    points = world.root / "toy/points"
    world.play("restore_point", "--check")
    assert [path.name for path in points.iterdir()] == ["p1.json"]
    out = world.play("restore_point", "-e", "data_good=false")
    assert "NOT HEALTHY: 'latest' will not choose it" in " ".join(out.split())
    (made,) = set(points.iterdir()) - {points / "p1.json"}
    body = json.loads(made.read_text())["body"]
    assert body["components"] == {"data": {"rows": 7}}
    assert body["good"] is False
    assert made.stem in world.play("toy.yml", "--check", "-e", f"restore_point={made.stem}")
    assert "back to   p1," in world.play("toy.yml", "--check")


def test_the_installed_collection_plans_from_any_directory(tmp_path: Path) -> None:
    env = {key: value for key, value in os.environ.items() if not key.startswith("ANSIBLE_")}
    env.update(ANSIBLE_HOME=str(tmp_path / "home"), ANSIBLE_COLLECTIONS_PATH=str(tmp_path / "there"))
    here = tmp_path / "empty"
    here.mkdir()

    def run(*argv: str, rc: int = 0) -> str:
        done = subprocess.run(argv, cwd=here, env=env, capture_output=True, text=True, check=False, timeout=240)
        assert done.returncode == rc, done.stdout + done.stderr
        return done.stdout + done.stderr

    run("ansible-galaxy", "collection", "build", str(REPO), "--output-path", str(tmp_path))
    (tarball,) = tmp_path.glob("steady-rollback-*.tar.gz")
    run("ansible-galaxy", "collection", "install", str(tarball), "--offline", "-p", str(tmp_path / "there"))
    home = tmp_path / "there/ansible_collections/steady/rollback"
    assert not [name for name in ("tests", "scripts", ".ci", "Makefile", "molecule") if (home / name).exists()]
    made = World(tmp_path / "world")
    shutil.rmtree(made.tmp / "ansible_collections")
    inventory = ("-i", str(made.tmp / "inventory.yml"))
    assert "No run yet. Restore points: 1" in run("ansible-playbook", *inventory, "steady.rollback.status")
    out = run("ansible-playbook", *inventory, "steady.rollback.full_rollback", "--check", rc=2)
    assert "nothing-to-do" in out
    # A bare clone: its shims work from any directory, without its ansible.cfg.
    env.pop("ANSIBLE_COLLECTIONS_PATH")
    assert "No run yet. Restore points: 1" in run("ansible-playbook", *inventory, str(REPO / "status.yml"))
