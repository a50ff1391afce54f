#!/usr/bin/python
# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: django_flags
short_description: Switch features of a Django product off, and put them back as they stood
version_added: 0.1.0
author:
  - The steady.rollback developers (@steady)
description:
  - V(disabled) runs the product's own command and reads the fields back. V(restored) puts back what stood before.
extends_documentation_fragment:
  - steady.rollback.project
  - steady.rollback.flags
attributes:
  check_mode:
    support: full
    description: Looks and says what would change.
options:
  state:
    description: What to do.
    type: str
    choices: [disabled, restored]
    required: true
  change:
    description: Name of the change; how the flags stood is written down under it.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Switch one feature off for all tenants
  steady.rollback.django_flags:
    state: disabled
    project: /srv/app/current
    model: bot.AgentConfiguration
    features: {harmonization: enable_message_harmonization}
    directory: /var/lib/rollback/production/flags
    change: r20261124t022301-4f2a
"""

RETURN = r"""
disabled:
  description: For each feature, the number of tenants for which it was on.
  returned: state is disabled
  type: dict
restored:
  description: Number of tenants whose flags were put back.
  returned: state is restored
  type: int
"""

from ansible_collections.steady.rollback.plugins.module_utils import entry
from ansible_collections.steady.rollback.plugins.module_utils.config import flags
from ansible_collections.steady.rollback.plugins.module_utils.django_command import PROJECT_OPTIONS


def do(call: entry.Call) -> entry.Outcome:
    p = call.params
    if p["state"] == "disabled":
        facts = flags.disable(flags.Flags.of(p), p["disable"], p["change"], call.dry_run)
    else:
        facts = flags.restore(flags.Flags.of(p), p["change"], call.dry_run)
    return entry.Outcome(facts.pop("changed"), facts)


SPEC = {
    **PROJECT_OPTIONS,
    **flags.FLAGS_OPTIONS,
    "state": {"type": "str", "required": True, "choices": ["disabled", "restored"]},
    "change": {"type": "str", "required": True},
}


def main() -> None:
    entry.run(do, argument_spec=SPEC)


if __name__ == "__main__":
    main()
