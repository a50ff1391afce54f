# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Run the project's checks: all of them, or the groups that are named.

Every check runs, even when an earlier one fails. A check that runs pytest counts its tests, any other counts as one.
The last line is ``N passed, N failed``, and the exit code is 1 when anything failed.

What takes long is marked ``slow``: no group but ``slow`` runs it, and that one only when it is named.

Usage: python3 scripts/check.py [lint|unit|integration|robustness|slow|sanity|molecule]...
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

ROOT = Path(__file__).resolve().parent.parent
REPORTS = ROOT / ".cache" / "check"
CLOCKS = " ".join(f"tests/unit/{name}" for name in ("test_clock.py", "anchor", "core", "notify", "report"))
PLUGINS = "ansible_collections.steady.rollback.plugins"


@dataclass(frozen=True)
class Check:
    """One command of one group, run from ``where``."""

    group: str
    name: str
    command: str
    where: str = "."
    zone: str = ""  # a time zone other than this machine's

    @property
    def tests(self) -> Path:
        """Where a pytest run leaves its results."""
        return REPORTS / f"{self.name}.xml"


@dataclass(frozen=True)
class Result:
    """What one check came to: counts, and seconds."""

    check: Check
    passed: int
    failed: int
    seconds: float


def pytest(group: str, arguments: str, zone: str = "") -> Check:
    """A check that counts its tests."""
    name = f"{group}-{Path(zone).name.lower()}" if zone else group
    return Check(group, name, f"pytest {arguments} --junitxml={REPORTS / name}.xml", zone=zone)


CHECKS = [
    Check("lint", "style", "ruff check ."),
    Check("lint", "format", "ruff format --check ."),
    Check("lint", "types", f"mypy -p {PLUGINS} -p sandbox"),
    Check("lint", "types of the scripts", "mypy scripts"),
    Check("lint", "contracts", "env PYTHONPATH=. lint-imports --config ../pyproject.toml", "collections"),
    Check("lint", "spelling", "codespell"),
    Check("lint", "shell", "scripts/shellcheck"),
    Check("lint", "yaml", "yamllint --strict ."),
    Check("lint", "ansible", "ansible-lint --nocolor"),
    Check("lint", "changelog", "antsibull-changelog lint"),
    Check("lint", "documents", "antsibull-docs lint-collection-docs --plugin-docs ."),
    Check("lint", "generated", "python scripts/docs.py --check"),
    pytest("unit", "tests/unit -q -n 2"),
    # Whatever speaks of time, where it is not UTC and not the same all year.
    pytest("unit", f"{CLOCKS} -q -n 2", "America/New_York"),
    # A file stays with one worker: its services are started once.
    pytest("integration", "tests/integration -q -n 2 --dist loadfile --durations=5"),
    pytest("robustness", "tests/robustness -q -n 2 --dist loadfile --durations=5"),
    pytest("slow", "tests -q -m slow -n 2 --dist loadfile --durations=0"),
    Check("sanity", "sanity", "scripts/sanity"),
    *(
        Check("molecule", scenario.parent.name, f"scripts/molecule {scenario.parent.name}")
        for scenario in sorted((ROOT / "molecule").glob("*/molecule.yml"))
    ),
]


DEFAULT = ("lint", "unit", "integration", "robustness", "sanity", "molecule")


def counted(check: Check, code: int) -> tuple[int, int]:
    """How many passed and failed; a check that ended badly never counts as clean."""
    if not check.command.startswith("pytest"):
        return int(code == 0), int(code != 0)
    if not check.tests.exists():
        return 0, 1
    # S314: pytest wrote this file a moment ago.
    suites = list(ElementTree.parse(check.tests).getroot().iter("testsuite"))  # noqa: S314

    def total(what: str) -> int:
        return sum(int(suite.get(what, "0")) for suite in suites)

    # A skipped test has shown nothing, so it counts as failed.
    failed = total("failures") + total("errors") + total("skipped")
    return max(0, total("tests") - failed), failed or int(code != 0)


def run(check: Check) -> Result:
    """Run one check; its output goes straight through."""
    print(f"\n=== {check.group}: {check.name}: {check.command}", flush=True)
    started = time.monotonic()
    check.tests.unlink(missing_ok=True)
    where = ROOT / check.where
    zone = {"TZ": check.zone} if check.zone else {}
    code = subprocess.run(
        check.command.split(), cwd=where, env={**os.environ, **zone}, check=False, stdin=subprocess.DEVNULL
    ).returncode
    result = Result(check, *counted(check, code), time.monotonic() - started)
    verdict = "ok" if not result.failed else f"FAILED (exit code {code})"
    print(f"=== {check.group}: {check.name}: {verdict}, {result.seconds:.0f} s", flush=True)
    return result


def summary(results: list[Result]) -> str:
    """The table and, last, the line that counts."""
    lines = [
        f"{'ok' if not result.failed else 'FAILED':7}{result.check.group + ': ' + result.check.name:28}"
        f"{result.passed:6} passed {result.failed:4} failed {result.seconds:6.0f} s"
        for result in results
    ]
    seconds = sum(result.seconds for result in results)
    passed, failed = sum(result.passed for result in results), sum(result.failed for result in results)
    return "\n".join(["", *lines, f"{len(results)} checks in {seconds:.0f} s", f"{passed} passed, {failed} failed"])


def main(groups: list[str]) -> int:
    """Set up, run, sum up."""
    known = {check.group for check in CHECKS} | {"molecule"}
    if unknown := set(groups) - known:
        print(f"unknown: {', '.join(sorted(unknown))}; choose from {', '.join(sorted(known))}", file=sys.stderr)
        return 2
    REPORTS.mkdir(parents=True, exist_ok=True)
    checks = [Check("setup", "setup", "scripts/setup test")]
    checks += [check for check in CHECKS if check.group in (groups or DEFAULT)]
    results = [run(check) for check in checks]
    print(summary(results), flush=True)
    return int(any(result.failed for result in results))


if __name__ == "__main__":
    os.environ.setdefault("PYTHONUNBUFFERED", "1")
    # A version manager's shim puts its own programs first when it starts this script.
    os.environ["PATH"] = f"{ROOT / '.venv' / 'bin'}{os.pathsep}{os.environ['PATH']}"
    sys.exit(main(sys.argv[1:]))
