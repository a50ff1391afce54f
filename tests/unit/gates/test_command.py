"""What a failed command is known by: one line that says why."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.steady.rollback.plugins.module_utils.gates import command, gate
from ansible_collections.steady.rollback.plugins.module_utils.gates.verdict import Rule

TRACEBACK = """Traceback (most recent call last):
  File "base.py", line 105, in _execute
psycopg.errors.UndefinedColumn: column "x" does not exist

The above exception was the direct cause of the following exception:

Traceback (most recent call last):
  File "manage.py", line 11, in <module>
django.db.utils.ProgrammingError: column "x" does not exist
LINE 1: SELECT x FROM y
               ^
"""


@pytest.mark.parametrize(
    ("text", "last"),
    [
        (TRACEBACK, 'django.db.utils.ProgrammingError: column "x" does not exist'),
        ("one\ntwo\n", "two"),
        ("CommandError: 3 rows contradict each other.\n", "CommandError: 3 rows contradict each other."),
        ("", ""),
    ],
)
def test_the_last_words_of_a_command(text: str, last: str) -> None:
    assert command.last_words(text) == last


def test_a_trial_that_is_wanted_once_is_not_run_again_after_it_was_good(tmp_path: Path) -> None:
    log = tmp_path / "log"
    # Bad at first, good from the second time on.
    trial = f"echo x >> {log}; test $(wc -l < {log}) -gt 1"
    specs = [{"name": "trial", "kind": "command", "argv": ["/bin/sh", "-c", trial], "once": True}]
    rule = Rule(consecutive=3, interval=0.01, timeout=20.0)
    found = gate.measure(specs, rule, "app1")
    assert found["verdict"] == "pass"
    assert found["probes"][0]["taken"] == 4
    assert log.read_text() == "x\nx\n"
