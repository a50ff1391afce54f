# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Evidence: bounded, redacted, hashed, and never overwritten."""

from __future__ import annotations

import hashlib
import json
import os
import stat
import time
from pathlib import Path

import pytest
from ansible_collections.steady.rollback.plugins.module_utils import evidence
from ansible_collections.steady.rollback.plugins.module_utils.core.errors import NotEffective


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A log of 100 KiB with a secret at its end, and a release behind a link."""
    log = tmp_path / "application.log"
    log.write_text("".join(f"line {number:08}\n" for number in range(7500)) + "DB_PASSWORD=hunter22\n\x1b[31mred\n")
    release = tmp_path / "releases" / "abcdef123456"
    (release / "venv/lib/python3.11/site-packages/django-5.2.dist-info").mkdir(parents=True)
    (release / ".release.json").write_text(json.dumps({"commit": "abcdef123456", "tag": "v2"}))
    (tmp_path / "current").symlink_to(release)
    return tmp_path


def request(place: Path, **more: object) -> evidence.Request:
    return evidence.Request(str(place / "out"), [str(place / "*.log")], str(place / "current"), **more)  # type: ignore[arg-type]


def test_what_is_kept_can_be_proven_and_is_private(place: Path) -> None:
    kept = evidence.collect(request(place, log_kib=10))
    names = [Path(entry["path"]).name for entry in kept.files]
    assert names == ["system.json", "release.json", "01-application.log"]
    for entry in kept.files:
        path = Path(entry["path"])
        assert hashlib.sha256(path.read_bytes()).hexdigest() == entry["sha256"]
        assert path.stat().st_size == entry["bytes"]
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE((place / "out").stat().st_mode) == 0o700
    assert kept.truncated == ["01-application.log: the last 10 KiB of 105030 bytes"]
    log = (place / "out/01-application.log").read_text()
    assert log.startswith("line 0000")
    assert log.endswith("DB_PASSWORD=***\nred\n")
    release = json.loads((place / "out/release.json").read_text())
    assert (release["marker"]["tag"], release["packages"]) == ("v2", ["django-5.2"])
    system = json.loads((place / "out/system.json").read_text())
    assert system["memory_kib"]["MemTotal"] > 0


def test_a_second_run_keeps_the_first_evidence(place: Path) -> None:
    first = evidence.collect(request(place))
    (place / "application.log").write_text("all is well\n")
    second = evidence.collect(request(place))
    assert second.changed is False
    assert second.files == first.files


def test_a_collection_that_was_broken_off_is_made_again(place: Path) -> None:
    evidence.collect(request(place))
    (place / "out/system.json").write_text("{")
    assert evidence.collect(request(place)).changed is True
    (place / "out" / evidence.SUMS).unlink()
    assert evidence.collect(request(place)).changed is True


def test_commands_are_bounded_in_time_and_secrets_masked(place: Path) -> None:
    commands = [
        {"name": "quick", "argv": ["echo", "key is topsecret1"]},
        {"name": "slow/one", "argv": ["sleep", "30"]},
        {"name": "late", "argv": ["true"]},
        {"name": "none", "argv": ["/no/such"]},
    ]
    began = time.monotonic()
    kept = evidence.collect(request(place, commands=commands, seconds=1.0, secrets=["topsecret1"]))
    assert time.monotonic() - began < 3
    assert (place / "out/command-quick.txt").read_text() == "$ echo key is ***\nended with 0\n\nkey is ***\n\n"
    assert "command-slow_one.txt: stopped, its time was over" in kept.truncated
    assert "command-late.txt: left out, the bound of the collection was reached" in kept.truncated


def test_missing_logs_pipes_and_size_are_named(place: Path) -> None:
    os.mkfifo(place / "pipe")
    kept = evidence.collect(
        evidence.Request(
            str(place / "out"), [str(place / "none.log"), str(place / "pipe"), str(place / "*.log")], total_kib=2
        )
    )
    assert kept.truncated[:2] == ["01-none.log: no such file", "02-pipe: no such file"]
    assert sum(entry["bytes"] for entry in kept.files) <= 2048


def test_a_directory_that_cannot_be_written_is_an_error_with_a_way_out(place: Path) -> None:
    (place / "file").write_text("")
    with pytest.raises(NotEffective, match=r"Evidence cannot be written to .*/file/x: Not a directory") as caught:
        evidence.collect(evidence.Request(str(place / "file/x")))
    assert caught.value.code == "evidence-unwritable"
    assert caught.value.next.startswith("df -h")


def test_preflight_warns_and_never_fails(place: Path) -> None:
    rows = evidence.readable(evidence.Request("", [str(place / "*.log"), str(place / "none.log")]))
    assert [(row.level, row.found) for row in rows] == [("ok", "1 files"), ("warn", "cannot be read")]
