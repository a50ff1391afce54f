#!/usr/bin/python
# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

# The action plugin of the same name does the work; this file is its documentation.

DOCUMENTATION = r"""
module: status
short_description: Show the newest run, the lock and what is in force
version_added: 0.1.0
author:
  - The steady.rollback developers (@steady)
description:
  - Reads the anchor host, to which the task is delegated, and changes nothing.
attributes:
  check_mode:
    support: full
    description: Reads only.
options:
  environment:
    description: The environment that is rolled back.
    type: str
    required: true
  root:
    description: The directory on the anchor that holds the environments.
    type: path
    required: true
  run:
    description: The run to show; the one that holds the lock, else the newest, by default.
    type: str
    default: ''
"""

EXAMPLES = r"""
- name: Show what happened last
  steady.rollback.status:
    environment: wabot-production
    root: /var/lib/rollback
  delegate_to: db1
  run_once: true
"""

RETURN = r"""
run:
  description: The run that was shown.
  returned: success
  type: str
lease:
  description: The lock, empty when there never was one.
  returned: success
  type: dict
points:
  description: The manifests of all restore points, newest first.
  returned: success
  type: list
  elements: dict
"""
