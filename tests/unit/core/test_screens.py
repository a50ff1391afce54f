"""The screens: short, at most 80 columns, true to the journal, and deaf to hostile text."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ansible_collections.steady.rollback.plugins.module_utils.core import plan, screens
from ansible_collections.steady.rollback.plugins.plugin_utils import controller
from hypothesis import given
from hypothesis import strategies as st
from unit.core.test_plan import HOSTS, built

POINT = {
    "id": "r20260101t000000-pre-deploy",
    "created": "2026-01-01T00:00:00.000000Z",
    "components": {"release": {"tag": "v1", "commit": "a" * 40}},
}
RUN = {"strategy": "full", "environment": "prod", "reason": "errors above 5 %"}
NOW = 1767225600.0 + 3600


def intent(n: int) -> dict[str, Any]:
    return {"kind": "intent", "n": n, "step": "s"}


def done(n: int, step: str = "s", at: str = "2026-01-01T00:10:00.000000Z") -> dict[str, Any]:
    return {"kind": "done", "n": n, "step": step, "at": at, "seconds": 1.0}


def fits(text: str, lines: int) -> None:
    assert len(text.splitlines()) <= lines, text
    assert all(len(line) <= 80 for line in text.splitlines()), text


def test_the_first_screen_tells_target_steps_and_how_to_stop() -> None:
    text = screens.plan(RUN, built(), POINT, NOW)
    fits(text, 24)
    assert "full rollback of prod" in text
    assert "release v1 (aaaaaaaaaaaa)" in text
    assert "1:00:00 ago" in text
    assert "data.swap" in text
    assert "notice" in text
    assert "Ctrl-C" in text


def test_the_runbook_names_hosts_budget_and_inverse_of_every_step() -> None:
    text = screens.runbook(built())
    fits(text, 24)
    assert "  4  data.swap              db1                         0:30  data.swap_back" in text
    many = [f"app{n}" for n in range(50)]
    shown = screens.runbook(built(hosts={**HOSTS, "web": many}))
    assert set(many) <= set(shown.replace(",", " ").split()), "no host is left out"
    assert all(len(line) <= 80 for line in shown.splitlines())


@given(st.text(max_size=300))
def test_hostile_text_cannot_reach_the_terminal_raw(reason: str) -> None:
    text = screens.plan({**RUN, "reason": reason}, built(), POINT, NOW)
    assert all(char.isprintable() or char == "\n" for char in text)
    assert all(len(line) <= 80 for line in text.splitlines())


def test_preflight_shows_everything_and_the_mending_command() -> None:
    rows = [
        {"level": "fail", "host": "db1", "component": "postgres", "found": "no backup", "fix": "take one", "name": "b"},
        {"level": "ok", "host": "db1", "component": "postgres", "found": "PostgreSQL 18", "fix": "", "name": "v"},
    ]
    assert screens.preflight(rows).splitlines() == [
        "ok    db1 postgres: PostgreSQL 18",
        "FAIL  db1 postgres: no backup",
        "      mend: take one",
    ]
    assert screens.preflight(rows, brief=True).splitlines() == [
        "ok    1 of 2 checks passed: postgres",
        "FAIL  db1 postgres: no backup",
        "      mend: take one",
    ]


@given(st.text(max_size=300))
def test_no_line_ends_in_a_blank(found: str) -> None:
    row = {"level": "warn", "host": "db1", "component": "postgres", "found": found, "fix": "", "name": "v"}
    assert all(shown == shown.rstrip() for shown in screens.preflight([row]).splitlines())


def test_expected_loss_is_told_in_time_and_rows() -> None:
    text = screens.loss({"minutes": 61.5, "tables": {"a": {"then": 5, "now": 9}, "b": {"then": 1, "now": 1}}})
    assert "1:01:30" in text
    assert "a +4" in text
    assert "b" not in text.split("rows")[-1].replace("h:min:s", "")
    assert screens.loss({}) == ""


def test_status_says_loudly_that_users_see_the_maintenance_page() -> None:
    of = plan.build("full", ["maintenance.enable"], controller.catalogue(), {"maintenance": ["edge1"]}, "p")
    failed = {"kind": "failed", "n": 2, "step": "maintenance.verify", "host": "edge1", "message": "It is closed."}
    closed = {"kind": "closed", "outcome": "held"}
    records = [{"kind": "opened", "strategy": "full"}, intent(1), done(1, "maintenance.enable"), failed, closed]
    look = {
        "lease": {"state": "stopped", "heartbeat": NOW - 60, "holder": {"user": "anna", "host": "ctl1", "pid": 1}},
        "now": NOW,
        "run": "r1",
        "records": records,
        "points": [],
        "broken": ["r7"],
    }
    text = screens.status(look, of)
    fits(text, 24)
    assert "failed    maintenance.verify on edge1: It is closed." in text
    assert "users     shown the maintenance page" in text
    assert "can wait  yes: users are kept out, and all that is replaced is kept" in text
    assert "maintenance mode is ON since 50:00" in text
    assert "stopped by anna on ctl1, last sign of life 1:00 ago" in text
    assert "resume.yml" in text
    assert "restore points that cannot be trusted: r7" in text


def test_progress_counts_and_estimates() -> None:
    step = replace(built().steps[3], n=4)
    assert screens.progress(step, 8, 41, 130) == "[4/8] data.swap on db1  0:41 elapsed, ~2:10 left"
