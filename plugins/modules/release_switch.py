#!/usr/bin/python
# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
---
module: release_switch
short_description: Make another release the live one, and the way back
version_added: 0.1.0
description:
  - One rename of the symlink C(current). The target is the one that M(steady.rollback.release_build) has prepared for
    O(change); the release that is replaced stays, is marked bad, and is what V(switched_back) returns to.
  - Refuses when something else has switched releases in between.
author:
  - The steady.rollback developers (@steady)
attributes:
  check_mode:
    support: full
    description: Says whether the link would move.
options:
  home:
    description:
      - Directory of the product. It holds C(releases), C(current) and C(releases.jsonl).
    type: path
    required: true
  change:
    description:
      - Id of the change.
    type: str
    required: true
  state:
    description:
      - V(switched), the target is live. V(switched_back), what it replaced is live again.
    type: str
    choices: [switched, switched_back]
    default: switched
  lock:
    description:
      - Lock file within the release.
    type: str
    default: requirements.lock
  by:
    description:
      - Who asks for it, for the release log.
    type: str
    default: rollback
  reason:
    description:
      - Why, for the mark of the release that is left.
    type: str
    default: ""
"""

EXAMPLES = r"""
- name: Switch
  steady.rollback.release_switch:
    home: /srv/app
    change: r20261124t022301-4f2a
"""

RETURN = r"""
commit:
  description: Full commit of the live release.
  returned: success
  type: str
tag:
  description: Its tag.
  returned: success
  type: str
path:
  description: Its directory.
  returned: success
  type: str
lock_sha256:
  description: SHA-256 of its lock file.
  returned: success
  type: str
replaced:
  description: Commit and tag of the release that was live before the change.
  returned: when the change has replaced one
  type: dict
"""

import time

from ansible_collections.steady.rollback.plugins.module_utils import entry
from ansible_collections.steady.rollback.plugins.module_utils.release import switch
from ansible_collections.steady.rollback.plugins.module_utils.release.layout import Home


def do(call: entry.Call) -> entry.Outcome:
    p = call.params
    change = switch.Change(p["change"], p["by"], p["reason"], time.time())
    act = switch.switch if p["state"] == "switched" else switch.switch_back
    facts = act(Home(p["home"], p["lock"]), change, call.dry_run)
    return entry.Outcome(facts.pop("changed"), facts)


SPEC = {
    "home": {"type": "path", "required": True},
    "change": {"type": "str", "required": True},
    "state": {"type": "str", "choices": ["switched", "switched_back"], "default": "switched"},
    "lock": {"type": "str", "default": "requirements.lock"},
    "by": {"type": "str", "default": "rollback"},
    "reason": {"type": "str", "default": ""},
}


def main() -> None:
    entry.run(do, argument_spec=SPEC)


if __name__ == "__main__":
    main()
