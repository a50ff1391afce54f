"""How a stream is cut into the parts of an upload."""

from __future__ import annotations

import pytest
from ansible_collections.steady.rollback.plugins.module_utils.storage import objects
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st


@given(st.lists(st.binary(max_size=40)))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_parts_are_the_stream_and_all_but_the_last_are_full(
    monkeypatch: pytest.MonkeyPatch, blocks: list[bytes]
) -> None:
    monkeypatch.setattr(objects, "PART", 8)
    parts = [bytes(part) for part in objects._parts(blocks)]
    assert b"".join(parts) == b"".join(blocks)
    assert {len(part) for part in parts[:-1]} <= {8}
    assert len(parts) == 1 or parts[-1]
