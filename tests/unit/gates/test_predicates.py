# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Values, ranges, paths, versions, log lines."""

from __future__ import annotations

import time
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path

import pytest
from ansible_collections.steady.rollback.plugins.module_utils import web
from ansible_collections.steady.rollback.plugins.module_utils.core.errors import BadInput
from ansible_collections.steady.rollback.plugins.module_utils.gates import command, gate, http, log_count, sql
from ansible_collections.steady.rollback.plugins.module_utils.gates.predicates import ABSENT, dig, holds, same_version
from ansible_collections.steady.rollback.plugins.module_utils.gates.verdict import Rule

NAN = float("nan")


@pytest.mark.parametrize(
    ("value", "expected", "verdict"),
    [
        ("ok", "ok", True),
        ("OK", "ok", False),
        (True, 1, False),
        (1, 1.0, True),
        (None, None, True),
        (5, {"min": 5, "max": 5}, True),
        (4.9, {"min": 5}, False),
        (51, {"max": 50}, False),
        ("5", {"max": 50}, False),
        (True, {"max": 50}, False),
        (None, {"max": 50}, None),
        (NAN, {"max": 50}, None),
        (ABSENT, {"max": 50}, None),
        ({"a": 1}, {"a": 1}, True),
        ({}, {}, True),
    ],
)
def test_values_and_ranges(value: object, expected: object, verdict: bool | None) -> None:
    assert holds(value, expected) is verdict


def test_paths_lead_into_lists_and_nulls() -> None:
    document = {"checks": [{"state": None}], "a.b": 1}
    assert dig(document, "checks.0.state") is None
    assert dig(document, "checks.1.state") is ABSENT
    assert dig(document, "checks.state") is ABSENT
    assert dig(document, "") is document


@pytest.mark.parametrize(
    ("found", "expected", "same"),
    [
        ("v1", "v1", True),
        ("v1", "v10", False),
        ("abcdef1", "abcdef1234567890", True),
        ("abcdef1234567890", "abcdef1", True),
        ("abcdef", "abcdef1234567890", False),
        ("abcdef2", "abcdef1234567890", False),
        (ABSENT, "v1", False),
    ],
)
def test_versions(found: object, expected: str, same: bool) -> None:
    assert same_version(found, expected) is same


def answer(body: bytes, status: int = 200, **headers: str) -> web.Answer:
    return web.Answer(status, headers, body)


def test_200_with_a_broken_database_is_bad() -> None:
    found = http.judge(answer(b'{"status": "ok", "database": "down"}'), {"body": {"database": "connected"}})
    assert (found.ok, found.note) == (False, "database is down, expected connected")


def test_the_old_process_still_answering_is_bad() -> None:
    found = http.judge(answer(b'{"version": "v2"}'), {"version": "v1"})
    assert (found.ok, found.note) == (False, "version is v2, expected v1: another release is answering")


@pytest.mark.parametrize(
    ("given", "spec", "note"),
    [
        (answer(b"", 302, location="/login"), {}, "status 302 to /login, expected 200"),
        (answer(b"", 503), {"status": [200, 204]}, "status 503, expected 200 or 204"),
        (answer(b"<html>"), {"body": {"a": 1}}, "the body is not JSON"),
        (answer(b"{}"), {"body": {"queue": {"max": 5}}}, "queue is nothing, expected {'max': 5}"),
    ],
)
def test_what_is_wrong_with_an_answer_is_named(given: web.Answer, spec: dict[str, object], note: str) -> None:
    assert http.judge(given, spec).ok is False
    assert http.judge(given, spec).note == note


def test_a_null_in_a_range_is_no_data() -> None:
    found = http.judge(answer(b'{"queue": null}'), {"body": {"queue": {"max": 5}}})
    assert (found.ok, found.note) == (None, "queue has no value")


def test_every_request_misses_the_caches() -> None:
    first, second = http.fresh("http://a/x?y=1"), http.fresh("http://a/x?y=1")
    assert first != second
    assert first.startswith("http://a/x?y=1&_gate=")


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("file:///etc/passwd", "scheme 'file'"),
        ("gopher://a/", "scheme 'gopher'"),
        ("http:///x", "must have a host"),
        ("http://user:pw@host/", "no name or password"),
        ("http://host/a b", "blanks"),
        ("http://host/\r\nX: y", "blanks|cannot be read"),
        ("http://[::1/", "cannot be read"),
        ("http://host:0/", "must have a host"),
    ],
)
def test_urls_that_are_refused(url: str, message: str) -> None:
    with pytest.raises(BadInput, match=message) as caught:
        web.target(url)
    assert "pw" not in caught.value.message


@pytest.mark.parametrize(
    ("row", "expected", "ok"),
    [
        (None, None, None),
        ((None,), 1, None),
        ((NAN,), {"max": 1}, None),
        ((Decimal("NaN"),), {"max": 1}, None),
        ((Decimal("0.5"),), {"max": 1}, True),
        ((0,), None, False),
        ((1,), None, True),
        ((2,), 1, False),
    ],
)
def test_rows_of_a_query(row: tuple[object, ...] | None, expected: object, ok: bool | None) -> None:
    assert sql.judge(row, expected).ok is ok


def log(path: Path, *lines: str) -> None:
    with path.open("a", encoding="utf-8") as target:
        target.writelines(line + "\n" for line in lines)


def test_only_what_is_written_after_the_gate_began_counts(tmp_path: Path) -> None:
    path = tmp_path / "app.log"
    log(path, "ERROR old")
    look = log_count.probe({"path": str(path), "pattern": "ERROR"})
    assert look().ok is True
    log(path, "ERROR new")
    assert look().note == "1 matches in 1 lines, 0 allowed"
    path.rename(tmp_path / "app.log.1")
    assert look().ok is None
    log(path, "INFO a", "ERROR after the rotation")
    assert look().note == "2 matches in 3 lines, 0 allowed"


def test_a_remembered_offset_and_a_line_that_is_not_finished(tmp_path: Path) -> None:
    path = tmp_path / "app.log"
    path.write_text("ERROR one\nERROR two\nERROR thr", encoding="utf-8")
    look = log_count.probe({"path": str(path), "pattern": "ERROR", "offset": len("ERROR one\n")})
    assert look().note == "1 matches in 1 lines, 0 allowed"
    with path.open("a", encoding="utf-8") as target:
        target.write("ee\n")
    assert look().note == "2 matches in 2 lines, 0 allowed"


def test_the_newest_lines_and_the_newest_seconds(tmp_path: Path) -> None:
    path = tmp_path / "app.log"
    now = datetime.now(timezone.utc)
    old = (now - timedelta(hours=1)).strftime("%Y-%m-%d %H:%M:%S,123")
    zoned = (now + timedelta(hours=2)).strftime("%Y-%m-%dT%H:%M:%S+02:00")
    log(path, f"{old} ERROR past", "ERROR trace of the past", "2026-99-99 99:99:99 ERROR no date")
    log(path, f"{zoned} ERROR now", "  ERROR trace", "INFO")
    spec = {"path": str(path), "pattern": "ERROR", "max_matches": 2}
    assert log_count.probe({**spec, "last_seconds": 60})().note == "2 matches in 3 lines, 2 allowed"
    assert log_count.probe({**spec, "last_lines": 5})().ok is False
    assert log_count.probe({**spec, "last_lines": 3})().ok is True


def test_too_few_lines_are_no_data_and_a_missing_log_neither(tmp_path: Path) -> None:
    path = tmp_path / "app.log"
    spec = {"path": str(path), "pattern": "ERROR", "last_lines": 10, "min_lines": 5}
    assert log_count.probe(spec)().note == "the log cannot be read: No such file or directory"
    log(path, "INFO")
    assert log_count.probe(spec)().note == "only 1 lines, at least 5 needed"
    with pytest.raises(BadInput, match="pattern of a log_count probe"):
        log_count.probe({"path": str(path), "pattern": "("})


def test_a_command_is_judged_by_its_end_and_its_output(tmp_path: Path) -> None:
    env = tmp_path / "env"
    env.write_text("# comment\nexport STATE='in order'\n", encoding="utf-8")
    script = 'printf "{\\"state\\": \\"$STATE\\"}"'
    spec = {"argv": ["sh", "-c", script], "env_file": str(env), "cwd": str(tmp_path)}
    assert command.probe({**spec, "stdout": {"state": "in order"}})().ok is True
    assert command.probe({**spec, "stdout": {"state": "broken"}})().ok is False
    failed = command.probe({"argv": ["sh", "-c", "echo password=hunter22 >&2; exit 3"]})()
    assert (failed.ok, failed.note) == (False, "ended with 3: password=***")
    assert command.probe({"argv": ["/no/such/program"]})().note.startswith("/no/such/program could not be started")


def gone(pid: int) -> bool:
    """True once the process has ended; one that waits only for its parent to look has ended, too."""
    for _ in range(50):
        try:
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return True
        except FileNotFoundError:
            return True
        time.sleep(0.1)
    return False


def test_a_command_that_hangs_is_stopped_with_its_children(tmp_path: Path) -> None:
    marker = tmp_path / "pid"
    look = command.probe({"argv": ["sh", "-c", f"sleep 30 & echo $! > {marker}; wait"], "timeout": 0.5})
    assert look().note == "not finished after 0.5 s"
    assert gone(int(marker.read_text()))


def test_preflight_finds_every_problem_at_once(tmp_path: Path) -> None:
    specs = [
        {"name": "a", "kind": "http", "url": "ftp://x"},
        {"name": "a", "kind": "command", "argv": []},
        {"name": "b", "kind": "log_count", "path": str(tmp_path / "none"), "pattern": "E"},
        {"name": "c", "kind": "tcp", "host": "localhost", "port": 1},
    ]
    rows = gate.definitions(specs, Rule(), "smoke")
    assert [row.level for row in rows] == ["fail", "fail", "fail", "warn", "ok"]
    assert rows[0].found == "Two probes are named 'a'."
    assert all(row.fix for row in rows if row.level != "ok")
    assert gate.definitions([], Rule(), "soak")[0].found == "no probes are defined"
    assert gate.measure([], Rule(), "here")["verdict"] == "inconclusive"
