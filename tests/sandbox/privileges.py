# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""As few rights as will do: no root, which PostgreSQL refuses, and accounts as ``docs/privileges`` ships them."""

from __future__ import annotations

import json
import os
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

NOBODY = "65534"
SHIPPED = Path(__file__).resolve().parents[2] / "docs" / "privileges"


def shipped(name: str, **values: str) -> str:
    """A file of ``docs/privileges`` with its ``${names}`` filled in."""
    return Template((SHIPPED / name).read_text(encoding="utf-8")).substitute(values)


def identities(bucket: str, **secrets: str) -> str:
    """SeaweedFS's own spelling of the shipped policies: one identity for each, with the secret key that is given."""
    policies = {name: shipped(f"s3-{name}.json", bucket=bucket) for name in secrets}
    who: list[dict[str, Any]] = [
        {"name": name, "credentials": [{"accessKey": name, "secretKey": secret}], "policyNames": [name]}
        for name, secret in secrets.items()
    ]
    return json.dumps({"identities": who, "policies": [{"name": n, "content": c} for n, c in policies.items()]})


def unprivileged(command: Sequence[str]) -> list[str]:
    """``command`` as an ordinary user runs it: for root, inside a user namespace that maps it to nobody.

    Files made inside belong to root outside, so both sides can read and write all of the sandbox.
    """
    if os.geteuid() != 0:
        return list(command)
    return ["unshare", "--user", f"--map-user={NOBODY}", f"--map-group={NOBODY}", "--", *command]
