#!/usr/bin/python
# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
---
module: postgres_restore
short_description: Restore a PostgreSQL database beside the live one
version_added: 0.1.0
description:
  - Takes the restore point's copy inside the cluster where there is one, else streams its backup from the object store.
  - The live database is not touched. What is made is compared with the restore point before it counts.
  - A database of this change that is complete is left alone, one that is unfinished is made anew.
author:
  - The steady.rollback developers (@steady)
extends_documentation_fragment:
  - steady.rollback.postgres
  - steady.rollback.s3
attributes:
  check_mode:
    support: full
    description: Says from what the database would be made.
options:
  environment:
    description:
      - The environment whose database this is.
    type: str
    required: true
  change:
    description:
      - Id of the change; the database beside bears it.
    type: str
    required: true
  captured:
    description:
      - C(backup) and C(snapshot) as the module M(steady.rollback.postgres_backup) returned them.
    type: dict
    required: true
  accept_system_identifier:
    description:
      - System identifier of another cluster whose backup may be restored here, after that cluster was lost.
    type: str
    default: ""
  jobs:
    description:
      - Parallel workers of C(pg_restore). More than one need the archive as a file in O(spool) while they run.
    type: int
    default: 1
  template:
    description:
      - The database that the new one is made from. Extensions that only a superuser may create can wait in it.
    type: str
    default: template0
  spool:
    description:
      - Directory on this host for that file. It is made with mode 0700.
    type: path
    default: ""
  sequence_gap:
    description:
      - Steps that every sequence goes on beyond what the restored and the live database have given out, so that
        numbers which partners or customers have seen are not given out again. V(0) leaves them as they were.
    type: int
    default: 0
"""

EXAMPLES = r"""
- name: Restore beside
  steady.rollback.postgres_restore:
    database: app
    user: rollback
    password: "{{ postgres_password }}"
    s3: {bucket: backups}
    environment: production
    change: r20261124t022301-4f2a
    captured: "{{ rollback_point.components.postgres }}"
"""

RETURN = r"""
database:
  description: Name of the database beside.
  returned: success
  type: str
source:
  description: C(snapshot) or C(backup); C(ready) when it lay there already, C(swapped) when it has gone live already.
  returned: success
  type: str
tables:
  description: Rows by table, equal to those of the restore point.
  returned: changed
  type: dict
sequences:
  description: Each sequence by name, with C(restored) and C(now); only when O(sequence_gap) is above 0.
  returned: changed
  type: dict
schema_fingerprint:
  description: SHA-256 over the schema, equal to that of the restore point.
  returned: changed
  type: str
"""

from ansible_collections.steady.rollback.plugins.module_utils import entry
from ansible_collections.steady.rollback.plugins.module_utils.databases import restore, source
from ansible_collections.steady.rollback.plugins.module_utils.databases.postgres import POSTGRES_OPTIONS, Server
from ansible_collections.steady.rollback.plugins.module_utils.storage.arguments import SPEC as S3
from ansible_collections.steady.rollback.plugins.module_utils.storage.objects import store_of


def do(call: entry.Call) -> entry.Outcome:
    p = call.params
    place = source.Place(p["database"], p["environment"], p["accept_system_identifier"])
    more = {"jobs": p["jobs"], "spool": p["spool"], "template": p["template"], "gap": p["sequence_gap"]}
    order = restore.Order.of(place, p["change"], p["captured"], **more)
    facts = restore.prepare(Server.of(p), store_of(p["s3"]), order, call.dry_run)
    return entry.Outcome(facts.pop("changed"), facts)


SPEC = {
    **POSTGRES_OPTIONS,
    **S3,
    "environment": {"type": "str", "required": True},
    "change": {"type": "str", "required": True},
    "captured": {"type": "dict", "required": True},
    "accept_system_identifier": {"type": "str", "default": ""},
    "jobs": {"type": "int", "default": 1},
    "spool": {"type": "path", "default": ""},
    "template": {"type": "str", "default": "template0"},
    "sequence_gap": {"type": "int", "default": 0},
}


def main() -> None:
    entry.run(do, argument_spec=SPEC)


if __name__ == "__main__":
    main()
