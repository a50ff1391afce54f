#!/usr/bin/python
# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: notify_event
short_description: Tell sinks what a run does, and never wait for a dead one
version_added: 0.1.0
author:
  - The steady.rollback developers (@steady)
description:
  - Sends one event to all sinks at the same time. Each sink is tried once and once more.
  - Takes five seconds at most and does not fail. Sinks that were not reached are named in the result.
attributes:
  check_mode:
    support: full
    description: In check mode the sinks are checked, and nothing is sent.
options:
  event:
    description: What happened.
    type: dict
    suboptions:
      event:
        description: Kind of the event.
        type: str
        required: true
        choices: [started, maintenance, progress, completed, failed, held, undone, refused]
      run:
        description: Id of the run.
        type: str
      environment:
        description: The environment that is rolled back.
        type: str
      strategy:
        description: The strategy of the run.
        type: str
      step:
        description: The step that runs.
        type: str
      n:
        description: Number of the step.
        type: int
      total:
        description: Number of steps of the run.
        type: int
      percent:
        description: How much is done, in percent.
        type: str
      eta:
        description: When it is expected to end.
        type: str
      reason:
        description: Why the run was started.
        type: str
      impact:
        description: What users notice.
        type: str
      operator:
        description: Who runs it.
        type: str
      text:
        description: What else is to be said.
        type: str
      link:
        description: Where more is to be read.
        type: str
  sinks:
    description: Who is told.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Name of the sink in results. The URL itself is never shown.
        type: str
        required: true
      kind:
        description:
          - C(file) appends one line of JSON.
          - C(webhook) posts the event as JSON.
          - C(slack) posts a text to an incoming webhook.
        type: str
        required: true
        choices: [file, webhook, slack]
      path:
        description: The file of a file sink, absolute.
        type: path
      url:
        description: The address of a webhook. It may hold a token, so it is kept secret.
        type: str
      allow_http:
        description: Whether the address may be plain http.
        type: bool
        default: false
      ca_file:
        description: File of the certificate authorities that are trusted instead of the system's.
        type: path
      secret_headers:
        description: Headers that are sent along and never shown.
        type: dict
  secrets:
    description: Values that are masked wherever they stand in the event.
    type: list
    elements: str
    default: []
  mode:
    description:
      - C(send) sends.
      - C(definitions) sends nothing, and returns preflight rows.
    type: str
    choices: [send, definitions]
    default: send
"""

EXAMPLES = r"""
- name: Tell the team
  steady.rollback.notify_event:
    event: {event: started, environment: wabot-production, reason: Error rate above 5 %, eta: 12 minutes}
    sinks:
      - {name: journal, kind: file, path: /var/log/rollback-events.jsonl}
      - {name: team, kind: slack, url: "{{ vault_slack_webhook }}"}
"""

RETURN = r"""
undelivered:
  description: The sinks that were not reached, and why.
  returned: when something is sent
  type: list
  elements: dict
  sample: [{sink: team, reason: Connection refused}]
delivered:
  description: How many sinks were reached.
  returned: when something is sent
  type: int
  sample: 2
rows:
  description: Findings about the sinks.
  returned: with O(mode=definitions) and in check mode
  type: list
  elements: dict
  sample: [{level: ok, name: notify team, found: slack, fix: "", code: ""}]
"""

from ansible_collections.steady.rollback.plugins.module_utils import notify, tls
from ansible_collections.steady.rollback.plugins.module_utils.core.checks import Check, ok, warn
from ansible_collections.steady.rollback.plugins.module_utils.core.errors import BadInput
from ansible_collections.steady.rollback.plugins.module_utils.entry import Call, Outcome, run

SINK = {
    "name": {"type": "str", "required": True},
    "kind": {"type": "str", "required": True, "choices": list(notify.SINKS)},
    "path": {"type": "path"},
    "url": {"type": "str", "no_log": True},
    "allow_http": {"type": "bool", "default": False},
    "ca_file": {"type": "path"},
    "secret_headers": {"type": "dict", "no_log": True},
}
EVENT = {
    **{name: {"type": "str"} for name in ("run", "environment", "strategy", "step", "percent", "eta")},
    **{name: {"type": "str"} for name in ("reason", "impact", "operator", "text", "link")},
    **{name: {"type": "int"} for name in ("n", "total")},
    "event": {"type": "str", "required": True, "choices": list(notify.TITLES)},
}
SPEC = {
    "event": {"type": "dict", "options": EVENT},
    "sinks": {
        "type": "list",
        "elements": "dict",
        "default": [],
        "options": SINK,
        "required_if": [("kind", "file", ["path"]), ("kind", "webhook", ["url"]), ("kind", "slack", ["url"])],
    },
    "secrets": {"type": "list", "elements": "str", "default": [], "no_log": True},
    "mode": {"type": "str", "default": "send", "choices": ["send", "definitions"]},
}


def look(sink: dict[str, str]) -> list[Check]:
    """A sink that cannot work is a warning: silence must not keep anybody from rolling back."""
    name = f"notify {sink['name']}"
    try:
        notify.check(sink)
    except BadInput as error:
        return [warn(name, error.message, error.hint, "notify-sink-unusable")]
    return [ok(name, sink["kind"]), *tls.web(name, sink.get("url") or "")]


def do(call: Call) -> Outcome:
    sinks = call.params["sinks"]
    if call.dry_run or call.params["mode"] == "definitions":
        return Outcome(False, {"rows": [row.row() for sink in sinks for row in look(sink)]})
    told = notify.event(call.params["event"], call.params["secrets"])
    undelivered = notify.deliver(told, sinks)
    for sink in undelivered:
        call.warn(f"The sink {sink['sink']} was not told: {sink['reason']}.")
    return Outcome(True, {"undelivered": undelivered, "delivered": len(sinks) - len(undelivered)})


def main() -> None:
    run(do, argument_spec=SPEC, required_if=[("mode", "send", ["event"])])


if __name__ == "__main__":
    main()
