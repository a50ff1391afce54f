"""Failpoints: every act that can be taken back has one inside, and they do nothing unless they are asked for."""

from __future__ import annotations

import os
import re
import signal
from pathlib import Path

import pytest
from ansible_collections.steady.rollback.plugins.module_utils.core import failpoint
from ansible_collections.steady.rollback.plugins.plugin_utils import controller

ROOT = Path(__file__).resolve().parents[2]
KNOWN = controller.catalogue()


def inside() -> list[str]:
    """Every step that has a failpoint inside; the one f-string names two verbs."""
    calls = [
        call
        for path in (ROOT / "plugins").rglob("*.py")
        if path.name != "failpoint.py"
        for call in re.findall(r"failpoint\.inside\((.*)\)\n", path.read_text(encoding="utf-8"))
    ]
    return [step for call in calls for step in re.findall(r"[a-z]+\.[a-z_]+", both(call))]


def both(call: str) -> str:
    found = re.fullmatch(r"f\"(\w+\.){'(\w+)' if on else '(\w+)'}\"", call)
    return f"{found[1]}{found[2]} {found[1]}{found[3]}" if found else call


def test_every_act_that_can_be_taken_back_has_one_and_every_one_names_a_verb() -> None:
    acting = {f"{c}.{v}" for c, verbs in KNOWN.items() for v, verb in verbs.items() if verb.inverse}
    writing = {f"{c}.prepare" for c in ("evidence", "postgres", "release")} | {"postgres.ledger", "postgres.preserve"}
    assert sorted(inside()) == sorted(acting | writing)


def test_one_that_is_off_does_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(failpoint.CONTROLLER, raising=False)
    failpoint.reach("postgres.swap", "before")
    failpoint.inside("postgres.swap")
    assert failpoint.armed_inside("postgres.swap") == ""


def test_only_the_named_place_is_meant(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(failpoint.CONTROLLER, "postgres.swap:inside:raise")
    for step, moment in (("postgres.swap", "before"), ("postgres.swap_back", "inside"), ("postgres", "swap:inside")):
        failpoint.reach(step, moment)
    assert failpoint.armed_inside("postgres.swap_back") == ""
    monkeypatch.setenv(failpoint.HOST, failpoint.armed_inside("postgres.swap"))
    failpoint.inside("release.switch")
    with pytest.raises(failpoint.Failpoint) as error:
        failpoint.inside("release.switch", "postgres.swap")
    assert error.value.message == "The failpoint postgres.swap:inside:raise was reached."
    assert (error.value.code, error.value.next) == ("failpoint", "ansible-playbook resume.yml")


@pytest.mark.parametrize("how", ["kill", "hang"])
def test_all_processes_of_the_controller_are_meant(how: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(failpoint.CONTROLLER, f"door.open:after:{how}")
    parent = os.fork()
    if not parent:
        signal.pause()
    child = os.fork()
    if not child:
        failpoint.reach("door.open", "after", parent)
        os._exit(0)
    for pid in (parent, child):
        _pid, status = os.waitpid(pid, os.WUNTRACED)
        if how == "kill":
            assert os.WTERMSIG(status) == signal.SIGKILL
        else:
            assert os.WSTOPSIG(status) == signal.SIGSTOP
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
