# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Can a connection be opened?"""

from __future__ import annotations

import socket
from collections.abc import Mapping
from typing import Any

from .watch import Probe
from .window import Reading


def probe(spec: Mapping[str, Any]) -> Probe:
    """Options: host, port, timeout."""

    def look() -> Reading:
        try:
            socket.create_connection((spec["host"], spec["port"]), spec.get("timeout") or 5.0).close()
        except OSError as error:
            return Reading(False, error.strerror or "no connection in time")
        return Reading(True, "connected")

    return look
