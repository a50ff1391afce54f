# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Asks a web server as a user would, and looks into the answer."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from typing import Any

from .. import web
from ..core.redact import line
from .predicates import ABSENT, dig, holds, same_version
from .watch import Probe
from .window import Reading


def probe(spec: Mapping[str, Any]) -> Probe:
    """Options: url, method, headers, secret_headers, host, status, body, version, version_path, verify, ca_file,
    timeout. BadInput when the URL cannot be used.
    """
    web.target(spec["url"])

    def look() -> Reading:
        try:
            answer = web.ask(
                fresh(spec["url"]),
                method=spec.get("method") or "GET",
                headers={
                    "Cache-Control": "no-cache",
                    **(spec.get("headers") or {}),
                    **(spec.get("secret_headers") or {}),
                },
                timeout=spec.get("timeout") or 5.0,
                host=spec.get("host") or "",
                verify=spec.get("verify") is not False,
                ca_file=spec.get("ca_file") or "",
            )
        except web.Unanswered as error:
            return Reading(False, str(error))
        return judge(answer, spec)

    return look


def fresh(url: str) -> str:
    """``url`` with a query that no cache has seen."""
    parts = web.target(url)
    query = f"{parts.query}&" if parts.query else ""
    return parts._replace(query=f"{query}_gate={uuid.uuid4().hex[:12]}", fragment="").geturl()


def judge(answer: web.Answer, spec: Mapping[str, Any]) -> Reading:
    """Status first, then version, then the body: the first thing that is wrong is the note. Pure."""
    expected = spec.get("status") or [200]
    if answer.status not in expected:
        moved = f" to {line(answer.headers['location'], 80)}" if "location" in answer.headers else ""
        return Reading(False, f"status {answer.status}{moved}, expected {' or '.join(map(str, expected))}")
    wanted = spec.get("body") or {}
    version = spec.get("version") or ""
    if not wanted and not version:
        return Reading(True, f"status {answer.status}")
    try:
        document = json.loads(answer.body.decode("utf-8", "replace"))
    except ValueError:
        return Reading(False, "the body is not JSON")
    path = spec.get("version_path") or "version"
    if version and not same_version(dig(document, path), version):
        found = line(str(dig(document, path)), 60)
        return Reading(False, f"{path} is {found}, expected {version}: another release is answering")
    return matches(document, wanted)


def matches(document: Any, wanted: Mapping[str, Any]) -> Reading:
    """Every path in ``wanted`` must hold; a path that is not there is bad, a range over null is unknown."""
    unknown = ""
    for path, expected in wanted.items():
        value = dig(document, path)
        verdict = holds(value, expected)
        if verdict is False or value is ABSENT:
            return Reading(False, f"{path} is {line(str(value), 60)}, expected {line(str(expected), 60)}")
        if verdict is None:
            unknown = f"{path} has no value"
    return Reading(None, unknown) if unknown else Reading(True, "as expected")
