"""A whole life of an environment's record, as the anchor's modules write it: run below strace by test_broken_off.py."""

from __future__ import annotations

import sys

from ansible_collections.steady.rollback.plugins.module_utils.anchor import session
from ansible_collections.steady.rollback.plugins.module_utils.anchor.store import Store
from ansible_collections.steady.rollback.plugins.module_utils.core import lease, point
from ansible_collections.steady.rollback.plugins.module_utils.core.errors import JournalBroken

BODY = {"id": "p1", "created": "2026-01-01", "good": True, "purpose": "pre_deploy", "environment": "prod"}
BODY.update(components={}, hosts={})
# Longer than the buffer of a file: it takes several writes.
PLAN = {"plan": {"steps": []}, "run": {"filler": "x" * 20_000}, "point": BODY}


def live(root: str) -> None:
    """A restore point; a run of two steps that fails; its resume, which ends it."""
    store = Store(root, "prod")
    store.write_point("p1", point.pack(BODY))
    request = lease.Request("r1", lease.Holder("anna", "ctl1", 1))
    generation = session.open_run(store, request, PLAN, {"kind": "opened"}, 0).generation
    session.mark(store, "r1", generation, [intent(1)], step="a.b", hold=1, acts=True)
    session.close(store, "r1", generation, [{"kind": "failed"}, {"kind": "closed", "outcome": "held"}], "held")
    again = lease.Request("r1", lease.Holder("ben", "ctl2", 2), continues="r1")
    generation = session.open_run(store, again, PLAN, {"kind": "resumed"}, generation).generation
    session.mark(store, "r1", generation, [done(1), intent(2)], step="c.d", hold=1, acts=True)
    session.close(store, "r1", generation, [done(2), {"kind": "closed", "outcome": "completed"}], "completed")


def intent(n: int) -> dict[str, object]:
    return {"kind": "intent", "n": n, "step": "a.b"}


def done(n: int) -> dict[str, object]:
    return {"kind": "done", "n": n, "step": "a.b", "effects": {}}


if __name__ == "__main__":
    try:
        live(sys.argv[1])
    except JournalBroken as error:
        print(error.code, error.message)
        sys.exit(3)
