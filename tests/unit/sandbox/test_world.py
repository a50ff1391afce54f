"""Two worlds are compared entry by entry; what moves on its own is a difference only when it gets worse."""

from __future__ import annotations

from sandbox.world import difference

WORLD = {"release": {"app1": "aaa", "app2": "aaa"}, "edge": "200 from aaa", "queue": [], "kept databases": []}


def test_a_world_is_itself() -> None:
    assert difference(WORLD, {**WORLD}) == []


def test_every_entry_that_changed_is_named() -> None:
    after = {**WORLD, "release": {"app1": "aaa", "app2": "bbb"}, "edge": "503 from nobody"}
    assert difference(WORLD, after) == ["edge: 200 from aaa became 503 from nobody", "release of app2: aaa became bbb"]


def test_an_entry_that_is_gone_is_a_difference() -> None:
    assert difference(WORLD, {**WORLD, "release": {"app1": "aaa"}}) == ["release of app2: aaa became None"]


def test_what_comes_and_goes_may_go_but_not_come() -> None:
    foreign = {**WORLD, "queue": ["jobs that release 1 does not know"]}
    assert difference(foreign, WORLD) == []
    assert difference(WORLD, foreign) == ["queue: jobs that release 1 does not know is new"]


def test_kept_databases_are_meant_to_be_there() -> None:
    assert difference(WORLD, {**WORLD, "kept databases": ["wabot__bad_r1"]}) == []
