#!/usr/bin/python
# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
---
module: release_finalize
short_description: Delete releases that nobody will go back to
version_added: 0.1.0
description:
  - Leaves the newest releases. Never takes the live one, one that a symlink or a restore point names, the last good one
    of the release log, or what the newest rollback goes to or has replaced.
author:
  - The steady.rollback developers (@steady)
attributes:
  check_mode:
    support: full
    description: Says what would be deleted.
options:
  home:
    description:
      - Directory of the product. It holds C(releases), C(current) and C(releases.jsonl).
    type: path
    required: true
  keep:
    description:
      - How many of the newest releases stay.
    type: int
    default: 5
  named:
    description:
      - Full commits that restore points name.
    type: list
    elements: str
    required: true
"""

EXAMPLES = r"""
- name: Leave five releases
  steady.rollback.release_finalize:
    home: /srv/app
    named: ["0123456789abcdef0123456789abcdef01234567"]
"""

RETURN = r"""
removed:
  description: Names of the directories that were deleted.
  returned: success
  type: list
  elements: str
busy:
  description: Names of those in which a build is at work.
  returned: success
  type: list
  elements: str
kept:
  description: The releases that stay, the newest first.
  returned: success
  type: list
  elements: str
"""

from ansible_collections.steady.rollback.plugins.module_utils import entry
from ansible_collections.steady.rollback.plugins.module_utils.release import finalize
from ansible_collections.steady.rollback.plugins.module_utils.release.layout import Home


def do(call: entry.Call) -> entry.Outcome:
    p = call.params
    facts = finalize.prune(Home(p["home"]), p["keep"], p["named"], call.dry_run)
    return entry.Outcome(facts.pop("changed"), facts)


SPEC = {
    "home": {"type": "path", "required": True},
    "keep": {"type": "int", "default": 5},
    "named": {"type": "list", "elements": "str", "required": True},
}


def main() -> None:
    entry.run(do, argument_spec=SPEC)


if __name__ == "__main__":
    main()
