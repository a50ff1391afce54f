"""The lock of a host, against real processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from ansible_collections.steady.rollback.plugins.module_utils import hold
from ansible_collections.steady.rollback.plugins.module_utils.core.errors import CommandFailed, LockHeld, RollbackError

HOLDER = """
import subprocess, sys, time
from ansible_collections.steady.rollback.plugins.module_utils import hold
with hold.hold(hold.Claim.parse(sys.argv[1]), "postgres_swap", print):
    child = subprocess.Popen(["sleep", "60"])
    print(child.pid, flush=True)
    time.sleep(float(sys.argv[2]))
child.kill()
"""


@pytest.fixture(autouse=True)
def tmp(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    return tmp_path / f".steady-rollback-{os.getuid()}"


class Orphan:
    """A module that holds the lock, and a program that it has started."""

    def __init__(self, claim: str, seconds: float = 60) -> None:
        env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        argv = [sys.executable, "-c", HOLDER, claim, str(seconds)]
        self.process = subprocess.Popen(argv, env=env, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout
        self.child = int(self.process.stdout.readline())

    def end(self) -> None:
        for pid in (self.process.pid, self.child):
            if alive(pid):
                os.kill(pid, signal.SIGKILL)
        self.process.communicate()


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except FileNotFoundError:
        return False


def refused(claim: str) -> RollbackError:
    with pytest.raises(LockHeld) as error, held(claim):
        pass
    return error.value


def held(claim: str, warnings: list[str] | None = None) -> hold.contextlib.AbstractContextManager[None]:
    return hold.hold(hold.Claim.parse(claim), "release_switch", (warnings if warnings is not None else []).append)


def test_an_orphan_is_waited_for() -> None:
    orphan, warnings = Orphan("r1 1 30 prod/db1", 0.5), list[str]()
    with held("r1 2 30 prod/db1", warnings):
        assert not alive(orphan.process.pid) or orphan.process.wait(5) == 0
    assert warnings == []
    orphan.end()


def test_an_orphan_over_its_budget_is_ended_with_what_it_has_started() -> None:
    orphan, warnings = Orphan("r1 1 0.5 prod/db1"), list[str]()
    orphan.process.send_signal(signal.SIGSTOP)  # hanging for good
    with held("r1 2 30 prod/db1", warnings):
        assert not alive(orphan.process.pid)
        assert not alive(orphan.child)
    assert warnings == [
        f"Process {orphan.process.pid}, postgres_swap, of a run that was broken off was over its time, and was ended."
    ]
    orphan.end()


def test_a_holder_that_is_not_proven_is_named_and_let_be(tmp: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hold, "DYING", 0.3)
    bystander = subprocess.Popen(["sleep", "60"])
    orphan = Orphan("r1 1 0.1 prod/db1")
    (file,) = tmp.iterdir()
    file.write_text(file.read_text().replace(str(orphan.process.pid), str(bystander.pid)))
    error = refused("r1 2 30 prod/db1")
    assert error.message == (
        f"A step of an earlier run still runs on this host: process {bystander.pid}, postgres_swap."
    )
    assert (error.code, error.next) == ("orphan-running", "ansible-playbook resume.yml")
    assert alive(bystander.pid)
    assert alive(orphan.process.pid)
    bystander.kill()
    bystander.wait()
    orphan.end()


def test_a_run_that_was_replaced_acts_no_more(tmp: Path) -> None:
    with held("r1 2 30 prod/db1"):
        pass
    error = refused("r1 1 30 prod/db1")
    (file,) = tmp.iterdir()
    assert error.message == (
        "This run has lost its lock: release_switch of generation 2 has acted on this host, and this is generation 1."
    )
    assert error.hint == (
        f"Another operator took over; nothing was changed here. If no other run is known: remove {file}."
    )
    assert (error.code, error.next) == ("lock-lost", "ansible-playbook status.yml")
    for later in ("r1 2 30 prod/db1", "r1 3 30 prod/db1", "r2 1 30 prod/db1"):
        with held(later):
            pass


def test_a_run_that_was_replaced_does_not_end_who_replaced_it() -> None:
    successor = Orphan("r1 2 0 prod/db1")
    assert refused("r1 1 0 prod/db1").code == "lock-lost"
    assert alive(successor.process.pid)
    successor.end()


@pytest.mark.parametrize("content", ["", "{", "{}", '["x"]', '{"pid": 1, "x": 2}\n'])
def test_a_file_that_a_crash_tore_hinders_nobody(tmp: Path, content: str) -> None:
    with held("r1 2 30 prod/db1"):
        pass
    (file,) = tmp.iterdir()
    file.write_text(content)
    with held("r1 1 30 prod/db1"):
        pass


def test_a_killed_holder_holds_nothing() -> None:
    orphan = Orphan("r1 1 60 prod/db1")
    orphan.process.kill()
    orphan.process.wait()
    with held("r1 2 0 prod/db1"):
        pass
    orphan.end()


def test_other_hosts_and_environments_and_readers_do_not_wait() -> None:
    with held("r1 1 60 prod/db1"):
        for claim in ("r1 1 0 prod/db2", "r1 1 0 test/db1", ""):
            began = time.monotonic()
            with held(claim):
                assert time.monotonic() - began < 1


def test_a_directory_that_others_can_write_is_refused(tmp: Path) -> None:
    tmp.mkdir(mode=0o777)
    tmp.chmod(0o777)
    with pytest.raises(CommandFailed, match="open to others"), held("r1 1 60 prod/db1"):
        pass


def test_a_symlink_in_its_place_is_refused(tmp: Path) -> None:
    tmp.symlink_to("/etc")
    with pytest.raises(CommandFailed, match="belongs to somebody else"), held("r1 1 60 prod/db1"):
        pass
