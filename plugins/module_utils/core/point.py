# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The restore point: one manifest that names, for every component, what to go back to."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from . import canonical
from .errors import BackupUnusable, PlanRefused, TargetMissing

SCHEMA = 1
Manifest = dict[str, Any]


def merge(captures: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> Manifest:
    """Join what the hosts captured: ``captures[component][host]`` is a module's result.

    ``captured`` must agree on every host of a component; ``captured_host`` is kept host by host.
    """
    components: dict[str, Any] = {}
    hosts: dict[str, dict[str, Any]] = {}
    for component, results in sorted(captures.items()):
        shared = {host: result["captured"] for host, result in results.items() if "captured" in result}
        if len({canonical.digest(value) for value in shared.values()}) > 1:
            raise PlanRefused(
                f"The hosts do not agree on {component}: " + "; ".join(f"{h}: {_short(v)}" for h, v in shared.items()),
                hint="Finish the deployment first: a half-deployed system is nothing to come back to.",
                code="hosts-disagree",
            )
        if shared:
            components[component] = next(iter(shared.values()))
        for host, result in results.items():
            if "captured_host" in result:
                hosts.setdefault(host, {})[component] = result["captured_host"]
    return {"components": components, "hosts": hosts}


def _short(value: Any) -> str:
    text = canonical.dumps(value).decode()
    return text if len(text) <= 120 else text[:117] + "..."


def pack(body: Manifest) -> bytes:
    """The manifest file: the body with its schema and its SHA-256."""
    return canonical.dumps({"schema": SCHEMA, "sha256": canonical.digest(body), "body": body}) + b"\n"


def unpack(data: bytes, name: str) -> Manifest:
    """The body of a manifest file; raises BackupUnusable when it is not whole."""
    try:
        envelope = json.loads(data)
        schema, sha256, body = envelope["schema"], envelope["sha256"], dict(envelope["body"])
    except (ValueError, KeyError, TypeError) as error:
        raise BackupUnusable(
            f"The restore point {name} cannot be read: it is not a manifest.",
            hint="Choose another restore point, or fetch this one's copy from the object store.",
            next="ansible-playbook status.yml",
            code="manifest-unreadable",
        ) from error
    if schema != SCHEMA:
        raise BackupUnusable(
            f"The restore point {name} has schema {schema}; this version reads schema {SCHEMA}.",
            hint="Use the version of the collection that wrote it.",
            code="manifest-schema",
        )
    if canonical.digest(body) != sha256:
        raise BackupUnusable(
            f"The restore point {name} was changed after it was written: its SHA-256 does not agree.",
            hint="Do not use it. Choose another restore point, or fetch this one's copy from the object store.",
            code="manifest-changed",
        )
    return body


def choose(points: list[Manifest], wanted: str, environment: str) -> Manifest:
    """The restore point called ``wanted``, or for ``latest`` the newest good one that was taken before a deployment."""
    mine = [point for point in points if point["environment"] == environment]
    if wanted != "latest":
        for point in mine:
            if point["id"] == wanted:
                return point
        raise TargetMissing(
            f"There is no restore point {wanted} for {environment}.",
            hint="Known: " + (", ".join(point["id"] for point in mine) or "none"),
            next="ansible-playbook full-rollback.yml -e restore_point=latest",
        )
    good = [point for point in mine if point["good"] and point["purpose"] == "pre_deploy"]
    if not good:
        raise TargetMissing(
            f"There is no restore point of a healthy {environment} to go back to.",
            hint="A restore point is taken before every deployment by restore_point.yml. Without one, name a release: "
            "code-rollback.yml -e release=<tag>.",
            next="ansible-playbook status.yml",
        )
    return max(good, key=lambda point: str(point["created"]))


def retired(points: list[Manifest], keep: int, used: set[str]) -> list[str]:
    """The ids that may go: beyond the ``keep`` newest, neither used by a run nor the newest healthy one."""
    newest = sorted(points, key=lambda each: str(each["created"]), reverse=True)
    healthy = [each["id"] for each in newest if each["good"] and each["purpose"] == "pre_deploy"][:1]
    return [each["id"] for each in newest[keep:] if each["id"] not in {*used, *healthy}]
