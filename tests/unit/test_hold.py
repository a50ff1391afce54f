"""The lock of a host, against real processes."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from ansible_collections.steady.rollback.plugins.module_utils import hold
from ansible_collections.steady.rollback.plugins.module_utils.core.errors import CommandFailed, LockHeld

HOLDER = """
import sys, time
from ansible_collections.steady.rollback.plugins.module_utils import hold
with hold.hold("prod/db1", "postgres_swap"):
    print("held", flush=True)
    time.sleep(float(sys.argv[1]))
"""


@pytest.fixture(autouse=True)
def tmp(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    return tmp_path / f".steady-rollback-{os.getuid()}"


def holder(seconds: float) -> subprocess.Popen[str]:
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.Popen([sys.executable, "-c", HOLDER, str(seconds)], env=env, stdout=subprocess.PIPE, text=True)
    assert done.stdout
    assert done.stdout.readline() == "held\n"
    return done


def test_an_orphan_is_waited_for() -> None:
    with holder(0.5) as orphan:
        began = time.monotonic()
        with hold.hold("prod/db1", "postgres_swap"):
            assert orphan.wait(5) == 0
        assert time.monotonic() - began >= 0.2


def test_a_killed_holder_holds_nothing() -> None:
    with holder(60) as orphan:
        orphan.kill()
        orphan.wait()
        with hold.hold("prod/db1", "x", wait=0):
            pass


def test_an_orphan_that_does_not_end_is_named() -> None:
    with holder(60) as orphan:
        with pytest.raises(LockHeld) as error, hold.hold("prod/db1", "x", wait=0.3):
            pass
        orphan.kill()
    assert error.value.code == "orphan-running"
    assert f"process {orphan.pid}, postgres_swap" in error.value.message


def test_other_hosts_and_environments_and_readers_do_not_wait() -> None:
    with hold.hold("prod/db1", "x"):
        for name in ("prod/db2", "test/db1", ""):
            with hold.hold(name, "x", wait=0):
                pass


def test_a_directory_that_others_can_write_is_refused(tmp: Path) -> None:
    tmp.mkdir(mode=0o777)
    tmp.chmod(0o777)
    with pytest.raises(CommandFailed, match="open to others"), hold.hold("prod/db1", "x"):
        pass


def test_a_symlink_in_its_place_is_refused(tmp: Path) -> None:
    tmp.symlink_to("/etc")
    with pytest.raises(CommandFailed, match="belongs to somebody else"), hold.hold("prod/db1", "x"):
        pass
