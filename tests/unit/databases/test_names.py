"""Names of databases that lie side by side."""

from __future__ import annotations

from ansible_collections.steady.rollback.plugins.module_utils.databases import names
from hypothesis import given
from hypothesis import strategies as st

CHANGE = "r20261125t040000-4f2a"
databases = st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\x00"), min_size=1).filter(
    lambda name: len(name.encode()) <= names.LONGEST
)


def test_short_names_are_readable() -> None:
    assert names.good("wabot", CHANGE) == f"wabot__good_{CHANGE}"
    assert names.bad("wabot", CHANGE) == f"wabot__bad_{CHANGE}"
    assert names.snapshot("wabot", CHANGE) == f"wabot__point_{CHANGE}"


@given(databases)
def test_every_name_fits_and_keeps_the_change(database: str) -> None:
    for make in (names.good, names.bad, names.snapshot):
        name = make(database, CHANGE)
        assert len(name.encode()) <= names.LONGEST
        assert name.endswith(CHANGE)
        assert make(database, CHANGE) == name


@given(databases, databases)
def test_two_databases_never_share_a_name(one: str, other: str) -> None:
    if one != other:
        assert names.good(one, CHANGE) != names.good(other, CHANGE)
    assert names.good(one, CHANGE) != names.bad(one, CHANGE)
