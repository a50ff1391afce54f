#!/usr/bin/python
# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: evidence_collect
short_description: Keep logs, versions and system state before a rollback changes them
version_added: 0.1.0
author:
  - The steady.rollback developers (@steady)
description:
  - Writes the ends of logs, the live release, memory, load and disks, and the output of commands to one directory.
  - Everything is redacted and hashed. Time and size are bounded, and what was cut is named.
  - A complete collection that is already there is left as it is, so that a resumed run keeps the first one.
attributes:
  check_mode:
    support: full
    description: In check mode it says what can be read, and writes nothing.
options:
  directory:
    description: Where the files go. It gets mode 0700, the files 0600.
    type: path
    required: true
  logs:
    description: Logs, as paths or glob patterns.
    type: list
    elements: str
    default: []
  release:
    description: The link or directory of the live release.
    type: path
  commands:
    description: Programs whose output is kept.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Name of the output.
        type: str
        required: true
      argv:
        description: Program and arguments. No shell is involved.
        type: list
        elements: str
        required: true
      cwd:
        description: Directory in which it runs.
        type: path
      env_file:
        description: File of assignments (C(KEY=value)) that it gets as its environment.
        type: path
  log_kib:
    description: How much of the end of each log is kept, in KiB.
    type: int
    default: 256
  total_kib:
    description: How much is kept altogether, in KiB.
    type: int
    default: 16384
  seconds:
    description: After so many seconds nothing more is begun.
    type: float
    default: 20.0
  secrets:
    description: Values that are masked wherever they stand.
    type: list
    elements: str
    default: []
  mode:
    description:
      - C(collect) collects.
      - C(definitions) writes nothing, and returns preflight rows.
    type: str
    choices: [collect, definitions]
    default: collect
"""

EXAMPLES = r"""
- name: Keep the evidence
  steady.rollback.evidence_collect:
    directory: /var/lib/rollback/wabot-production/runs/r20261124t022301-4f2a/evidence/app1
    logs: [/var/log/wabot/*.log]
    release: /srv/wabot/current
"""

RETURN = r"""
files:
  description: What was written.
  returned: when something is collected
  type: list
  elements: dict
  sample: [{path: /var/lib/rollback/evidence/app1/system.json, sha256: 9f86d081884c7d65, bytes: 812}]
truncated:
  description: What was cut, left out or could not be read, and why.
  returned: when something is collected
  type: list
  elements: str
  sample: ["01-application.log: the last 256 KiB of 1048576 bytes"]
rows:
  description: Findings about the logs.
  returned: with O(mode=definitions) and in check mode
  type: list
  elements: dict
  sample: [{level: ok, name: evidence /var/log/wabot/*.log, found: 2 files, fix: "", code: ""}]
"""

from ansible_collections.steady.rollback.plugins.module_utils import evidence
from ansible_collections.steady.rollback.plugins.module_utils.entry import Call, Outcome, run

COMMAND = {
    "name": {"type": "str", "required": True},
    "argv": {"type": "list", "elements": "str", "required": True},
    "cwd": {"type": "path"},
    "env_file": {"type": "path"},
}
SPEC = {
    "directory": {"type": "path", "required": True},
    "logs": {"type": "list", "elements": "str", "default": []},
    "release": {"type": "path"},
    "commands": {"type": "list", "elements": "dict", "default": [], "options": COMMAND},
    "log_kib": {"type": "int", "default": 256},
    "total_kib": {"type": "int", "default": 16384},
    "seconds": {"type": "float", "default": 20.0},
    "secrets": {"type": "list", "elements": "str", "default": [], "no_log": True},
    "mode": {"type": "str", "default": "collect", "choices": ["collect", "definitions"]},
}


def do(call: Call) -> Outcome:
    given = {name: value for name, value in call.params.items() if name != "mode"}
    request = evidence.Request(**{**given, "release": given["release"] or ""})
    if call.dry_run or call.params["mode"] == "definitions":
        return Outcome(False, {"rows": [row.row() for row in evidence.readable(request)]})
    kept = evidence.collect(request)
    return Outcome(kept.changed, {"files": kept.files, "truncated": kept.truncated})


def main() -> None:
    run(do, argument_spec=SPEC)


if __name__ == "__main__":
    main()
