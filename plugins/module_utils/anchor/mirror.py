# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The copy of an environment's record in the object store: written when a run ends, fetched when the anchor is lost.

Layout below ``<environment>/``: ``points/<id>.json``, ``runs/<id>/<file>``, as on the anchor.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping
from typing import Any, Protocol

from ..core import journal, lease, point
from ..core.errors import BackupUnusable
from .store import Store

LARGEST = 16 * 1024 * 1024  # bytes of a file that is copied; evidence has a way of its own
NAME = re.compile(r"(?:points|runs/[a-z0-9][a-z0-9-]*)/[A-Za-z0-9][A-Za-z0-9._-]*\Z")


class Bucket(Protocol):
    """What is used of ``storage.objects.Bucket``."""

    def put(self, key: str, data: bytes) -> Any:
        """Store an object."""

    def get(self, key: str) -> bytes:
        """Read an object."""

    def keys(self, prefix: str) -> list[str]:
        """The keys that begin with ``prefix``."""


def push(store: Store, run: str, bucket: Bucket) -> list[str]:
    """Copy plan, journal and report of a run; returns the names of the files."""
    copied = []
    for path in sorted(store.run_dir(run).iterdir()):
        if path.is_file() and not path.name.startswith(".") and path.stat().st_size <= LARGEST:
            bucket.put(f"{store.home.name}/runs/{run}/{path.name}", path.read_bytes())
            copied.append(path.name)
    return copied


def missing(store: Store, bucket: Bucket) -> list[str]:
    """The names (``points/<id>.json`` and so on) of what the copy has and the anchor lacks or cannot trust."""
    prefix = f"{store.home.name}/"
    names = [key[len(prefix) :] for key in bucket.keys(prefix)]
    return sorted(name for name in names if NAME.match(name) and not _sound(store, name))


def fetch(store: Store, bucket: Bucket, names: list[str]) -> None:
    """Bring files back. A restore point that is not whole is not taken; a run that was held holds the lock again."""
    with store.exclusive():
        for name in names:
            data = bucket.get(f"{store.home.name}/{name}")
            if name.startswith("points/"):
                point.unpack(data, name)
            store.bring(name, data)
        if store.read_lease() is None:
            for held in _held(store):
                store.write_lease(held)


def _sound(store: Store, name: str) -> bool:
    path = store.home / name
    if not path.exists():
        return False
    try:
        if name.startswith("points/"):
            point.unpack(path.read_bytes(), name)
    except BackupUnusable:
        return False
    return True


def _held(store: Store) -> Iterator[lease.Lease]:
    """The lease of the newest run when it had stopped half way: without it a new run could start on top of it."""
    for run in store.runs()[-1:]:
        records = store.records(run)
        opened, closed = journal.last(records, "opened"), journal.last(records, "closed")
        begun = journal.begun_steps(records)
        if closed.get("outcome", "held") == "held" and any(_acts(step) for step in _steps(store, run, begun)):
            holder = lease.Holder(str(opened.get("operator", "")), str(opened.get("host", "")), 0)
            now = time.time()
            step = str(journal.last(records, "intent").get("step", ""))
            yield lease.Lease(run, holder, 1, "stopped", now, now, now, step, acted=True)


def _steps(store: Store, run: str, begun: set[int]) -> list[Mapping[str, Any]]:
    return [step for step in store.plan(run)["plan"]["steps"] if step["n"] in begun]


def _acts(step: Mapping[str, Any]) -> bool:
    return bool(step["inverse"] or step["notice"])
