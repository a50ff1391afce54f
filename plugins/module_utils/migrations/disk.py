# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The migrations that a release has on disk, from the release itself or, before it is built, from the git mirror."""

from __future__ import annotations

import ast
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from ..core.errors import TargetRefused
from ..django_agent import ask
from ..django_command import Project
from ..release.git import Mirror
from ..release.layout import Home
from . import agent
from .verdict import Disk, Schema


def of_commit(home: Home, mirror: Mirror, commit: str, project: Project, live: Schema) -> tuple[Disk, str]:
    """(migrations of the release of ``commit``, where they were read); ``project`` and ``live``: the live release."""
    built = home.release(commit)
    if not built.problem:
        found: Disk = ask(replace(project, directory=str(built.path), python=""), agent, "disk")
        return found, f"the built release {built.path.name}"
    if not mirror.resolve(commit):
        raise TargetRefused(
            f"The commit {commit[:12]} is neither built nor in the mirror, so its migrations cannot be read.",
            hint="Fetch it first, then look again.",
            next=f"git --git-dir {home.mirror} fetch --tags",
            code="migrations-target-unread",
        )
    with tempfile.TemporaryDirectory(prefix="rollback-") as directory:
        mirror.checkout(commit, Path(directory))
        ours = {
            name: olds for app, path in live.paths.items() for name, olds in read(Path(directory) / path, app).items()
        }
    # Apps of packages are compared once the release is built with its own packages.
    packages = {name: olds for name, olds in live.disk.items() if name.split(".")[0] not in live.paths}
    return {**packages, **ours}, f"commit {commit[:12]} of the mirror"


def read(directory: Path, app: str) -> dict[str, list[str]]:
    """The migrations in a directory, none when there is no such directory. Nothing of it is run."""
    names = [path for path in sorted(directory.glob("*.py")) if path.name[0] not in "_~"]
    return {f"{app}.{path.stem}": replaced(path.read_text(encoding="utf-8"), path.name) for path in names}


def replaced(text: str, name: str) -> list[str]:
    """The migrations that the text of one says it replaces."""
    try:
        tree = ast.parse(text)
        for statement in ast.walk(tree):
            if isinstance(statement, ast.Assign) and [getattr(t, "id", "") for t in statement.targets] == ["replaces"]:
                return [f"{app}.{migration}" for app, migration in ast.literal_eval(statement.value)]
    except (SyntaxError, ValueError) as error:
        raise TargetRefused(
            f"The migration {name} of the target cannot be read: {error}.",
            hint="A release with a broken migration cannot be gone back to. Choose another one.",
            code="migrations-target-unread",
        ) from error
    return []


def flat(applied: Mapping[str, list[str]]) -> tuple[str, ...]:
    """{app: names} as a restore point keeps it, as ``app.name``."""
    return tuple(f"{app}.{name}" for app, names in applied.items() for name in names)
