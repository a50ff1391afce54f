# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Rows of a Django product that are configuration: read them, and make them what they were."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..django_agent import ask
from ..django_command import Project
from . import rows_agent

Row = Any  # one object of dumpdata: {model, pk, fields}


def read(project: Project, models: Sequence[str]) -> list[Row]:
    """All rows of ``models`` (labels such as bot.AgentConfiguration), as dumpdata spells them, ordered by key."""
    return list(ask(project, rows_agent, "work", models=list(models)))


def replace(project: Project, models: Sequence[str], rows: Sequence[Row]) -> None:
    """Make the rows of ``models`` exactly ``rows``, in one transaction: what came since goes."""
    ask(project, rows_agent, "work", models=list(models), wanted=list(rows))


def update(project: Project, model: str, fields: Mapping[str, Mapping[str, Any]]) -> None:
    """Set ``fields[primary key]`` of the rows that are there, in one transaction."""
    ask(project, rows_agent, "work", models=[model], fields={key: dict(value) for key, value in fields.items()})
