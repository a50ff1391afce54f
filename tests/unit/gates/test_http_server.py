# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The gate against a real web server: flapping, slow, half dead, of the wrong version, behind TLS."""

from __future__ import annotations

import http.server
import itertools
import threading
import time
from pathlib import Path
from typing import Any

from ansible_collections.steady.rollback.plugins.module_utils.gates import gate
from ansible_collections.steady.rollback.plugins.module_utils.gates import http as http_probe
from ansible_collections.steady.rollback.plugins.module_utils.gates.verdict import Rule
from unit.web_server import certificate, say, serve

Request = http.server.BaseHTTPRequestHandler
QUICK = Rule(consecutive=3, interval=0.05, timeout=1.0)


def measure(url: str, rule: Rule = QUICK, **spec: Any) -> dict[str, Any]:
    return gate.measure([{"name": "health", "kind": "http", "url": url, **spec}], rule, "test")


def test_a_healthy_service_passes_after_three_answers() -> None:
    with serve(lambda request: say(request, 200, {"status": "ok", "version": "v1"})) as url:
        found = measure(f"{url}/v1/health", body={"status": "ok"}, version="v1")
    assert found["verdict"] == "pass"
    probe = found["probes"][0]
    assert (probe["samples"], probe["streak"], probe["error_ratio"]) == (3, 3, 0.0)
    assert [state for _, _, state in probe["series"]] == [1, 1, 1]


def test_every_second_answer_is_not_enough() -> None:
    turns = itertools.count()
    with serve(lambda request: say(request, 500 if next(turns) % 2 else 200)) as url:
        found = measure(url)
    assert found["verdict"] == "inconclusive"
    assert "not steady" in found["reason"]


def test_the_old_process_and_the_new_one_taking_turns_never_pass() -> None:
    turns = itertools.count()
    with serve(lambda request: say(request, 200, {"version": f"v{1 + next(turns) % 2}"})) as url:
        found = measure(url, version="v1")
    assert found["verdict"] == "inconclusive"
    assert "another release is answering" in found["reason"]


def test_a_slow_start_is_waited_for() -> None:
    began = time.monotonic()
    with serve(lambda request: say(request, 200 if time.monotonic() - began > 0.4 else 503)) as url:
        found = measure(url)
    assert found["verdict"] == "pass"
    assert found["probes"][0]["taken"] > 3


def test_a_slow_answer_is_bad_and_costs_no_more_than_its_timeout() -> None:
    with serve(lambda request: time.sleep(5)) as url:
        found = measure(url, Rule(consecutive=1, timeout=0.2), timeout=0.3)
    assert found["verdict"] == "fail"
    assert "no answer within 0.3 s" in found["reason"]
    assert found["seconds"] < 1


def test_an_answer_that_drips_is_cut_off() -> None:
    def drip(request: Request) -> None:
        request.wfile.write(b"HTTP/1.1 200 OK\r\n\r\n")
        for _ in range(50):
            request.wfile.write(b"{")
            request.wfile.flush()
            time.sleep(0.1)

    with serve(drip) as url:
        found = measure(url, Rule(consecutive=1, timeout=0.1), timeout=0.5)
    assert found["verdict"] == "fail"
    assert "within 0.5 s" in found["reason"]
    assert found["seconds"] < 1.5


def test_slow_answers_fail_by_p95_although_each_is_good() -> None:
    def slow(request: Request) -> None:
        time.sleep(0.06)
        say(request, 200)

    with serve(slow) as url:
        found = measure(url, Rule(consecutive=1, interval=0.1, window=1, timeout=1.2, max_p95_ms=50))
    assert found["verdict"] == "fail"
    assert "50 ms allowed" in found["reason"]
    assert found["seconds"] < 1  # it was hopeless before the window was over


def test_a_redirect_is_not_followed() -> None:
    seen: list[str] = []

    def redirect(request: Request) -> None:
        seen.append(request.path)
        say(request, 302, None, Location="/login")

    with serve(redirect) as url:
        found = measure(f"{url}/start", Rule(consecutive=1, timeout=0.1))
    assert "status 302 to /login" in found["reason"]
    assert all(path.startswith("/start?_gate=") for path in seen)


def test_host_header_and_secret_headers_are_sent() -> None:
    seen: dict[str, str] = {}

    def remember(request: Request) -> None:
        seen.update(request.headers.items())
        say(request, 200)

    with serve(remember) as url:
        measure(url, host="api.example.com", headers={"X-A": "1"}, secret_headers={"X-B": "2"})
    assert (seen["Host"], seen["X-A"], seen["X-B"]) == ("api.example.com", "1", "2")
    assert seen["Cache-Control"] == "no-cache"


def test_tls_is_verified_against_the_name_that_is_asked_for(tmp_path: Path) -> None:
    context, cert = certificate(tmp_path, "api.example.com")
    with serve(lambda request: say(request, 200), context) as url:
        look = {"url": url, "host": "api.example.com"}
        assert "TLS certificate refused" in http_probe.probe(look)().note
        assert http_probe.probe({**look, "ca_file": str(cert)})().ok is True
        wrong = http_probe.probe({**look, "ca_file": str(cert), "host": "other.example.com"})()
        assert "TLS certificate refused" in wrong.note
        assert http_probe.probe({**look, "verify": False})().ok is True


def test_probes_of_one_round_run_side_by_side() -> None:
    together = threading.Barrier(3, timeout=3)

    def meet(request: Request) -> None:
        together.wait()
        say(request, 200)

    with serve(meet) as url:
        specs = [{"name": str(number), "kind": "http", "url": url} for number in range(3)]
        assert gate.measure(specs, Rule(consecutive=1, timeout=1), "test")["verdict"] == "pass"


def test_samples_are_bounded_and_figures_are_not(tmp_path: Path) -> None:
    log = tmp_path / "app.log"
    log.write_text("INFO\n", encoding="utf-8")
    specs = [
        {"name": str(n), "kind": "log_count", "path": str(log), "pattern": "E", "last_lines": 1} for n in range(20)
    ]
    found = gate.measure(specs, Rule(consecutive=50, interval=0.001, timeout=20), "test")
    assert sum(len(probe["series"]) for probe in found["probes"]) <= 600
    assert [probe["samples"] for probe in found["probes"]] == [50] * 20
