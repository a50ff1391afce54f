#!/usr/bin/python
# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: run_info
short_description: Read the lock, the runs and the restore points of an environment
version_added: 0.1.0
author:
  - The steady.rollback developers (@steady)
description:
  - Runs on the anchor host and changes nothing.
attributes:
  check_mode:
    support: full
    description: Reads only.
options:
  root:
    description: The directory on the anchor that holds the environments.
    type: path
    default: /var/lib/rollback
  environment:
    description: The environment to read.
    type: str
    required: true
  run:
    description: The run whose plan and journal are wanted; the one that holds the lock, else the newest, by default.
    type: str
    default: ''
  restore_point:
    description: The restore point that is wanted, by its id, or V(latest); none when empty.
    type: str
    default: ''
"""

EXAMPLES = r"""
- name: See what happened last
  steady.rollback.run_info:
    environment: wabot-production
"""

RETURN = r"""
lease:
  description: The lock, empty when there never was one.
  returned: always
  type: dict
now:
  description: The anchor's clock, in seconds since the epoch.
  returned: always
  type: float
run:
  description: The run that plan and records belong to.
  returned: always
  type: str
plan:
  description: The plan of that run.
  returned: always
  type: dict
records:
  description: The journal of that run.
  returned: always
  type: list
  elements: dict
report:
  description: Where the report of that run lies on the anchor, empty when it has none.
  returned: always
  type: str
runs:
  description: The names of all runs, oldest first.
  returned: always
  type: list
  elements: str
in_force:
  description: The names of all runs that changed something and were not undone since, oldest first.
  returned: always
  type: list
  elements: str
rungs:
  description: Plan and journal of the runs that that one followed on a ladder, oldest first.
  returned: always
  type: list
  elements: dict
points:
  description: The manifests of all restore points, newest first.
  returned: always
  type: list
  elements: dict
used:
  description: The ids of the restore points that a run has used.
  returned: always
  type: list
  elements: str
broken:
  description: The names of restore points whose file cannot be trusted.
  returned: always
  type: list
  elements: str
point:
  description: The manifest of the restore point that was asked for.
  returned: always
  type: dict
durations:
  description: The mean seconds of each step in the last runs.
  returned: always
  type: dict
"""

from ansible_collections.steady.rollback.plugins.module_utils import entry
from ansible_collections.steady.rollback.plugins.module_utils.anchor import session
from ansible_collections.steady.rollback.plugins.module_utils.anchor.store import Store


def do(call: entry.Call) -> entry.Outcome:
    p = call.params
    return entry.Outcome(False, session.look(Store(p["root"], p["environment"]), p["run"], p["restore_point"]))


def main() -> None:
    entry.run(
        do,
        argument_spec={
            "root": {"type": "path", "default": "/var/lib/rollback"},
            "environment": {"type": "str", "required": True},
            "run": {"type": "str", "default": ""},
            "restore_point": {"type": "str", "default": ""},
        },
    )


if __name__ == "__main__":
    main()
