#!/usr/bin/python
# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
---
module: celery_queue
short_description: Pause, drain and park the queues of a Celery application over Redis
version_added: 0.1.0
description:
  - Each state is safe to ask for again, and is read back before the module says that it was reached.
  - V(paused) and V(resumed) undo each other, as do V(parked) and V(unparked).
  - Everything that touches Celery or its broker runs inside the release's own interpreter,
    so O(project) decides which tasks are known.
author:
  - The steady.rollback developers (@steady)
extends_documentation_fragment:
  - steady.rollback.project
attributes:
  check_mode:
    support: full
    description: Reads, and says what would change.
options:
  app:
    description:
      - Name of the Celery application, as C(celery -A) takes it.
    type: str
    default: config
  state:
    description:
      - V(paused), no worker consumes; running jobs go on. What each worker consumed is written down in the broker.
      - V(resumed), workers consume again what V(paused) took from them.
      - V(drained), paused workers hold no job any more. Changes nothing, waits.
      - V(parked), waiting jobs that the release in O(project) cannot run are set aside, in order.
        Workers must be stopped.
      - V(unparked), the parked jobs of O(change) are back at the head of their queues.
    type: str
    required: true
    choices: [paused, resumed, drained, parked, unparked]
  change:
    description:
      - Id of the change; what is kept is kept under this name.
    type: str
    required: true
  park_newer:
    description:
      - With O(state=parked), also park jobs whose id is not in O(known_ids).
    type: bool
    default: false
  known_ids:
    description:
      - Ids of the jobs that were waiting when the restore point was made.
    type: list
    elements: str
    default: []
  drain_timeout:
    description:
      - Seconds that running jobs get.
    type: int
    default: 120
  drain_stable:
    description:
      - Seconds for which workers must be idle.
    type: int
    default: 2
  drain_on_timeout:
    description:
      - V(fail) stops the run and names the jobs; V(go_on) leaves them to the workers' shutdown.
    type: str
    choices: [fail, go_on]
    default: fail
  patience:
    description:
      - Seconds that workers get to answer a control message.
    type: float
    default: 2.0
"""

EXAMPLES = r"""
- name: Set aside what the target release cannot run
  steady.rollback.celery_queue:
    project: /srv/app/releases/0123456789ab
    env_file: /srv/app/env
    state: parked
    change: r20261124t022301-4f2a
"""

RETURN = r"""
paused:
  description: Queues that were taken from each worker.
  returned: state is paused
  type: dict
resumed:
  description: Queues that were given back to each worker.
  returned: state is resumed
  type: dict
running:
  description: Jobs that workers hold, with id, task, worker, state and age in seconds.
  returned: state is drained, also when it fails
  type: list
  elements: dict
parked:
  description: Number of parked jobs by task.
  returned: state is parked
  type: dict
reasons:
  description: Number of parked jobs by reason.
  returned: state is parked
  type: dict
replay:
  description: Commands that put the parked jobs back by hand.
  returned: state is parked
  type: list
  elements: str
unparked:
  description: Number of jobs put back by queue.
  returned: state is unparked
  type: dict
"""

from ansible_collections.steady.rollback.plugins.module_utils import entry
from ansible_collections.steady.rollback.plugins.module_utils.django_command import PROJECT_OPTIONS, Project
from ansible_collections.steady.rollback.plugins.module_utils.queues import celery
from ansible_collections.steady.rollback.plugins.module_utils.queues.celery_app import CeleryApp


def do(call: entry.Call) -> entry.Outcome:
    p, change = call.params, call.params["change"]
    with CeleryApp(Project.of(p), p["app"], p["patience"]) as app:
        if p["state"] == "paused":
            facts = celery.pause(app, change, call.dry_run)
        elif p["state"] == "resumed":
            facts = celery.resume(app, change, call.dry_run)
        elif p["state"] == "drained":
            # Check mode looks once and does not wait: nothing was paused before it.
            facts = (
                {} if call.dry_run else celery.drain(app, p["drain_timeout"], p["drain_stable"], p["drain_on_timeout"])
            )
        elif p["state"] == "parked":
            facts = celery.park(app, change, p["known_ids"] if p["park_newer"] else None, call.dry_run)
        else:
            facts = celery.unpark(app, change, call.dry_run)
    if facts.get("drained") is False:
        call.warn(f"Workers still hold {len(facts['running'])} jobs; the run goes on as it was asked to.")
    return entry.Outcome(facts.pop("changed", False), facts)


SPEC = {
    **PROJECT_OPTIONS,
    "app": {"type": "str", "default": "config"},
    "state": {"type": "str", "required": True, "choices": ["paused", "resumed", "drained", "parked", "unparked"]},
    "change": {"type": "str", "required": True},
    "park_newer": {"type": "bool", "default": False},
    "known_ids": {"type": "list", "elements": "str", "default": []},
    "drain_timeout": {"type": "int", "default": 120},
    "drain_stable": {"type": "int", "default": 2},
    "drain_on_timeout": {"type": "str", "choices": ["fail", "go_on"], "default": "fail"},
    "patience": {"type": "float", "default": 2.0},
}


def main() -> None:
    entry.run(do, argument_spec=SPEC)


if __name__ == "__main__":
    main()
