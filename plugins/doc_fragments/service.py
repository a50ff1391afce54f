# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Options shared by the modules that look at or control the services of a host."""

from __future__ import annotations


class ModuleDocFragment:
    """See SERVICE_OPTIONS in module_utils/service/site.py."""

    DOCUMENTATION = r"""
options:
  provider:
    description:
      - What runs the services.
    type: str
    choices: [systemd, supervisor]
    default: systemd
  units:
    description:
      - The services of this host in the order in which they start. They stop in the opposite order.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description:
          - Name of the unit or program. A group of supervisor programs is named C(group:program), one by one.
        type: str
        required: true
      reload:
        description:
          - V(restart) ends the processes and starts new ones.
          - V(graceful) has the main process replace its workers (C(ExecReload) of systemd, C(HUP) for supervisor). The
            main process keeps its environment, and its interpreter with all packages, so it sees neither another env
            file nor another virtualenv.
        type: str
        choices: [restart, graceful]
        default: restart
      health:
        description:
          - URL that answers 200 once the service is up. Empty when there is none.
        type: str
        default: ""
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
  stop_timeout:
    description:
      - Seconds in which one service must end. It is not killed when it does not.
    type: float
    default: 120
  start_timeout:
    description:
      - Seconds in which one service must be up and healthy.
    type: float
    default: 60
  env_file:
    description:
      - Env file of the services. Its secrets are masked in the log lines of an error.
    type: path
    default: ""
"""
