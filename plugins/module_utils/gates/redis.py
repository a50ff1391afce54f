# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Is Redis there, and how much lies in it?"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice
from typing import TYPE_CHECKING, Any

from .. import drivers, tls
from ..core.errors import BadInput
from ..core.redact import line, redact
from .predicates import holds
from .watch import Probe
from .window import Reading

if TYPE_CHECKING:
    import redis

KEYS_LIMIT = 200_000  # a count stops here: a gate must not walk through a large cache


def probe(spec: Mapping[str, Any]) -> Probe:
    """Options: url, pattern (count of keys) or list (length of a list), expected, timeout.

    With neither, PING is the probe. DriverMissing when redis-py is not installed.
    """
    driver = drivers.package("redis", "python3-redis")
    try:
        driver.Redis.from_url(spec["url"])  # opens no connection yet
    except ValueError:
        raise BadInput("The URL of a redis probe cannot be read.", hint="redis://[:password@]host:port/db") from None

    def look() -> Reading:
        timeout = spec.get("timeout") or 5.0
        # The pool is ours alone: closing it leaves no connection behind.
        client: redis.Redis = driver.Redis.from_url(
            spec["url"],
            socket_timeout=timeout,
            socket_connect_timeout=timeout,
            retry_on_timeout=False,
            **tls.redis_options(spec["url"]),
        )
        try:
            return _look(client, spec)
        except driver.RedisError as error:
            return Reading(False, line(redact(str(error)), 200))
        finally:
            client.close()
            client.connection_pool.disconnect()

    return look


def _look(client: redis.Redis, spec: Mapping[str, Any]) -> Reading:
    if spec.get("list"):
        count = int(client.llen(spec["list"]))
    elif spec.get("pattern"):
        count = sum(1 for _key in islice(client.scan_iter(match=spec["pattern"], count=1000), KEYS_LIMIT))
    else:
        return Reading(bool(client.ping()), "PONG")
    expected = spec.get("expected")
    held = holds(count, {"min": 1} if expected is None else expected)
    at_least = "at least " if count == KEYS_LIMIT else ""
    return Reading(held, f"{at_least}{count} {'items' if spec.get('list') else 'keys'}")
