# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""From a strategy's list of step names to the steps of one run: hosts, budgets, inverses, and a hash over them."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from . import canonical
from .errors import BadInput, PlanRefused

STAGE_VERBS = ("prepare", "verify")
WRITING_VERBS = ("prepare", "finalize")  # they have no inverse, and still write


@dataclass(frozen=True)
class Verb:
    """What ``meta/verbs.yml`` of a role says of one verb; ``budget`` is in seconds.

    ``leaves`` says in a few words how ``part`` of the world is afterwards: users, shown the maintenance page.
    """

    does: str
    budget: int
    inverse: str = ""
    notice: bool = False
    rolling: bool = False
    confirm: bool = False
    part: str = ""
    leaves: str = ""


@dataclass(frozen=True)
class Step:
    """One verb of one component on some of its hosts: the unit that is journalled, resumed and undone.

    ``before`` is how its inverse leaves the part.
    """

    n: int
    name: str
    component: str
    verb: str
    does: str
    hosts: list[str]
    budget: int
    inverse: str = ""
    notice: bool = False
    confirm: bool = False
    part: str = ""
    leaves: str = ""
    before: str = ""

    @property
    def acts(self) -> bool:
        """Whether the world is another one afterwards."""
        return bool(self.inverse) or self.notice

    @property
    def holds(self) -> bool:
        """Whether it changes something on its hosts, so that it waits for what an earlier run left running there."""
        return self.acts or self.verb in WRITING_VERBS


@dataclass(frozen=True)
class Plan:
    """``dropped`` names the steps of components that the inventory does not have."""

    strategy: str
    requested: list[str]
    steps: list[Step]
    dropped: list[str]
    hash: str = ""

    def to_dict(self) -> dict[str, Any]:
        """As it is stored beside the journal."""
        return asdict(self)


Catalogue = Mapping[str, Mapping[str, Verb]]
Hosts = Mapping[str, Sequence[str]]


def catalogue(verbs_files: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Verb]]:
    """The verbs of all roles: ``verbs_files[component]`` is the content of its ``meta/verbs.yml``."""
    return {
        component: {name: Verb(**entry) for name, entry in content["verbs"].items()}
        for component, content in verbs_files.items()
    }


def build(strategy: str, requested: Sequence[str], known: Catalogue, hosts: Hosts, point: str) -> Plan:
    """The plan of a strategy. ``hosts[component]`` is empty for what the inventory lacks; ``point`` goes into the hash.

    The words ``prepare`` and ``verify`` stand for these verbs of every component that the strategy names; where a
    strategy does not say, preparation comes first and verification last.
    """
    words = list(requested)
    # Finalizing goes back to nothing: there is nothing to prepare, and nothing that could be verified.
    goes_back = any(not name.endswith(".finalize") for name in words)
    if goes_back and "prepare" not in words:
        words.insert(0, "prepare")
    if goes_back and "verify" not in words:
        words.append("verify")
    named = _resolve(words, known)
    components = list(dict.fromkeys(name.split(".")[0] for name in named if name not in STAGE_VERBS))
    full: list[str] = []
    for name in named:
        if name in STAGE_VERBS:
            full += [f"{c}.{name}" for c in components if name in known[c] and f"{c}.{name}" not in named]
        else:
            full.append(name)
    kept = [name for name in full if hosts.get(name.split(".")[0])]
    if all(name.split(".")[1] in STAGE_VERBS for name in kept):
        raise PlanRefused(
            f"The strategy {strategy} has nothing to do here: the inventory has none of its components.",
            hint="A component is a group: rollback_postgres, rollback_release and so on. Looked for: "
            + ", ".join(components),
            next="ansible-inventory --graph",
            code="nothing-to-do",
        )
    steps = _number([step for name in kept for step in _steps(name, known, hosts)])
    dropped = [name for name in full if name not in kept]
    return _hashed(Plan(strategy, list(requested), steps, dropped), point)


def begun(rungs: Sequence[tuple[Plan, set[int]]]) -> list[Step]:
    """The steps that may have happened, in their order, of one run or of all rungs of a ladder.

    One that two rungs have taken comes twice: between the two the database may have become another one.
    """
    return [step for of, numbers in rungs for step in of.steps if step.n in numbers]


def undo(happened: Sequence[Step], known: Catalogue, point: str) -> Plan:
    """The way back from a run: the inverse of every step that may have happened, last one first.

    A step that is its own inverse (reload, flush) has the services see what the step before it has changed, so on the
    way back it follows that step again.
    """
    blocks: list[list[Step]] = []
    for step in (each for each in happened if each.inverse):
        if step.inverse == step.name and blocks:
            blocks[-1].append(step)
        else:
            blocks.append([step])
    steps: list[Step] = []
    for step in (each for block in reversed(blocks) for each in block):
        _resolve([step.inverse], known)
        steps += _steps(step.inverse, known, {step.inverse.split(".")[0]: step.hosts})
    if not steps:
        raise PlanRefused(
            "There is nothing to undo: the run stopped before it changed anything.",
            hint="Release its lock.",
            next="ansible-playbook unlock.yml",
            code="nothing-to-undo",
        )
    return _hashed(Plan("undo", [step.name for step in steps], _number(steps), []), point)


def refuse_changed(stored: Plan, now: Plan) -> None:
    """Raise PlanRefused when inventory or collection have changed the plan of an unfinished run."""
    if stored.hash == now.hash:
        return
    before, after = ({f"{step.name} on {','.join(step.hosts)}" for step in each.steps} for each in (stored, now))
    raise PlanRefused(
        "The plan has changed since this run began: " + ("; ".join(sorted(before ^ after)) or "another order"),
        hint="Put inventory and collection back as they were, or undo the run and start a new one.",
        next="ansible-playbook undo.yml",
        code="plan-changed",
    )


def load(data: Mapping[str, Any]) -> Plan:
    """The inverse of ``Plan.to_dict``; raises PlanRefused for the plan of a version that had other fields."""
    try:
        return Plan(**{**data, "steps": [Step(**step) for step in data["steps"]]})
    except (TypeError, KeyError) as error:
        raise PlanRefused(
            f"The plan of this run was made by another version of the collection: {error}.",
            hint="Finish it, or undo it, with the version that began it.",
            next="ansible-galaxy collection list steady.rollback",
            code="plan-version",
        ) from error


def budget(steps: Sequence[Step]) -> int:
    """Seconds that the steps may take together."""
    return sum(step.budget for step in steps)


def _hashed(plan: Plan, point: str) -> Plan:
    content = [[step.name, step.hosts] for step in plan.steps]
    return replace(plan, hash=canonical.digest({"strategy": plan.strategy, "steps": content, "point": point}))


def _number(steps: Sequence[Step]) -> list[Step]:
    return [replace(step, n=n) for n, step in enumerate(steps, 1)]


def _steps(name: str, known: Catalogue, hosts: Hosts) -> list[Step]:
    component, verb_name = name.split(".")
    verb = _verb(name, known)
    everyone = list(hosts[component])
    batches = [everyone[:1], everyone[1:]] if verb.rolling and len(everyone) > 1 else [everyone]
    inverse = f"{component}.{verb.inverse}" if verb.inverse else ""
    step = Step(0, name, component, verb_name, verb.does, everyone, verb.budget, inverse, verb.notice, verb.confirm)
    if inverse:
        step = replace(step, part=verb.part, leaves=verb.leaves, before=_verb(inverse, known).leaves)
    return [replace(step, hosts=batch) for batch in batches]


def _verb(name: str, known: Catalogue) -> Verb:
    component, verb = name.split(".")
    return known[component][verb]


def _resolve(names: Sequence[str], known: Catalogue) -> list[str]:
    valid = {f"{component}.{verb}" for component, verbs in known.items() for verb in verbs} | set(STAGE_VERBS)
    wrong = [name for name in names if name not in valid]
    if wrong:
        near = {name: difflib.get_close_matches(name, sorted(valid), n=1) for name in wrong}
        raise BadInput(
            "Unknown steps: " + ", ".join(repr(name) for name in wrong),
            hint="; ".join(f"did you mean {close[0]}?" for close in near.values() if close)
            or "A step is <role>.<verb>, with the verbs of that role's meta/verbs.yml.",
            code="step-unknown",
        )
    return list(names)
