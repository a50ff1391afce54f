#!/usr/bin/python
# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
---
module: postgres_preserve
short_description: Keep a forensic copy of a replaced PostgreSQL database
version_added: 0.1.0
description:
  - Backs up the database that O(change) has replaced into the object store, for purpose V(evidence).
    Such a copy is read back like any backup, and refused as something to restore from.
  - A copy that cannot be made is a warning, not a failure. The kept database stays in the cluster until its copy is
    proven, see M(steady.rollback.postgres_finalize).
author:
  - The steady.rollback developers (@steady)
extends_documentation_fragment:
  - steady.rollback.postgres
  - steady.rollback.s3
attributes:
  check_mode:
    support: full
    description: Says whether a copy would be made.
options:
  environment:
    description:
      - The environment whose database this is.
    type: str
    required: true
  change:
    description:
      - Id of the change; the kept database is named after it.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Keep the evidence
  steady.rollback.postgres_preserve:
    database: app
    user: rollback
    password: "{{ postgres_password }}"
    s3: {bucket: backups}
    environment: production
    change: r20261124t022301-4f2a
"""

RETURN = r"""
backup:
  description: The copy as M(steady.rollback.postgres_backup) describes it, empty when there is none.
  returned: success
  type: dict
reason:
  description: Why there is no copy.
  returned: when there is none
  type: str
"""

from ansible_collections.steady.rollback.plugins.module_utils import entry
from ansible_collections.steady.rollback.plugins.module_utils.databases import names, preserve
from ansible_collections.steady.rollback.plugins.module_utils.databases.postgres import POSTGRES_OPTIONS, Server
from ansible_collections.steady.rollback.plugins.module_utils.storage.arguments import SPEC as S3
from ansible_collections.steady.rollback.plugins.module_utils.storage.objects import store_of


def do(call: entry.Call) -> entry.Outcome:
    p = call.params
    store, kept = store_of(p["s3"]), names.bad(p["database"], p["change"])
    facts = preserve.preserve(Server.of(p), store, p["environment"], kept, call.dry_run)
    if facts.get("reason"):
        call.warn(f"There is no forensic copy: {facts['reason']}")
    return entry.Outcome(bool(facts.pop("changed")), facts)


SPEC = {
    **POSTGRES_OPTIONS,
    **S3,
    "environment": {"type": "str", "required": True},
    "change": {"type": "str", "required": True},
}


def main() -> None:
    entry.run(do, argument_spec=SPEC)


if __name__ == "__main__":
    main()
