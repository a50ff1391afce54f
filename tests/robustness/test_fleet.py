# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The same code rollback on many hosts behind real SSH: all of them, or none, or it says which."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from integration.fleet_fixtures import Fleet

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ON_V2, ON_V1 = ("v2", "v2"), ("v1", "v1")
BROKEN = "h4"


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """A handful of hosts with v2."""
    found = Fleet(tmp_path_factory.mktemp("fleet"), 6)
    yield found
    found.stop()


def test_a_host_that_is_gone_stops_the_run_before_anything_changes(fleet: Fleet) -> None:
    fleet.hosts.cut_off(BROKEN)
    said = fleet.play("code-rollback.yml", 2, release="v1")
    assert f"FAIL  {BROKEN} release: {BROKEN} cannot be reached: " in said
    assert f"mend: ansible {BROKEN} -m ansible.builtin.ping" in said
    assert "Preflight found 1 problem; nothing was changed." in said
    assert set(fleet.live().values()) == {ON_V2}
    fleet.hosts.boot(BROKEN)
    fleet.hosts.is_up(BROKEN)


def test_a_host_that_breaks_is_named_and_the_fleet_is_not_split(fleet: Fleet) -> None:
    """Its new release does not start. Nobody is let loose on two releases, and a resume ends it."""
    serve = fleet.release(BROKEN, "v1") / "serve"
    serve.rename(serve.with_name("lost"))
    said = fleet.play("code-rollback.yml", 2, release="v1")
    assert "service.start on" in said
    assert f"{BROKEN}-app ended right after its start" in said
    live = fleet.live()
    assert {host: tags for host, tags in live.items() if tags != ON_V1} == {BROKEN: ("v1", "EXITED")}
    assert BROKEN in said
    serve.with_name("lost").rename(serve)
    fleet.play("resume.yml")
    assert set(fleet.live().values()) == {ON_V1}


@pytest.mark.slow
def test_fifty_hosts_run_the_same_commit(tmp_path: Path) -> None:
    fleet = Fleet(tmp_path, 50)
    try:
        fleet.play("code-rollback.yml", release="v1")
        assert set(fleet.live().values()) == {ON_V1}
        fleet.play("undo.yml")
        assert set(fleet.live().values()) == {ON_V2}
    finally:
        fleet.stop()
