# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Sinks: told when alive, named when dead, never waited for."""

from __future__ import annotations

import http.server
import itertools
import json
import os
import socket
import time
from pathlib import Path

import pytest
from ansible_collections.steady.rollback.plugins.module_utils import notify
from ansible_collections.steady.rollback.plugins.module_utils.core.errors import BadInput
from hypothesis import given
from hypothesis import strategies as st
from unit.web_server import say, serve

STARTED = {
    "event": "started",
    "run": "r20261124t022301-4f2a",
    "environment": "wabot-production",
    "strategy": "full",
    "reason": "5xx above 5 % <!channel>",
    "operator": "ann",
    "eta": "12 minutes",
    "n": 1,
    "total": 14,
    "step": "maintenance.enable",
}


def test_the_message_says_who_why_what_and_when() -> None:
    told = notify.message(notify.event({**STARTED, "at": "2026-11-24T02:23:01Z"}))
    assert told.splitlines() == [
        "ROLLBACK STARTED",
        "Environment: wabot-production",
        "Strategy: full",
        "Reason: 5xx above 5 % <!channel>",
        "Step: maintenance.enable, 1 of 14",
        "ETA: 12 minutes",
        "On-call: ann",
        "Run: r20261124t022301-4f2a",
        "Time: 2026-11-24T02:23:01Z",
    ]


def test_no_secret_and_no_second_line_gets_into_an_event() -> None:
    told = notify.event(
        {**STARTED, "reason": "a\nStatus: fine\x1b[2J", "text": "password=hunter22 topsecret1"}, ["topsecret1"]
    )
    assert (told.reason, told.text) == ("a Status: fine", "password=*** ***")


def test_an_unknown_event_is_refused() -> None:
    with pytest.raises(BadInput, match="The event 'exploded' is not known"):
        notify.event({"event": "exploded"})


@given(st.dictionaries(st.sampled_from(["reason", "text", "operator", "step", "environment"]), st.text()))
def test_a_message_has_one_line_for_each_thing(texts: dict[str, str]) -> None:
    told = notify.message(notify.event({"event": "progress", **texts}))
    assert len(told.splitlines()) <= 2 + len(texts)


def test_all_kinds_of_sinks_are_told(tmp_path: Path) -> None:
    bodies: dict[str, dict[str, str]] = {}

    def remember(request: http.server.BaseHTTPRequestHandler) -> None:
        bodies[request.path] = json.loads(request.rfile.read(int(request.headers["Content-Length"])))
        say(request, 200)

    with serve(remember) as url:
        sinks = [
            {"name": "file", "kind": "file", "path": str(tmp_path / "events.jsonl")},
            {"name": "hook", "kind": "webhook", "url": f"{url}/hook", "allow_http": True},
            {"name": "team", "kind": "slack", "url": f"{url}/slack", "allow_http": True},
        ]
        told = notify.event(STARTED)
        assert notify.deliver(told, sinks) == []
        assert notify.deliver(told, sinks[:1]) == []
    rows = (tmp_path / "events.jsonl").read_text().splitlines()
    assert [json.loads(row)["run"] for row in rows] == [STARTED["run"]] * 2
    assert bodies["/hook"]["strategy"] == "full"
    assert "5xx above 5 % &lt;!channel&gt;" in bodies["/slack"]["text"]


def test_a_sink_that_stumbles_once_is_tried_again() -> None:
    turns = itertools.count()
    with serve(lambda request: say(request, 200 if next(turns) else 500)) as url:
        sinks = [{"name": "hook", "kind": "webhook", "url": url, "allow_http": True}]
        assert notify.deliver(notify.event(STARTED), sinks) == []
    assert next(turns) == 2


def test_dead_sinks_are_named_within_the_bound_and_the_living_are_told(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent, socket.create_server(("127.0.0.1", 0)) as closed:
        silent_port, closed_port = silent.getsockname()[1], closed.getsockname()[1]
        closed.close()
        os.mkfifo(tmp_path / "pipe")
        web = {"kind": "webhook", "allow_http": True}
        sinks = [
            {**web, "name": "silent", "url": f"http://127.0.0.1:{silent_port}/T0KEN"},
            {**web, "name": "closed", "url": f"http://127.0.0.1:{closed_port}/T0KEN"},
            {**web, "name": "unknown", "url": "http://no-such-host.invalid/T0KEN"},
            {"name": "pipe", "kind": "file", "path": str(tmp_path / "pipe")},
            {"name": "gone", "kind": "file", "path": str(tmp_path / "no/such/file")},
            {"name": "file", "kind": "file", "path": str(tmp_path / "events")},
        ]
        began = time.monotonic()
        undelivered = notify.deliver(notify.event(STARTED), sinks)
        assert time.monotonic() - began < notify.TOTAL_SECONDS + 0.5
    reasons = {row["sink"]: row["reason"] for row in undelivered}
    assert set(reasons) == {"silent", "closed", "unknown", "pipe", "gone"}
    assert reasons["closed"] == "Connection refused"
    assert reasons["gone"] == "No such file or directory"
    assert "no answer within" in reasons["silent"]
    assert "T0KEN" not in str(undelivered)
    assert (tmp_path / "events").exists()


def test_a_redirect_is_an_error_and_is_not_followed() -> None:
    seen: list[str] = []

    def redirect(request: http.server.BaseHTTPRequestHandler) -> None:
        seen.append(request.path)
        say(request, 302, None, Location="/inside")

    with serve(redirect) as url:
        sinks = [{"name": "hook", "kind": "webhook", "url": f"{url}/a", "allow_http": True}]
        assert notify.deliver(notify.event(STARTED), sinks) == [{"sink": "hook", "reason": "status 302"}]
    assert seen == ["/a", "/a"]


@pytest.mark.parametrize(
    ("sink", "message"),
    [
        ({"kind": "webhook", "url": "http://hooks.example.com/x"}, "plain http"),
        ({"kind": "slack", "url": "file:///etc/passwd"}, "scheme 'file'"),
        ({"kind": "file", "path": "relative"}, "absolute path"),
    ],
)
def test_sinks_that_must_not_be_used(sink: dict[str, str], message: str) -> None:
    with pytest.raises(BadInput, match=message):
        notify.check(sink)
    undelivered = notify.deliver(notify.event(STARTED), [{"name": "x", **sink}])
    assert message in undelivered[0]["reason"]
