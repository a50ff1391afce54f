# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Options shared by the modules that keep and restore a host's configuration."""

from __future__ import annotations


class ModuleDocFragment:
    """See CONFIGURATION_OPTIONS in module_utils/config/snapshot.py."""

    DOCUMENTATION = r"""
options:
  files:
    description: Env files on this host.
    type: list
    elements: path
    default: []
  keep_keys:
    description: Patterns of keys in O(files) whose present value stays, because a secret may have been changed since.
    type: list
    elements: str
    default: ["*PASSWORD*", "*SECRET*", "*KEY*", "*TOKEN*", "*URL*"]
  models:
    description: Django models whose rows are configuration, such as V(bot.AgentConfiguration).
    type: list
    elements: str
    default: []
  directory:
    description: Private directory on this host for the copies. It is made with mode 0700.
    type: path
    required: true
  project:
    description: Directory of the live release, which holds C(manage.py). Needed for O(models).
    type: path
    default: ""
  env_file:
    description: Env file that the release's commands see.
    type: path
    default: ""
  user:
    description: Account that runs the release's commands when the task runs as root.
    type: str
    default: ""
"""
