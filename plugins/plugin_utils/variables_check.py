# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Check the variables of every step before the first one starts: a role validates its own only when its turn comes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import yaml
from ansible.errors import AnsibleError
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.steady.rollback.plugins.module_utils.core.errors import BadInput
from ansible_collections.steady.rollback.plugins.module_utils.core.plan import Step
from ansible_collections.steady.rollback.plugins.plugin_utils.controller import ROLES


def refuse_wrong(steps: Sequence[Step], variables: Mapping[str, Any]) -> None:
    """Raise BadInput with every missing or wrong variable of every step, on every host."""
    problems: dict[str, None] = {}
    for step in steps:
        options = _options(step)
        for host in step.hosts:
            for problem in _problems(options, variables["hostvars"][host]):
                problems[f"{step.component} on {host}: {problem}"] = None
    if problems:
        raise BadInput(
            "The inventory cannot be used:\n  " + "\n  ".join(problems),
            hint="Nothing was touched. ansible-doc -t role steady.rollback.<component> explains every variable.",
            code="variables-wrong",
        )


def _options(step: Step) -> dict[str, Any]:
    path = ROLES / step.component / "meta" / "argument_specs.yml"
    spec = yaml.safe_load(path.read_text())["argument_specs"]
    return dict(spec.get(step.verb, {}).get("options", {}))


def _problems(options: Mapping[str, Any], hostvars: Mapping[str, Any]) -> list[str]:
    given, found = {}, []
    for name in options:
        if name in hostvars:
            try:
                given[name] = hostvars[name]
            except AnsibleError as error:
                if not _comes_later(str(error), options):
                    found.append(f"{name} cannot be evaluated: {error}")
    # Values that reach back into the run (the restore point, the run itself) are known only once it has begun.
    late = {name for name, text in ((n, str(v)) for n, v in given.items()) if "rollback_point" in text}
    spec = {name: option for name, option in options.items() if name not in late}
    known = {name: value for name, value in given.items() if name not in late}
    return found + list(ArgumentSpecValidator(spec).validate(known).error_messages)


def _comes_later(error: str, options: Mapping[str, Any]) -> bool:
    """Whether a value only lacks its own role's defaults, other hosts or the run: all there when the role starts."""
    return any(f"'{name}' is undefined" in error for name in (*options, "hostvars", "rollback_planned"))
