# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Options shared by the modules for Django's migrations."""

from __future__ import annotations


class ModuleDocFragment:
    """See OPTIONS in module_utils/migrations/django.py."""

    DOCUMENTATION = r"""
options:
  home:
    description:
      - Directory of the product, with C(repo.git), C(releases/) and C(current).
    type: path
    required: true
  lock:
    description:
      - Lock file within a release, whose hash tells a complete release from a changed one.
    type: str
    default: requirements.lock
  change:
    description:
      - Id of the change; what it goes back to and what it undid are kept under this name.
    type: str
    default: ""
  commit:
    description:
      - The release to go back to, a tag, a commit or V(previous).
    type: str
    default: ""
"""
