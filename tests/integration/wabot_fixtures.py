# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Releases of WabotIQ on disk and a database for them, without its services."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from systems.wabot import build_history

VENV = Path(sys.executable).parent.parent


def mirror(home: Path) -> Path:
    """The product's git repository below ``home``."""
    repository = home / "repo.git"
    if not repository.exists():
        build_history.build(repository)
    return repository


def release(home: Path, tag: str) -> Path:
    """The files of a release below ``home``, with the tests' own virtualenv, which has all that WabotIQ needs."""
    directory = home / "releases" / tag
    if not directory.exists():
        directory.mkdir(parents=True)
        archive = subprocess.run(
            ["git", "--git-dir", str(mirror(home)), "archive", tag], check=True, stdout=subprocess.PIPE
        ).stdout
        subprocess.run(["tar", "-x", "-C", str(directory)], input=archive, check=True)
        (directory / "venv").symlink_to(VENV)
    return directory
