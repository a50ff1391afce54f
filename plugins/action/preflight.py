# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Judge what the components' preflights found: show everything at once, and refuse if anything failed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.steady.rollback.plugins.module_utils.core import checks, screens
from ansible_collections.steady.rollback.plugins.module_utils.core.errors import PlanRefused
from ansible_collections.steady.rollback.plugins.plugin_utils import controller


class ActionModule(controller.EngineAction):
    """Reads the registered results of the hosts and changes nothing."""

    def work(self, args: dict[str, Any], variables: dict[str, Any]) -> dict[str, Any]:
        rows: list[dict[str, Any]] = []
        loss: dict[str, Any] = {}
        blind: dict[str, dict[str, Any]] = {}
        for each in args["planned"]["preflight"]:
            component = each["component"]
            results = controller.registered(variables, component, "preflight", each["hosts"])
            for host in each["hosts"]:
                result = results.get(host, {"failed": True})
                if result.get("failed") or result.get("unreachable"):
                    blind.setdefault(host, {**_blind(host, result), "component": component, "host": host})
                rows += [{**row, "component": component, "host": host} for row in result.get("rows", [])]
                loss = result.get("loss") or loss
        rows += blind.values()
        looking = self.checking or variables.get("rollback_mode") == "preflight"
        self.show(screens.preflight(rows, brief=not looking))
        self.show(screens.loss(loss))
        failed = [row for row in rows if row["level"] == "fail"]
        if "plan" not in args["planned"]:
            return {"changed": False, "rows": [], "ended": True}
        if failed and args["planned"]["climbs"] and not blind:
            self.show(f"{args['planned']['run']['strategy']} is not possible here: on to the next strategy.")
            return {"changed": False, "rows": rows, "ended": True}
        if failed:
            raise PlanRefused(
                f"Preflight found {len(failed)} problem{'s' if len(failed) > 1 else ''}; nothing was changed.",
                hint="Each FAIL line above names the command that mends it.",
                next="ansible-playbook preflight.yml",
                code=failed[0]["code"] if len(failed) == 1 else "preflight-failed",
                rows=rows,
            )
        return {"changed": False, "rows": rows, "loss": loss, "ended": False}


def _blind(host: str, result: Mapping[str, Any]) -> dict[str, Any]:
    """The finding for a host that could not be looked at: a run without it would leave it behind."""
    said = " ".join(str(result.get("msg") or "The look broke off.").split())
    if result.get("unreachable"):
        found, code = f"{host} cannot be reached: {said}", "host-unreachable"
    else:
        found, code = f"{host} could not be looked at: {said}", str(result.get("code", "task-failed"))
    return checks.fail("host", found, f"ansible {host} -m ansible.builtin.ping", code).row()
