"""Env files: what goes back, and what stays as it is today."""

from __future__ import annotations

from ansible_collections.steady.rollback.plugins.module_utils.config import envfile
from hypothesis import given
from hypothesis import strategies as st

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
