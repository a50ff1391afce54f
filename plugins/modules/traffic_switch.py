#!/usr/bin/python
# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
---
module: traffic_switch
short_description: Send the requests of nginx to live or to standby servers
version_added: 0.1.0
description:
  - Writes the file that an upstream includes, has nginx test and reload it, and proves from outside that the release of
    the chosen servers answers. The servers are asked first, so requests never go to one that does not answer.
author:
  - The steady.rollback developers (@steady)
attributes:
  check_mode:
    support: full
    description: Asks the servers, and changes nothing.
options:
  state:
    description:
      - V(live) and V(standby) undo each other. V(looked) changes nothing and returns one row for each finding.
    type: str
    choices: [live, standby, looked]
    required: true
  file:
    description:
      - File with the servers, which the upstream of nginx includes.
    type: path
    required: true
  live:
    description:
      - The servers of the live release, as C(host:port).
    type: list
    elements: str
    required: true
  standby:
    description:
      - The servers that keep another release warm, as C(host:port).
    type: list
    elements: str
    required: true
  server_options:
    description:
      - What nginx is told of each server.
    type: str
    default: max_fails=1 fail_timeout=1s
  test:
    description:
      - Argument list that tests the configuration of nginx.
    type: list
    elements: str
    default: [nginx, -t]
  unit:
    description:
      - Service of nginx. It must reload gracefully.
    type: str
    default: nginx
  provider:
    description:
      - What runs nginx.
    type: str
    choices: [systemd, supervisor]
    default: systemd
  socket:
    description:
      - Unix socket of supervisord.
    type: path
    default: /run/supervisor.sock
  sudo:
    description:
      - Whether C(systemctl) is run by C(sudo -n).
    type: bool
    default: false
  url:
    description:
      - Address at which customers reach nginx.
    type: str
    required: true
  version_path:
    description:
      - Path at which a release says who it is, as a JSON object with C(commit) and C(tag).
    type: str
    default: /v1/version
  commit:
    description:
      - Commit or tag that the chosen servers must run. With V(looked), the standby servers. Empty for any.
    type: str
    default: ""
  timeout:
    description:
      - Seconds for the reload, and again for the proof.
    type: float
    default: 60
"""

EXAMPLES = r"""
- name: Send the requests to the release that is kept warm
  steady.rollback.traffic_switch:
    state: standby
    file: /etc/nginx/app-upstream.conf
    live: [10.0.0.1:8000, 10.0.0.2:8000]
    standby: [10.0.0.1:8001, 10.0.0.2:8001]
    url: https://api.example.com
    commit: v1.4.2
"""

RETURN = r"""
commit:
  description: Full commit that answers.
  returned: state is live or standby
  type: str
servers:
  description: The servers that get the requests.
  returned: state is live or standby
  type: list
  elements: str
rows:
  description: One row for each finding.
  returned: state is looked
  type: list
  elements: dict
"""

from pathlib import Path

from ansible_collections.steady.rollback.plugins.module_utils import entry, looks
from ansible_collections.steady.rollback.plugins.module_utils.service.control import Control
from ansible_collections.steady.rollback.plugins.module_utils.service.provider import Unit
from ansible_collections.steady.rollback.plugins.module_utils.service.site import provider
from ansible_collections.steady.rollback.plugins.module_utils.service.upstream import Proxy, Version


def do(call: entry.Call) -> entry.Outcome:
    p = call.params
    proxy = Proxy(
        Path(p["file"]),
        {"live": p["live"], "standby": p["standby"]},
        p["server_options"],
        p["test"],
        Control(provider(p), [Unit(p["unit"], "graceful")]),
        p["url"],
        Version(p["version_path"]),
        p["timeout"],
    )
    if p["state"] == "looked":
        return entry.Outcome(False, {"rows": looks.rows("traffic", lambda: proxy.rows(p["commit"]))})
    facts = proxy.switch(p["state"], p["commit"], call.dry_run)
    return entry.Outcome(facts.pop("changed"), facts)


SPEC = {
    "state": {"type": "str", "choices": ["live", "standby", "looked"], "required": True},
    "file": {"type": "path", "required": True},
    "live": {"type": "list", "elements": "str", "required": True},
    "standby": {"type": "list", "elements": "str", "required": True},
    "server_options": {"type": "str", "default": "max_fails=1 fail_timeout=1s"},
    "test": {"type": "list", "elements": "str", "default": ["nginx", "-t"]},
    "unit": {"type": "str", "default": "nginx"},
    "provider": {"type": "str", "choices": ["systemd", "supervisor"], "default": "systemd"},
    "socket": {"type": "path", "default": "/run/supervisor.sock"},
    "sudo": {"type": "bool", "default": False},
    "url": {"type": "str", "required": True},
    "version_path": {"type": "str", "default": "/v1/version"},
    "commit": {"type": "str", "default": ""},
    "timeout": {"type": "float", "default": 60.0},
}


def main() -> None:
    entry.run(do, argument_spec=SPEC)


if __name__ == "__main__":
    main()
