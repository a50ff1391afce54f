#!/usr/bin/python
# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: configuration
short_description: Keep and restore env files and the rows of models that are configuration
version_added: 0.1.0
author:
  - The steady.rollback developers (@steady)
description:
  - V(captured) keeps copies for a restore point, V(restored) goes back to them, V(restored_back) undoes that.
  - Rows become exactly what they were, in one transaction; the command C(loaddata) would leave what came since.
  - Results name files, keys and numbers of rows, and never a value of an env file.
extends_documentation_fragment:
  - steady.rollback.configuration
attributes:
  check_mode:
    support: full
    description: Looks and says what would change.
options:
  state:
    description: What to do.
    type: str
    choices: [captured, restored, restored_back, finalized]
    required: true
  change:
    description: Name of the change; what was in force before is written down under it.
    type: str
    default: ""
  captured:
    description: With O(state=restored), what V(captured) returned for this host.
    type: dict
    default: {}
  points:
    description: With O(state=finalized), the manifests of all restore points. What they name stays.
    type: list
    elements: dict
    default: []
  hours:
    description: With O(state=finalized), how old a copy must be.
    type: float
    default: 72
"""

EXAMPLES = r"""
- name: Go back to the configuration of the restore point
  steady.rollback.configuration:
    state: restored
    files: [/srv/app/env]
    directory: /var/lib/rollback/production/config
    change: r20261124t022301-4f2a
    captured: "{{ rollback_point.hosts[inventory_hostname].config }}"
"""

RETURN = r"""
captured_host:
  description: Hash of each file, and the rows.
  returned: state is captured
  type: dict
files:
  description: For each file that was changed, the names of the keys that differed.
  returned: state is restored or restored_back
  type: dict
rows:
  description: Number of rows that differed.
  returned: state is restored or restored_back
  type: int
deleted:
  description: The copies that were deleted.
  returned: state is finalized
  type: list
  elements: str
"""

from ansible_collections.steady.rollback.plugins.module_utils import entry
from ansible_collections.steady.rollback.plugins.module_utils.config import snapshot


def do(call: entry.Call) -> entry.Outcome:
    p = call.params
    of = snapshot.Configuration.of(p)
    if p["state"] == "captured":
        return entry.Outcome(not call.dry_run, {"captured_host": snapshot.capture(of, call.dry_run)})
    if p["state"] == "finalized":
        gone = snapshot.finalize(of, p["points"], p["hours"], call.dry_run)
        return entry.Outcome(bool(gone), {"deleted": gone})
    if p["state"] == "restored":
        facts = snapshot.restore(of, p["captured"], p["change"], call.dry_run)
    else:
        facts = snapshot.restore_back(of, p["change"], call.dry_run)
    return entry.Outcome(facts.pop("changed"), facts)


SPEC = {
    **snapshot.CONFIGURATION_OPTIONS,
    "state": {"type": "str", "required": True, "choices": ["captured", "restored", "restored_back", "finalized"]},
    "change": {"type": "str", "default": ""},
    "captured": {"type": "dict", "default": {}},
    "points": {"type": "list", "elements": "dict", "default": []},
    "hours": {"type": "float", "default": 72},
}


def main() -> None:
    entry.run(do, argument_spec=SPEC)


if __name__ == "__main__":
    main()
