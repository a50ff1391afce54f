#!/usr/bin/python
# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

# The action plugin of the same name does the work; this file is its documentation.

DOCUMENTATION = r"""
module: words
short_description: Refuse what an operator typed when it is more than text
version_added: 0.1.0
author:
  - The steady.rollback developers (@steady)
description:
  - Looks at the extra variables C(reason), C(run), C(restore_point), C(release), C(confirm), C(until), C(take_over) and
    C(purpose), before any of them is used, and fails when one is a template, too long, or holds control characters.
  - Ansible runs templates in extra variables, so it is the first task of every play, and has no options.
attributes:
  check_mode:
    support: full
    description: Reads only.
options: {}
"""

EXAMPLES = r"""
- name: Take no template for a word
  steady.rollback.words:
  run_once: true
"""

RETURN = r"""
"""
