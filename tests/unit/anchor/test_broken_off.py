"""The anchor's record is cut off by the kernel at every sync, rename and write: what is left is whole, and goes on."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from ansible_collections.steady.rollback.plugins.module_utils.anchor import session
from ansible_collections.steady.rollback.plugins.module_utils.anchor.store import Store
from ansible_collections.steady.rollback.plugins.module_utils.core import journal, lease
from unit.anchor import record_run

if TYPE_CHECKING:
    from collections.abc import Iterator

KINDS = ["opened", "intent", "failed", "closed", "resumed", "done", "intent", "done", "closed"]


def cut_off(root: Path, calls: str, what: str, when: int) -> subprocess.CompletedProcess[str]:
    """Write the record; the system call number ``when`` of ``calls`` is the last one (signal) or fails (error)."""
    argv = ["strace", "-f", "-qq", "-o", str(root / "trace"), "-e", f"trace={calls}"]
    argv += [
        "-e",
        f"inject={calls}:{what}:when={when}",
        sys.executable,
        "-B",
        record_run.__file__,
        str(root / "anchor"),
    ]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.run(argv, env=env, capture_output=True, text=True, check=False)


def whole(root: Path) -> list[str]:
    """The kinds of the records. Everything that is there can be read, and an operator can go on or start anew."""
    store = Store(str(root / "anchor"), "prod")
    held, look = store.read_lease(), session.look(store, "", "")
    assert look["broken"] == []
    if look["run"]:
        assert look["plan"] == record_run.PLAN
    kinds = [record["kind"] for record in look["records"]]
    assert kinds == KINDS[: len(kinds)]
    # No step is under way that the lock does not know of, unless its record came first: then it was not begun.
    begun = journal.begun_steps(look["records"])
    if held and held.acted:
        assert begun
    now = lease.Request("r1" if look["run"] else "r2", record_run_holder(), continues="r1", holder_gone=True)
    session.open_run(store, now, record_run.PLAN, {"kind": "resumed"}, held.generation if held else 0)
    assert store.records(now.run)[-1]["kind"] == "resumed"
    return kinds


def record_run_holder() -> lease.Holder:
    return lease.Holder("cleo", "ctl3", 3)


def broken_off(tmp_path: Path, calls: str, fault: str) -> Iterator[tuple[Path, subprocess.CompletedProcess[str]]]:
    """Break the first of these calls, in a fresh place the second, until there is none left; the record is whole."""
    for when in range(1, 100):
        root = tmp_path / str(when)
        root.mkdir()
        ended = cut_off(root, calls, fault, when)
        kinds = whole(root)
        if ended.returncode == 0:
            assert kinds == KINDS
            return
        yield root, ended
        shutil.rmtree(root)
    raise AssertionError("it never came to its end")


@pytest.mark.parametrize(("calls", "least"), [("fsync", 20), ("rename", 7)])
def test_killed_at_every_sync_and_rename(tmp_path: Path, calls: str, least: int) -> None:
    ends = [ended.returncode for _root, ended in broken_off(tmp_path, calls, "signal=SIGKILL")]
    assert ends == [-9] * len(ends)
    assert len(ends) >= least


@pytest.mark.parametrize("calls", ["write", "fsync"])
def test_a_full_disk_is_said_and_leaves_the_record_whole(tmp_path: Path, calls: str) -> None:
    broken = 0
    for root, ended in broken_off(tmp_path, calls, "error=ENOSPC"):
        assert ended.returncode == 3, ended.stderr
        code, _space, text = ended.stdout.partition(" ")
        assert code == "journal-unwritable"
        assert text.endswith("cannot be written: No space left on device.\n")
        left = [path.name for path in (root / "anchor").rglob(".*")]
        assert left == []
        broken += 1
    assert broken >= 10
