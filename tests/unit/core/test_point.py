"""Restore points: hosts must agree, and latest means the newest good one. Bad ones: test_bad_manifests."""

from __future__ import annotations

import pytest
from ansible_collections.steady.rollback.plugins.module_utils.core import canonical, point
from ansible_collections.steady.rollback.plugins.module_utils.core.errors import (
    PlanRefused,
    TargetMissing,
)

BODY = {
    "id": "p1",
    "created": "2026-01-01T00:00:00.000000Z",
    "environment": "prod",
    "purpose": "pre_deploy",
    "good": True,
    "components": {"release": {"commit": "a" * 40}},
    "hosts": {},
}
NOW = canonical.epoch("2026-01-06T00:00:00.000000Z")


def test_what_hosts_share_must_agree() -> None:
    merged = point.merge({"release": {"app1": {"captured": {"commit": "a"}}, "app2": {"captured": {"commit": "a"}}}})
    assert merged["components"] == {"release": {"commit": "a"}}
    with pytest.raises(PlanRefused) as error:
        point.merge({"release": {"app1": {"captured": {"commit": "a"}}, "app2": {"captured": {"commit": "b"}}}})
    assert error.value.message == ('The hosts do not agree on release: app1: {"commit":"a"}; app2: {"commit":"b"}')
    assert error.value.code == "hosts-disagree"


def test_what_belongs_to_a_host_is_kept_host_by_host() -> None:
    merged = point.merge({"config": {"app1": {"captured_host": {"sha": 1}}, "app2": {"captured_host": {"sha": 2}}}})
    assert merged == {"components": {}, "hosts": {"app1": {"config": {"sha": 1}}, "app2": {"config": {"sha": 2}}}}


def test_a_manifest_survives_its_file() -> None:
    assert point.unpack(point.pack(BODY), "p1", "prod") == BODY


def made(name: str, created: str, good: bool = True, purpose: str = "pre_deploy") -> point.Manifest:
    return {"id": name, "created": created, "good": good, "purpose": purpose, "environment": "prod"}


POINTS = [
    made("old", "2026-01-01"),
    made("good", "2026-01-02"),
    made("broken", "2026-01-03", good=False),
    made("evidence", "2026-01-04", purpose="evidence"),
]


def test_latest_is_the_newest_good_one_taken_before_a_deployment() -> None:
    assert point.choose(POINTS, "latest", "prod", NOW)["id"] == "good"


def test_a_point_can_be_named() -> None:
    assert point.choose(POINTS, "old", "prod", NOW)["id"] == "old"
    with pytest.raises(TargetMissing) as error:
        point.choose(POINTS, "elsewhere", "prod", NOW)
    assert error.value.message == "There is no restore point elsewhere for prod."
    assert error.value.hint == "Known: old, good, broken, evidence"


def test_nothing_to_go_back_to_is_a_failure() -> None:
    with pytest.raises(TargetMissing, match="There is no restore point of a healthy prod to go back to"):
        point.choose([made("broken", "2026-01-03", good=False)], "latest", "prod", NOW)


def test_the_newest_healthy_one_and_those_that_a_run_used_are_never_retired() -> None:
    def taken(day: int, good: bool = True, purpose: str = "pre_deploy") -> point.Manifest:
        return {"id": f"p{day}", "created": f"2026-01-{day:02}", "good": good, "purpose": purpose}

    points = [taken(1), taken(2), taken(3), taken(4, good=False), taken(5, purpose="nightly")]
    assert point.retired(points, 5, set()) == []
    assert point.retired(points, 1, set()) == ["p4", "p2", "p1"]
    assert point.retired(points, 1, {"p1"}) == ["p4", "p2"]
    assert point.retired(points, 0, set()) == ["p5", "p4", "p2", "p1"]
