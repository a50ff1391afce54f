#!/usr/bin/python
# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
---
module: sql_integrity_info
short_description: Count the rows of a PostgreSQL database that contradict each other
version_added: 0.1.0
description:
  - Reads only, in sessions that cannot write, and never longer than O(seconds) for a check.
author:
  - The steady.rollback developers (@steady)
extends_documentation_fragment:
  - steady.rollback.postgres
  - steady.rollback.integrity
attributes:
  check_mode:
    support: full
    description: Reads only.
options:
  stage:
    description:
      - V(capture) counts for a restore point. V(preflight) shows affected rows and what a repair would do.
      - V(verify) fails unless no critical check finds a row.
    type: str
    choices: [capture, preflight, verify]
    required: true
  acts:
    description: Whether the run will do what O(repair) names.
    type: bool
    default: false
  captured:
    description: The counts of the restore point, by check.
    type: dict
    default: {}
  shown:
    description: How many rows of a check are shown.
    type: int
    default: 5
  from:
    description: Name of the place that looks.
    type: str
    default: ""
"""

EXAMPLES = r"""
- name: Count
  steady.rollback.sql_integrity_info:
    stage: verify
    database: app
    user: rollback
    change: r20261124t022301-4f2a
    checks:
      - {name: no_mail, table: users, where: email IS NULL}
"""

RETURN = r"""
counts:
  description: Rows by check; none where a check could not be read.
  returned: stage is capture or verify
  type: dict
verdict:
  description: V(pass), V(fail) or V(inconclusive).
  returned: stage is capture or verify
  type: str
reason:
  description: Why.
  returned: stage is capture or verify
  type: str
probes:
  description: Each check as a probe of a gate.
  returned: stage is capture or verify
  type: list
  elements: dict
noticed:
  description: Checks that only warn, and do.
  returned: stage is capture or verify
  type: list
  elements: str
rows:
  description: The findings.
  returned: stage is preflight
  type: list
  elements: dict
"""

import time

from ansible_collections.steady.rollback.plugins.module_utils import entry
from ansible_collections.steady.rollback.plugins.module_utils.databases.postgres import POSTGRES_OPTIONS
from ansible_collections.steady.rollback.plugins.module_utils.integrity import checks, look, preflight
from ansible_collections.steady.rollback.plugins.module_utils.integrity.session import Place


def do(call: entry.Call) -> entry.Outcome:
    p = call.params
    known, place = checks.load(p["checks"]), Place.of(p)
    if p["stage"] == "preflight":
        view = preflight.View(place, known, p["repair"], p["shown"], p["most"], p["acts"], looking=call.dry_run)
        return entry.Outcome(False, {"rows": view.rows()})
    began = time.time()
    found = look.look(place, known, p["shown"])
    facts = look.gate(found, p["captured"], p["from"], began)
    for warning in facts["noticed"]:
        call.warn(warning)
    if p["stage"] == "verify":
        return entry.Outcome(False, look.open_or_raise(facts))
    good = facts["verdict"] == "pass"
    return entry.Outcome(False, {**facts, "good": good, "captured_host": facts["counts"]})


SPEC = {
    **POSTGRES_OPTIONS,
    **checks.OPTIONS,
    "stage": {"type": "str", "required": True, "choices": ["capture", "preflight", "verify"]},
    "acts": {"type": "bool", "default": False},
    "captured": {"type": "dict", "default": {}},
    "shown": {"type": "int", "default": 5},
    "from": {"type": "str", "default": ""},
}


def main() -> None:
    entry.run(do, argument_spec=SPEC)


if __name__ == "__main__":
    main()
