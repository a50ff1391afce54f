# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The copy of an environment's record in the object store: written when a run ends, fetched when the anchor is lost.

Layout below ``<environment>/``: ``points/<id>.json``, ``runs/<id>/<file>``, as on the anchor.
"""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Any, Protocol

from ..core import journal, lease, point
from ..core.errors import BackupUnusable, JournalBroken, RollbackError
from . import history
from .store import Store, plan_of

LARGEST = 16 * 1024 * 1024  # bytes of a file that is copied; evidence has a way of its own
UNCOPIED = 100  # generations that the copy may lack: only a run that ended was copied
ENDED = frozenset({"completed", "undone"})
NAME = re.compile(r"(?:points/[a-z0-9][a-z0-9-]*\.json|runs/[a-z0-9][a-z0-9-]*/[A-Za-z0-9][A-Za-z0-9._-]*)\Z")


class Bucket(Protocol):
    """What is used of ``storage.objects.Bucket``."""

    def put(self, key: str, data: bytes) -> Any:
        """Store an object."""

    def get(self, key: str) -> bytes:
        """Read an object."""

    def keys(self, prefix: str) -> list[str]:
        """The keys that begin with ``prefix``."""


def push(store: Store, run: str, bucket: Bucket) -> list[str]:
    """Copy plan, journal and report of a run, and of those before it that the store did not take.

    Returns the names of the files, ``runs/<id>/<file>``.
    """
    there, copied = set(bucket.keys(f"{store.home.name}/runs/")), list[str]()
    for each in store.runs():
        names = {f"runs/{each}/{path.name}": path for path in sorted(store.run_dir(each).iterdir()) if _copies(path)}
        if each == run or not {f"{store.home.name}/{name}" for name in names} <= there:
            for name, path in names.items():
                bucket.put(f"{store.home.name}/{name}", path.read_bytes())
                copied.append(name)
    return copied


def _copies(path: Path) -> bool:
    return path.is_file() and not path.name.startswith(".") and path.stat().st_size <= LARGEST


def missing(store: Store, bucket: Bucket) -> list[str]:
    """The names (``points/<id>.json`` and so on) of what the copy has and the anchor lacks or cannot trust."""
    prefix = f"{store.home.name}/"
    names = [key[len(prefix) :] for key in bucket.keys(prefix)]
    return sorted(name for name in names if NAME.match(name) and not _sound(store, name))


def fetch(store: Store, bucket: Bucket, names: list[str]) -> None:
    """Bring files back. What is not whole is not taken: the first one is told when all others are there.

    The lock goes on where it was: a run that was held holds it again, and its generation rises on, because the hosts
    know the last one that acted on them.
    """
    refused: dict[str, RollbackError] = {}
    with store.exclusive():
        # A run counts from its plan on, so that comes last.
        for name in sorted(names, key=lambda each: (each.endswith("/plan.json"), each)):
            try:
                data = bucket.get(f"{store.home.name}/{name}")
                _refuse_broken(store, name, data)
            except (BackupUnusable, JournalBroken) as error:
                refused[name] = error
            else:
                store.bring(name, data)
        complete = not any(name.startswith("runs/") for name in refused)
        if complete and store.read_lease() is None and (last := _last(store)):
            store.write_lease(last)
    for first in refused.values():
        raise first


def _sound(store: Store, name: str) -> bool:
    """Whether the anchor has this file, whole."""
    path, run = store.home / name, name.split("/")[1]
    try:
        if path.exists():
            _whole(store, name, path.read_bytes())
            return path.name != "plan.json" or bool(store.plan(run))
    except RollbackError:
        return False
    return False


def _whole(store: Store, name: str, data: bytes) -> None:
    """Raise BackupUnusable or JournalBroken for a file that is damaged."""
    kind, part, *rest = name.split("/")
    if kind == "points":
        point.unpack(data, part[: -len(".json")], store.home.name)
    elif rest == ["plan.json"]:
        plan_of(data, part)
    elif rest == ["journal.jsonl"]:
        journal.decode(data, part)


def _refuse_broken(store: Store, name: str, data: bytes) -> None:
    """Raise for a copy that is damaged, or that may be older than the journal in whose place it would come."""
    _whole(store, name, data)
    if not name.endswith("/journal.jsonl") or not (store.home / name).exists():
        return
    run = name.split("/")[1]
    if journal.last(journal.decode(data, run).records, "closed").get("outcome") not in ENDED:
        raise JournalBroken(
            f"The journal of run {run} is damaged, and its copy is from before that run had ended.",
            hint="Steps that were taken since are not in the copy. If you take it all the same: move the damaged one "
            "away, and fetch again.",
            next=f"mv {store.home / name} {store.home / name}.damaged",
            code="journal-copy-older",
        )


def _last(store: Store) -> lease.Lease | None:
    """The lease as the newest run left it: without it a new run could start on top of one that had stopped half way."""
    runs = store.runs()
    if not runs:
        return None
    records = store.records(runs[-1])
    opened, closed = journal.last(records, "opened"), journal.last(records, "closed")
    held = closed.get("outcome", "held") == "held" and history.acted(store, runs[-1])
    holder = lease.Holder(str(opened.get("operator", "")), str(opened.get("host", "")), 0)
    known = [record.get("generation", 1) for each in runs for record in store.records(each)]
    now, step = time.time(), str(journal.last(records, "intent").get("step", ""))
    generation, state = UNCOPIED + max(known, default=1), "stopped" if held else "free"
    return lease.Lease(runs[-1], holder, generation, state, now, now, now, step, acted=held)
