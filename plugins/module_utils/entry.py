# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The one file of the library that knows Ansible.

A module is its documentation, an argument spec and one function. The function is called once; in check mode
``call.dry_run`` is true and it leaves out exactly the line that changes the world.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Callable

from ansible.module_utils.basic import AnsibleModule

from . import hold
from .core.errors import RollbackError


@dataclass(frozen=True)
class Call:
    """What a module was asked to do."""

    params: Mapping[str, Any]
    dry_run: bool
    warn: Callable[[str], None]


@dataclass(frozen=True)
class Outcome:
    """What a module did: ``facts`` become the keys of its result."""

    changed: bool
    facts: Mapping[str, Any] = field(default_factory=dict)
    before: str = ""
    after: str = ""


def run(do: Callable[[Call], Outcome], **spec: Any) -> None:
    """Run one module: ``spec`` is what AnsibleModule takes (argument_spec, required_if and so on)."""
    module = AnsibleModule(supports_check_mode=True, **spec)
    claim = None if module.check_mode else hold.Claim.parse(os.environ.get(hold.VARIABLE, ""))
    try:
        with hold.hold(claim, str(module._name), module.warn):
            outcome = do(Call(module.params, module.check_mode, module.warn))
    except RollbackError as error:
        module.fail_json(
            msg=error.message, code=error.code, hint=error.hint, next=error.next, changed=False, **error.facts
        )
    result = dict(outcome.facts)
    if outcome.before or outcome.after:
        result["diff"] = {"before": outcome.before, "after": outcome.after}
    module.exit_json(changed=outcome.changed, **result)
