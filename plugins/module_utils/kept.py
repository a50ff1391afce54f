# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a change replaced on this host: written once, private, set aside under another name when it was put back."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from . import files
from .core.errors import BadInput

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}\Z")


class Kept:
    """The directory ``<root>/<change>``: one JSON file for each thing that the change replaced."""

    def __init__(self, root: str, change: str) -> None:
        if not NAME.match(change):
            raise BadInput(f"{change!r} is not the id of a change.", hint="It is letters, digits, '-', '_' and '.'.")
        self.directory = Path(root) / change

    def read(self, name: str) -> Any:
        """What is kept under ``name``, None when there is nothing to put back."""
        data = files.read(self.directory / f"{name}.json")
        return None if data is None else json.loads(data)

    def once(self, name: str, value: Any) -> Any:
        """Keep ``value`` unless something is kept already; returns what is kept: the state before the first act."""
        if (found := self.read(name)) is not None:
            return found
        files.write(files.private_directory(self.directory) / f"{name}.json", json.dumps(value).encode())
        return value

    def close(self, name: str) -> None:
        """It was put back: the next act of the same change keeps anew. The old copy stays, numbered."""
        path = self.directory / f"{name}.json"
        if path.exists():
            number = sum(1 for _each in self.directory.glob(f"{name}.*.json")) + 1
            path.rename(self.directory / f"{name}.{number}.json")
            files.sync_directory(self.directory)
