# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Who may change an environment: one lease, with a generation that fences the holder before.

A lease ends by the anchor's clock. A run that stopped half way keeps the environment until it is resumed, undone or
given up by name, because a second run on a half-changed system is how data gets lost.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from .canonical import duration, utc
from .errors import LockHeld

GRACE = 60.0  # seconds beyond a step's budget before its holder counts as gone


@dataclass(frozen=True)
class Holder:
    """The process that drives a run."""

    user: str
    host: str
    pid: int


@dataclass(frozen=True)
class Lease:
    """``state`` is held, stopped or free; times are the anchor's seconds since the epoch.

    ``acted`` tells that users may have noticed something: from then on the run must be ended properly.
    """

    run: str
    holder: Holder
    generation: int
    state: str
    since: float
    heartbeat: float
    expires: float
    step: str = ""
    acted: bool = False


@dataclass(frozen=True)
class Request:
    """``continues`` is the unfinished run that this one resumes or undoes, empty for a fresh run.

    ``holder_gone`` is true when the holder was seen dead; ``take_over`` names a run whose living holder is overruled.
    """

    run: str
    holder: Holder
    continues: str = ""
    holder_gone: bool = False
    take_over: str = ""


def take(current: Lease | None, request: Request, now: float) -> Lease:
    """The lease of ``request``; raises LockHeld with everything the operator needs to decide what to do."""
    acted = False
    if current is not None and current.state != "free":
        _check(current, request, now)
        acted = current.acted  # who goes on must end it, even if killed before a change of his own
    generation = (current.generation if current else 0) + 1
    return Lease(
        run=request.run,
        holder=request.holder,
        generation=generation,
        state="held",
        since=now,
        heartbeat=now,
        expires=now + GRACE,
        acted=acted,
    )


def _check(current: Lease, request: Request, now: float) -> None:
    alive = current.state == "held" and now < current.expires and not request.holder_gone
    if alive and request.take_over != current.run:
        raise _held(current, now)
    if current.acted and request.continues != current.run:
        raise LockHeld(
            f"Run {current.run} stopped in step {current.step or 'preparation'} and left the system half way.",
            hint="Finish it or undo it first. To give it up as it stands: unlock.yml -e run=" + current.run,
            next="ansible-playbook resume.yml   or   ansible-playbook undo.yml",
            code="run-unfinished",
        )


def _held(current: Lease, now: float) -> LockHeld:
    return LockHeld(
        f"{current.holder.user} on {current.holder.host} is running {current.run} since {utc(current.since)[:19]}Z, "
        f"step {current.step or 'preparation'}, last sign of life {duration(now - current.heartbeat)} ago.",
        hint=f"Watch it: ansible-playbook status.yml. It may be taken over at {utc(current.expires)[:19]}Z, "
        f"or now by resume.yml or undo.yml with -e take_over={current.run}.",
        next="ansible-playbook status.yml",
    )


def renew(current: Lease | None, run: str, generation: int, now: float, *, step: str, hold: float, acts: bool) -> Lease:
    """The lease with a new sign of life, held for ``hold`` seconds more; raises LockHeld when it was lost."""
    held = own(current, run, generation)
    return replace(held, heartbeat=now, expires=now + hold + GRACE, step=step, acted=held.acted or acts, state="held")


def own(current: Lease | None, run: str, generation: int) -> Lease:
    """``current`` when it is still the lease of ``run``; raises LockHeld otherwise: stop before the next change."""
    if current is None or current.run != run or current.generation != generation:
        raise LockHeld(
            f"Run {run} has lost its lock: generation {generation} became "
            f"{current.generation if current else 'none'} ({current.run if current else 'no run'}).",
            hint="Another operator took over. This run stops before its next change.",
            next="ansible-playbook status.yml",
            code="lock-lost",
        )
    return current
