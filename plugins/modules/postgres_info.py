#!/usr/bin/python
# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
---
module: postgres_info
short_description: Find everything that would stop a database rollback
version_added: 0.1.0
description:
  - Looks at server, rights, client programs, sessions, names, disk space and backup, and reports all of it at once.
  - Reads only. Each problem comes with the command that mends it.
author:
  - The steady.rollback developers (@steady)
extends_documentation_fragment:
  - steady.rollback.postgres
  - steady.rollback.s3
attributes:
  check_mode:
    support: full
    description: Changes nothing in any mode.
options:
  environment:
    description:
      - The environment whose database this is.
    type: str
    required: true
  change:
    description:
      - Id of the change.
    type: str
    required: true
  captured:
    description:
      - C(backup) and C(snapshot) as the module M(steady.rollback.postgres_backup) returned them.
    type: dict
    default: {}
  accept_system_identifier:
    description:
      - System identifier of another cluster whose backup may be restored here, after that cluster was lost.
    type: str
    default: ""
  steps:
    description:
      - Names of the run's steps. Only a run with V(postgres.swap) is asked for a backup.
    type: list
    elements: str
    default: [postgres.swap]
  max_age:
    description:
      - Hours; an older backup is a warning.
    type: float
    default: 26
  long_transaction:
    description:
      - Seconds; a longer transaction is a warning.
    type: float
    default: 60
  data_directory:
    description:
      - Where the server keeps its files, to see the free space. Empty asks the server, which does not tell every role.
    type: path
    default: ""
"""

EXAMPLES = r"""
- name: Find every problem
  steady.rollback.postgres_info:
    database: app
    user: rollback
    password: "{{ postgres_password }}"
    s3: {bucket: backups}
    environment: production
    change: r20261124t022301-4f2a
    captured: "{{ rollback_point.components.postgres }}"
"""

RETURN = r"""
rows:
  description: What was looked at and found, with C(level), C(name), C(found), C(fix) and C(code).
  returned: success
  type: list
  elements: dict
loss:
  description: What is given up, C(minutes) since the backup and C(tables) with rows then and now.
  returned: success
  type: dict
"""

from ansible_collections.steady.rollback.plugins.module_utils import entry
from ansible_collections.steady.rollback.plugins.module_utils.databases import preflight, restore, source
from ansible_collections.steady.rollback.plugins.module_utils.databases.postgres import POSTGRES_OPTIONS, Server
from ansible_collections.steady.rollback.plugins.module_utils.storage.arguments import SPEC as S3


def do(call: entry.Call) -> entry.Outcome:
    p = call.params
    place = source.Place(p["database"], p["environment"], p["accept_system_identifier"])
    order = restore.Order.of(place, p["change"], p["captured"])
    terms = preflight.Terms(p["max_age"], p["long_transaction"], p["data_directory"])
    return entry.Outcome(False, preflight.look(Server.of(p), p["s3"], order, terms, p["steps"]))


SPEC = {
    **POSTGRES_OPTIONS,
    **S3,
    "environment": {"type": "str", "required": True},
    "change": {"type": "str", "required": True},
    "captured": {"type": "dict", "default": {}},
    "accept_system_identifier": {"type": "str", "default": ""},
    "steps": {"type": "list", "elements": "str", "default": ["postgres.swap"]},
    "max_age": {"type": "float", "default": 26},
    "long_transaction": {"type": "float", "default": 60},
    "data_directory": {"type": "path", "default": ""},
}


def main() -> None:
    entry.run(do, argument_spec=SPEC)


if __name__ == "__main__":
    main()
