#!/usr/bin/python
# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
---
module: redis_keys
short_description: Empty a Redis cache, and never a job queue
version_added: 0.1.0
description:
  - Removes the keys of the cache and counts what is left before it says that the cache is empty.
  - Refuses a database or a pattern that holds keys of a job queue (Celery, BullMQ, RQ and others).
author:
  - The steady.rollback developers (@steady)
extends_documentation_fragment:
  - steady.rollback.cache
attributes:
  check_mode:
    support: full
    description: Counts the keys and removes none.
options:
  require_empty:
    description:
      - Whether it is an error when keys are there again afterwards. Right while the services are stopped.
    type: bool
    default: true
  project:
    description:
      - Directory of the release whose O(command) is run.
    type: path
    default: ""
  user:
    description:
      - Account that runs O(command) when the task runs as root.
    type: str
    default: ""
"""

EXAMPLES = r"""
- name: Empty the cache
  steady.rollback.redis_keys:
    env_file: /srv/app/env
    variable: APP_CACHE_URL
    patterns: ["app:*"]
"""

RETURN = r"""
found:
  description: Number of keys before.
  returned: success
  type: int
removed:
  description: Number of keys that were removed.
  returned: success
  type: int
remaining:
  description: Number of keys that were there afterwards; a live application may have written them.
  returned: success
  type: int
"""

from ansible_collections.steady.rollback.plugins.module_utils import entry
from ansible_collections.steady.rollback.plugins.module_utils.caches import redis
from ansible_collections.steady.rollback.plugins.module_utils.core import failpoint
from ansible_collections.steady.rollback.plugins.module_utils.django_command import Project


def do(call: entry.Call) -> entry.Outcome:
    p = call.params
    cache = redis.Cache(redis.url_of(p["url"], p["env_file"], p["variable"]))
    facts = redis.flush(cache, p["patterns"], p["mode"], p["require_empty"], call.dry_run, command=bool(p["command"]))
    failpoint.inside("cache.flush")
    if p["command"] and not call.dry_run:
        Project(p["project"], p["env_file"], user=p["user"]).manage(*p["command"])
    return entry.Outcome(facts.pop("changed") or bool(p["command"]), facts)


SPEC = {
    **redis.CACHE_OPTIONS,
    "require_empty": {"type": "bool", "default": True},
    "project": {"type": "path", "default": ""},
    "user": {"type": "str", "default": ""},
}


def main() -> None:
    entry.run(do, argument_spec=SPEC)


if __name__ == "__main__":
    main()
