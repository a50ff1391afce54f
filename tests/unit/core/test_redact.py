# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Secrets and deceiving characters do not come through."""

from __future__ import annotations

import time
import unicodedata

import pytest
from ansible_collections.steady.rollback.plugins.module_utils.core.redact import MASK, clean, line, redact
from hypothesis import given
from hypothesis import strategies as st

SECRET = "S3cr3t-4f2a/+x"


@pytest.mark.parametrize(
    "text",
    [
        f"PGPASSWORD={SECRET}",
        f"export WABOT_DB_PASSWORD='{SECRET}'",
        f'DJANGO_SECRET_KEY = "{SECRET}"',
        f"WABOT_SIGNING_KEY={SECRET}",
        f'{{"password": "{SECRET}", "user": "a"}}',
        f"{{'api_key': '{SECRET}'}}",
        f"token: {SECRET}",
        f":password => {SECRET}",
        f"Authorization: Bearer {SECRET}",
        f"authorization: Basic {SECRET}==",
        f'"Authorization": "Token {SECRET}"',
        f"curl -H 'X-Auth: Bearer {SECRET}'",
        f"Set-Cookie: sessionid={SECRET}; HttpOnly",
        f"postgresql://wabot:{SECRET.replace('/', '%2F')}@db1/wabot",
        f"redis://:{SECRET.replace('/', '')}@cache:6379/0",
        f"https://user:p@{SECRET.replace('/', '')}@host/",
        f"mysql --password {SECRET}",
        f"-----BEGIN RSA PRIVATE KEY-----\n{SECRET}\n-----END RSA PRIVATE KEY-----",
        f"-----BEGIN PRIVATE KEY-----\n{SECRET}",
        "S3cr3t4f2a\n-----END PRIVATE KEY-----",
    ],
)
def test_what_looks_like_a_secret_is_masked(text: str) -> None:
    found = redact(text)
    assert "cr3t" not in found
    assert MASK in found


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-24 02:23:01 INFO 12 messages sent to https://api.example.com/v1/health?x=1",
        "the password was changed",
        "primary_key=5 monkey=3",
        "user@example.com wrote",
    ],
)
def test_ordinary_text_stays(text: str) -> None:
    assert redact(text) == text


def test_the_neighbours_of_a_secret_stay() -> None:
    assert redact('{"password": "a b", "user": "ann"}') == '{"password": ***, "user": "ann"}'
    assert redact("postgresql://wabot:pw12@db1:5432/wabot") == "postgresql://***@db1:5432/wabot"


@given(
    st.text(),
    st.text(st.characters(codec="ascii", categories=("L", "N", "P", "S")), min_size=4).filter(
        lambda secret: not set(secret) & set("*")
    ),
    st.text(),
)
def test_a_known_secret_is_never_left(before: str, secret: str, after: str) -> None:
    found = redact(f"{before}{secret}{after}", [secret])
    assert secret not in found


def test_spellings_and_hidden_marks_do_not_save_a_secret() -> None:
    secret = 'a/b"c d'
    text = redact('x?y=a%2Fb%22c%20d {"z": "a/b\\"c d"} a/b\u200b"c\x1b[31m d', [secret])
    assert "b" not in text.replace(MASK, "").replace("a%", "a")
    assert text.count(MASK) == 3


@given(st.text())
def test_twice_is_the_same_as_once(text: str) -> None:
    once = redact(text)
    assert redact(once) == once


@given(st.text(st.characters(), max_size=200))
def test_nothing_that_deceives_a_screen_is_left(text: str) -> None:
    for character in clean(text):
        assert character in "\t\n" or unicodedata.category(character) not in ("Cc", "Cs"), repr(character)
        assert character not in "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f\u2028\u2029"


def test_colours_are_taken_off() -> None:
    assert clean("\x1b[1;31mERROR\x1b[0m \x1b]0;title\x07done\r\n") == "ERROR done\n"
    assert line("  two\nlines\t ", 9) == "two lines"
    assert line("x" * 20, 5) == "xxxx…"


@pytest.mark.parametrize(
    "piece", ["password", "a", "://", "=", '"', "-----BEGIN PRIVATE KEY-----", "QUJD\n", "--", "\x1b[", "password='\\"]
)
def test_the_worst_text_takes_time_in_proportion_to_its_length(piece: str) -> None:
    def seconds(length: int) -> float:
        text = piece * (length // len(piece))
        began = time.process_time()
        redact(text)
        return time.process_time() - began

    # Ten times the text: ten times the work, where backtracking would make it a hundred.
    assert seconds(400_000) < 40 * max(0.005, min(seconds(40_000) for _ in range(3)))
