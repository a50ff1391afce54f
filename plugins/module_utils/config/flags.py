# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Feature flags of a Django product: switched off by the product's own command, put back from what was kept."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .. import files
from ..core import canonical, checks, failpoint
from ..core.errors import BadInput, NotEffective
from ..django_command import Project
from . import rows

# The options of a module that looks at or switches flags (doc fragment: flags).
FLAGS_OPTIONS: dict[str, dict[str, Any]] = {
    "command": {"type": "str", "default": "configure_ux_features"},
    "model": {"type": "str", "required": True},
    "features": {"type": "dict", "required": True},
    "disable": {"type": "list", "elements": "str", "default": []},
    "tenants": {"type": "list", "elements": "str", "default": []},
    "tenant_field": {"type": "str", "default": "tenant"},
    "directory": {"type": "path", "required": True},
}


@dataclass(frozen=True)
class Flags:
    """``features[name]`` is the field of ``model`` that the command's ``--disable-name`` switches off.

    ``tenants`` are the keys of the tenants that are meant, all when it is empty; ``tenant_field`` is their field.
    """

    project: Project
    command: str
    model: str
    features: Mapping[str, str]
    tenant_field: str
    tenants: Sequence[str]
    directory: str

    @classmethod
    def of(cls, params: Mapping[str, Any]) -> Flags:
        """The flags that a module's PROJECT_OPTIONS and FLAGS_OPTIONS name."""
        names = ("command", "model", "features", "tenant_field", "tenants", "directory")
        return cls(Project.of(params), *(params[name] for name in names))

    def chosen(self, names: Sequence[str]) -> dict[str, str]:
        """The features called ``names``, all when it is empty; raises BadInput for an unknown one."""
        if unknown := sorted(set(names) - set(self.features)):
            raise BadInput(
                f"There is no feature {', '.join(unknown)}.",
                hint=f"Known: {', '.join(self.features)}.",
                code="feature-unknown",
            )
        return {name: self.features[name] for name in names or self.features}

    def values(self, fields: Sequence[str]) -> dict[str, dict[str, Any]]:
        """{primary key: {field: value}} of the rows that are meant."""
        found = rows.read(self.project, [self.model])
        meant = [row for row in found if not self.tenants or str(row["fields"][self.tenant_field]) in self.tenants]
        return {str(row["pk"]): {name: row["fields"][name] for name in fields} for row in meant}

    def record(self, change: str) -> Path:
        """Where it is written down how the flags stood before ``change``."""
        return Path(self.directory) / f"{change}.json"


def disable(of: Flags, names: Sequence[str], change: str, dry_run: bool) -> dict[str, Any]:
    """Switch features off; returns {feature: number of tenants that had it on}."""
    chosen = of.chosen(names)
    before = of.values(list(chosen.values()))
    on = _on(before, chosen)
    if any(on.values()) and not dry_run:
        # The first account stays: a second attempt finds some of them switched off.
        if files.read(of.record(change)) is None:
            files.write(files.private_directory(Path(of.directory)) / f"{change}.json", canonical.dumps(before))
        switches = [f"--disable-{name}" for name in chosen]
        for tenant in of.tenants or [""]:
            of.project.manage(of.command, *switches, *([f"--tenant-id={tenant}"] if tenant else []))
            failpoint.inside("flags.disable")
        still = _on(of.values(list(chosen.values())), chosen)
        if any(still.values()):
            raise NotEffective(
                f"Features are on after they were switched off: {still}.",
                hint="Something switches them on again. Look at who changes the configuration.",
                next=of.project.by_hand("manage.py show_ux_config"),
                code="flags-not-disabled",
            )
    return {"changed": any(on.values()), "disabled": {name: count for name, count in on.items() if count}}


def restore(of: Flags, change: str, dry_run: bool) -> dict[str, Any]:
    """Put the flags back to how they stood before ``change``; nothing to do when it changed nothing."""
    data = files.read(of.record(change))
    if data is None:
        return {"changed": False, "restored": 0}
    before = json.loads(data)
    fields = sorted({name for values in before.values() for name in values})
    now = of.values(fields)
    moving = {key: values for key, values in before.items() if key in now and now[key] != values}
    if not dry_run:
        if moving:
            rows.update(of.project, of.model, moving)
        failpoint.inside("flags.restore")
        files.remove(of.record(change))
    return {"changed": bool(moving), "restored": len(moving)}


def capture(of: Flags) -> dict[str, Any]:
    """{feature: number of tenants that have it on}."""
    return _on(of.values(list(of.features.values())), of.features)


def preflight(of: Flags, names: Sequence[str]) -> list[checks.Check]:
    """Whether the flags can be read and the command is there."""
    on = _on(of.values(list(of.chosen(names).values())), of.chosen(names))
    of.project.manage(of.command, "--help")
    shown = ", ".join(f"{name} for {count}" for name, count in on.items() if count)
    return [checks.ok("flags", f"on: {shown}" if shown else "all are off already")]


def _on(values: Mapping[str, Mapping[str, Any]], chosen: Mapping[str, str]) -> dict[str, int]:
    return {name: sum(bool(row[fld]) for row in values.values()) for name, fld in chosen.items()}
