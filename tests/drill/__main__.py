# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""``python tests/drill``: exit code 0 when every world was what it had to be, and no process is left."""

# Serves: PREP-03, PREP-11, DRL-02, DRL-03, VER-23
from __future__ import annotations

import argparse
import ctypes
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
# Run as a directory, Python puts this directory first; the packages are importable from the one above.
sys.path[0] = str(HERE.parent)

import sandbox  # noqa: E402
from sandbox import load, playbooks, processes  # noqa: E402

from drill.screen import Screen  # noqa: E402

START, GOOD, BAD = "start WabotIQ, release v1", "take a restore point", "deploy v2, the bad release"
ROLLBACK, UNDO, REDO, STOP = "roll back", "undo the rollback", "undo the undo", "stop everything"
CHAPTERS = {START: 20.0, GOOD: 20.0, BAD: 35.0, ROLLBACK: 60.0, UNDO: 40.0, REDO: 40.0, STOP: 5.0}
REPORTS = playbooks.ROOT / "reports"
REASON = "v2 answers with errors, is slow, and has damaged data"
# A customer of v2 waits this long at most; when writing has ended for so long, no write is under way.
SLOWEST = 4.0
PR_SET_CHILD_SUBREAPER = 36


class Drill:
    """The story, chapter by chapter. ``wrong`` collects what was not as it had to be."""

    def __init__(self, directory: Path) -> None:
        self.box = sandbox.Sandbox.create(directory)
        self.screen = Screen(CHAPTERS)
        self.samples = directory / "samples.jsonl"
        self.wrong: list[str] = []
        self.worlds: dict[str, dict[str, Any]] = {}
        self.table: list[str] = []

    def run(self) -> None:
        """All chapters but the last."""
        directory = self.box.directory
        with self.screen.chapter(START):
            sandbox.start(directory)
            commit = sandbox.deploy(directory, "v1")
            print(f"  8 processes on loopback; v1 is commit {commit[:12]}")
        with load.Load(self.box.url(), self.samples) as customers:
            with self.screen.chapter(GOOD):
                self.watch(customers, "v1", 5)
                self.keep("v1", customers)
                self.play("restore-point")
            with self.screen.chapter(BAD):
                commit = sandbox.deploy(directory, "v2")
                print(f"  v2 is commit {commit[:12]}")
                seen = self.watch(customers, "v2", 15)
                self.expect(seen.error_ratio > 0.05, "v2 did not fail more than 5 % of the requests")
                self.expect(seen.p95_ms > 2000, "the p95 of v2 was not above 2 s")
                print(f"  data: {self.integrity()}")
                self.keep("v2", customers)
            self.turn(ROLLBACK, customers, "v1", "full-rollback", confirm=playbooks.ENVIRONMENT, reason=REASON)
            print(f"  data: {self.integrity()}")
            self.turn(UNDO, customers, "v2", "undo")
            self.turn(REDO, customers, "v1", "undo")
            self.watch(customers, "v1", 3)

    def turn(self, title: str, customers: load.Load, world: str, book: str, **variables: str) -> None:
        """One run of the collection: what it did to the customers, and whether the world is the one that is wanted."""
        with self.screen.chapter(title, talks=True):
            began = time.time()
            kept = {"rollback_samples": str(self.samples), "rollback_report_dir": str(REPORTS)}
            self.play(book, **kept, **variables)
            seen = customers.seen(began)
            self.table.append(f"  {title:<18} {seen}")
            print(f"  customers: {seen}")
            self.compare(world)

    def play(self, book: str, **variables: str) -> None:
        """Type a command as an operator does; what comes after it makes no sense when it fails."""
        # What only the drill needs, its prober's file and a place for reports, is not what one types.
        typed = [f'-e {name}="{value}"' for name, value in variables.items() if not name.startswith("rollback_")]
        print("  $ " + " ".join(["ansible-playbook", f"{book}.yml", *typed]), flush=True)
        command = playbooks.command(self.box, book, **variables)
        code = subprocess.run(command, cwd=playbooks.ROOT, env=playbooks.environment(self.box), check=False).returncode
        if code:
            raise RuntimeError(f"{book}.yml ended with {code}")

    def keep(self, name: str, customers: load.Load) -> None:
        """Remember the world while nobody writes: a row that is half way through would be another one afterwards."""
        customers.write(False)
        time.sleep(SLOWEST)
        self.worlds[name] = sandbox.fingerprint(self.box.directory)
        customers.write(True)

    def compare(self, name: str) -> None:
        """Look whether the world is the one of ``name`` again."""
        now = sandbox.fingerprint(self.box.directory, self.worlds[name]["watermarks"])
        lines = sandbox.difference(self.worlds[name], now)
        if self.expect(not lines, f"the world is not that of {name}: " + "; ".join(lines)):
            print(f"  the world is that of {name} again: commits, processes, schema, rows, configuration, queue, cache")
        print(f"  kept: {', '.join(now['kept databases']) or 'no database'}")

    def watch(self, customers: load.Load, name: str, seconds: float) -> load.Summary:
        """See how the customers fare for a while."""
        began = time.time()
        time.sleep(seconds)
        seen = customers.seen(began)
        print(f"  customers of {name}: {seen}")
        return seen

    def integrity(self) -> str:
        """The last line of WabotIQ's own check."""
        try:
            said = sandbox.manage(self.box, "app1", "check_data_integrity")
        except RuntimeError as error:
            said = str(error)
        return said.strip().splitlines()[-1]

    def expect(self, is_so: bool, otherwise: str) -> bool:
        """Note what is not as it has to be."""
        if not is_so:
            self.wrong.append(otherwise)
            print(f"  WRONG: {otherwise}", flush=True)
        return is_so

    def stop(self) -> None:
        """Stop everything, and prove that nothing is left: orphans come to this process, so none can hide."""
        with self.screen.chapter(STOP):
            sandbox.stop(self.box.directory)
            left = [one for one in processes.of_session(os.getpid()) if one.pid != os.getpid()]
            self.expect(not left, f"processes are left: {[one.pid for one in left]}")
            print("  no process is left" if not left else "")

    def summary(self) -> str:
        """The last screen."""
        lines = ["", "What the customers saw:", *self.table, "", "Seconds of each step of the rollback:"]
        books = playbooks.runs(self.box)
        done = [record for record in playbooks.journal(books[0]) if record["kind"] == "done"] if books else []
        lines += [f"  {record['step']:<22} {record['seconds']:6.1f}" for record in done]
        lines += [
            "",
            f"Reports: {REPORTS.relative_to(playbooks.ROOT)}/",
            f"The drill took {self.screen.seconds:.0f} s.",
        ]
        return "\n".join(lines)


def home() -> Path:
    """A fresh directory: in the checkout, or in a temporary place where its path is too long for a socket."""
    directory = playbooks.ROOT / ".sandbox"
    if len(str(directory)) > 70:
        return Path(tempfile.mkdtemp(prefix="drill-"))
    sandbox.stop(directory)
    shutil.rmtree(directory, ignore_errors=True)
    return directory


def main() -> int:
    """The exit code."""
    argparse.ArgumentParser(prog="drill", description=__doc__).parse_args()
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    for name in ("SIGTERM", "SIGHUP"):
        signal.signal(getattr(signal, name), lambda *_: sys.exit(1))
    REPORTS.mkdir(exist_ok=True)
    drill = Drill(home())
    try:
        drill.run()
    except KeyboardInterrupt:
        drill.expect(False, "it was interrupted")
    except (RuntimeError, TimeoutError) as error:
        drill.expect(False, str(error))
    finally:
        drill.stop()
    print(drill.summary())
    if drill.wrong:
        print(f"FAILED: {len(drill.wrong)} things were not as they had to be; see {drill.box.directory}")
        print("\n".join(f"  {line}" for line in drill.wrong))
        return 1
    shutil.rmtree(drill.box.directory)
    print("The system went back to its restore point, back again, and back once more: every world was the same.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
