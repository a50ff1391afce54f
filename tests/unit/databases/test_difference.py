# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Two sorted streams of rows are compared as two dictionaries would be."""

from __future__ import annotations

from collections.abc import Iterator

from ansible_collections.steady.rollback.plugins.module_utils.databases import difference
from hypothesis import given
from hypothesis import strategies as st

ROWS = st.dictionaries(st.text(alphabet="é~az\n0", max_size=3), st.integers(0, 2), max_size=12)


def sorted_stream(rows: dict[str, int]) -> Iterator[list[object]]:
    """As the server sends it: sort key in hex, digest, key."""
    return iter([key.encode().hex(), value, key] for key, value in sorted(rows.items(), key=lambda r: r[0].encode()))


@given(ROWS, ROWS)
def test_the_merge_finds_every_difference_once(first: dict[str, int], second: dict[str, int]) -> None:
    found = list(difference.merge(sorted_stream(first), sorted_stream(second)))
    expected = {("missing", key) for key in first.keys() - second.keys()}
    expected |= {("new", key) for key in second.keys() - first.keys()}
    expected |= {("changed", key) for key in first.keys() & second.keys() if first[key] != second[key]}
    assert {(row.kind, row.key[0]) for row in found} == expected
    assert len(found) == len(expected)
