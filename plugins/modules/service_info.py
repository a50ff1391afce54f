#!/usr/bin/python
# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
---
module: service_info
short_description: Look at the services of a host
version_added: 0.1.0
description:
  - Reads only.
author:
  - The steady.rollback developers (@steady)
extends_documentation_fragment:
  - steady.rollback.service
attributes:
  check_mode:
    support: full
    description: Reads only.
options:
  mode:
    description:
      - V(live), how each service is, for a restore point.
      - V(preflight), one row for each finding.
      - V(verify), fails unless every service is up and healthy within O(start_timeout).
    type: str
    choices: [live, preflight, verify]
    default: live
"""

EXAMPLES = r"""
- name: How are the services
  steady.rollback.service_info:
    units: [{name: gunicorn}, {name: celery-worker}]
"""

RETURN = r"""
captured_host:
  description: The word of the provider for each service.
  returned: mode is live
  type: dict
good:
  description: Whether every service is up.
  returned: mode is live
  type: bool
rows:
  description: One row for each finding.
  returned: mode is preflight
  type: list
  elements: dict
pids:
  description: Main process of each service.
  returned: mode is verify
  type: dict
"""

from ansible_collections.steady.rollback.plugins.module_utils import entry, looks
from ansible_collections.steady.rollback.plugins.module_utils.service.site import SERVICE_OPTIONS, control


def do(call: entry.Call) -> entry.Outcome:
    p = call.params
    if p["mode"] == "preflight":
        return entry.Outcome(False, {"rows": looks.rows("services", lambda: control(p).rows())})
    services = control(p)
    if p["mode"] == "verify":
        facts = services.verify(p["start_timeout"])
        return entry.Outcome(facts.pop("changed"), facts)
    states = services.states()
    words = {name: state.word for name, state in states.items()}
    return entry.Outcome(False, {"captured_host": words, "good": all(state.up for state in states.values())})


MODE = {"type": "str", "choices": ["live", "preflight", "verify"], "default": "live"}


def main() -> None:
    entry.run(do, argument_spec={**SERVICE_OPTIONS, "mode": MODE})


if __name__ == "__main__":
    main()
