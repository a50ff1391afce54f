# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Root is a guest here: PostgreSQL refuses it, and a sandbox should not need it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

NOBODY = "65534"


def unprivileged(command: Sequence[str]) -> list[str]:
    """``command`` as an ordinary user runs it: for root, inside a user namespace that maps it to nobody.

    Files made inside belong to root outside, so both sides can read and write all of the sandbox.
    """
    if os.geteuid() != 0:
        return list(command)
    return ["unshare", "--user", f"--map-user={NOBODY}", f"--map-group={NOBODY}", "--", *command]
