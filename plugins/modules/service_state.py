#!/usr/bin/python
# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
---
module: service_state
short_description: Stop, start and reload the services of a host, and prove it
version_added: 0.1.0
description:
  - A service counts as stopped when no process of it is left, as started when it is up, stays up and is healthy, and as
    reloaded when the processes that serve are new.
  - An error carries the last lines of the service's log.
author:
  - The steady.rollback developers (@steady)
extends_documentation_fragment:
  - steady.rollback.service
attributes:
  check_mode:
    support: full
    description: Says which services would be touched.
options:
  state:
    description:
      - V(stopped) and V(started) undo each other. V(reloaded) always acts.
    type: str
    choices: [stopped, started, reloaded]
    required: true
"""

EXAMPLES = r"""
- name: Stop the services
  steady.rollback.service_state:
    units:
      - {name: gunicorn, health: "http://127.0.0.1:8000/health"}
      - {name: celery-worker}
    state: stopped
"""

RETURN = r"""
stopped:
  description: The services that were stopped.
  returned: state is stopped
  type: list
  elements: str
started:
  description: The services that were started.
  returned: state is started
  type: list
  elements: str
reloaded:
  description: The services that run new processes.
  returned: state is reloaded
  type: list
  elements: str
pids:
  description: Main process of each service.
  returned: state is started or reloaded, and not check mode
  type: dict
"""

from ansible_collections.steady.rollback.plugins.module_utils import entry
from ansible_collections.steady.rollback.plugins.module_utils.service.site import SERVICE_OPTIONS, control


def do(call: entry.Call) -> entry.Outcome:
    p, services = call.params, control(call.params)
    if p["state"] == "stopped":
        facts = services.stop(p["stop_timeout"], call.dry_run)
    elif p["state"] == "started":
        facts = services.start(p["start_timeout"], call.dry_run)
    else:
        facts = services.reload(p["stop_timeout"], p["start_timeout"], call.dry_run)
    return entry.Outcome(facts.pop("changed"), facts)


STATE = {"type": "str", "choices": ["stopped", "started", "reloaded"], "required": True}


def main() -> None:
    entry.run(do, argument_spec={**SERVICE_OPTIONS, "state": STATE})


if __name__ == "__main__":
    main()
