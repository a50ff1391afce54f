# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Options shared by the modules that read or empty a Redis cache."""

from __future__ import annotations


class ModuleDocFragment:
    """See CACHE_OPTIONS in module_utils/caches/redis.py."""

    DOCUMENTATION = r"""
options:
  url:
    description:
      - URL of the cache's database, for example V(redis://:password@host:6379/1).
      - Empty means the value of O(variable) in O(env_file), so that the password never leaves the host.
    type: str
    default: ""
  env_file:
    description:
      - Env file of the product on this host.
    type: path
    default: ""
  variable:
    description:
      - Name of the variable in O(env_file) that holds the URL.
    type: str
    default: ""
  patterns:
    description:
      - Patterns of the cache's keys, as Redis C(SCAN) takes them.
    type: list
    elements: str
    default: ["*"]
  mode:
    description:
      - V(pattern) removes the keys of O(patterns) in bounded steps.
      - V(database) empties the whole database at once; refused when it holds anything that O(patterns) do not match.
    type: str
    choices: [pattern, database]
    default: pattern
  command:
    description:
      - Django command that is run after the keys were removed, for example V([clear_cache]). Empty means none.
      - Such a command empties the whole database, so job queues are looked for in all of it.
    type: list
    elements: str
    default: []
"""
