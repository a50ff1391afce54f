#!/usr/bin/python
# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

# The action plugin of the same name does the work; this file is its documentation.

DOCUMENTATION = r"""
module: plan
short_description: Make the plan of a run
version_added: 0.1.0
author:
  - The steady.rollback developers (@steady)
description:
  - Reads the anchor, decides everything once for all hosts, shows it and changes nothing.
  - The task is delegated to the anchor host.
attributes:
  check_mode:
    support: full
    description: Reads only.
options:
  mode:
    description: A fresh run, only its preflight, what is left of an unfinished run, or the way back from one.
    type: str
    choices: [run, preflight, resume, undo]
    required: true
  strategy:
    description: The name of the strategy.
    type: str
    default: ''
  steps:
    description:
      - The steps of the strategy, as C(component.verb).
      - V(prepare) and V(verify) stand for these verbs of all components that the strategy names.
    type: list
    elements: str
    default: []
  environment:
    description: The environment that is rolled back.
    type: str
    required: true
  root:
    description: The directory on the anchor that holds the environments.
    type: path
    required: true
  restore_point:
    description: The restore point to go back to, by its id, or V(latest); none when empty.
    type: str
    default: latest
  run:
    description: The run to resume or to undo; the newest by default.
    type: str
    default: ''
  reason:
    description: Why, in the operator's words.
    type: str
    default: ''
  confirm:
    description: What the operator confirmed.
    type: str
    default: ''
  confirmation:
    description: What must be confirmed before data is replaced.
    type: str
    default: ''
  take_over:
    description: The run whose living holder is overruled.
    type: str
    default: ''
  after:
    description: The run that this one follows on the ladder.
    type: str
    default: ''
  ladder:
    description: The last strategy of the ladder that this one is a rung of; empty when it stands alone.
    type: str
    default: ''
"""

EXAMPLES = r"""
- name: Plan what is left of the newest run
  steady.rollback.plan:
    mode: resume
    environment: wabot-production
    root: /var/lib/rollback
  delegate_to: db1
  run_once: true
  register: rollback_planned
"""

RETURN = r"""
run:
  description: What is known of the run before it begins (id, change, strategy, reason, operator, steps).
  returned: success
  type: dict
point:
  description: The manifest of the restore point.
  returned: success
  type: dict
points:
  description: The manifests of all restore points, newest first.
  returned: success
  type: list
  elements: dict
plan:
  description: The plan with its hash.
  returned: success
  type: dict
remaining:
  description: The steps that are still to do.
  returned: success
  type: list
  elements: dict
preflight:
  description: The components to look at, each with its hosts.
  returned: success
  type: list
  elements: dict
"""
