"""How a stream is cut into the parts of an upload."""

from __future__ import annotations

from ansible_collections.steady.rollback.plugins.module_utils.storage import parts
from hypothesis import given
from hypothesis import strategies as st


@given(st.lists(st.binary(max_size=40)))
def test_parts_are_the_stream_and_all_but_the_last_are_full(blocks: list[bytes]) -> None:
    made = [bytes(part) for part in parts.of(blocks, 8)]
    assert b"".join(made) == b"".join(blocks)
    assert {len(part) for part in made[:-1]} <= {8}
    assert len(made) == 1 or made[-1]
