#!/usr/bin/python
# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: anchor_copy
short_description: Copy the record of an environment to the object store, or bring it back
version_added: 0.1.0
author:
  - The steady.rollback developers (@steady)
description:
  - Runs on the anchor host. Every run copies its plan, journal and report when it ends.
  - A new anchor fetches restore points and runs. What it has is left alone, except a restore point that is damaged.
attributes:
  check_mode:
    support: full
    description: Copies nothing.
options:
  state:
    description: Whether to copy O(run) to the object store, or to fetch what this host lacks.
    type: str
    choices: [pushed, fetched]
    required: true
  root:
    description: The directory on the anchor that holds the environments.
    type: path
    default: /var/lib/rollback
  environment:
    description: The environment.
    type: str
    required: true
  run:
    description: The run to copy; required with O(state=pushed).
    type: str
extends_documentation_fragment:
  - steady.rollback.s3
"""

EXAMPLES = r"""
- name: Bring the record back to a new anchor
  steady.rollback.anchor_copy:
    state: fetched
    environment: wabot-production
    s3: "{{ rollback_s3 }}"
"""

RETURN = r"""
files:
  description: What was copied or fetched.
  returned: success
  type: list
  elements: str
"""

from ansible_collections.steady.rollback.plugins.module_utils import entry
from ansible_collections.steady.rollback.plugins.module_utils.anchor import mirror
from ansible_collections.steady.rollback.plugins.module_utils.anchor.store import Store
from ansible_collections.steady.rollback.plugins.module_utils.storage import arguments, objects


def do(call: entry.Call) -> entry.Outcome:
    p = call.params
    store, bucket = Store(p["root"], p["environment"]), objects.open_store(p["s3"])
    if p["state"] == "pushed":
        return entry.Outcome(True, {"files": [] if call.dry_run else mirror.push(store, p["run"], bucket)})
    names = mirror.missing(store, bucket)
    if not call.dry_run:  # also with nothing to bring: a fetch that was killed at its end has not taken the lock yet
        mirror.fetch(store, bucket, names)
    return entry.Outcome(bool(names), {"files": names})


def main() -> None:
    entry.run(
        do,
        argument_spec={
            "state": {"type": "str", "required": True, "choices": ["pushed", "fetched"]},
            "root": {"type": "path", "default": "/var/lib/rollback"},
            "environment": {"type": "str", "required": True},
            "run": {"type": "str"},
            **arguments.SPEC,
        },
        required_if=[("state", "pushed", ["run"])],
    )


if __name__ == "__main__":
    main()
