#!/usr/bin/python
# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

# The action plugin of the same name does the work; this file is its documentation.

DOCUMENTATION = r"""
module: preflight
short_description: Judge what the components' preflights found
version_added: 0.1.0
author:
  - The steady.rollback developers (@steady)
description:
  - Shows every finding of every host, each with the command that mends it, and fails when one of them forbids the run.
attributes:
  check_mode:
    support: full
    description: Reads only.
options:
  planned:
    description: What M(steady.rollback.plan) returned.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Judge what was found
  steady.rollback.preflight:
    planned: "{{ rollback_planned }}"
  run_once: true
"""

RETURN = r"""
rows:
  description: The findings (level, name, found, fix, code, component, host).
  returned: always
  type: list
  elements: dict
loss:
  description: What a rollback gives up, in minutes and rows; empty when nothing.
  returned: success
  type: dict
ended:
  description: Whether this strategy ends here, and the next one of the ladder follows.
  returned: success
  type: bool
"""
