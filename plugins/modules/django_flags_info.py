#!/usr/bin/python
# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: django_flags_info
short_description: See how the feature flags of a Django product stand
version_added: 0.1.0
author:
  - The steady.rollback developers (@steady)
description:
  - Reads only.
extends_documentation_fragment:
  - steady.rollback.project
  - steady.rollback.flags
attributes:
  check_mode:
    support: full
    description: Reads only.
options:
  stage:
    description: V(capture) counts for a restore point; V(preflight) checks that the flags could be switched off.
    type: str
    choices: [capture, preflight]
    required: true
"""

EXAMPLES = r"""
- name: Count
  steady.rollback.django_flags_info:
    stage: capture
    project: /srv/app/current
    model: bot.AgentConfiguration
    features: {harmonization: enable_message_harmonization}
    directory: /var/lib/rollback/production/flags
"""

RETURN = r"""
captured:
  description: For each feature, the number of tenants that have it on.
  returned: stage is capture
  type: dict
rows:
  description: The findings.
  returned: stage is preflight
  type: list
  elements: dict
"""

from ansible_collections.steady.rollback.plugins.module_utils import entry, looks
from ansible_collections.steady.rollback.plugins.module_utils.config import flags
from ansible_collections.steady.rollback.plugins.module_utils.django_command import PROJECT_OPTIONS


def do(call: entry.Call) -> entry.Outcome:
    p = call.params
    of = flags.Flags.of(p)
    if p["stage"] == "capture":
        return entry.Outcome(False, {"captured": flags.capture(of)})
    return entry.Outcome(False, {"rows": looks.rows("flags", lambda: flags.preflight(of, p["disable"]))})


SPEC = {
    **PROJECT_OPTIONS,
    **flags.FLAGS_OPTIONS,
    "stage": {"type": "str", "required": True, "choices": ["capture", "preflight"]},
}


def main() -> None:
    entry.run(do, argument_spec=SPEC)


if __name__ == "__main__":
    main()
