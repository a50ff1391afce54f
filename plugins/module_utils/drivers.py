# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Third-party packages and programs, found when they are needed, named when they are missing."""

from __future__ import annotations

import importlib
import shutil
import sys
from typing import Any

from .core.errors import DriverMissing


def package(name: str, debian: str) -> Any:
    """The imported Python package ``name``; ``debian`` is the distribution package that brings it."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise DriverMissing(
            f"The Python package {name} is not installed for {sys.executable}.",
            hint=f"Install it for that interpreter, or set ansible_python_interpreter for this host: {error}",
            next=f"apt-get install {debian}",
        ) from error


def program(name: str, debian: str, directory: str = "") -> str:
    """The path of program ``name``, in ``directory`` when one is given, else on PATH."""
    found = shutil.which(name, path=directory or None)
    if found is None:
        raise DriverMissing(
            f"The program {name} was not found in {directory or 'PATH'}.",
            hint="Install it on this host, or name the directory that holds it.",
            next=f"apt-get install {debian}",
        )
    return found
