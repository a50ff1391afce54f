"""Plans: what a strategy becomes on an inventory, and the laws of the way back."""

from __future__ import annotations

from dataclasses import replace

import pytest
from ansible_collections.steady.rollback.plugins.module_utils.core import plan
from ansible_collections.steady.rollback.plugins.module_utils.core.errors import BadInput, PlanRefused
from hypothesis import given
from hypothesis import strategies as st

KNOWN = plan.catalogue(
    {
        "door": {
            "verbs": {
                "close": {"does": "Close", "inverse": "open", "budget": 5, "notice": True},
                "open": {"does": "Open", "inverse": "close", "budget": 5},
                "preflight": {"does": "Look", "budget": 5},
            }
        },
        "data": {
            "verbs": {
                "prepare": {"does": "Restore beside", "budget": 600},
                "swap": {"does": "Swap", "inverse": "swap_back", "budget": 30, "notice": True, "confirm": True},
                "swap_back": {"does": "Swap back", "inverse": "swap", "budget": 30, "notice": True},
                "verify": {"does": "Count", "budget": 60},
                "finalize": {"does": "Delete", "budget": 60},
            }
        },
        "web": {
            "verbs": {
                "start": {"does": "Start", "inverse": "stop", "budget": 20, "rolling": True},
                "stop": {"does": "Stop", "inverse": "start", "budget": 20, "notice": True},
                "reload": {"does": "Reload", "inverse": "reload", "budget": 20, "rolling": True},
            }
        },
    }
)
HOSTS = {"door": ["edge1"], "data": ["db1"], "web": ["app1", "app2", "app3"]}
WORDS = ["door.close", "web.stop", "data.swap", "web.start", "door.open"]


def built(words: list[str] = WORDS, hosts: plan.Hosts = HOSTS) -> plan.Plan:
    return plan.build("full", words, KNOWN, hosts, "point")


def names(of: plan.Plan) -> list[str]:
    return list(dict.fromkeys(step.name for step in of.steps))


def test_preparation_comes_first_and_verification_last() -> None:
    assert [step.name for step in built().steps] == [
        "data.prepare",
        "door.close",
        "web.stop",
        "data.swap",
        "web.start",
        "web.start",
        "door.open",
        "data.verify",
    ]


def test_a_strategy_may_say_itself_when_to_prepare() -> None:
    names = [step.name for step in built(["door.close", "prepare", "data.swap", "data.verify", "door.open"]).steps]
    assert names == ["door.close", "data.prepare", "data.swap", "data.verify", "door.open"]


def test_finalizing_prepares_nothing() -> None:
    assert [step.name for step in built(["data.finalize"]).steps] == ["data.finalize"]


def test_a_rolling_verb_takes_its_first_host_alone() -> None:
    assert [step.hosts for step in built().steps if step.name == "web.start"] == [["app1"], ["app2", "app3"]]


def test_a_strategy_prepares_only_the_components_that_it_names() -> None:
    assert [step.name for step in built(["door.close", "door.open"]).steps] == ["door.close", "door.open"]


def test_steps_of_components_that_the_inventory_lacks_are_dropped_and_named() -> None:
    made = built(hosts={**HOSTS, "data": []})
    assert made.dropped == ["data.prepare", "data.swap", "data.verify"]
    assert "data.swap" not in [step.name for step in made.steps]


def test_a_misspelled_step_is_found_before_anything_happens() -> None:
    with pytest.raises(BadInput) as error:
        built(["door.close", "data.swop"])
    assert error.value.message == "Unknown steps: 'data.swop'"
    assert error.value.hint == "did you mean data.swap?"
    assert error.value.code == "step-unknown"


def test_an_inventory_without_components_is_a_failure() -> None:
    with pytest.raises(PlanRefused) as error:
        built(hosts={name: [] for name in HOSTS})
    assert error.value.message == "The strategy full has nothing to do here: the inventory has none of its components."
    assert error.value.code == "nothing-to-do"


def test_the_hash_tells_plans_apart() -> None:
    assert built().hash == built().hash
    assert built().hash != built(hosts={**HOSTS, "web": ["app1"]}).hash
    assert built().hash != plan.build("full", WORDS, KNOWN, HOSTS, "another point").hash


def test_a_changed_plan_is_refused_by_what_changed() -> None:
    plan.refuse_changed(built(), built())
    with pytest.raises(PlanRefused) as error:
        plan.refuse_changed(built(), built(hosts={**HOSTS, "web": ["app1"]}))
    assert "web.stop on app1,app2,app3" in error.value.message
    assert error.value.code == "plan-changed"


def test_a_plan_survives_its_file() -> None:
    assert plan.load(built().to_dict()) == built()


@given(st.integers(0, 8))
def test_undo_takes_back_exactly_what_may_have_happened_in_reverse(begun: int) -> None:
    of = built()
    started = [step for step in of.steps if step.n <= begun and step.inverse]
    if not started:
        with pytest.raises(PlanRefused, match="There is nothing to undo"):
            plan.undo(of.steps[:begun], KNOWN, "point")
        return
    back = plan.undo(of.steps[:begun], KNOWN, "point")
    assert list(dict.fromkeys(step.name for step in back.steps)) == list(
        dict.fromkeys(step.inverse for step in reversed(started))
    )
    assert {(step.inverse, host) for step in back.steps for host in step.hosts} == {
        (step.name, host) for step in started for host in step.hosts
    }


def test_undoing_the_undo_does_the_same_things_again() -> None:
    of = built()
    back = plan.undo(of.steps, KNOWN, "point")
    again = plan.undo(back.steps, KNOWN, "point")
    acting = [step.name for step in of.steps if step.inverse]
    assert list(dict.fromkeys(step.name for step in again.steps)) == list(dict.fromkeys(acting))


def test_services_are_reloaded_after_what_they_are_to_see_in_both_directions() -> None:
    of = built(["door.close", "data.swap", "web.reload", "door.open"])
    back = plan.undo(of.steps, KNOWN, "point")
    assert names(back) == ["door.close", "data.swap_back", "web.reload", "door.open"]
    assert [step.hosts[0] for step in back.steps if step.verb == "reload"] == HOSTS["web"]
    again = plan.undo(back.steps, KNOWN, "point")
    assert names(again) == ["door.close", "data.swap", "web.reload", "door.open"]
    assert names(plan.undo(built(["web.reload", "data.swap"]).steps, KNOWN, "point")) == [
        "data.swap_back",
        "web.reload",
    ]


def test_budgets_add_up() -> None:
    assert plan.budget([replace(step, budget=7) for step in built().steps]) == 7 * len(built().steps)


def test_the_rungs_of_a_ladder_are_undone_as_one() -> None:
    first, second = built(["door.close", "web.stop", "door.open"]), built(["door.close", "data.swap", "door.open"])
    everything = {step.n for step in first.steps}
    happened = plan.begun([(first, everything), (second, {1, 2, 3})])
    back = [step.name for step in plan.undo(happened, KNOWN, "point").steps]
    assert list(dict.fromkeys(back)) == ["data.swap_back", "door.open", "door.close", "web.start"]
    assert back[-1] == "door.open"
    assert plan.begun([(first, everything)]) == first.steps


def test_what_writes_on_its_hosts_waits_for_orphans_and_what_only_reads_does_not() -> None:
    holding = {step.name for step in built().steps if step.holds}
    assert holding == {step.name for step in built().steps if step.inverse or step.notice or step.verb == "prepare"}
    assert "data.prepare" in holding
    assert "data.verify" not in holding
