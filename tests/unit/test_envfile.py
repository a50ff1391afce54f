"""Env files: what goes back, and what stays as it is today."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from ansible_collections.steady.rollback.plugins.module_utils import envfile
from ansible_collections.steady.rollback.plugins.module_utils.core.errors import CommandFailed
from hypothesis import given
from hypothesis import strategies as st

if TYPE_CHECKING:
    from pathlib import Path

KEEP = ["*PASSWORD*", "*URL*"]


def test_a_secret_that_was_changed_since_stays_changed() -> None:
    captured = "# app\nMODE=old\nDB_PASSWORD=was\n\nexport GONE=1\n"
    present = "MODE=new\nDB_PASSWORD=is\nADDED=1\n"
    assert envfile.merged(captured, present, KEEP) == "# app\nMODE=old\nDB_PASSWORD=is\n\nexport GONE=1\n"


def test_a_secret_that_is_missing_today_comes_back() -> None:
    assert envfile.merged("DB_PASSWORD=was\n", "", KEEP) == "DB_PASSWORD=was\n"


def test_only_names_of_keys_are_told() -> None:
    assert envfile.difference("A=1\nB=secret\n# C=1\n", "A=1\nB=other\nD=2\n") == ["B", "D"]


@given(st.text(alphabet="AB=#\n 'x", max_size=40), st.text(alphabet="AB=#\n 'x", max_size=40))
def test_without_kept_keys_the_captured_text_comes_back_byte_for_byte(captured: str, present: str) -> None:
    assert envfile.merged(captured, present, []) == captured
    assert envfile.merged(captured, captured, ["*"]) == captured or "A" in captured or "B" in captured


def test_a_file_is_read_as_systemd_and_shells_read_it(tmp_path: Path) -> None:
    path = tmp_path / "env"
    path.write_text("# A=0\n; B=0\nA = 'one two'\nexport B=\"2=2\"\nC=\nnot an assignment\nD='open\n")
    assert envfile.read(str(path)) == {"A": "one two", "B": "2=2", "C": "", "D": "'open"}


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    with pytest.raises(CommandFailed) as caught:
        envfile.read(str(tmp_path / "none"))
    assert caught.value.code == "env-file-unreadable"
    assert caught.value.next == f"ls -l {tmp_path}/none"
