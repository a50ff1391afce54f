# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A Redis cache: empty it by pattern or whole, and never touch a database that also holds jobs."""

from __future__ import annotations

import fnmatch
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from .. import envfile, tls
from ..core import checks
from ..core.errors import BadInput, DatabaseFailed, NotEffective, TargetRefused
from ..drivers import package

PAGE = 1000  # keys a step: other clients wait at most some 20 ms

# Keys of job queues: Celery and kombu, BullMQ, RQ, Dramatiq, arq, Huey, and what queue.park keeps.
BROKER_KEYS = re.compile(
    rb"(celery|unacked|unacked_index|unacked_mutex)$|_kombu\.|celery-task-meta-|celery\x06|bull:|rq:|dramatiq:|arq:|"
    rb"huey\.|rollback:(parked|parking|consumers):",
)
SAID = {
    "ReadOnlyError": ("redis-read-only", "This server is a replica. Name the primary."),
    "OutOfMemoryError": (
        "redis-out-of-memory",
        "The server refuses writes beyond maxmemory. Removing keys still works.",
    ),
    "BusyLoadingError": (
        "redis-loading",
        "The server is still reading its data from disk. Wait and run the step again.",
    ),
    "AuthenticationError": ("redis-denied", "The user or the password of the URL is wrong."),
    "AuthenticationWrongNumberOfArgsError": (
        "redis-denied",
        "The URL names no user or password that this server takes.",
    ),
    "NoPermissionError": (
        "redis-denied",
        "The account needs +ping +info +scan +unlink +dbsize +lindex on the cache's keys.",
    ),
    "ConnectionError": ("redis-unreachable", "Is the server running, and is its address right?"),
    "TimeoutError": (
        "redis-unreachable",
        "The server does not answer in time: it is paused, overloaded or out of reach.",
    ),
    "ResponseError": ("redis-refused", "The server refused the command."),
}


# The options of a module that reads or empties a cache (doc fragment: cache).
CACHE_OPTIONS: dict[str, dict[str, Any]] = {
    "url": {"type": "str", "default": "", "no_log": True},
    "env_file": {"type": "path", "default": ""},
    "variable": {"type": "str", "default": ""},
    "patterns": {"type": "list", "elements": "str", "default": ["*"]},
    "mode": {"type": "str", "choices": ["pattern", "database"], "default": "pattern"},
    "command": {"type": "list", "elements": "str", "default": []},
}


def url_of(url: str, env_file: str, variable: str) -> str:
    """The cache's URL: given, or the value of ``variable`` in the product's env file."""
    found = url or (envfile.read(env_file).get(variable, "") if env_file else "")
    if not re.match(r"(redis|rediss|unix)://", found):
        raise BadInput(
            f"There is no Redis URL in {variable} of {env_file}." if env_file else "No Redis URL was given.",
            hint="It begins with redis://, rediss:// or unix://, and names the database of the cache.",
            next=f"grep -c '^{variable}=redis' {env_file}" if env_file else "",
            code="cache-url-missing",
        )
    return found


class Cache:
    """One database of one Redis server."""

    def __init__(self, url: str, timeout: float = 10.0) -> None:
        self.timeout = timeout
        self.redis: Any = package("redis", "python3-redis")
        try:
            self.client = self.redis.Redis.from_url(
                url, socket_timeout=timeout, socket_connect_timeout=timeout, **tls.redis_options(url)
            )
            self.unproven = tls.redis(url)
        except ValueError:
            # What the parser says quotes the password when that holds a slash or a hash.
            hint = "It is rediss://user:password@host:port/database, with / # ? and @ in the password percent-encoded."
            raise BadInput("The Redis URL cannot be read.", hint=hint, code="cache-url-missing") from None
        where = self.client.connection_pool.connection_kwargs
        self.address = f"{where.get('path') or '{host}:{port}'.format(**where)}/{where.get('db', 0)}"

    @contextmanager
    def speaking(self) -> Iterator[None]:
        """Wait for a server that is still loading, then turn what it says into an error that says what to do."""
        try:
            end = time.monotonic() + self.timeout
            while not self.loaded() and time.monotonic() < end:
                time.sleep(0.2)
            yield
        except self.redis.RedisError as error:
            kinds = [kind.__name__ for kind in type(error).__mro__]
            code, hint = next((SAID[kind] for kind in kinds if kind in SAID), ("redis-refused", ""))
            text = str(error)
            if text.startswith("OOM"):  # older drivers have no class for it
                code, hint = SAID["OutOfMemoryError"]
            untrusted = "certificate verify failed" in text.lower()
            if untrusted:
                hint = "Its certificate is not trusted for this name. Name its authority: ?ssl_ca_certs=<file>."
            raise DatabaseFailed(
                f"Redis at {self.address} failed: {text}",
                hint=hint,
                next=f"redis-cli -u redis://{self.address} PING",
                code="redis-untrusted" if untrusted else code,
            ) from error

    def loaded(self) -> bool:
        """Whether the server has its data in memory."""
        try:
            return bool(self.client.ping())
        except self.redis.BusyLoadingError:
            return False

    def scan(self, pattern: str = "*", kind: str = "") -> Iterator[bytes]:
        """Every key of a pattern and type, each as the exact bytes that the server holds."""
        yield from self.client.scan_iter(match=pattern.encode(), count=PAGE, **({"_type": kind} if kind else {}))

    def broker_keys(self, patterns: list[str]) -> list[str]:
        """Keys of job queues among those of the patterns; lists are looked into, whatever their name. At most five."""
        found: list[bytes] = []
        for pattern in patterns:
            found += (key for key in self.scan(pattern) if BROKER_KEYS.match(key))
            found += (key for key in self.scan(pattern, "list") if self.holds_jobs(key))
            if len(found) >= 5:
                break
        return [shown(key) for key in dict.fromkeys(found)][:5]

    def holds_jobs(self, key: bytes) -> bool:
        """Whether a list holds kombu messages."""
        first = self.client.lindex(key, 0)
        return first is not None and b'"delivery_info"' in first

    def unlink(self, pattern: str) -> int:
        """Remove every key of a pattern; returns how many. The next page is asked for with the removal of the last."""
        page: list[bytes] = []
        cursor = removed = 0
        while True:
            pipe = self.client.pipeline(transaction=False)
            if page:
                pipe.unlink(*page)
            pipe.scan(cursor, match=pattern.encode(), count=PAGE)
            *gone, (cursor, page) = pipe.execute()
            removed += int(sum(gone))
            # Looked for once more here: a queue may have appeared since the check.
            refuse([shown(key) for key in page if BROKER_KEYS.match(key)], self.address)
            if cursor == 0:
                return removed + int(self.client.unlink(*page) if page else 0)


def shown(key: bytes) -> str:
    """A key as it may be printed: hostile bytes are escaped."""
    return key.decode("utf-8", "backslashreplace").encode("unicode_escape").decode()


def refuse(broker_keys: list[str], address: str) -> None:
    """A flush that would delete jobs is refused."""
    if broker_keys:
        raise TargetRefused(
            f"{address} holds keys of a job queue: {', '.join(broker_keys)}. Emptying it would delete waiting jobs.",
            hint="Give the cache a database of its own, or name a pattern that only the cache uses (cache_patterns).",
            next=f"redis-cli -u redis://{address} --scan --pattern '_kombu*'",
            code="cache-holds-jobs",
        )


def flush(
    cache: Cache, patterns: list[str], mode: str, require_empty: bool, dry_run: bool, *, command: bool = False
) -> dict[str, Any]:
    """Remove the cache's keys. ``mode``: pattern (SCAN and UNLINK) or database (FLUSHDB, when nothing else is in it).

    ``command`` tells that a command of the product is run afterwards: Django's empties the database, whatever is in it.
    Returns ``found``, ``removed``, ``remaining``. What a live application wrote meanwhile may remain, unless
    ``require_empty``.
    """
    with cache.speaking():
        refuse(cache.broker_keys(["*"] if mode == "database" or command else patterns), cache.address)
        if mode == "database" and (foreign := strangers(cache, patterns)):
            raise TargetRefused(
                f"{cache.address} holds keys that are not the cache's: {', '.join(foreign)}.",
                hint="Use cache_mode=pattern, which removes the keys of cache_patterns only.",
                code="cache-not-exclusive",
            )
        found = count(cache, patterns)
        if dry_run or not found:
            return {"changed": bool(found), "found": found, "removed": 0, "remaining": found}
        if mode == "database":
            cache.client.flushdb(asynchronous=True)
            removed = found
        else:
            removed = sum(cache.unlink(pattern) for pattern in patterns)
        remaining = count(cache, patterns)
        for _round in range(3 if remaining else 0):
            removed += sum(cache.unlink(pattern) for pattern in patterns)
            if not (remaining := count(cache, patterns)):
                break
            time.sleep(0.2)
    if remaining and require_empty:
        raise NotEffective(
            f"{remaining} keys of {', '.join(patterns)} are in {cache.address} after {removed} were removed.",
            hint="Something still writes to the cache: are all services stopped?",
            next=f"redis-cli -u redis://{cache.address} CLIENT LIST",
            code="cache-not-empty",
            removed=removed,
        )
    return {"changed": True, "found": found, "removed": removed, "remaining": remaining}


def strangers(cache: Cache, patterns: list[str]) -> list[str]:
    """Some keys that no pattern matches."""
    rules = [re.compile(fnmatch.translate(pattern)) for pattern in patterns]
    unknown = (key for key in cache.scan() if not any(rule.match(key.decode("latin-1")) for rule in rules))
    return [shown(key) for key, _n in zip(unknown, range(5))]


def count(cache: Cache, patterns: list[str]) -> int:
    """How many keys the patterns match now; ``*`` is answered by the server's own counter."""
    if "*" in patterns:
        return int(cache.client.dbsize())
    return sum(1 for pattern in patterns for _key in cache.scan(pattern))


def look(cache: Cache, patterns: list[str]) -> dict[str, Any]:
    """Keys by pattern, and the server's hits and misses since it started."""
    with cache.speaking():
        stats = cache.client.info("stats")
        return {
            "keys": {pattern: count(cache, [pattern]) for pattern in patterns},
            "hits": stats.get("keyspace_hits", 0),
            "misses": stats.get("keyspace_misses", 0),
        }


def preflight(cache: Cache, patterns: list[str], mode: str, *, command: bool = False) -> list[checks.Check]:
    """Whether a flush would be possible, and would not hit a job queue."""
    with cache.speaking():
        if cache.client.info("replication").get("role") != "master":
            found = f"{cache.address} is a replica: it refuses writes."
            return [checks.fail("cache", found, "Name the primary in the cache's URL.", "redis-read-only")]
        broker_keys = cache.broker_keys(["*"] if mode == "database" or command else patterns)
        found = f"{cache.address}: {count(cache, patterns)} keys of {', '.join(patterns)}"
    if broker_keys:
        found = f"{cache.address} holds keys of a job queue: {', '.join(broker_keys)}."
        fix = "Give the cache a database of its own, or set cache_patterns to keys that only the cache uses."
        return [checks.fail("cache", found, fix, "cache-holds-jobs")]
    return [checks.ok("cache", found), *cache.unproven]
