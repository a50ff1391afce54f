#!/usr/bin/python
# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: restore_point
short_description: Keep or retire the manifests of restore points
version_added: 0.1.0
author:
  - The steady.rollback developers (@steady)
description:
  - Runs on the anchor host. Writes a manifest there and to the object store, with its SHA-256, or deletes old ones.
  - The action plugin of the same name gathers what the hosts captured; playbooks use that.
attributes:
  check_mode:
    support: full
    description: Writes nothing.
options:
  state:
    description: Whether to keep O(manifest) or to delete the manifests of O(retire).
    type: str
    choices: [written, retired]
    default: written
  root:
    description: The directory on the anchor that holds the environments.
    type: path
    default: /var/lib/rollback
  environment:
    description: The environment that the restore point belongs to.
    type: str
    required: true
  manifest:
    description: The body of the manifest; required with O(state=written).
    type: dict
  retire:
    description: The ids of the restore points to delete.
    type: list
    elements: str
    default: []
extends_documentation_fragment:
  - steady.rollback.s3
"""

EXAMPLES = r"""
- name: Keep a manifest
  steady.rollback.restore_point:
    environment: wabot-production
    manifest: "{{ my_manifest }}"
    s3: "{{ rollback_s3 }}"
"""

RETURN = r"""
path:
  description: The manifest on the anchor.
  returned: when O(state=written)
  type: str
sha256:
  description: The SHA-256 of the manifest file.
  returned: when O(state=written)
  type: str
"""

import hashlib

from ansible_collections.steady.rollback.plugins.module_utils import entry
from ansible_collections.steady.rollback.plugins.module_utils.anchor.store import Store
from ansible_collections.steady.rollback.plugins.module_utils.core import point
from ansible_collections.steady.rollback.plugins.module_utils.storage import arguments, objects


def do(call: entry.Call) -> entry.Outcome:
    p = call.params
    if p["state"] == "retired":
        return retire(call)
    body = p["manifest"]
    data = point.pack(body)
    sha256 = hashlib.sha256(data).hexdigest()
    store = Store(p["root"], p["environment"])
    if call.dry_run:
        return entry.Outcome(True, {"path": str(store.home / "points" / f"{body['id']}.json"), "sha256": sha256})
    if bucket := objects.store_of(p["s3"]):
        bucket.put(f"{p['environment']}/points/{body['id']}.json", data)
    path = store.write_point(body["id"], data)
    return entry.Outcome(True, {"path": str(path), "sha256": sha256})


def retire(call: entry.Call) -> entry.Outcome:
    p = call.params
    bucket = None if call.dry_run else objects.store_of(p["s3"])
    store = Store(p["root"], p["environment"])
    for name in [] if call.dry_run else p["retire"]:
        if bucket:
            bucket.delete(f"{p['environment']}/points/{name}.json")  # first: else a fetch would bring it back
        store.remove_point(name)
    return entry.Outcome(bool(p["retire"]))


def main() -> None:
    entry.run(
        do,
        argument_spec={
            "root": {"type": "path", "default": "/var/lib/rollback"},
            "environment": {"type": "str", "required": True},
            "state": {"type": "str", "default": "written", "choices": ["written", "retired"]},
            "manifest": {"type": "dict"},
            "retire": {"type": "list", "elements": "str", "default": []},
            **arguments.SPEC,
        },
        required_if=[("state", "written", ["manifest"])],
    )


if __name__ == "__main__":
    main()
