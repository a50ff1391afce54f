# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Text made fit to be kept and shown: no secrets, no characters that change how a screen reads."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from urllib.parse import quote

MASK = "***"
SHORTEST_SECRET = 4  # masking shorter values would tear holes into ordinary words

_ESCAPE = re.compile(r"\x1b(?:\[[0-?]{0,32}[ -/]{0,8}[@-~]|\][^\x07\x1b]{0,512}(?:\x07|\x1b\\)|[@-Z\\-_])")
# C0 and C1 without tab and newline; marks that reorder or hide text; halves of surrogate pairs.
_CONTROL = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff]"
)
_LINE_MARK = re.compile("[\u2028\u2029]")
_UNSEEN = re.compile(f"{_CONTROL.pattern}|{_LINE_MARK.pattern}")

_NAME = (
    r"(?:password|passwd|passphrase|pwd|secret|token|credential|api[_-]?key|access[_-]?key|private[_-]?key"
    r"|session[_-]?id)"
)
# Every repetition is bounded: a log line of a megabyte must not take quadratic time.
_VALUE = r"""(?:"(?:[^"\\\n]|\\.)*"?|'(?:[^'\\\n]|\\.)*'?|[^\s,;&"'})\]]+)"""
_RULES = (
    (re.compile(r"-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----.*?(?:-----END [A-Z ]{0,40}PRIVATE KEY-----|\Z)", re.S), MASK),
    # The tail of a file may begin inside a key.
    (re.compile(r"\A(?:[A-Za-z0-9+/=]*\n)*[A-Za-z0-9+/=]*-----END [A-Z ]{0,40}PRIVATE KEY-----"), MASK),
    (re.compile(r"(://)[^\s/@\"'<>]{0,256}(?:@[^\s/@\"'<>]{0,256}){0,4}@"), r"\1" + MASK + "@"),
    (re.compile(r"((?:authorization|cookie)[\"']?[ \t]{0,8}[:=][ \t]{0,8}[\"']?)[^\r\n\"']+", re.I), r"\1" + MASK),
    (re.compile(r"\b((?:bearer|basic)[ \t]{1,8})[A-Za-z0-9._~+/=-]{8,}", re.I), r"\1" + MASK),
    (
        re.compile(rf"({_NAME}[\w.-]{{0,40}}[\"']?[ \t]{{0,8}}(?:=>|[:=])[ \t]{{0,8}}){_VALUE}", re.I),
        r"\1" + MASK,
    ),
    (re.compile(rf"([A-Z0-9]_KEY[\"']?[ \t]{{0,8}}[:=][ \t]{{0,8}}){_VALUE}"), r"\1" + MASK),
    (re.compile(rf"(--[\w-]{{0,40}}{_NAME}[\w-]{{0,40}}[ \t]{{1,8}})[^\s-]\S*", re.I), r"\1" + MASK),
    (re.compile(r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b"), MASK),
    (re.compile(r"\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*"), MASK),
)


def clean(text: str) -> str:
    """``text`` without control, escape, bidirectional and invisible characters; tab and newline stay."""
    text = text.replace("\r\n", "\n")
    return _LINE_MARK.sub(" ", _CONTROL.sub("", _ESCAPE.sub("", text)))


def escaped(text: str) -> str:
    """JSON ``text`` with what ``clean`` takes off written as escapes: the same values, harmless to look at."""
    return _UNSEEN.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def line(text: str, longest: int = 500) -> str:
    """``text`` cleaned, on one line, at most ``longest`` characters."""
    flat = " ".join(clean(text).split())
    return flat if len(flat) <= longest else flat[: longest - 1] + "…"


def redact(text: str, secrets: Iterable[str] = ()) -> str:
    """``text`` cleaned, with every known secret and everything that looks like one replaced by MASK.

    ``secrets`` are masked as they are and as a URL or JSON would spell them; values shorter than four characters
    are left to the patterns. Running it twice gives the same text.
    """
    # Cleaning comes first: an invisible character inside a secret must not hide it.
    text = clean(text)
    for spelling in _spellings(secrets):
        text = text.replace(spelling, MASK)
    for pattern, replacement in _RULES:
        text = pattern.sub(replacement, text)
    return text


def _spellings(secrets: Iterable[str]) -> list[str]:
    found = set()
    for secret in secrets:
        if len(secret) >= SHORTEST_SECRET:
            found |= {clean(secret), quote(secret, safe=""), json.dumps(secret)[1:-1]}
    found.discard("")
    return sorted(found, key=len, reverse=True)  # a secret that contains another one is masked whole
