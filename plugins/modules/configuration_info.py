#!/usr/bin/python
# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: configuration_info
short_description: See what going back to a restore point would change in the configuration
version_added: 0.1.0
author:
  - The steady.rollback developers (@steady)
description:
  - Reads only. Never fails for what it finds; each problem is a row that says how to mend it.
extends_documentation_fragment:
  - steady.rollback.configuration
attributes:
  check_mode:
    support: full
    description: Reads only.
options:
  captured:
    description: What the module C(configuration) kept in the restore point for this host.
    type: dict
    default: {}
  switches:
    description: Whether another release will be live when it is put back. Then the present one may be broken.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: See what would change
  steady.rollback.configuration_info:
    files: [/srv/app/env]
    directory: /var/lib/rollback/production/config
    captured: "{{ rollback_point.hosts[inventory_hostname].config }}"
"""

RETURN = r"""
rows:
  description: The findings.
  returned: always
  type: list
  elements: dict
"""

from ansible_collections.steady.rollback.plugins.module_utils import entry, looks
from ansible_collections.steady.rollback.plugins.module_utils.config import snapshot


def do(call: entry.Call) -> entry.Outcome:
    of = snapshot.Configuration.of(call.params)
    found = looks.rows(
        "configuration", lambda: snapshot.preflight(of, call.params["captured"], call.params["switches"])
    )
    return entry.Outcome(False, {"rows": found})


SPEC = {
    **snapshot.CONFIGURATION_OPTIONS,
    "captured": {"type": "dict", "default": {}},
    "switches": {"type": "bool", "default": False},
}


def main() -> None:
    entry.run(do, argument_spec=SPEC)


if __name__ == "__main__":
    main()
