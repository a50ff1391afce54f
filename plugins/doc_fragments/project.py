# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Options shared by the modules that run commands of a Django release."""

from __future__ import annotations


class ModuleDocFragment:
    """See PROJECT_OPTIONS in module_utils/django_command.py."""

    DOCUMENTATION = r"""
options:
  project:
    description:
      - Directory of the release whose commands are run. It holds C(manage.py).
    type: path
    required: true
  env_file:
    description:
      - Env file that the services of the release read (C(KEY=value) lines).
      - Nothing else of the caller's environment reaches the commands, except C(HOME).
    type: path
    default: ""
  python:
    description:
      - The release's own Python. Empty means C(venv/bin/python) below O(project).
    type: path
    default: ""
  user:
    description:
      - Account that runs the commands when the task runs as root. Empty means the account of the task.
    type: str
    default: ""
  command_timeout:
    description:
      - Seconds after which one command is stopped.
    type: int
    default: 60
"""
