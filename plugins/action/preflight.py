# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Judge what the components' preflights found: show everything at once, and refuse if anything failed."""

from __future__ import annotations

from typing import Any

from ansible_collections.steady.rollback.plugins.module_utils.core import screens
from ansible_collections.steady.rollback.plugins.module_utils.core.errors import PlanRefused
from ansible_collections.steady.rollback.plugins.plugin_utils import controller


class ActionModule(controller.EngineAction):
    """Reads the registered results of the hosts and changes nothing."""

    def work(self, args: dict[str, Any], variables: dict[str, Any]) -> dict[str, Any]:
        rows: list[dict[str, Any]] = []
        loss: dict[str, Any] = {}
        for each in args["planned"]["preflight"]:
            component = each["component"]
            for host, result in controller.results(variables, component, "preflight", each["hosts"]).items():
                rows += [{**row, "component": component, "host": host} for row in result.get("rows", [])]
                loss = result.get("loss") or loss
        looking = self.checking or variables.get("rollback_mode") == "preflight"
        self.show(screens.preflight(rows, brief=not looking))
        self.show(screens.loss(loss))
        failed = [row for row in rows if row["level"] == "fail"]
        if "plan" not in args["planned"]:
            return {"changed": False, "rows": [], "ended": True}
        if failed and args["planned"]["climbs"]:
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
