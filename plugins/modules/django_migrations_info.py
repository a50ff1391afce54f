#!/usr/bin/python
# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
---
module: django_migrations_info
short_description: Look at Django migrations, and judge whether an older release can serve the schema
version_added: 0.1.0
description:
  - Reads the migrations table, the migrations on disk and what each of them does, inside the release's own interpreter.
  - C(migrate --check) and C(showmigrations) say nothing when the database is ahead of the code; this module does.
author:
  - The steady.rollback developers (@steady)
extends_documentation_fragment:
  - steady.rollback.project
  - steady.rollback.migrations
attributes:
  check_mode:
    support: full
    description: Changes nothing in any mode.
options:
  stage:
    description:
      - V(capture) returns what a restore point keeps.
      - V(preflight) returns one row for each finding, among them the verdict on the target.
      - V(verify) fails when the schema is not what the live release expects.
    type: str
    default: capture
    choices: [capture, preflight, verify]
  swaps:
    description:
      - Whether the plan brings back the database of the restore point, so that code and backup must fit.
    type: bool
    default: false
  undoing:
    description:
      - Whether the run undoes another one. Then no target is judged.
    type: bool
    default: false
  allow_down:
    description:
      - Whether migrations may be undone.
    type: bool
    default: false
  allow_unknown:
    description:
      - Whether V(verify) accepts migrations that the live release does not have.
    type: bool
    default: false
  captured:
    description:
      - The applied migrations that the restore point holds, by app. With V(verify), exactly these must be applied.
    type: dict
    default: {}
"""

EXAMPLES = r"""
- name: Judge whether v1 can serve the schema
  steady.rollback.django_migrations_info:
    project: /srv/app/current
    env_file: /srv/app/env
    home: /srv/app
    commit: v1
    stage: preflight
"""

RETURN = r"""
captured:
  description: Heads and applied migrations by app, and a hash over them.
  returned: stage is capture
  type: dict
trouble:
  description: What is half applied, pending or unknown.
  returned: stage is capture
  type: list
  elements: str
good:
  description: V(false) when there is trouble.
  returned: stage is capture and there is trouble
  type: bool
rows:
  description: One row for each finding.
  returned: stage is preflight
  type: list
  elements: dict
heads:
  description: The heads on disk by app.
  returned: stage is verify
  type: dict
unknown:
  description: Migrations that are applied and that the live release does not have.
  returned: stage is verify
  type: list
  elements: str
"""

from ansible_collections.steady.rollback.plugins.module_utils import entry, looks
from ansible_collections.steady.rollback.plugins.module_utils.migrations.django import OPTIONS, Migrations


def do(call: entry.Call) -> entry.Outcome:
    p, migrations = call.params, Migrations.of(call.params)
    if p["stage"] == "capture":
        return entry.Outcome(False, migrations.capture())
    if p["stage"] == "verify":
        return entry.Outcome(False, migrations.verify(allow_unknown=p["allow_unknown"], expected=p["captured"]))
    plan = {name: p[name] for name in ("swaps", "undoing", "allow_down", "captured")}
    return entry.Outcome(False, {"rows": looks.rows("schema", lambda: migrations.preflight(**plan))})


SPEC = {
    **OPTIONS,
    "stage": {"type": "str", "choices": ["capture", "preflight", "verify"], "default": "capture"},
    "swaps": {"type": "bool", "default": False},
    "undoing": {"type": "bool", "default": False},
    "allow_down": {"type": "bool", "default": False},
    "allow_unknown": {"type": "bool", "default": False},
    "captured": {"type": "dict", "default": {}},
}


def main() -> None:
    entry.run(do, argument_spec=SPEC)


if __name__ == "__main__":
    main()
