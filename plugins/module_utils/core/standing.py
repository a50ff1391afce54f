# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Where a run has left the world, part by part, and whether it may be left so: read from the journal alone."""

from __future__ import annotations

from collections.abc import Sequence

from . import journal
from .plan import Plan, Step

SHELTER = "users"  # the part that tells whether users are kept out
NAMED = 4  # hosts
DONE, UNSURE = "done", "unsure"
Host = tuple[str, str]


def parts(records: Sequence[journal.Record], of: Plan) -> list[tuple[str, str]]:
    """[(part, how it is now)], users first: what no step has touched is as that step's inverse leaves it."""
    told: dict[str, list[str]] = {}
    for pair in _pairs(of).values():
        found: dict[str, list[str]] = {}
        for host, (step, state) in _now(records, pair).items():
            found.setdefault(_text(step, state), []).append(host)
        one = len(found) == 1
        texts = [text if one else f"{named(hosts)} {text}" for text, hosts in found.items() if text]
        told.setdefault(pair[0].part, []).extend(texts)
    return [(part, "; ".join(told[part])) for part in sorted(told, key=lambda part: part != SHELTER) if told[part]]


def named(hosts: Sequence[str]) -> str:
    """Hosts by name; of many, the first two."""
    return ",".join(hosts) if len(hosts) <= NAMED else f"{','.join(hosts[:2])} and {len(hosts) - 2} more"


def changed(records: Sequence[journal.Record], of: Plan) -> bool:
    """Whether anything may be another thing than before the run."""
    begun = journal.begun_steps(records)
    return any(step.acts and step.n in begun for step in of.steps)


def can_wait(records: Sequence[journal.Record], of: Plan) -> str:
    """Whether a stopped run may be left for ten minutes, and why."""
    if not changed(records, of):
        return "yes: nothing that users notice has changed"
    shelter = [
        found for pair in _pairs(of).values() if pair[0].part == SHELTER for found in _now(records, pair).values()
    ]
    if any(state == UNSURE for _step, state in shelter):
        return "NO: whether users are kept out is not certain; resume or undo now"
    if shelter and all(step.notice == (state == DONE) for step, state in shelter):
        return "yes: users are kept out, and all that is replaced is kept"
    return "NO: users are in and the change is not finished; resume or undo now"


def _pairs(of: Plan) -> dict[frozenset[str], list[Step]]:
    """The steps that turn the same thing this way or that: each with its inverse."""
    found: dict[frozenset[str], list[Step]] = {}
    for step in of.steps:
        if step.part:
            found.setdefault(frozenset((step.name, step.inverse)), []).append(step)
    return found


def _now(records: Sequence[journal.Record], pair: Sequence[Step]) -> dict[str, tuple[Step, str]]:
    """{host: (the step that touched it last, done or unsure)}; the first step and no state where none has."""
    done, begun = journal.done_steps(records), journal.begun_steps(records)
    failed = journal.last(records, "failed")
    found: dict[str, tuple[Step, str]] = {}
    for step in pair:
        for host in step.hosts:
            there = step.n in done or (step.n == failed.get("n") and host in failed.get("done_on", ()))
            if there or step.n in begun:
                found[host] = step, DONE if there else UNSURE
            else:
                found.setdefault(host, (step, ""))
    return found


def _text(step: Step, state: str) -> str:
    if state == UNSURE:
        return f"not certain: {step.leaves or 'as before'} or still {step.before or 'as before'}"
    return step.leaves if state == DONE else step.before
