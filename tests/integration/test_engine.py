"""The engine with toy components: runs, their ways back, and what it refuses."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from integration.engine_fixtures import GO, World


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_a_run_its_undo_and_the_undo_of_the_undo(world: World) -> None:
    out = world.play("toy.yml", *GO)
    assert world.trace("edge1") == ["close", "open"]
    assert world.trace("db1") == ["prepare", "swap", "verify"]
    assert "[3/5] data.swap on db1" in out
    assert world.journal()[-1]["outcome"] == "completed"
    world.play("undo")
    assert world.trace("db1")[3:] == ["swap_back"]
    assert world.trace("edge1")[2:] == ["close", "open"]
    assert world.journal()[-1]["outcome"] == "undone"
    world.play("undo")
    assert world.trace("db1")[4:] == ["swap"]


def test_check_shows_exactly_what_a_run_does_and_writes_nothing(world: World) -> None:
    before = {path: path.stat().st_mtime_ns for path in world.tmp.rglob("*") if world.tmp / "home" not in path.parents}
    out = world.play("toy.yml", "--check")
    assert "  3  data.swap              db1                         0:05  data.swap_back" in out
    assert "ok    edge1 door: The door is there" in out
    after = {path: path.stat().st_mtime_ns for path in world.tmp.rglob("*") if world.tmp / "home" not in path.parents}
    after.pop(world.tmp / "home", None)
    assert {path for path in after if after[path] != before.get(path)} <= {world.tmp}
    assert world.trace("db1") == world.trace("edge1") == []
    # A reason from a survey is data, whatever it holds; on the screen it cannot move the cursor.
    touched = world.tmp / "touched"
    reason = f"{{{{ lookup('pipe', 'touch {touched}') }}}} \\e[2Jgone"
    (world.tmp / "survey.yml").write_text(f'reason: !unsafe "{reason}"\n')
    screen = world.play("toy.yml", *GO, "-e", f"@{world.tmp}/survey.yml")
    assert not touched.exists()
    assert "\x1b" not in screen
    records = world.journal()
    assert records[0]["reason"] == reason.replace("\\e", "\x1b")
    shown = [line.split()[1:3] for line in out.splitlines() if re.match(r" +\d+  \w+\.\w+ ", line)]
    assert shown == [[each["step"], ",".join(each["hosts"])] for each in records if each["kind"] == "intent"]


def test_a_failed_step_holds_then_resumes_or_is_undone(world: World) -> None:
    (world.traces / "fail-swap-db1").touch()
    out = world.play("toy.yml", *GO, rc=2)
    assert "FAILED at [3/5] data.swap on db1" in out
    assert "door closed data not certain: the old or still the new" in " ".join(out.split())
    assert world.trace("edge1") == ["close"]
    assert "Run r" in world.play("toy.yml", *GO, rc=2)
    assert world.trace("edge1") == ["close"]
    (world.traces / "fail-swap-db1").unlink()
    world.play("resume")
    assert world.trace("db1") == ["prepare", "swap", "verify"]
    assert world.trace("edge1") == ["close", "open"]


def test_a_failed_step_is_undone_by_one_command(world: World) -> None:
    (world.traces / "fail-swap-db1").touch()
    world.play("toy.yml", *GO, rc=2)
    world.play("undo")
    assert world.trace("db1") == ["prepare", "swap_back"]
    assert world.trace("edge1") == ["close", "open"]
    assert world.journal()[-1]["outcome"] == "undone"


def test_preflight_refuses_with_every_row_and_changes_nothing(world: World) -> None:
    out = world.play("toy.yml", *GO, "-e", "door_level=fail", rc=2)
    assert "FAIL  edge1 door: The door is there\n      mend: mend it" in out
    assert "Preflight found 1 problem; nothing was changed." in out
    assert not (world.root / "toy/runs").exists()


def test_a_host_out_of_reach_is_one_finding_among_the_others(world: World) -> None:
    role = world.tmp / "ansible_collections/steady/rollback/roles/far"
    (role / "tasks/preflight.yml").write_text("- {ansible.builtin.ping: {}, register: __far_preflight}\n")
    verbs = yaml.safe_load((role / "meta/verbs.yml").read_text())
    verbs["verbs"]["preflight"] = {"does": "Look", "budget": 5}
    (role / "meta/verbs.yml").write_text(yaml.safe_dump(verbs))
    out = world.play("far.yml", "-e", "door_level=fail", rc=2)
    assert "FAIL  edge1 door: The door is there\n      mend: mend it\n" in out
    assert "FAIL  far1 far: far1 cannot be reached: " in out
    assert "      mend: ansible far1 -m ansible.builtin.ping\n" in out
    assert "Preflight found 2 problems; nothing was changed." in out
    assert not (world.root / "toy/runs").exists()


@pytest.mark.parametrize(
    ("args", "text"),
    [
        ((), "data.swap replaces data: confirm it by naming what is rolled back."),
        (("-e", "confirm=prod/data"), "Given was 'prod/data'."),
        ((*GO, "-e", "restor_point=p1"), "restor_point is no word of a rollback: did you mean restore_point? Hint:"),
        ((*GO, "--limit", "localhost,ctl,db1"), "--limit would cut the run"),
        ((*GO, "--tags", "always"), "--tags would cut the run"),
        ((*GO, "--skip-tags", "untagged"), "--skip-tags would cut the run"),
        ((*GO, "-e", "data_rows=many"), "data on db1: argument 'data_rows' is of type str"),
        ((*GO, "-e", "rollback_anchor=far1"), "The anchor host does not answer: "),
        ((*GO, "-e", "restore_point=p9"), "There is no restore point p9 for toy."),
        ((*GO, "--start-at-task", "Lock the environment and open the journal"), "This run was never planned"),
    ],
)
def test_bad_input_gets_one_clear_error_and_nothing_is_touched(world: World, args: tuple[str, ...], text: str) -> None:
    out = " ".join(world.play("toy.yml", *args, rc=2).replace("\\n", " ").replace('\\"', '"').split())
    assert text in out
    assert world.trace("edge1") == world.trace("db1") == []
    assert not (world.root / "toy/runs").exists()


def test_status_and_unlock(world: World) -> None:
    assert "No run yet. Restore points: 1" in world.play("status")
    (world.traces / "fail-swap-db1").touch()
    world.play("toy.yml", *GO, rc=2)
    run = world.journal()[0]["run"]
    assert "stopped by" in world.play("status")
    assert "The lock belongs to run" in world.play("unlock", rc=2)
    world.play("unlock", "-e", f"run={run}")
    assert world.journal()[-1]["outcome"] == "abandoned"


def test_nothing_to_resume_is_said(world: World) -> None:
    world.play("toy.yml", *GO)
    assert "there is nothing to resume" in " ".join(world.play("resume", rc=2).split())


def test_the_hosts_of_a_step_work_at_the_same_time(world: World) -> None:
    path = world.tmp / "inventory.yml"
    inventory = yaml.safe_load(path.read_text())
    inventory["all"]["children"]["rollback_data"]["hosts"] = {"db1": {}, "edge1": {}}
    path.write_text(yaml.safe_dump(inventory))
    out = world.play("toy.yml", *GO, "-v")
    # An include that differs from host to host is run for one host after the other.
    assert (
        "included: steady.rollback.data for edge1, db1" in out or "included: steady.rollback.data for db1, edge1" in out
    )
    assert world.trace("db1") == ["prepare", "swap", "verify"]


def test_a_killed_run_is_undone_after_its_orphan_was_ended(world: World) -> None:
    world.killed_in("swap", "db1", 600)
    assert world.trace("db1") == ["prepare"]
    said = " ".join(world.play("undo").split())
    assert "trace, of a run that was broken off was over its time, and was ended." in said
    assert world.trace("db1") == ["prepare", "swap_back"]
    assert world.trace("edge1") == ["close", "open"]


def test_a_host_that_is_lost_half_way_holds_the_run_on_one_screen(world: World) -> None:
    out = world.play("far.yml", "-e", "reason=drill", rc=2)
    assert "far1 could not be reached in the middle of the step." in " ".join(out.split())
    screen = out[out.index("FAILED at") :].rstrip().splitlines()
    assert len(screen) <= 15
    assert max(len(line) for line in out.splitlines() if "report.html" not in line) <= 80
    assert [record["kind"] for record in world.journal()[-2:]] == ["failed", "closed"]
    assert world.journal()[-2]["code"] == "host-unreachable"
    assert world.journal()[-2]["host"] == "far1"
