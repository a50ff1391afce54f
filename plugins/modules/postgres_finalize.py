#!/usr/bin/python
# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
---
module: postgres_finalize
short_description: Delete the PostgreSQL databases and backups whose time is over
version_added: 0.1.0
description:
  - Drops databases that rollbacks have left beside the live one, and deletes old backups from the object store.
  - A database that has been live goes only when its time is over and its copy is proven in the object store; a copy
    that is missing is made first. What a restore point names stays, and so does all evidence.
  - Databases are known by the mark in their comment and by a name that agrees with it. Others are not touched.
author:
  - The steady.rollback developers (@steady)
extends_documentation_fragment:
  - steady.rollback.postgres
  - steady.rollback.s3
attributes:
  check_mode:
    support: full
    description: Says what would be deleted.
options:
  environment:
    description:
      - The environment whose database this is.
    type: str
    required: true
  run:
    description:
      - Id of the run that asks.
    type: str
    required: true
  points:
    description:
      - The manifests of all restore points.
    type: list
    elements: dict
    required: true
  keep_hours:
    description:
      - Hours for which anything is kept at least.
    type: float
    default: 72
  keep_backups:
    description:
      - Number of the newest backups that stay, whether a restore point names them or not.
    type: int
    default: 10
"""

EXAMPLES = r"""
- name: Delete what is over
  steady.rollback.postgres_finalize:
    database: app
    user: rollback
    password: "{{ postgres_password }}"
    s3: {bucket: backups}
    environment: production
    run: r20261128t022301-4f2a
    points: "{{ rollback_points }}"
"""

RETURN = r"""
deleted:
  description: What is gone, with C(kind), one of kept, prepared, snapshot and backup, and C(name).
  returned: success
  type: list
  elements: dict
stays:
  description: What stays, with C(kind), C(name), C(until), which is empty when that is not known, and C(why).
  returned: success
  type: list
  elements: dict
"""

import time

from ansible_collections.steady.rollback.plugins.module_utils import entry
from ansible_collections.steady.rollback.plugins.module_utils.databases import finalize
from ansible_collections.steady.rollback.plugins.module_utils.databases.postgres import POSTGRES_OPTIONS, Server
from ansible_collections.steady.rollback.plugins.module_utils.storage.arguments import SPEC as S3
from ansible_collections.steady.rollback.plugins.module_utils.storage.objects import store_of


def do(call: entry.Call) -> entry.Outcome:
    p = call.params
    order = finalize.Order(
        database=p["database"],
        environment=p["environment"],
        run=p["run"],
        points=p["points"],
        keep_hours=p["keep_hours"],
        keep_backups=p["keep_backups"],
        now=time.time(),
    )
    facts = finalize.finalize(Server.of(p), store_of(p["s3"]), order, call.dry_run)
    return entry.Outcome(bool(facts.pop("changed")), facts)


SPEC = {
    **POSTGRES_OPTIONS,
    **S3,
    "environment": {"type": "str", "required": True},
    "run": {"type": "str", "required": True},
    "points": {"type": "list", "elements": "dict", "required": True},
    "keep_hours": {"type": "float", "default": 72},
    "keep_backups": {"type": "int", "default": 10},
}


def main() -> None:
    entry.run(do, argument_spec=SPEC)


if __name__ == "__main__":
    main()
