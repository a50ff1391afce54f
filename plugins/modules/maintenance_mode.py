#!/usr/bin/python
# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
---
module: maintenance_mode
short_description: Turn a product's maintenance on or off, and prove it from outside
version_added: 0.1.0
description:
  - The state is a file. With O(project) the product's own command C(manage.py maintenance_mode) turns it;
    when that release cannot start, the file is written directly. Without O(project) a web server reads the file.
  - A state counts only when the answers under O(url) show it several times in a row.
author:
  - The steady.rollback developers (@steady)
attributes:
  check_mode:
    support: full
    description: Reads the file, and says what would change.
options:
  state:
    description:
      - V(checked) changes nothing and returns RV(rows). V(over) changes nothing and fails when maintenance is on.
    type: str
    required: true
    choices: ["on", "off", over, checked]
  file:
    description:
      - The file that says whether maintenance is on. Missing, or holding just a C(0), is off.
    type: path
    required: true
  url:
    description:
      - What to ask for the proof. Empty means that nothing is proven.
    type: str
    default: ""
  host:
    description:
      - Name to ask for, when O(url) holds the address of one server behind it.
    type: str
    default: ""
  verify_tls:
    description:
      - Whether the certificate must be valid.
    type: bool
    default: true
  ca_file:
    description:
      - Certificates to trust. Empty means those of the system.
    type: path
    default: ""
  text:
    description:
      - Text that the maintenance page holds.
    type: str
    default: ""
  timeout:
    description:
      - Seconds within which the answers must show the state.
    type: float
    default: 10.0
  silent_ok:
    description:
      - Whether no answer at all, or a 502 or 504, also counts as the wanted state.
    type: bool
    default: false
  project:
    description:
      - Directory of the release whose command turns maintenance. Empty means the file alone.
    type: path
    default: ""
  env_file:
    description:
      - Env file that the services of the release read.
    type: path
    default: ""
  python:
    description:
      - The release's own Python. Empty means C(venv/bin/python) below O(project).
    type: path
    default: ""
  user:
    description:
      - Account that runs the command when the task runs as root. Empty means the account of the task.
    type: str
    default: ""
  command_timeout:
    description:
      - Seconds after which one command is stopped.
    type: int
    default: 10
  notice:
    description:
      - Arguments of the C(manage.py) command that tells users, run once when maintenance was turned on here.
        When it fails, that is a warning.
    type: list
    elements: str
    default: []
"""

EXAMPLES = r"""
- name: Show the maintenance page
  steady.rollback.maintenance_mode:
    state: "on"
    file: /srv/app/maintenance.flag
    url: http://127.0.0.1/
    host: app.example
"""

RETURN = r"""
was_on:
  description: Whether maintenance was on before.
  returned: state is on or off
  type: bool
"on":
  description: Whether maintenance is on now.
  returned: not for state checked
  type: bool
proven:
  description: Whether answers from outside showed the state.
  returned: not in check mode
  type: bool
notified:
  description: Whether users were told.
  returned: when a notice was sent or failed
  type: bool
rows:
  description: Findings of a preflight.
  returned: state is checked
  type: list
  elements: dict
"""

from pathlib import Path

from ansible_collections.steady.rollback.plugins.module_utils import entry, looks
from ansible_collections.steady.rollback.plugins.module_utils.django_command import PROJECT_OPTIONS, Project
from ansible_collections.steady.rollback.plugins.module_utils.maintenance import Flag, Maintenance, Outside


def do(call: entry.Call) -> entry.Outcome:
    p, state = call.params, call.params["state"]
    project = Project.of(p) if p["project"] else None
    outside = Outside(p["url"], p["host"], p["verify_tls"], p["ca_file"], p["text"], p["timeout"], p["silent_ok"])
    maintenance = Maintenance(Flag(Path(p["file"])), outside, project, tuple(p["notice"]))
    if state == "checked":
        return entry.Outcome(False, {"rows": looks.rows("maintenance", maintenance.check)})
    if state == "over":
        return entry.Outcome(False, maintenance.verify())
    facts, warnings = maintenance.turn(state == "on", call.dry_run)
    for warning in warnings:
        call.warn(warning)
    return entry.Outcome(bool(facts.pop("changed")), facts)


SPEC = {
    **PROJECT_OPTIONS,
    "project": {"type": "path", "default": ""},
    "command_timeout": {"type": "int", "default": 10},
    "state": {"type": "str", "required": True, "choices": ["on", "off", "over", "checked"]},
    "file": {"type": "path", "required": True},
    "url": {"type": "str", "default": ""},
    "host": {"type": "str", "default": ""},
    "verify_tls": {"type": "bool", "default": True},
    "ca_file": {"type": "path", "default": ""},
    "text": {"type": "str", "default": ""},
    "timeout": {"type": "float", "default": 10.0},
    "silent_ok": {"type": "bool", "default": False},
    "notice": {"type": "list", "elements": "str", "default": []},
}


def main() -> None:
    entry.run(do, argument_spec=SPEC)


if __name__ == "__main__":
    main()
