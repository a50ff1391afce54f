"""What decides whether a run may go on is tested to its last line and branch."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
JUDGED = ["core/journal", "core/lease", "core/plan", "core/point", "anchor/disk", "anchor/store", "anchor/session"]
TESTS = ["core/test_journal", "core/test_lease", "core/test_plan", "core/test_point", "anchor/test_session"]


def test_journal_lock_plan_and_manifest_are_covered_by_line_and_branch(tmp_path: Path) -> None:
    env = {**os.environ, "COVERAGE_FILE": str(tmp_path / "data")}
    env.pop("PYTEST_XDIST_WORKER", None)
    judged = "--include=" + ",".join(f"*/module_utils/{name}.py" for name in JUDGED)
    tests = [f"tests/unit/{name}.py" for name in [*TESTS, "anchor/test_bad_manifests", "test_clock"]]
    ran = subprocess.run(
        [sys.executable, "-m", "coverage", "run", "--branch", judged, "-m", "pytest", "-q", "-p", "no:xdist", *tests],
        cwd=ROOT, env=env, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stdout
    report = [sys.executable, "-m", "coverage", "report", "--show-missing", "--fail-under=100"]
    said = subprocess.run(report, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    assert said.returncode == 0, said.stdout
    assert said.stdout.count("100%") == len(JUDGED) + 1
