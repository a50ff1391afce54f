#!/usr/bin/python
# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
---
module: sql_integrity
short_description: Repair rows of a PostgreSQL database, and put them back as they were
version_added: 0.1.0
description:
  - V(repaired) changes the rows that a check finds, in one transaction for each repair. It is committed only when the
    check finds no row any more, together with a copy of the rows as they were, in the schema C(rollback_kept).
  - V(repaired_back) puts these rows back, unless somebody has changed them since.
author:
  - The steady.rollback developers (@steady)
extends_documentation_fragment:
  - steady.rollback.postgres
  - steady.rollback.integrity
attributes:
  check_mode:
    support: full
    description: Looks and says how many rows would change.
options:
  state:
    description: What to do. V(finalized) deletes the copies whose time is over.
    type: str
    choices: [repaired, repaired_back, finalized]
    required: true
  wait:
    description: Seconds for which a lock is waited for.
    type: float
    default: 5
  changed:
    description: What V(repaired_back) does when rows were changed since, V(refuse) or V(leave) those as they are.
    type: str
    choices: [refuse, leave]
    default: refuse
  hours:
    description: For how many hours copies are kept at least.
    type: float
    default: 72
"""

EXAMPLES = r"""
- name: Reset negative counters
  steady.rollback.sql_integrity:
    state: repaired
    database: app
    user: rollback
    change: r20261124t022301-4f2a
    repair: negative:reset
    checks:
      - {name: negative, table: counters, where: value < 0, repairs: {reset: {set: {value: "0"}}}}
"""

RETURN = r"""
repaired:
  description: Rows by repair.
  returned: state is repaired
  type: dict
kept:
  description: What can be put back.
  returned: state is repaired
  type: list
  elements: str
restored:
  description: Rows that were put back, by repair.
  returned: state is repaired_back
  type: dict
left:
  description: Keys of rows that were left because somebody has changed them since.
  returned: state is repaired_back
  type: list
  elements: str
deleted:
  description: What is gone.
  returned: state is finalized
  type: list
  elements: dict
"""

from ansible_collections.steady.rollback.plugins.module_utils import entry
from ansible_collections.steady.rollback.plugins.module_utils.databases.postgres import POSTGRES_OPTIONS
from ansible_collections.steady.rollback.plugins.module_utils.integrity import back, checks, repair
from ansible_collections.steady.rollback.plugins.module_utils.integrity.session import Place


def do(call: entry.Call) -> entry.Outcome:
    p = call.params
    place = Place.of(p)
    if p["state"] == "finalized":
        facts = back.finalize(place, p["wait"], p["hours"], call.dry_run)
    elif p["state"] == "repaired":
        terms = repair.Terms(p["wait"], p["most"])
        facts = repair.repair(place, checks.load(p["checks"]), p["repair"], terms, call.dry_run)
    else:
        facts = back.put_back(place, p["wait"], p["changed"] == "leave", call.dry_run)
        if facts["left"]:
            call.warn(f"{len(facts['left'])} rows were changed since, and are left: {'; '.join(facts['left'][:20])}")
    return entry.Outcome(bool(facts.pop("changed")), facts)


SPEC = {
    **POSTGRES_OPTIONS,
    **checks.OPTIONS,
    "state": {"type": "str", "required": True, "choices": ["repaired", "repaired_back", "finalized"]},
    "wait": {"type": "float", "default": 5},
    "changed": {"type": "str", "default": "refuse", "choices": ["refuse", "leave"]},
    "hours": {"type": "float", "default": 72},
}


def main() -> None:
    entry.run(do, argument_spec=SPEC)


if __name__ == "__main__":
    main()
