# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Open, mark, close or break off a run: gather what the hosts did, and have the anchor write it down."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible.utils.display import Display
from ansible_collections.steady.rollback.plugins.module_utils import files, hold
from ansible_collections.steady.rollback.plugins.module_utils.core import effects, failpoint, plan, screens
from ansible_collections.steady.rollback.plugins.module_utils.core.errors import PlanRefused
from ansible_collections.steady.rollback.plugins.plugin_utils import controller, interrupt
from ansible_collections.steady.rollback.plugins.plugin_utils.report import render


class ActionModule(controller.EngineAction):
    """One moment of a run. ``planned`` is what the plan task returned, ``opened`` what opening returned."""

    def work(self, args: dict[str, Any], variables: dict[str, Any]) -> dict[str, Any]:
        state = args["state"]
        if state == "unlocked":
            return self.anchor("run", args, variables)
        if "run" not in (args.get("planned") or {}):
            raise PlanRefused(
                "This run was never planned: it was started in its middle.",
                hint="--start-at-task skips every check. A broken-off run goes on with resume.yml.",
                next="ansible-playbook resume.yml",
                code="run-cut",
            )
        planned = args["planned"]
        base = {
            "root": args["root"],
            "environment": planned["run"]["environment"],
            "run": planned["run"]["id"],
            "generation": (args.get("opened") or planned)["generation"],
        }
        return dict(getattr(self, f"_{state}")(base, planned, args, variables))

    def _opened(
        self, base: dict[str, Any], planned: Mapping[str, Any], args: Mapping[str, Any], variables: dict[str, Any]
    ) -> dict[str, Any]:
        run, request = planned["run"], planned["request"]
        kept = {key: planned[key] for key in ("run", "plan", "point")}
        if request["continues"] == run["id"]:
            first = planned["remaining"][0]["n"] if planned["remaining"] else 0
            record = {"kind": "resumed", "n": first, **request["holder"]}
        else:
            point = {key: planned["point"].get(key, "") for key in ("id", "created")}
            record = {
                **{key: run[key] for key in ("environment", "strategy", "reason", "operator", "host", "undoes")},
                "kind": "opened",
                "run": run["id"],
                "point": {**point, **planned["point"].get("components", {}).get("release", {})},
                "plan": {"hash": planned["plan"]["hash"], "steps": planned["plan"]["steps"]},
                "preflight": args.get("preflight") or {},
            }
        opening = {"state": "opened", "request": request, "plan": kept, "records": [record]}
        return self.anchor("run", {**base, **opening}, variables)

    def _marked(
        self, base: dict[str, Any], planned: Mapping[str, Any], args: Mapping[str, Any], variables: dict[str, Any]
    ) -> dict[str, Any]:
        step = plan.Step(**args["step"])
        remaining = [plan.Step(**each) for each in planned["remaining"]]
        position = next(i for i, each in enumerate(remaining) if each.n == step.n)
        records = _done(remaining[position - 1], variables) if position else []
        if position:
            failpoint.reach(remaining[position - 1].name, "after", controller.holder()["pid"])
        if interrupt.asked():
            self._stop(base, records, step, variables)
        records.append({"kind": "intent", "n": step.n, "step": step.name, "hosts": step.hosts})
        marked = self.anchor(
            "run",
            {**base, "state": "marked", "records": records, "step": step.name, "hold": step.budget, "acts": step.acts},
            variables,
        )
        left = sum(planned["durations"].get(each.name, each.budget) for each in remaining[position:])
        self.show(screens.progress(step, len(planned["plan"]["steps"]), marked["seconds"], left))
        failpoint.reach(step.name, "before", controller.holder()["pid"])
        run = planned["run"]
        claim = hold.Claim(run["environment"], run["change"], base["generation"], step.budget)
        held = str(claim) if step.holds else ""  # the step adds its host to the name
        return {"changed": False, "n": step.n, "hold": held, "failpoint": failpoint.armed_inside(step.name)}

    def _stop(
        self, base: dict[str, Any], records: list[dict[str, Any]], step: plan.Step, variables: dict[str, Any]
    ) -> None:
        """Write down what was done, and go no further."""
        self.anchor("run", {**base, "state": "marked", "records": records, "step": step.name}, variables)
        raise PlanRefused(
            "Ctrl-C: the run has stopped between two steps.",
            hint="The steps before it are done and recorded.",
            next="ansible-playbook resume.yml   or   ansible-playbook undo.yml",
            code="stopped",
            n=step.n,
            step=step.name,
        )

    def _closed(
        self, base: dict[str, Any], planned: Mapping[str, Any], args: Mapping[str, Any], variables: dict[str, Any]
    ) -> dict[str, Any]:
        remaining = [plan.Step(**each) for each in planned["remaining"]]
        outcome = "undone" if planned["run"]["strategy"] == "undo" else "completed"
        records = _done(remaining[-1], variables) if remaining else []
        if remaining:
            failpoint.reach(remaining[-1].name, "after", controller.holder()["pid"])
        records.append({"kind": "closed", "outcome": outcome})
        return self._end(base, records, outcome, args, variables)

    def _failed(
        self, base: dict[str, Any], planned: Mapping[str, Any], args: Mapping[str, Any], variables: dict[str, Any]
    ) -> dict[str, Any]:
        failed = {
            host: variables["hostvars"][host]["ansible_failed_result"]
            for host in variables["ansible_play_hosts_all"]
            if "ansible_failed_result" in variables["hostvars"][host]
        }
        found = effects.culprit(failed or _unreachable(planned, variables))
        measured = {host: effects.keep(result) for host, result in failed.items() if "code" in result}
        place = {key: failed[found["host"]][key] for key in ("n", "step")} if found["code"] == "stopped" else {}
        records: list[dict[str, Any]] = [
            {"kind": "failed", **found, **place, "effects": measured, "done_on": _done_on(planned, found, variables)},
            {"kind": "closed", "outcome": "held"},
        ]
        if found["code"] == "lock-lost":
            raise PlanRefused(found["message"], hint=found["hint"], next=found["next"], code="lock-lost")
        ended = self._end(base, records, "held", args, variables)
        self.show(screens.failure(ended["records"], plan.load(planned["plan"])))
        if planned["climbs"] and found["code"] in ("gate-failed", "gate-inconclusive"):
            self.show(f"{planned['run']['strategy']} did not help: on to the next strategy.")
            return {"changed": True}
        return {"failed": True, "shown": True, "msg": found["message"], "code": found["code"]}

    def _end(
        self,
        base: dict[str, Any],
        records: list[dict[str, Any]],
        outcome: str,
        args: Mapping[str, Any],
        variables: dict[str, Any],
    ) -> dict[str, Any]:
        records[-1].update(_notices(variables))
        closed = self.anchor("run", {**base, "state": "closed", "records": records, "outcome": outcome}, variables)
        places = self._report(base, closed["records"], args, variables)
        if lost := self._copy(base, args, variables):
            # Too late for the journal, which is what could not be copied; the report can still say it.
            unsaid = {"kind": "uncopied", "undelivered": [{"sink": "Copy of this record", "reason": lost}]}
            places = self._report(base, [*closed["records"], unsaid], args, variables)
        self.show(places)
        return {"changed": True, "records": closed["records"], "dir": closed["dir"], "outcome": outcome}

    def _report(
        self, base: dict[str, Any], records: list[dict[str, Any]], args: Mapping[str, Any], variables: dict[str, Any]
    ) -> str:
        """Keep the report beside the journal, and here when ``report_dir`` names a place; returns where. The run has
        ended already: whatever goes wrong with its report is said, and changes nothing."""
        places = []
        try:
            texts = render.files(records, _lines(args.get("samples")))
            kept = self.anchor("run", {**base, "state": "reported", "files": texts}, variables)
            places.append(f"  report    {self._task.delegate_to or 'anchor'}:{kept['dir']}/report.html")
            if args.get("report_dir"):
                place = files.private_directory(Path(args["report_dir"]).absolute() / base["run"])
                for name, text in texts.items():
                    files.write(place / name, text.encode())
                places.append(f"  report    {place}/report.html")
        except Exception as error:
            Display().warning(f"The report could not be written: {type(error).__name__}: {error}")
        return "\n".join(places)

    def _copy(self, base: dict[str, Any], args: Mapping[str, Any], variables: dict[str, Any]) -> str:
        """Copy the record to the object store; returns why that failed. The run has ended already: a dead store is
        said, and changes nothing. The next run copies this one's record too."""
        if not args.get("s3"):
            return ""
        what = {"state": "pushed", "s3": args["s3"], **{key: base[key] for key in ("root", "environment", "run")}}
        try:
            self.anchor("anchor_copy", what, variables)
        except Exception as error:
            Display().warning(f"The record of this run is on the anchor only, not in the object store: {error}")
            return f"{getattr(error, 'code', 'failed')}: {error}"
        return ""


def _notices(variables: Mapping[str, Any]) -> dict[str, Any]:
    """Who was reached by the newest notice of this run, and who was not."""
    group = list(variables["groups"].get(f"{controller.PREFIX}notify", []))
    sent = controller.results(variables, "notify", "effect", group).values()
    return {
        "delivered": sum(result.get("delivered", 0) for result in sent),
        "undelivered": [each for result in sent for each in result.get("undelivered", [])],
    }


def _lines(samples: str | None) -> list[str]:
    """The lines of the prober's file, if there is one."""
    try:
        return Path(samples).read_text(encoding="utf-8", errors="replace").splitlines() if samples else []
    except OSError as error:
        Display().warning(f"What the prober saw cannot be read: {error}")
        return []


def _done_on(planned: Mapping[str, Any], found: Mapping[str, Any], variables: Mapping[str, Any]) -> list[str]:
    """The hosts on which the step that failed elsewhere was done.

    Known only where the one task that does the work has failed: else an older step's result would be taken for this
    one's.
    """
    marked = variables.get("rollback_marked") or {}
    if "n" not in marked or marked.get("failed") or found["code"] == "task-failed":
        return []
    step = planned["plan"]["steps"][marked["n"] - 1]
    results = controller.results(variables, step["component"], "effect", step["hosts"])
    return [host for host, result in results.items() if not (result.get("failed") or result.get("unreachable"))]


def _unreachable(planned: Mapping[str, Any], variables: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The hosts that did not answer, with what their connection said."""
    found = {}
    for step in planned["plan"]["steps"]:
        results = controller.results(variables, step["component"], "effect", step["hosts"])
        found.update({host: result for host, result in results.items() if result.get("unreachable")})
    return found


def _done(step: plan.Step, variables: Mapping[str, Any]) -> list[dict[str, Any]]:
    found = controller.results(variables, step.component, "effect", step.hosts)
    kept = {host: effects.keep(result) for host, result in found.items()}
    return [{"kind": "done", "n": step.n, "step": step.name, "effects": kept}]
