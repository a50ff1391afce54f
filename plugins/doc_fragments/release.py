# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Options shared by the modules that read or change the releases of a host."""

from __future__ import annotations


class ModuleDocFragment:
    """See SITE_OPTIONS in module_utils/release/site.py."""

    DOCUMENTATION = r"""
options:
  home:
    description:
      - Directory of the product. It holds C(repo.git), C(releases), C(current) and C(releases.jsonl).
    type: path
    required: true
  change:
    description:
      - Id of the change. The target is decided once for it, and what is replaced is kept under this name.
    type: str
    default: ""
  commit:
    description:
      - The release to go to, as a full commit, a tag, or V(previous).
      - V(previous) is the newest release of the release log before the live one that no rollback has left.
    type: str
    default: ""
  repository:
    description:
      - Where the mirror is filled from, as an address of https or ssh, or an absolute path. No password in it.
      - Empty means that only what is on the host can be used.
    type: str
    default: ""
  owner:
    description:
      - Account that builds and owns the releases when the task runs as root. Empty means the owner of O(home).
    type: str
    default: ""
  lock:
    description:
      - Lock file of the Python packages, with hashes, within the release. Empty when there is none.
    type: str
    default: requirements.lock
  env_file:
    description:
      - Env file of the services. The release's own commands see it.
    type: path
    default: ""
  python:
    description:
      - Python for the release's virtualenv. Empty means C(python3) of the host.
    type: path
    default: ""
  uv:
    description:
      - Path of C(uv). Empty means the one on the host's PATH, and C(venv) with C(pip) when there is none.
    type: path
    default: ""
  wheels:
    description:
      - Directory of wheels that is used instead of a package index.
    type: path
    default: ""
  index_url:
    description:
      - Package index. It may hold a password. Empty means what the account's configuration says.
    type: str
    default: ""
  build_commands:
    description:
      - Argument lists that run in a new release after its packages are installed, its virtualenv first on PATH.
    type: list
    elements: list
    default: []
  check_commands:
    description:
      - Argument lists that prove that a release can be used. They must change nothing.
    type: list
    elements: list
    default: []
  build_variables:
    description:
      - Variables of the environment of installer and commands, without secrets.
    type: dict
    default: {}
  build_timeout:
    description:
      - Seconds that one command of a build may take, and for which another build is waited for.
    type: int
    default: 900
"""
