#!/usr/bin/python
# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
---
module: postgres_ledger
short_description: Account for the rows that going back has lost
version_added: 0.1.0
description:
  - Compares the database that a change has replaced with the one that is live, table by table, by primary key, in
    bounded memory.
  - Rows that only the kept database has, and rows that differ, are written to one CSV file a table, mode 0600.
    The first column, C(difference), is V(missing) or V(changed); the others are the table's own.
  - A key that the live database has given out anew since makes a lost row look changed; it is in the file all the same.
  - Never fails for what it finds or cannot read; it says so in RV(recovery) and RV(reasons).
author:
  - The steady.rollback developers (@steady)
extends_documentation_fragment:
  - steady.rollback.postgres
attributes:
  check_mode:
    support: full
    description: Returns the window alone; compares and writes nothing.
options:
  change:
    description:
      - Id of the change; the kept database is named after it.
    type: str
    required: true
  directory:
    description:
      - Where the files go, on the host that runs the module.
    type: path
    required: true
  since:
    description:
      - The moment of the restore point, in ISO 8601.
    type: str
    default: ""
  then:
    description:
      - Rows by table at the restore point, for the result.
    type: dict
    default: {}
  tables:
    description:
      - Tables whose rows say when they were written. Of their lost rows those in the window are counted.
    type: list
    elements: dict
    default: []
    suboptions:
      table:
        description: The table, with its schema unless that is C(public).
        type: str
        required: true
      timestamp:
        description: The column that says when a row was written.
        type: str
        required: true
  seconds:
    description:
      - How long the comparison may take. Tables that were not reached are named in RV(reasons).
    type: float
    default: 300
  limit_mib:
    description:
      - Size at which a file ends. Rows are counted on.
    type: int
    default: 256
"""

EXAMPLES = r"""
- name: Account for what was lost
  steady.rollback.postgres_ledger:
    database: app
    user: rollback
    password: "{{ postgres_password }}"
    change: r20261124t022301-4f2a
    directory: /var/lib/rollback/production/runs/r20261124t022301-4f2a/lost
    since: "2026-11-24T01:00:00Z"
    tables: [{table: messaging_message, timestamp: created_at}]
"""

RETURN = r"""
kept:
  description: The database that was replaced.
  returned: when there is one
  type: str
window:
  description: From the restore point to the switch, C(from), C(to) and C(minutes).
  returned: when there is a kept database
  type: dict
tables:
  description:
    - By table that lost something. C(then), rows at the restore point; C(kept) and C(now), rows in the two databases;
      C(missing), rows that only the kept one has; C(changed), rows that differ; C(new), rows that only the live one
      has; C(in_window) and C(newest) by the table's timestamp; C(file), its C(sha256) and C(rows).
  returned: success
  type: dict
lost:
  description: Sums of C(missing), C(changed) and C(in_window).
  returned: when there is a kept database, not in check mode
  type: dict
recovery:
  description: V(possible) when the files hold all that was lost, else V(partial) or V(not possible).
  returned: success
  type: str
reasons:
  description: Why the files do not hold all of it.
  returned: success
  type: list
  elements: str
"""

from ansible_collections.steady.rollback.plugins.module_utils import entry
from ansible_collections.steady.rollback.plugins.module_utils.databases import ledger
from ansible_collections.steady.rollback.plugins.module_utils.databases.postgres import POSTGRES_OPTIONS, Server


def do(call: entry.Call) -> entry.Outcome:
    p = call.params
    full = {each["table"] if "." in each["table"] else f"public.{each['table']}": each for each in p["tables"]}
    order = ledger.Order(
        live=p["database"],
        change=p["change"],
        directory=p["directory"],
        since=p["since"],
        then=p["then"],
        timestamps={table: each["timestamp"] for table, each in full.items()},
        seconds=p["seconds"],
        limit=p["limit_mib"] * 1024 * 1024,
    )
    facts = ledger.account(Server.of(p), order, call.dry_run)
    for reason in facts.get("reasons", []):
        call.warn(f"Not all that was lost is written down: {reason}.")
    return entry.Outcome(facts.pop("changed"), facts)


TIMESTAMP = {"table": {"type": "str", "required": True}, "timestamp": {"type": "str", "required": True}}
SPEC = {
    **POSTGRES_OPTIONS,
    "change": {"type": "str", "required": True},
    "directory": {"type": "path", "required": True},
    "since": {"type": "str", "default": ""},
    "then": {"type": "dict", "default": {}},
    "tables": {"type": "list", "elements": "dict", "default": [], "options": TIMESTAMP},
    "seconds": {"type": "float", "default": 300},
    "limit_mib": {"type": "int", "default": 256},
}


def main() -> None:
    entry.run(do, argument_spec=SPEC)


if __name__ == "__main__":
    main()
