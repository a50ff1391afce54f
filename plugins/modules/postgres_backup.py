#!/usr/bin/python
# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
---
module: postgres_backup
short_description: Back up a PostgreSQL database into an object store
version_added: 0.1.0
description:
  - Streams C(pg_dump) into the store in parts, without a local file and in bounded memory.
  - Rows are counted in the same snapshot that is dumped.
  - The archive is read back to its end, hashed and parsed before it counts. Its note is written last.
  - A backup that is there already is left alone.
author:
  - The steady.rollback developers (@steady)
extends_documentation_fragment:
  - steady.rollback.postgres
  - steady.rollback.s3
attributes:
  check_mode:
    support: full
    description: Says whether a backup would be made.
options:
  environment:
    description:
      - The environment whose database this is. A backup of another one is refused as a source.
    type: str
    required: true
  name:
    description:
      - Id of the run or restore point; the backup bears it.
    type: str
    required: true
  purpose:
    description:
      - V(pre_deploy) is something to go back to. V(evidence) is kept for an inquiry, and never restored from.
    type: str
    choices: [pre_deploy, evidence]
    default: pre_deploy
  compression:
    description:
      - As C(pg_dump --compress) takes it. Empty means the quickest that it was built with.
    type: str
    default: ""
  snapshot:
    description:
      - Whether a copy is kept inside the cluster too, so that going back needs no restore.
      - Sessions of the database are ended for it, and new ones wait until it is made.
    type: bool
    default: false
  snapshot_stall:
    description:
      - Seconds for which users may have to wait for the copy. When it takes longer it is given up.
    type: float
    default: 10
"""

EXAMPLES = r"""
- name: Back up before a deployment
  steady.rollback.postgres_backup:
    database: app
    user: rollback
    password: "{{ postgres_password }}"
    s3: {bucket: backups}
    environment: production
    name: r20261124t022301-4f2a
"""

RETURN = r"""
backup:
  description:
    - The backup, or nothing when there is no object store. Key, size, sha256, format, compression, purpose,
      environment, database, system_identifier, server_version, dump_version, started, finished, tables (rows by name),
      schema_fingerprint, extensions, grants.
  returned: success
  type: dict
snapshot:
  description: The copy inside the cluster; C(refused) says why there is none although it was asked for.
  returned: success
  type: dict
retries:
  description: How often the object store had to be asked again.
  returned: success
  type: int
captured:
  description: Both, as a restore point keeps them.
  returned: success
  type: dict
"""

from typing import Any

from ansible_collections.steady.rollback.plugins.module_utils import entry
from ansible_collections.steady.rollback.plugins.module_utils.databases import backup, snapshot
from ansible_collections.steady.rollback.plugins.module_utils.databases.postgres import POSTGRES_OPTIONS, Server
from ansible_collections.steady.rollback.plugins.module_utils.storage.arguments import SPEC as S3
from ansible_collections.steady.rollback.plugins.module_utils.storage.objects import store_of


def do(call: entry.Call) -> entry.Outcome:
    p, server = call.params, Server.of(call.params)
    bucket = store_of(p["s3"])
    backup.refuse_nowhere(bucket, p["snapshot"])
    made: dict[str, Any] = {"changed": False, "backup": {}}
    kept: dict[str, Any] = {"changed": False, "snapshot": {}}
    if bucket:
        order = backup.Order(p["database"], p["environment"], p["name"], p["purpose"], p["compression"])
        made = backup.take(server, bucket, order, call.dry_run)
    if p["snapshot"]:
        kept = snapshot.ensure(server, p["database"], p["name"], stall=p["snapshot_stall"], dry_run=call.dry_run)
    if why := kept["snapshot"].get("refused"):
        call.warn(f"No copy inside the cluster: {why}")
        backup.refuse_nowhere(bucket, snapshot=False)
    captured = {"backup": made["backup"], "snapshot": kept["snapshot"]}
    asked_again = {"retries": bucket.retries if bucket else 0}
    return entry.Outcome(made["changed"] or kept["changed"], {**captured, "captured": captured, **asked_again})


SPEC = {
    **POSTGRES_OPTIONS,
    **S3,
    "environment": {"type": "str", "required": True},
    "name": {"type": "str", "required": True},
    "purpose": {"type": "str", "choices": ["pre_deploy", "evidence"], "default": "pre_deploy"},
    "compression": {"type": "str", "default": ""},
    "snapshot": {"type": "bool", "default": False},
    "snapshot_stall": {"type": "float", "default": 10},
}


def main() -> None:
    entry.run(do, argument_spec=SPEC)


if __name__ == "__main__":
    main()
