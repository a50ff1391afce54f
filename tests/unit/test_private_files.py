# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is written is for the owner alone, whatever the umask, and never goes where a planted symlink leads."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.steady.rollback.plugins.action import run as run_action
from ansible_collections.steady.rollback.plugins.module_utils import evidence, files, notify
from ansible_collections.steady.rollback.plugins.module_utils.anchor.store import Store
from ansible_collections.steady.rollback.plugins.module_utils.config import snapshot
from ansible_collections.steady.rollback.plugins.module_utils.core.errors import BadInput, JournalBroken
from ansible_collections.steady.rollback.plugins.module_utils.databases import ledger
from ansible_collections.steady.rollback.plugins.module_utils.kept import Kept

EVENT = notify.event({"event": "started", "reason": "r"})


@pytest.fixture(autouse=True)
def open_umask() -> Iterator[None]:
    """The umask that hides nothing."""
    old = os.umask(0)
    yield
    os.umask(old)


def _journal(home: Path) -> None:
    store = Store(str(home), "toy")
    with store.exclusive():
        store.write_plan("r1", {})
        store.append("r1", [{"kind": "opened"}])
    store.write_report("r1", {"report.html": "x"})
    store.write_point("p1", b"{}")


def _report(home: Path) -> None:
    """The copy of a report beside the controller, by the real action."""
    anchor: Callable[..., Any] = lambda *_: {"dir": "anchor"}  # noqa: E731
    action = SimpleNamespace(anchor=anchor, show=print, _task=SimpleNamespace(delegate_to=""))
    records = [{"kind": "opened", "at": "2026-01-01T00:00:00.000000Z", "run": "r1"}]
    run_action.ActionModule._report(action, {"run": "r1"}, records, {"report_dir": str(home / "reports")}, {})


def _evidence(home: Path) -> None:
    (home / "log").write_text("line\n")
    os.chmod(home / "log", 0o600)
    evidence.collect(evidence.Request(str(home / "evidence" / "app1"), [str(home / "log")]))


def _sheet(home: Path) -> None:
    with ledger.Sheet(home / "lost" / "deep", "public.t", 1000) as sheet:
        sheet.write([b"id\n"])


def _notice(home: Path) -> None:
    sink = {"name": "file", "kind": "file", "path": str(home / "notices.jsonl")}
    told = notify.deliver(EVENT, [sink])
    if told:
        raise BadInput(told[0]["reason"])


# What writes, and each place where somebody could have planted a link before it did.
WRITERS: dict[str, tuple[Callable[[Path], Any], list[str]]] = {
    "journal": (_journal, ["toy/lock", "toy/runs/r1/journal.jsonl"]),
    "report": (_report, ["reports/r1"]),
    "evidence": (_evidence, ["evidence/app1"]),
    "lost rows": (_sheet, ["lost/deep"]),
    "notices": (_notice, ["notices.jsonl"]),
    "state before a change": (lambda home: Kept(str(home / "kept"), "r1").once("unit", {}), ["kept/r1"]),
    "copies of configuration": (lambda home: files.Store(str(home / "config" / "app1")).keep(b"x"), ["config/app1"]),
    "one file": (lambda home: files.write(home / "file", b"x"), ["file"]),
}


@pytest.mark.parametrize("name", WRITERS)
def test_it_is_private_under_any_umask(name: str, tmp_path: Path) -> None:
    WRITERS[name][0](tmp_path)
    found = {path: stat.S_IMODE(path.lstat().st_mode) for path in tmp_path.rglob("*")}
    assert found
    assert {str(path): oct(mode) for path, mode in found.items() if mode != (0o700 if path.is_dir() else 0o600)} == {}


@pytest.mark.parametrize(
    ("name", "planted"), [(name, place) for name, (_do, places) in WRITERS.items() for place in places]
)
def test_a_planted_symlink_leads_nowhere(
    name: str, planted: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    outside, link = tmp_path / "outside", tmp_path / "home" / planted
    # Half of them write a directory, half a file.
    directory = name not in ("journal", "notices", "one file")
    theirs = outside / "theirs"
    outside.mkdir()
    theirs.mkdir() if directory else theirs.write_bytes(b"theirs")
    link.parent.mkdir(parents=True)
    link.symlink_to(theirs)
    if name == "report":  # the run has ended: what goes wrong with its report is said, and changes nothing
        WRITERS[name][0](tmp_path / "home")
        assert "is a symlink" in " ".join("".join(capsys.readouterr()).split())
    else:
        with pytest.raises((BadInput, JournalBroken)) as refused:
            WRITERS[name][0](tmp_path / "home")
        assert refused.value.code in ("path-is-link", "anchor-unwritable", "journal-unwritable", "bad-input")
    assert link.is_symlink()
    assert [path.name for path in outside.rglob("*")] == ["theirs"]
    assert directory or theirs.read_bytes() == b"theirs"


def test_configuration_behind_a_link_is_refused_and_never_becomes_open(tmp_path: Path) -> None:
    (tmp_path / "shared").write_text("PASSWORD=x\n")
    (tmp_path / "shared").chmod(0o600)
    (tmp_path / "env").symlink_to(tmp_path / "shared")
    of = snapshot.Configuration([str(tmp_path / "env")], [], [], str(tmp_path / "copies"), None)
    with pytest.raises(BadInput) as refused:
        snapshot.capture(of, dry_run=False)
    assert refused.value.message == (
        f"{tmp_path}/env is a symlink, to {tmp_path}/shared; only a real file or directory is written to."
    )
    assert refused.value.hint == "Look who made it. If it is meant to be there, name the real place instead."
    assert (refused.value.next, refused.value.code) == (f"ls -ld {tmp_path}/env", "path-is-link")
    with pytest.raises(BadInput, match="is a symlink"):
        files.write(tmp_path / "env", b"PASSWORD=y\n")
    assert (tmp_path / "shared").read_text() == "PASSWORD=x\n"
