#!/usr/bin/python
# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
---
module: celery_queue_info
short_description: Read the queues and workers of a Celery application over Redis
version_added: 0.1.0
description:
  - Changes nothing.
author:
  - The steady.rollback developers (@steady)
extends_documentation_fragment:
  - steady.rollback.project
attributes:
  check_mode:
    support: full
    description: Only reads.
options:
  app:
    description:
      - Name of the Celery application, as C(celery -A) takes it.
    type: str
    default: config
  stage:
    description:
      - V(capture), what a restore point keeps.
      - V(preflight), every problem as a row; never fails for a finding.
      - V(verify), fails when jobs are not worked off.
    type: str
    required: true
    choices: [capture, preflight, verify]
  park_newer:
    description:
      - Whether the run will park jobs that O(captured) does not name.
    type: bool
    default: false
  captured:
    description:
      - What the restore point holds of this component.
    type: dict
    default: {}
  min_workers:
    description:
      - How many workers must consume.
    type: int
    default: 1
  max_waiting:
    description:
      - How many jobs may wait in all queues.
    type: int
    default: 50
  timeout:
    description:
      - Seconds within which V(verify) must come true.
    type: int
    default: 60
  patience:
    description:
      - Seconds that workers get to answer a control message.
    type: float
    default: 2.0
"""

EXAMPLES = r"""
- name: Read the queues
  steady.rollback.celery_queue_info:
    project: /srv/app/current
    env_file: /srv/app/env
    stage: capture
"""

RETURN = r"""
captured:
  description: Lengths of queues, ids and tasks of the jobs that wait or run.
  returned: stage is capture
  type: dict
rows:
  description: Preflight rows.
  returned: stage is preflight
  type: list
  elements: dict
workers:
  description: Queues that each worker consumes.
  returned: stage is verify
  type: dict
queues:
  description: Number of waiting jobs by queue.
  returned: stage is verify
  type: dict
"""

from ansible_collections.steady.rollback.plugins.module_utils import entry
from ansible_collections.steady.rollback.plugins.module_utils.core.checks import Check
from ansible_collections.steady.rollback.plugins.module_utils.django_command import PROJECT_OPTIONS, Project
from ansible_collections.steady.rollback.plugins.module_utils.looks import rows
from ansible_collections.steady.rollback.plugins.module_utils.queues import celery
from ansible_collections.steady.rollback.plugins.module_utils.queues.celery_app import CeleryApp


def do(call: entry.Call) -> entry.Outcome:
    p = call.params
    conversation = CeleryApp(Project.of(p), p["app"], p["patience"])

    def look() -> list[Check]:
        with conversation as app:
            return celery.preflight(app, p["park_newer"], p["captured"])

    if p["stage"] == "preflight":
        return entry.Outcome(False, {"rows": rows("broker", look)})
    with conversation as app:
        if p["stage"] == "capture":
            return entry.Outcome(False, {"captured": celery.capture(app)})
        return entry.Outcome(False, celery.verify(app, p["min_workers"], p["max_waiting"], p["timeout"]))


SPEC = {
    **PROJECT_OPTIONS,
    "app": {"type": "str", "default": "config"},
    "stage": {"type": "str", "required": True, "choices": ["capture", "preflight", "verify"]},
    "park_newer": {"type": "bool", "default": False},
    "captured": {"type": "dict", "default": {}},
    "min_workers": {"type": "int", "default": 1},
    "max_waiting": {"type": "int", "default": 50},
    "timeout": {"type": "int", "default": 60},
    "patience": {"type": "float", "default": 2.0},
}


def main() -> None:
    entry.run(do, argument_spec=SPEC)


if __name__ == "__main__":
    main()
