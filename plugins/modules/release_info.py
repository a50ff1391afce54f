#!/usr/bin/python
# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
---
module: release_info
short_description: Look at the releases of a host
version_added: 0.1.0
description:
  - Reads what is live, what a rollback would go to, and whether that is possible. Changes nothing.
author:
  - The steady.rollback developers (@steady)
extends_documentation_fragment:
  - steady.rollback.release
attributes:
  check_mode:
    support: full
    description: Reads only.
options:
  mode:
    description:
      - V(live), the live release as a restore point keeps it.
      - V(target), the full commit that O(commit) means on this host.
      - V(preflight), everything that would keep a rollback from working.
      - V(verify), fails unless the target of O(change) is live.
    type: str
    choices: [live, target, preflight, verify]
    default: live
  agreed:
    description:
      - The targets of all hosts by name, as V(target) returned them. They must be the same.
    type: dict
    default: {}
  allow_bad:
    description:
      - Whether a release that a rollback has left may be gone to.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: What is live
  steady.rollback.release_info:
    home: /srv/app
"""

RETURN = r"""
captured:
  description: Commit, tag and SHA-256 of the lock file of the live release.
  returned: mode is live
  type: dict
captured_host:
  description: Where the live release lies, and what is wrong with it.
  returned: mode is live
  type: dict
good:
  description: Whether the live release is complete and was not left by a rollback.
  returned: mode is live
  type: bool
commit:
  description: Full commit of the target or of the live release.
  returned: mode is target or verify
  type: str
tag:
  description: Its tag.
  returned: mode is target or verify
  type: str
problem:
  description: Why no target was found. Empty when one was.
  returned: mode is target
  type: str
rows:
  description: One row for each finding.
  returned: mode is preflight
  type: list
  elements: dict
"""

from ansible_collections.steady.rollback.plugins.module_utils import entry
from ansible_collections.steady.rollback.plugins.module_utils.core.errors import RollbackError
from ansible_collections.steady.rollback.plugins.module_utils.release import look, switch, target
from ansible_collections.steady.rollback.plugins.module_utils.release.site import SITE_OPTIONS, builder


def do(call: entry.Call) -> entry.Outcome:
    p, site = call.params, builder(call.params)
    if p["mode"] == "live":
        return entry.Outcome(False, look.captured(site.home))
    if p["mode"] == "preflight":
        terms = {"agreed": p["agreed"], "allow_bad": p["allow_bad"]}
        rows = look.preflight(site, p["change"], p["commit"], **terms)
        return entry.Outcome(False, {"rows": rows})
    try:
        found = target.find(site.home, site.mirror, p["change"], p["commit"])
    except RollbackError as error:
        if p["mode"] == "verify":
            raise
        # The next look says it with all the other findings.
        return entry.Outcome(False, {"commit": "", "tag": "", "problem": error.message})
    if p["mode"] == "verify":
        return entry.Outcome(False, switch.facts(switch.verify(site.home, found.commit)))
    return entry.Outcome(False, {"commit": found.commit, "tag": found.tag, "problem": ""})


MORE = {
    "mode": {"type": "str", "choices": ["live", "target", "preflight", "verify"], "default": "live"},
    "agreed": {"type": "dict", "default": {}},
    "allow_bad": {"type": "bool", "default": False},
}


def main() -> None:
    entry.run(do, argument_spec={**SITE_OPTIONS, **MORE})


if __name__ == "__main__":
    main()
