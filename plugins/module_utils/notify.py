# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One event, many sinks, five seconds at most. A sink that is dead is named in the result and never waited for."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import datetime, timezone
from typing import Any

from . import web
from .core.errors import BadInput, RollbackError
from .core.redact import line, redact

DELIVERY_SECONDS = 3.0  # one try
TOTAL_SECONDS = 5.0  # all sinks together, with their second tries

TITLES = {
    "started": "ROLLBACK STARTED",
    "maintenance": "MAINTENANCE",
    "progress": "ROLLBACK IN PROGRESS",
    "completed": "ROLLBACK COMPLETED",
    "failed": "ROLLBACK FAILED",
    "held": "ROLLBACK HELD, A DECISION IS NEEDED",
    "undone": "ROLLBACK UNDONE",
    "refused": "ROLLBACK REFUSED",
}
SINKS = ("file", "webhook", "slack")


@dataclass(frozen=True)
class Event:
    """What all sinks are told. ``n`` of ``total`` is the step, ``percent`` and ``eta`` are text as shown."""

    event: str
    run: str = ""
    environment: str = ""
    strategy: str = ""
    step: str = ""
    n: int = 0
    total: int = 0
    percent: str = ""
    eta: str = ""
    reason: str = ""
    impact: str = ""
    operator: str = ""
    text: str = ""
    link: str = ""
    at: str = ""


def event(given: Mapping[str, Any], secrets: Sequence[str] = ()) -> Event:
    """The event with every text on one line and without secrets; BadInput for a kind that is not known."""
    if given.get("event") not in TITLES:
        raise BadInput(
            f"The event {line(str(given.get('event')), 40)!r} is not known.", hint=f"Use one of: {', '.join(TITLES)}."
        )
    values: dict[str, Any] = {}
    for field in fields(Event):
        value = given.get(field.name)
        if field.name in ("n", "total"):
            values[field.name] = int(value or 0)
        else:
            values[field.name] = "" if value is None else line(redact(str(value), secrets))
    values["at"] = values["at"] or datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    return Event(**values)


def message(told: Event) -> str:
    """The event for people: a title and one line for each thing that is known. Pure, plain text."""
    progress = f"{told.n} of {told.total}" if told.total else ""
    step = ", ".join(part for part in (told.step, progress, told.percent and f"{told.percent} %") if part)
    rows = (
        ("Environment", told.environment),
        ("Strategy", told.strategy),
        ("Reason", told.reason),
        ("Impact", told.impact),
        ("Step", step),
        ("ETA", told.eta),
        ("On-call", told.operator),
        ("Status", told.text),
        ("Run", told.run),
        ("Link", told.link),
        ("Time", told.at),
    )
    return "\n".join([TITLES[told.event], *(f"{name}: {value}" for name, value in rows if value)])


def check(sink: Mapping[str, Any]) -> None:
    """BadInput when nothing could ever be delivered to this sink, or when it should not be."""
    if sink["kind"] == "file":
        if not os.path.isabs(sink.get("path") or ""):
            raise BadInput("A file sink needs an absolute path.", hint="Set path.")
        return
    if web.target(sink.get("url") or "").scheme == "http" and not sink.get("allow_http"):
        raise BadInput(
            "The sink would be told over plain http.", hint="Use https, or set allow_http for an address of your own."
        )


def deliver(told: Event, sinks: Sequence[Mapping[str, Any]], total: float = TOTAL_SECONDS) -> list[dict[str, str]]:
    """Tell all sinks at the same time; gives [{sink, reason}] of those that were not reached within ``total`` seconds.

    Each is tried once and, when time is left, once more. Nothing here raises.
    """
    deadline = time.monotonic() + total
    results: dict[int, str] = {}

    def tell(index: int, sink: Mapping[str, Any]) -> None:
        results[index] = _try_twice(told, sink, deadline)

    # Daemon threads: a name server that does not answer must not keep the process alive.
    threads = [threading.Thread(target=tell, args=pair, daemon=True) for pair in enumerate(sinks)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    reasons = [results.get(index, f"no answer within {total:g} s") for index in range(len(sinks))]
    return [{"sink": sink["name"], "reason": reason} for sink, reason in zip(sinks, reasons) if reason]


def _try_twice(told: Event, sink: Mapping[str, Any], deadline: float) -> str:
    """Empty when it was delivered, else the reason of the last try."""
    reason = ""
    for _attempt in range(2):
        left = min(DELIVERY_SECONDS, deadline - time.monotonic())
        if left <= 0:
            break
        try:
            check(sink)
            reason = _append(told, sink) if sink["kind"] == "file" else _post(told, sink, left)
        except RollbackError as error:
            return error.message  # a second try would be refused, too
        except (OSError, web.Unanswered) as error:
            reason = getattr(error, "strerror", None) or str(error)
        if not reason:
            return ""
    return reason


def _append(told: Event, sink: Mapping[str, Any]) -> str:
    # Neither a link nor a pipe without a reader may hold us.
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK
    handle = os.open(sink["path"], flags, 0o600)
    with os.fdopen(handle, "wb", buffering=0) as target:
        target.write(json.dumps(asdict(told), ensure_ascii=False).encode() + b"\n")
    return ""


def _post(told: Event, sink: Mapping[str, Any], timeout: float) -> str:
    slack = sink["kind"] == "slack"
    body = {"text": _slack_text(message(told))} if slack else {**asdict(told), "message": message(told)}
    answer = web.ask(
        sink["url"],
        method="POST",
        headers={"Content-Type": "application/json", **(sink.get("secret_headers") or {})},
        body=json.dumps(body).encode(),
        timeout=timeout,
        ca_file=sink.get("ca_file") or "",
    )
    return "" if 200 <= answer.status < 300 else f"status {answer.status}"


def _slack_text(text: str) -> str:
    """Slack's three control characters escaped: nobody's reason can mention a channel or hide a link."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
