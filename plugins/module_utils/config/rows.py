# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Rows of a Django product that are configuration: read them, and make them what they were."""

from __future__ import annotations

import inspect
import json
from collections.abc import Mapping, Sequence
from typing import Any

from ..core.errors import CommandFailed
from ..django_command import Project
from . import rows_agent

Row = Any  # one object of dumpdata: {model, pk, fields}


def read(project: Project, models: Sequence[str]) -> list[Row]:
    """All rows of ``models`` (labels such as bot.AgentConfiguration), as dumpdata spells them, ordered by key."""
    return list(_ask(project, models, {})["after"])


def replace(project: Project, models: Sequence[str], rows: Sequence[Row]) -> None:
    """Make the rows of ``models`` exactly ``rows``, in one transaction: what came since goes."""
    _ask(project, models, {"rows": list(rows)})


def update(project: Project, model: str, fields: Mapping[str, Mapping[str, Any]]) -> None:
    """Set ``fields[primary key]`` of the rows that are there, in one transaction."""
    _ask(project, [model], {"fields": {key: dict(value) for key, value in fields.items()}})


def _ask(project: Project, models: Sequence[str], more: Mapping[str, Any]) -> dict[str, Any]:
    text = inspect.getsource(rows_agent) + "\nmain()\n"
    asked = json.dumps({"models": list(models), **more})
    said = project.manage("shell", "--verbosity", "0", "--command", text, stdin=asked)
    try:
        answer: dict[str, Any] = json.loads(said.strip().splitlines()[-1])
    except (ValueError, IndexError) as error:
        raise CommandFailed(
            "The release did not answer with its rows.",
            hint=project.tail(said),
            next=project.by_hand("manage.py shell"),
            code="rows-unreadable",
        ) from error
    return answer
