# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Make the plan of a run: fresh from a strategy, or what is left of an unfinished run, or the way back from one."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.steady.rollback.plugins.module_utils.core import canonical, journal, lease, plan, screens
from ansible_collections.steady.rollback.plugins.module_utils.core.errors import BadInput, PlanRefused
from ansible_collections.steady.rollback.plugins.plugin_utils import controller, variables_check

LADDER = ("feature_flag", "config", "code", "full")


@dataclass(frozen=True)
class Made:
    """A plan with what it belongs to. ``remaining`` are the steps that lie ahead."""

    of: plan.Plan
    run: dict[str, Any]
    point: dict[str, Any]
    remaining: list[plan.Step]
    continues: str = ""


class ActionModule(controller.EngineAction):
    """Read the anchor, decide everything once for all hosts, show it, change nothing."""

    def work(self, args: dict[str, Any], variables: dict[str, Any]) -> dict[str, Any]:
        _refuse_cut(variables)
        mode = args["mode"]
        wanted = str(args["restore_point"]) if mode in ("run", "preflight") else ""
        target = {"root": args["root"], "environment": args["environment"]}
        look = self.anchor(
            "run_info", {**target, "run": args["run"] or args["after"], "restore_point": wanted}, variables
        )
        _refuse_broken(args, look)
        known = controller.catalogue()
        hosts = controller.hosts(variables, known)
        climbs = _climbs(args)
        try:
            made = MAKE[mode](args, look, known, hosts)
        except PlanRefused as error:
            if not climbs or error.code != "nothing-to-do":
                raise
            self.show(f"{args['strategy']} has nothing to do here: on to the next strategy.")
            return {"changed": False, "climbs": True, "preflight": []}
        of, run = made.of, made.run
        request = {
            "holder": controller.holder(),
            "continues": made.continues,
            "holder_gone": controller.gone(look["lease"]),
            "take_over": str(args["take_over"]),
        }
        if mode != "preflight" and not self.checking:
            _refuse_locked(look, request, run["id"])
            _refuse_unconfirmed(args, made.remaining)
        variables_check.refuse_wrong(made.remaining, variables)
        self.show(screens.plan(run, of, made.point, look["now"]))
        if mode == "preflight" or self.checking:
            self.show(screens.runbook(of))
        ready = [] if mode in ("resume", "undo") else [c for c in _components(of) if "preflight" in known[c]]
        return {
            "changed": False,
            "run": run,
            "point": made.point,
            "points": look["points"],
            "plan": of.to_dict(),
            "remaining": [vars(step) for step in made.remaining],
            "preflight": [{"component": component, "hosts": hosts[component]} for component in ready],
            "generation": look["lease"].get("generation", 0),
            "request": request,
            "climbs": climbs,
            "durations": look["durations"],
        }


def _fresh(args: Mapping[str, Any], look: Mapping[str, Any], known: plan.Catalogue, hosts: plan.Hosts) -> Made:
    point = look["point"]
    of = plan.build(args["strategy"], args["steps"], known, hosts, canonical.digest(point))
    name = _name(look)
    # All rungs of a ladder are one change: what the first one kept is the state before all of them.
    after = str(args["after"])
    change = look["plan"]["run"]["change"] if after else name
    run = {"id": name, "change": change, "strategy": args["strategy"], "reason": str(args["reason"]), "undoes": ""}
    return Made(of, _run({**run, "after": after}, args, of), point, of.steps, continues=after)


def _undone(args: Mapping[str, Any], look: Mapping[str, Any], known: plan.Catalogue, _hosts: plan.Hosts) -> Made:
    _of, run, point = _stored(look)
    _refuse_undo(look, run)
    rungs = [*look["rungs"], {"plan": look["plan"], "records": look["records"]}]
    begun = plan.begun([(plan.load(each["plan"]["plan"]), journal.begun_steps(each["records"])) for each in rungs])
    back = plan.undo(begun, known, canonical.digest(point))
    if run["strategy"] != "undo" and run["id"] not in look["in_force"]:
        raise PlanRefused(
            f"Run {run['id']} has been undone already.",
            hint="To do it again, undo the run that has undone it, or start a new one.",
            next="ansible-playbook status.yml",
            code="already-undone",
        )
    name = _name(look)
    # Undoing an undo changes the same things again: what is kept bears the name of the first run.
    fresh: dict[str, Any] = {"id": name, "strategy": "undo", "reason": f"undo {run['id']}", "undoes": run["id"]}
    fresh["after"] = ""
    fresh["whole"] = journal.last(look["records"], "closed").get("outcome") in ("completed", "undone")
    return Made(back, _run({**run, **fresh}, args, back), point, back.steps, continues=run["id"])


def _resumed(_args: Mapping[str, Any], look: Mapping[str, Any], known: plan.Catalogue, hosts: plan.Hosts) -> Made:
    of, run, point = _stored(look)
    held = look["lease"]
    if held.get("run") != run["id"] or held.get("state") == "free":
        outcome = journal.last(look["records"], "closed").get("outcome", "over")
        raise BadInput(
            f"Run {run['id']} {'stopped before it changed anything' if outcome == 'held' else f'is {outcome}'}: "
            "there is nothing to resume.",
            hint="Start it again." if outcome == "held" else "To take its changes back: undo.yml.",
            next="ansible-playbook status.yml",
            code="nothing-to-resume",
        )
    if run["strategy"] != "undo":
        plan.refuse_changed(of, plan.build(of.strategy, of.requested, known, hosts, canonical.digest(point)))
    first = journal.first_open_step(look["records"], len(of.steps))
    return Made(of, run, point, of.steps[first - 1 :], continues=run["id"])


MAKE = {"run": _fresh, "preflight": _fresh, "resume": _resumed, "undo": _undone}


def _name(look: Mapping[str, Any]) -> str:
    """The name of a new run."""
    return canonical.run_id(look["now"], look["runs"][-1] if look["runs"] else "")


def _climbs(args: Mapping[str, Any]) -> bool:
    """Whether another rung of the ladder follows this strategy. ``ladder`` names the last one, empty for no ladder."""
    last = str(args["ladder"])
    if last and last not in LADDER:
        raise BadInput(
            f"until={last} is no rung of the ladder.",
            hint="The rungs are " + ", ".join(LADDER) + ".",
            next="ansible-playbook escalate.yml --check",
            code="rung-unknown",
        )
    return bool(last) and args["strategy"] != last


def _stored(look: Mapping[str, Any]) -> tuple[plan.Plan, dict[str, Any], dict[str, Any]]:
    if not look["run"]:
        raise BadInput("There is no run yet.", hint="Start one.", next="ansible-playbook full-rollback.yml")
    return plan.load(look["plan"]["plan"]), dict(look["plan"]["run"]), dict(look["plan"]["point"])


def _run(run: dict[str, Any], args: Mapping[str, Any], of: plan.Plan) -> dict[str, Any]:
    who = controller.holder()
    where = os.path.join(args["root"], args["environment"], "runs", run["id"])
    return {
        **run,
        "environment": args["environment"],
        "operator": who["user"],
        "host": who["host"],
        "dir": where,
        "steps": [step.name for step in of.steps],
    }


def _refuse_undo(look: Mapping[str, Any], run: Mapping[str, Any]) -> None:
    """A way back is refused when it would not lead to a whole system."""
    name, stopped = run["id"], look["lease"].get("run") == run["id"] and look["lease"]["state"] != "free"
    newest = look["in_force"][-1] if look["in_force"] else name
    if newest > name:
        raise PlanRefused(
            f"Run {newest} has changed the system after {name}.",
            hint="Runs are undone one by one, the newest first.",
            next=f"ansible-playbook undo.yml -e run={newest}",
            code="undo-not-newest",
        )
    if run["strategy"] == "undo" and stopped:
        raise PlanRefused(
            f"Run {name} is itself the way back from {run['undoes']}, and is not finished.",
            hint="Finish it. To leave it as it stands: unlock.yml -e run=" + name,
            next="ansible-playbook resume.yml",
            code="undo-unfinished",
        )
    if run["strategy"] == "undo" and not run["whole"]:
        raise PlanRefused(
            f"Run {name} took back {run['undoes']}, which had stopped half way: nothing whole lies ahead.",
            hint="Start a new rollback.",
            next="ansible-playbook full-rollback.yml --check",
            code="redo-half",
        )


def _components(of: plan.Plan) -> list[str]:
    return list(dict.fromkeys(step.component for step in of.steps))


def _refuse_cut(variables: Mapping[str, Any]) -> None:
    cuts = {
        "--limit": bool(variables.get("ansible_limit")),
        "--tags": list(variables.get("ansible_run_tags", ["all"])) != ["all"],
        # No task of the engine or of a role has a tag of its own, so any other word skips nothing.
        "--skip-tags": not {"all", "always", "tagged", "untagged"}.isdisjoint(variables.get("ansible_skip_tags") or ()),
    }
    used = [name for name, given in cuts.items() if given]
    if used:
        raise PlanRefused(
            f"{' and '.join(used)} would cut the run and leave a half of the system behind.",
            hint="A rollback takes all hosts of its environment. For another set of hosts, use another inventory.",
            next="run the same command without " + " ".join(used),
            code="run-cut",
        )


def _refuse_broken(args: Mapping[str, Any], look: Mapping[str, Any]) -> None:
    """What a restore point names is never deleted: with one that cannot be read, nothing may be."""
    if args["strategy"] == "finalize" and look["broken"]:
        raise PlanRefused(
            f"Restore points that cannot be read: {', '.join(look['broken'])}. What they name is not known.",
            hint="Fetch their copies from the object store, or move the files away.",
            next="ansible-playbook status.yml",
            code="manifest-unreadable",
        )


def _refuse_locked(look: Mapping[str, Any], request: Mapping[str, Any], run: str) -> None:
    if look["lease"]:
        current = lease.Lease(**{**look["lease"], "holder": lease.Holder(**look["lease"]["holder"])})
        asked = lease.Request(run=run, **{**request, "holder": lease.Holder(**request["holder"])})
        lease.take(current, asked, look["now"])


def _refuse_unconfirmed(args: Mapping[str, Any], steps: list[plan.Step]) -> None:
    # A ladder asks before its first rung, not when it has climbed to the one that replaces data.
    needs = [step.name for step in steps if step.confirm] or ([LADDER[-1]] if args["ladder"] == LADDER[-1] else [])
    expected, given = str(args["confirmation"]), str(args["confirm"])
    if needs and args["mode"] == "run" and given != expected:
        raise BadInput(
            f"{', '.join(needs)} replaces data: confirm it by naming what is rolled back."
            + (f" Given was {given!r}." if given else ""),
            hint="See first what would happen: the same command with --check.",
            next=f"add   -e confirm={expected}",
            code="confirm-missing",
        )
