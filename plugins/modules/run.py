#!/usr/bin/python
# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: run
short_description: Lock an environment and keep the journal of a rollback
version_added: 0.1.0
author:
  - The steady.rollback developers (@steady)
description:
  - Runs on the anchor host and keeps the record that status, resume, undo and the report are made from.
  - The action plugin of the same name gathers what the hosts did; playbooks use that.
attributes:
  check_mode:
    support: full
    description: Checks whether the lock could be taken or is still held, and writes nothing.
options:
  state:
    description: Which moment of the run to record.
    type: str
    choices: [opened, marked, closed, unlocked, reported]
    required: true
  root:
    description: The directory on the anchor that holds the environments.
    type: path
    default: /var/lib/rollback
  environment:
    description: The environment that is rolled back; the lock covers all of it.
    type: str
    required: true
  run:
    description: The name of the run.
    type: str
    required: true
  generation:
    description: The generation of the lock, as O(state=opened) returned it; with O(state=opened) the one last seen.
    type: int
    default: 0
  request:
    description: With O(state=opened), who asks for the lock (user, host, pid) and which run this one continues.
    type: dict
    default: {}
  plan:
    description: With O(state=opened), the plan to keep.
    type: dict
    default: {}
  records:
    description: The records to append.
    type: list
    elements: dict
    default: []
  step:
    description: With O(state=marked), the step that begins.
    type: str
    default: ''
  hold:
    description: With O(state=marked), the seconds for which the step may hold the lock.
    type: float
    default: 60
  acts:
    description: With O(state=marked), whether the step changes what others see.
    type: bool
    default: false
  files:
    description: With O(state=reported), the files to keep in the directory of the run, by name.
    type: dict
    default: {}
  outcome:
    description: With O(state=closed), how the run ended.
    type: str
    choices: [completed, undone, held]
    default: completed
"""

EXAMPLES = r"""
- name: Give up the lock of a run that nobody will finish
  steady.rollback.run:
    state: unlocked
    environment: wabot-production
    run: r20261124t022301-4f2a
"""

RETURN = r"""
generation:
  description: The generation of the lock that was taken.
  returned: when O(state=opened)
  type: int
dir:
  description: The directory of the run on the anchor.
  returned: success
  type: str
seconds:
  description: How long the run has had the lock.
  returned: when O(state=marked)
  type: float
records:
  description: The whole journal.
  returned: when O(state=closed)
  type: list
  elements: dict
"""

from ansible_collections.steady.rollback.plugins.module_utils import entry
from ansible_collections.steady.rollback.plugins.module_utils.anchor import session
from ansible_collections.steady.rollback.plugins.module_utils.anchor.store import Store
from ansible_collections.steady.rollback.plugins.module_utils.core import lease

STATES = ["opened", "marked", "closed", "unlocked", "reported"]


def do(call: entry.Call) -> entry.Outcome:
    p = call.params
    store = Store(p["root"], p["environment"])
    if p["state"] == "unlocked" and not call.dry_run:
        session.unlock(store, p["run"])
    facts = {"dir": str(store.run_dir(p["run"]))}
    if call.dry_run:
        return entry.Outcome(True, facts)
    if p["state"] == "opened":
        asked = dict(p["request"])
        request = lease.Request(run=p["run"], holder=lease.Holder(**asked.pop("holder")), **asked)
        taken = session.open_run(store, request, p["plan"], p["records"][0], p["generation"])
        return entry.Outcome(True, {**facts, "generation": taken.generation})
    if p["state"] == "marked":
        step = {"step": p["step"], "hold": p["hold"], "acts": p["acts"]}
        seconds = session.mark(store, p["run"], p["generation"], p["records"], **step)
        return entry.Outcome(True, {**facts, "seconds": seconds})
    if p["state"] == "closed":
        records = session.close(store, p["run"], p["generation"], p["records"], p["outcome"])
        return entry.Outcome(True, {**facts, "records": records})
    if p["state"] == "reported":
        store.write_report(p["run"], p["files"])
    return entry.Outcome(True, facts)


def main() -> None:
    entry.run(
        do,
        argument_spec={
            "state": {
                "type": "str",
                "required": True,
                "choices": ["opened", "marked", "closed", "unlocked", "reported"],
            },
            "root": {"type": "path", "default": "/var/lib/rollback"},
            "environment": {"type": "str", "required": True},
            "run": {"type": "str", "required": True},
            "generation": {"type": "int", "default": 0},
            "request": {"type": "dict", "default": {}},
            "plan": {"type": "dict", "default": {}},
            "records": {"type": "list", "elements": "dict", "default": []},
            "step": {"type": "str", "default": ""},
            "hold": {"type": "float", "default": 60},
            "acts": {"type": "bool", "default": False},
            "files": {"type": "dict", "default": {}},
            "outcome": {"type": "str", "choices": ["completed", "undone", "held"], "default": "completed"},
        },
    )


if __name__ == "__main__":
    main()
