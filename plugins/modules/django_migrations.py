#!/usr/bin/python
# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
---
module: django_migrations
short_description: Undo the Django migrations that an older release cannot live with, and apply them again
version_added: 0.1.0
description:
  - Undoes only what the target cannot serve, and only where every step back is reversible and loses no data.
  - Must be run while the newer release is live, because only that one knows how to undo its migrations.
author:
  - The steady.rollback developers (@steady)
extends_documentation_fragment:
  - steady.rollback.project
  - steady.rollback.migrations
attributes:
  check_mode:
    support: full
    description: Reads, and says which migrations would be undone or applied.
options:
  state:
    description:
      - V(down), the target can serve the schema. Nothing is done where it can already.
      - V(up), what V(down) has undone under this O(change) is applied again.
    type: str
    required: true
    choices: [down, up]
  allow_down:
    description:
      - Whether migrations may be undone at all. Without it, a schema that needs it is refused.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Undo what the target cannot live with
  steady.rollback.django_migrations:
    project: /srv/app/current
    env_file: /srv/app/env
    home: /srv/app
    change: r20261124t022301-4f2a
    commit: v1
    state: down
    allow_down: true
"""

RETURN = r"""
verdict:
  description: V(code_only_ok), V(needs_down_plan), V(needs_restore) or V(refuse).
  returned: state is down
  type: str
reasons:
  description: Why the target cannot serve the schema.
  returned: when it is refused
  type: list
  elements: str
lacks:
  description: Migrations that are applied and that the target does not have.
  returned: state is down
  type: list
  elements: str
undone:
  description: Migrations that were undone, in that order.
  returned: state is down
  type: list
  elements: str
applied:
  description: Migrations that were applied again, in that order.
  returned: state is up
  type: list
  elements: str
"""

from ansible_collections.steady.rollback.plugins.module_utils import entry
from ansible_collections.steady.rollback.plugins.module_utils.kept import Kept
from ansible_collections.steady.rollback.plugins.module_utils.migrations.django import OPTIONS, Migrations


def do(call: entry.Call) -> entry.Outcome:
    p, migrations = call.params, Migrations.of(call.params)
    kept = Kept(f"{p['home']}/rollback", p["change"])
    if p["state"] == "down":
        facts = migrations.down(kept, p["allow_down"], call.dry_run)
    else:
        facts = migrations.up(kept, call.dry_run)
    return entry.Outcome(facts.pop("changed"), facts)


SPEC = {
    **OPTIONS,
    "state": {"type": "str", "required": True, "choices": ["down", "up"]},
    "allow_down": {"type": "bool", "default": False},
}


def main() -> None:
    entry.run(do, argument_spec=SPEC)


if __name__ == "__main__":
    main()
