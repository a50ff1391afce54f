# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A sandbox for the tests of a file: v1 with a restore point, then a bad release on top of it."""

from __future__ import annotations

import http.client
import json
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import sandbox
from sandbox import load, playbooks

if TYPE_CHECKING:
    from collections.abc import Iterator

# v2's customers wait so long at most, and its beat has by then asked for a job that v1 does not know.
SETTLED = 4.0


class Product:
    """WabotIQ in its sandbox, with the worlds that it was in."""

    def __init__(self, box: sandbox.Sandbox) -> None:
        self.box = box
        self.worlds: dict[str, dict[str, Any]] = {}

    def release(self, tag: str) -> None:
        """Deploy ``tag`` unless it is live, have a few customers talk to it, and remember the world."""
        if tag not in self.worlds:
            sandbox.deploy(self.box.directory, tag)
        for shop in load.SHOPS * 2:
            self.ask("GET", f"/v1/products?tenant={shop}")
            self.ask("POST", "/v1/conversations", tenant=shop, customer_phone="+49170", customer_name="Customer")
        time.sleep(SETTLED)
        self.remember(tag)

    def remember(self, name: str) -> None:
        """Keep the world under a name."""
        self.worlds[name] = sandbox.fingerprint(self.box.directory)

    def is_as(self, name: str) -> list[str]:
        """What differs from the remembered world."""
        now = sandbox.fingerprint(self.box.directory, self.worlds[name]["watermarks"])
        return sandbox.difference(self.worlds[name], now)

    def ask(self, method: str, path: str, **fields: str) -> int:
        """The status that the edge answers."""
        connection = http.client.HTTPConnection("127.0.0.1", self.box.ports["edge"], timeout=60)
        try:
            connection.request(method, path, json.dumps(fields) if fields else None)
            return connection.getresponse().status
        finally:
            connection.close()

    def play(self, book: str, code: int = 0, /, **variables: str) -> str:
        """Type a command; it has to end with ``code``."""
        return playbooks.play(self.box, book, code, **variables)


@pytest.fixture(scope="module")
def product() -> Iterator[Product]:
    """v1, with a restore point."""
    with tempfile.TemporaryDirectory(prefix="wabot-") as directory:
        try:
            found = Product(sandbox.start(Path(directory)))
            found.release("v1")
            found.play("restore-point")
            yield found
        finally:
            sandbox.stop(Path(directory))
