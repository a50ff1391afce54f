"""What an inventory may declare, and what an operator may choose."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.steady.rollback.plugins.module_utils.core.errors import BadInput
from ansible_collections.steady.rollback.plugins.module_utils.integrity import checks
from hypothesis import given
from hypothesis import strategies as st

GOOD: dict[str, Any] = {
    "name": "negative",
    "table": "User",
    "where": "value < 0",
    "severity": "critical",
    "show": [],
    "repairs": {"reset": {"set": {"value": "0"}}, "remove": {"delete": True}},
}
NEITHER = "negative: the repair 'reset' says neither what to set nor delete: true"
WRONG = [
    ({"name": "a:b"}, "'a:b': a name is letters, digits, '_', '-' and '.'"),
    ({"name": "a,b"}, "'a,b': a name is letters, digits, '_', '-' and '.'"),
    ({"table": ""}, "negative: the table is named as table or schema.table"),
    ({"table": "a.b.c"}, "negative: the table is named as table or schema.table"),
    ({"where": " "}, "negative: where is empty, so every row would be affected"),
    ({"repairs": {"reset": {"set": {}}}}, NEITHER),
    ({"repairs": {"reset": {"set": {"value": 0}}}}, NEITHER),
    ({"repairs": {"reset": {"set": {"value": " "}}}}, NEITHER),
    ({"repairs": {"reset": {"set": ["value"]}}}, NEITHER),
    ({"repairs": {"reset": {"delete": False}}}, NEITHER),
    ({"repairs": {"reset": {"set": {"value": "0"}, "delete": True}}}, NEITHER),
    ({"repairs": {"reset": "UPDATE everything"}}, NEITHER),
    ({"repairs": {"re set": {"delete": True}}}, NEITHER.replace("reset", "re set")),
]


@pytest.mark.parametrize(("changed", "problem"), WRONG)
def test_what_is_declared_wrongly_is_said_before_anything_is_read(changed: dict[str, Any], problem: str) -> None:
    with pytest.raises(BadInput) as caught:
        checks.load([{**GOOD, **changed}])
    error = caught.value
    assert error.message == f"The checks of integrity_checks cannot be used: {problem}"
    assert error.hint == (
        "A check has name, table and where; a repair is {set: {column: SQL expression}} or {delete: true}."
    )
    assert (error.next, error.code) == ("ansible-doc -t role steady.rollback.integrity", "integrity-checks-wrong")


def test_every_problem_is_told_at_once() -> None:
    with pytest.raises(BadInput, match=r"where is empty.*; negative: there are two of that name"):
        checks.load([{**GOOD, "where": ""}, GOOD])


def test_repairs_are_chosen_by_name_in_their_order_and_once() -> None:
    known = checks.load([GOOD, {**GOOD, "name": "other"}])
    chosen = checks.choose(known, " other:remove, negative:reset,other:remove,")
    assert [(each.name, each.columns, each.delete) for each in chosen] == [
        ("other:remove", {}, True),
        ("negative:reset", {"value": "0"}, False),
    ]
    with pytest.raises(BadInput) as caught:
        checks.choose(known, "negative:reset,negative:set")
    error = caught.value
    assert error.message == "There is no such repair: 'negative:set'"
    assert error.hint == "The inventory offers: negative:reset, negative:remove, other:reset, other:remove"
    assert (error.next, error.code) == ("ansible-playbook data-repair.yml --check", "repair-unknown")


@given(st.text())
def test_whatever_an_operator_types_chooses_a_declared_repair_or_nothing(text: str) -> None:
    known = checks.load([GOOD])
    try:
        chosen = checks.choose(known, text)
    except BadInput as error:
        assert error.code == "repair-unknown"
    else:
        assert {each.name for each in chosen} <= {"negative:reset", "negative:remove"}
