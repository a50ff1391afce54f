# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Every run of the real engine leaves a report, and no report changes how a run ended."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from integration.engine_fixtures import GO, World


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def newest(world: World) -> Path:
    """The directory of the newest run."""
    return max((world.root / "toy/runs").iterdir(), key=lambda path: path.name)


def test_a_completed_run_and_its_undo_are_reported_here_and_on_the_anchor(world: World) -> None:
    now, copies = time.time(), world.tmp / "copies"
    samples = world.tmp / "samples.jsonl"
    seen = [{"t": now + i / 10, "ms": 9.0, "ok": not 400 <= i < 412, "status": 200} for i in range(900)]
    samples.write_text("".join(json.dumps(each) + "\n" for each in seen))
    extra = ("-e", f"rollback_samples={samples}", "-e", f"rollback_report_dir={copies}")
    out = world.play("toy.yml", *GO, *extra, "-e", '{"reason": "<b>five percent</b>"}')
    run = newest(world)
    page = (run / "report.html").read_text()
    assert f"ctl:{run}/report.html" in out
    assert (run / "report.html").stat().st_mode & 0o077 == 0
    assert (copies / run.name / "report.html").read_text() == page
    assert "&lt;b&gt;five percent&lt;/b&gt;" in page
    assert "<b>1.2 s</b><span>downtime" in page
    assert (copies / run.name / "report.md").read_text().startswith("# Rollback Log\n")
    assert str(run / "report.html") in "".join(world.play("status").split())
    world.play("undo")
    assert f"Undo of run {run.name} on toy" in (newest(world) / "report.html").read_text()


def test_a_held_run_is_reported_and_its_resume_reports_the_whole(world: World) -> None:
    (world.traces / "fail-swap-db1").touch()
    world.play("toy.yml", *GO, rc=2)
    held = (newest(world) / "report.html").read_text()
    assert "Stopped at step 3, data.swap on db1" in held
    (world.traces / "fail-swap-db1").unlink()
    world.play("resume")
    whole = (newest(world) / "report.html").read_text()
    assert "Toy rollback of toy" in whole
    assert 'class="completed">is complete' in whole


def test_a_report_that_cannot_be_written_changes_nothing(world: World) -> None:
    (world.tmp / "file").touch()
    missing = ("-e", f"rollback_samples={world.tmp}/none", "-e", f"rollback_report_dir={world.tmp}/file/below")
    world.play("toy.yml", *GO, *missing)
    assert world.journal()[-1]["outcome"] == "completed"
    assert (newest(world) / "report.html").exists()
