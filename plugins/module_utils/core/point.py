# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The restore point: one manifest that names, for every component, what to go back to."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from . import canonical
from .errors import BackupUnusable, PlanRefused, TargetMissing, TargetRefused

SCHEMA = 1
HEAD = {"id": str, "created": str, "environment": str, "purpose": str, "good": bool, "components": dict, "hosts": dict}
SKEW = 300.0  # seconds that the clock of whoever took a restore point may be ahead
STATUS = "ansible-playbook status.yml"
ANOTHER = "Choose another restore point, or bring this one's copy back: ansible-playbook fetch.yml."
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


def unpack(data: bytes, name: str, environment: str) -> Manifest:
    """The body of the manifest file ``<name>.json``; raises BackupUnusable when it is not whole, or not what it should
    be: this restore point of this environment.
    """
    body = _opened(data, name)
    wrong = [key for key, kind in HEAD.items() if not isinstance(body.get(key), kind)]
    if not wrong and not _taken(body):
        wrong = ["created"]
    if wrong:
        raise _unusable(
            f"The restore point {name} says nothing, or nothing that can be understood, of {', '.join(wrong)}.",
            hint="It was not written by restore_point.yml. Choose another restore point.",
            code="manifest-incomplete",
        )
    if body["id"] != name:
        raise _unusable(
            f"The restore point in the file {name}.json says that it is {body['id']!r}.",
            hint="The file was copied or renamed. Remove it, or give it its name back.",
            code="manifest-misnamed",
        )
    if body["environment"] != environment:
        raise _unusable(
            f"The restore point {name} belongs to {body['environment']!r}; this is {environment}.",
            hint="The file was put here by hand: remove it. Going back to it would mix two environments.",
            code="manifest-foreign",
        )
    return body


def _unusable(message: str, *, hint: str, code: str) -> BackupUnusable:
    return BackupUnusable(message, hint=hint, next=STATUS, code=code)


def _opened(data: bytes, name: str) -> Manifest:
    """What a manifest file holds, as it was written."""
    if not data.endswith(b"\n"):
        raise _unusable(
            f"The restore point {name} is {'not complete: its file ends in the middle' if data else 'an empty file'}.",
            hint=ANOTHER,
            code="manifest-cut" if data else "manifest-empty",
        )
    try:
        envelope = json.loads(data)
        schema, sha256, body = envelope["schema"], envelope["sha256"], dict(envelope["body"])
    except (ValueError, KeyError, TypeError) as error:
        raise _unusable(
            f"The restore point {name} cannot be read: it is not a manifest.",
            hint=ANOTHER,
            code="manifest-unreadable",
        ) from error
    if schema != SCHEMA:
        raise BackupUnusable(
            f"The restore point {name} has schema {schema}; this version reads schema {SCHEMA}.",
            hint="Use the version of the collection that wrote it.",
            next="ansible-galaxy collection install --upgrade steady.rollback",
            code="manifest-schema",
        )
    if canonical.digest(body) != sha256:
        raise _unusable(
            f"The restore point {name} was changed after it was written: its SHA-256 does not agree.",
            hint=f"Do not use it. {ANOTHER}",
            code="manifest-changed",
        )
    return body


def _taken(body: Manifest) -> float:
    """When it was taken, in seconds since the epoch; 0 when that cannot be told."""
    try:
        return canonical.epoch(body["created"])
    except ValueError:
        return 0.0


def choose(points: list[Manifest], wanted: str, environment: str, now: float) -> Manifest:
    """The restore point called ``wanted``, or for ``latest`` the newest good one that was taken before a deployment.

    Newest by the time that it was taken, not by its name. ``now``: seconds since the epoch on the anchor.
    """
    if wanted != "latest":
        for point in points:
            if point["id"] == wanted:
                return point
        raise TargetMissing(
            f"There is no restore point {wanted} for {environment}.",
            hint="Known: " + (", ".join(point["id"] for point in points) or "none"),
            next="ansible-playbook full-rollback.yml -e restore_point=latest",
        )
    good = [point for point in points if point["good"] and point["purpose"] == "pre_deploy"]
    if not good:
        raise TargetMissing(
            f"There is no restore point of a healthy {environment} to go back to.",
            hint="A restore point is taken before every deployment by restore_point.yml. Without one, name a release: "
            "code-rollback.yml -e release=<tag>.",
            next=STATUS,
        )
    newest = max(good, key=_taken)
    if _taken(newest) > now + SKEW:
        raise TargetRefused(
            f"Which restore point is the latest cannot be told: {newest['id']} was taken at {newest['created']}, "
            f"{canonical.duration(_taken(newest) - now)} ahead of the anchor's clock.",
            hint="That clock was wrong then, or the anchor's is wrong now. Name the restore point that you mean: "
            f"-e restore_point={newest['id']}",
            next="date --utc",
            code="point-from-future",
        )
    return newest


def refuse_behind(points: list[Manifest], now: float) -> None:
    """Raise PlanRefused when a restore point of this moment would not be the latest one: the clock was set back."""
    newest = max(points, key=_taken, default=None)
    if newest and now <= _taken(newest):
        raise PlanRefused(
            f"The clock of the anchor is {canonical.duration(_taken(newest) - now)} behind the newest restore point, "
            f"{newest['id']}: 'latest' would go back to that one.",
            hint="Set the clock right. If that point was taken while the clock was ahead, move it away.",
            next="date -u",
            code="clock-behind",
        )


def retired(points: list[Manifest], keep: int, used: set[str]) -> list[str]:
    """The ids that may go: beyond the ``keep`` newest, neither used by a run nor the newest healthy one."""
    newest = sorted(points, key=_taken, reverse=True)
    healthy = [each["id"] for each in newest if each["good"] and each["purpose"] == "pre_deploy"][:1]
    return [each["id"] for each in newest[keep:] if each["id"] not in {*used, *healthy}]
