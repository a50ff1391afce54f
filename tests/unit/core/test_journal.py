"""The journal: what is written is read back, a torn end is dropped, and nothing can be changed unseen."""

from __future__ import annotations

import pytest
from ansible_collections.steady.rollback.plugins.module_utils.core import journal
from ansible_collections.steady.rollback.plugins.module_utils.core.errors import JournalBroken
from hypothesis import given
from hypothesis import strategies as st

values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
records = st.lists(
    st.dictionaries(st.text().filter(lambda key: key not in ("seq", "at", "prev")), values, max_size=4), max_size=6
)


def written(entries: list[dict[str, object]]) -> bytes:
    data, tail = b"", journal.Tail()
    for entry in entries:
        line, tail = journal.encode(tail, "2026-01-01T00:00:00.000000Z", entry)
        data += line
    return data


@given(records)
def test_what_is_written_is_read_back(entries: list[dict[str, object]]) -> None:
    decoded = journal.decode(written(entries))
    assert [
        {key: value for key, value in record.items() if key not in ("seq", "at", "prev")} for record in decoded.records
    ] == entries
    assert decoded.tail.seq == len(entries) + 1


@given(records, st.data())
def test_a_torn_end_loses_only_what_never_counted(entries: list[dict[str, object]], data: st.DataObject) -> None:
    whole = written(entries)
    cut = data.draw(st.integers(0, len(whole)))
    decoded = journal.decode(whole[:cut])
    assert decoded.records == journal.decode(whole).records[: whole[:cut].count(b"\n")]
    assert decoded.length <= cut
    assert whole[: decoded.length].endswith(b"\n") or decoded.length == 0


@given(records.filter(lambda entries: len(entries) > 1), st.data())
def test_a_flipped_byte_before_the_last_line_is_noticed(entries: list[dict[str, object]], data: st.DataObject) -> None:
    whole = written(entries)
    before_last = whole[:-1].rindex(b"\n")
    at = data.draw(st.integers(0, before_last - 1).filter(lambda i: whole[i : i + 1] != b"\n"))
    flipped = whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :]
    with pytest.raises(JournalBroken, match="The journal was changed after it was written: record"):
        journal.decode(flipped)


def test_steps_are_read_from_the_records() -> None:
    kinds = [
        {"kind": "opened"},
        {"kind": "intent", "n": 1},
        {"kind": "done", "n": 1},
        {"kind": "intent", "n": 2},
    ]
    assert journal.done_steps(kinds) == {1}
    assert journal.begun_steps(kinds) == {1, 2}
    assert journal.first_open_step(kinds, 3) == 2
    assert journal.first_open_step([*kinds, {"kind": "done", "n": 2}, {"kind": "done", "n": 3}], 3) == 4
    assert journal.last(kinds, "intent") == {"kind": "intent", "n": 2}
    assert journal.last(kinds, "closed") == {}
