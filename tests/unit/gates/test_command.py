"""What a failed command is known by: one line that says why."""

from __future__ import annotations

import pytest
from ansible_collections.steady.rollback.plugins.module_utils.gates import command

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
