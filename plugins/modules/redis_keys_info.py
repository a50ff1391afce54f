#!/usr/bin/python
# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
---
module: redis_keys_info
short_description: Count the keys of a Redis cache
version_added: 0.1.0
description:
  - Changes nothing.
author:
  - The steady.rollback developers (@steady)
extends_documentation_fragment:
  - steady.rollback.cache
attributes:
  check_mode:
    support: full
    description: Only reads.
options:
  stage:
    description:
      - V(capture), what a restore point keeps.
      - V(preflight), whether a flush would be possible and would not hit a job queue; never fails for a finding.
      - V(verify), fails when the cache does not answer.
    type: str
    required: true
    choices: [capture, preflight, verify]
"""

EXAMPLES = r"""
- name: Count the keys of the cache
  steady.rollback.redis_keys_info:
    env_file: /srv/app/env
    variable: APP_CACHE_URL
    stage: capture
"""

RETURN = r"""
captured:
  description: Number of keys by pattern, hits and misses.
  returned: stage is capture
  type: dict
rows:
  description: Preflight rows.
  returned: stage is preflight
  type: list
  elements: dict
keys:
  description: Number of keys by pattern.
  returned: stage is verify
  type: dict
hits:
  description: Hits of the whole server since it started.
  returned: stage is verify
  type: int
misses:
  description: Misses of the whole server since it started.
  returned: stage is verify
  type: int
"""

from ansible_collections.steady.rollback.plugins.module_utils import entry
from ansible_collections.steady.rollback.plugins.module_utils.caches import redis
from ansible_collections.steady.rollback.plugins.module_utils.core.checks import Check
from ansible_collections.steady.rollback.plugins.module_utils.looks import rows


def do(call: entry.Call) -> entry.Outcome:
    p = call.params

    def cache() -> redis.Cache:
        return redis.Cache(redis.url_of(p["url"], p["env_file"], p["variable"]))

    def preflight() -> list[Check]:
        return redis.preflight(cache(), p["patterns"], p["mode"], command=bool(p["command"]))

    if p["stage"] == "preflight":
        return entry.Outcome(False, {"rows": rows("cache", preflight)})
    seen = redis.look(cache(), p["patterns"])
    return entry.Outcome(False, {"captured": seen} if p["stage"] == "capture" else seen)


SPEC = {
    **redis.CACHE_OPTIONS,
    "stage": {"type": "str", "required": True, "choices": ["capture", "preflight", "verify"]},
}


def main() -> None:
    entry.run(do, argument_spec=SPEC)


if __name__ == "__main__":
    main()
