#!/usr/bin/python
# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
---
module: postgres_swap
short_description: Exchange a PostgreSQL database for the one that was restored beside it, and back
version_added: 0.1.0
description:
  - Sessions of the live database are ended while both databases are renamed in one transaction. New connections wait
    for it. Owner, grants, connection limit, settings and comment go to the database that comes in.
  - What is replaced is kept under a name made from O(change), can be read and is read only by default.
  - Names alone say where one stands, so each state is safe to ask for again after a run was killed anywhere.
author:
  - The steady.rollback developers (@steady)
extends_documentation_fragment:
  - steady.rollback.postgres
attributes:
  check_mode:
    support: full
    description: Reads, and says what would change.
options:
  state:
    description:
      - V(swapped), the database that was restored for O(change) is live.
      - V(swapped_back), what was live before O(change) is live again.
      - They undo each other.
    type: str
    required: true
    choices: [swapped, swapped_back]
  change:
    description:
      - Id of the change; the databases beside the live one are named after it.
    type: str
    required: true
  run:
    description:
      - Id of the run that asks, for the mark on what is kept.
    type: str
    required: true
  keep_hours:
    description:
      - Hours for which what is replaced is kept at least.
    type: float
    default: 72
  patience:
    description:
      - Seconds that sessions get to leave.
    type: float
    default: 10
"""

EXAMPLES = r"""
- name: Let the restored database go live
  steady.rollback.postgres_swap:
    database: app
    user: rollback
    password: "{{ postgres_password }}"
    state: swapped
    change: r20261124t022301-4f2a
    run: r20261124t022301-4f2a
"""

RETURN = r"""
live:
  description: The database that serves.
  returned: success
  type: str
kept:
  description: The database that was replaced, empty when there is none.
  returned: success
  type: str
differences:
  description: What could not be copied to the database that came in.
  returned: when something was exchanged
  type: list
  elements: str
gap_ms:
  description: Milliseconds from the first session that was ended to the new database.
  returned: when something was exchanged
  type: float
sessions_ended:
  description: Sessions that were ended.
  returned: when something was exchanged
  type: int
replaced:
  description: When the kept database went out of service.
  returned: when something was exchanged
  type: str
until:
  description: Until when it is kept at least.
  returned: when something was exchanged
  type: str
"""

from ansible_collections.steady.rollback.plugins.module_utils import entry
from ansible_collections.steady.rollback.plugins.module_utils.databases import swap
from ansible_collections.steady.rollback.plugins.module_utils.databases.postgres import POSTGRES_OPTIONS, Server


def do(call: entry.Call) -> entry.Outcome:
    p = call.params
    terms = swap.Terms(p["database"], p["change"], p["run"], p["keep_hours"], p["patience"])
    ensure = swap.swapped if p["state"] == "swapped" else swap.swapped_back
    facts = ensure(Server.of(p), terms, call.dry_run)
    for difference in facts.get("differences", []):
        call.warn(f"The database {p['database']} is not all that it was: {difference}.")
    return entry.Outcome(facts.pop("changed"), facts)


SPEC = {
    **POSTGRES_OPTIONS,
    "state": {"type": "str", "required": True, "choices": ["swapped", "swapped_back"]},
    "change": {"type": "str", "required": True},
    "run": {"type": "str", "required": True},
    "keep_hours": {"type": "float", "default": 72},
    "patience": {"type": "float", "default": 10},
}


def main() -> None:
    entry.run(do, argument_spec=SPEC)


if __name__ == "__main__":
    main()
