# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Take a restore point: choose the components to capture, then join what their hosts captured into one manifest."""

from __future__ import annotations

from typing import Any

from ansible_collections.steady.rollback.plugins.module_utils.core import canonical, point, screens
from ansible_collections.steady.rollback.plugins.module_utils.core.errors import PlanRefused
from ansible_collections.steady.rollback.plugins.plugin_utils import controller


class ActionModule(controller.EngineAction):
    """``planned`` names components and id, ``written`` hands the manifest to the anchor, ``retired`` ends old ones."""

    def work(self, args: dict[str, Any], variables: dict[str, Any]) -> dict[str, Any]:
        known = controller.catalogue()
        hosts = controller.hosts(variables, known)
        captured = [component for component in known if "capture" in known[component] and hosts[component]]
        target = {"root": args["root"], "environment": args["environment"]}
        if args["state"] == "planned":
            return self._planned(target, args, captured, hosts, variables)
        if args["state"] == "retired":
            return self._retired(target, args, variables)
        found = {each: controller.results(variables, each, "capture", hosts[each]) for each in captured}
        silent = [each for each in captured if len(found[each]) < len(hosts[each])]
        if silent:
            raise PlanRefused(
                f"Not every host captured its part: {', '.join(silent)}.",
                hint="A restore point without them could not be rolled back to.",
                code="capture-incomplete",
            )
        planned = args["planned"]
        body = {
            **point.merge(found),
            "id": planned["run"]["id"],
            "created": planned["created"],
            "environment": args["environment"],
            "purpose": args["purpose"],
            "operator": planned["run"]["operator"],
            "good": all(result.get("good", True) for each in found.values() for result in each.values()),
        }
        if self.checking:
            return {"changed": True, "manifest": body}
        written = self.anchor("restore_point", {**target, "manifest": body, "s3": args["s3"]}, variables)
        self.show(screens.restore_point(body, captured, written["path"]))
        return {**written, "changed": True, "manifest": body}

    def _planned(
        self, target: dict[str, Any], args: dict[str, Any], captured: list[str], hosts: Any, variables: dict[str, Any]
    ) -> dict[str, Any]:
        if not captured:
            raise PlanRefused(
                "The inventory has no component whose state could be captured.",
                hint="A component is a group: rollback_postgres, rollback_release and so on.",
                next="ansible-inventory --graph",
                code="nothing-to-do",
            )
        look = self._look(target, variables)
        point.refuse_behind(look["points"], look["now"])
        who = controller.holder()
        name = f"{canonical.stamp(look['now'])}-{args['purpose'].replace('_', '-')}"
        run = {"id": name, "change": name, "strategy": "capture", "reason": "", "operator": who["user"]}
        run.update(environment=args["environment"], host=who["host"], dir="", steps=[], undoes="")
        parts = [{"component": each, "hosts": hosts[each]} for each in captured]
        return {
            "changed": False,
            "run": run,
            "created": canonical.utc(look["now"]),
            "parts": parts,
            "points": look["points"],
        }

    def _retired(self, target: dict[str, Any], args: dict[str, Any], variables: dict[str, Any]) -> dict[str, Any]:
        look = self._look(target, variables)
        old = point.retired(look["points"], int(args["keep"]), set(look["used"]))
        if old:
            self.show(f"restore points whose time is over: {', '.join(old)}")
            retire = {**target, "state": "retired", "retire": old, "s3": args["s3"]}
            self.anchor("restore_point", retire, variables)
        return {"changed": bool(old), "retired": old}

    def _look(self, target: dict[str, Any], variables: dict[str, Any]) -> dict[str, Any]:
        """What the anchor knows; raises PlanRefused while a run is not finished."""
        look = self.anchor("run_info", {**target, "run": "", "restore_point": ""}, variables)
        if look["lease"] and look["lease"]["state"] != "free":
            raise PlanRefused(
                f"Run {look['lease']['run']} is not finished: this is no moment for a restore point.",
                hint="Resume or undo it first.",
                next="ansible-playbook status.yml",
                code="run-unfinished",
            )
        return look
