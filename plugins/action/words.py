# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Look at what the operator typed before Ansible does: a word with a template in it would be run on this machine."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any

from ansible.utils.vars import load_extra_vars
from ansible_collections.steady.rollback.plugins.module_utils.core import redact
from ansible_collections.steady.rollback.plugins.module_utils.core.errors import BadInput
from ansible_collections.steady.rollback.plugins.plugin_utils import controller

try:
    from ansible.template import is_trusted_as_template
except ImportError:  # before ansible-core 2.19 text was a template unless it was marked

    def is_trusted_as_template(value: object) -> bool:
        return isinstance(value, str) and not hasattr(value, "__UNSAFE__")


WORDS = ("reason", "run", "restore_point", "release", "confirm", "until", "take_over", "purpose")
LONGEST = 2000  # characters
ALIKE = 0.8  # confirmed is like confirm, release_keep is not like release


class ActionModule(controller.EngineAction):
    """The first task of every play. It has no options: they would be templated before it could look."""

    def work(self, args: dict[str, Any], variables: dict[str, Any]) -> dict[str, Any]:
        refuse(load_extra_vars(self._loader))
        return {"changed": False}


def refuse(given: Mapping[str, Any]) -> None:
    """Raise BadInput for a word that is misspelt or no plain text. ``given`` are the extra variables, not templated."""
    for name in sorted(given.keys() - set(WORDS)):
        # Nobody would read it, and the default in its place may be another restore point.
        for meant in difflib.get_close_matches(name, WORDS, n=1, cutoff=ALIKE):
            raise BadInput(
                f"{redact.line(name, 60)} is no word of a rollback: did you mean {meant}?",
                hint="The words are " + ", ".join(WORDS) + ".",
                next=f"-e {meant}=...",
                code="word-unknown",
            )
    for name in WORDS:
        value = given.get(name, "")
        if not isinstance(value, (str, int, float)):
            raise BadInput(f"{name} is not a text.", hint=f"Give one value: -e {name}=...", code="word-unusable")
        text = str(value)
        if is_trusted_as_template(value) and any(mark in text for mark in ("{{", "{%", "{#")):
            raise BadInput(
                f"{name} holds a template, which Ansible would run on this machine.",
                hint="Write it without {{, {% and {#. Text that others wrote belongs into a file, marked as data: "
                f'{name}: !unsafe "...", given by -e @file.',
                code="word-template",
            )
        shown = name == "reason" or text == redact.line(text, LONGEST)
        if not shown or len(text) > LONGEST or _halves(text):
            raise BadInput(
                f"{name} is longer than {LONGEST} characters or holds characters that no screen shows.",
                hint=f"It begins with {redact.line(text, 60)!r}.",
                code="word-unusable",
            )


def _halves(text: str) -> bool:
    """Whether bytes of the command line were no UTF-8: what stands for them cannot be written into a journal."""
    return any("\ud800" <= each <= "\udfff" for each in text)
