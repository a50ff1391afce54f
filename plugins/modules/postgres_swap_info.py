#!/usr/bin/python
# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
---
module: postgres_swap_info
short_description: Tell which PostgreSQL database is live, and which one is kept
version_added: 0.1.0
description:
  - Connects to the live database and reads where a change stands. Changes nothing.
  - Fails when the database takes no writes, or is not the one that O(swapped) asks for.
author:
  - The steady.rollback developers (@steady)
extends_documentation_fragment:
  - steady.rollback.postgres
attributes:
  check_mode:
    support: full
    description: Changes nothing in any mode.
options:
  change:
    description:
      - Id of the change.
    type: str
    required: true
  swapped:
    description:
      - Whether the database that was restored for O(change) must be live.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Check that the restored database serves
  steady.rollback.postgres_swap_info:
    database: app
    user: rollback
    password: "{{ postgres_password }}"
    change: r20261124t022301-4f2a
    swapped: true
"""

RETURN = r"""
live:
  description: The database that serves.
  returned: success
  type: str
oid:
  description: Its number, which it keeps whatever it is called.
  returned: success
  type: int
writable:
  description: Whether it takes writes.
  returned: success
  type: bool
swapped:
  description: Whether it is the one that was restored for the change.
  returned: success
  type: bool
kept:
  description: The database that was replaced, empty when there is none.
  returned: success
  type: str
replaced:
  description: Since when that is out of service.
  returned: success
  type: str
until:
  description: Until when it is kept at least.
  returned: success
  type: str
waiting:
  description: A database of this change that is not live, empty when there is none.
  returned: success
  type: str
"""

from ansible_collections.steady.rollback.plugins.module_utils import entry
from ansible_collections.steady.rollback.plugins.module_utils.databases import standing
from ansible_collections.steady.rollback.plugins.module_utils.databases.postgres import POSTGRES_OPTIONS, Server


def do(call: entry.Call) -> entry.Outcome:
    p = call.params
    return entry.Outcome(False, standing.verify(Server.of(p), p["database"], p["change"], p["swapped"]))


SPEC = {
    **POSTGRES_OPTIONS,
    "change": {"type": "str", "required": True},
    "swapped": {"type": "bool", "default": False},
}


def main() -> None:
    entry.run(do, argument_spec=SPEC)


if __name__ == "__main__":
    main()
