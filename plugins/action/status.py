# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Show the newest run, the lock and what is in force, from any machine and while a run is stuck."""

from __future__ import annotations

from typing import Any

from ansible_collections.steady.rollback.plugins.module_utils.core import plan, screens
from ansible_collections.steady.rollback.plugins.plugin_utils import controller


class ActionModule(controller.EngineAction):
    """Reads the anchor and changes nothing."""

    def work(self, args: dict[str, Any], variables: dict[str, Any]) -> dict[str, Any]:
        look = self.anchor("run_info", args, variables)
        of = plan.load(look["plan"]["plan"]) if look["run"] else None
        self.show(screens.status(look, of))
        return {"changed": False, "run": look["run"], "lease": look["lease"], "points": look["points"]}
