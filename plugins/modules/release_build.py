#!/usr/bin/python
# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
---
module: release_build
short_description: Lay a release beside the live one
version_added: 0.1.0
description:
  - Decides once for O(change) which commit is gone to, fetches it where the host does not know it, and builds it in a
    directory of its own with its own virtualenv. Nothing that is live is touched.
  - A release that is complete on the host needs no network and no build. A build that was cut off is begun anew.
author:
  - The steady.rollback developers (@steady)
extends_documentation_fragment:
  - steady.rollback.release
attributes:
  check_mode:
    support: full
    description: Says whether a build would be needed.
options:
  by:
    description:
      - Who asks for it, for the release log.
    type: str
    default: rollback
"""

EXAMPLES = r"""
- name: Lay the release beside the live one
  steady.rollback.release_build:
    home: /srv/app
    change: r20261124t022301-4f2a
    commit: v1.4.2
    repository: https://git.example.com/app.git
    build_commands: [[python, manage.py, collectstatic, --noinput]]
"""

RETURN = r"""
commit:
  description: Full commit of the release.
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
built:
  description: Whether it was built now.
  returned: success
  type: bool
"""

import time

from ansible_collections.steady.rollback.plugins.module_utils import entry
from ansible_collections.steady.rollback.plugins.module_utils.core import failpoint
from ansible_collections.steady.rollback.plugins.module_utils.release import switch, target
from ansible_collections.steady.rollback.plugins.module_utils.release.site import SITE_OPTIONS, builder


def do(call: entry.Call) -> entry.Outcome:
    p, site, now = call.params, builder(call.params), time.time()
    found = target.find(site.home, site.mirror, p["change"], p["commit"])
    needed = bool(site.home.release(found.commit).problem)
    if call.dry_run:
        return entry.Outcome(needed, {"commit": found.commit, "tag": found.tag, "built": needed})
    if needed and not site.mirror.resolve(found.commit):
        site.mirror.fetch(found.commit)
        found = target.find(site.home, site.mirror, p["change"], found.commit)
    switch.remember(site.home, switch.Change(p["change"], p["by"], "", now), found)
    failpoint.inside("release.prepare")
    release, built = site.build(found, p["change"], now)
    site.check(release)
    return entry.Outcome(built, {**switch.facts(release), "built": built})


def main() -> None:
    entry.run(do, argument_spec={**SITE_OPTIONS, "by": {"type": "str", "default": "rollback"}})


if __name__ == "__main__":
    main()
