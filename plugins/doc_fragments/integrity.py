# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Options shared by the modules that check and repair data."""

from __future__ import annotations


class ModuleDocFragment:
    """See OPTIONS in module_utils/integrity/checks.py."""

    DOCUMENTATION = r"""
options:
  checks:
    description: Conditions that no row may fulfil. Their SQL is run as it stands, so it comes from the inventory alone.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: Its name.
        type: str
        required: true
      table:
        description: The table, with its schema unless that is C(public).
        type: str
        required: true
      where:
        description: A condition in SQL. Every row that fulfils it is affected.
        type: str
        required: true
      severity:
        description: Whether a row closes the gate or is only told.
        type: str
        choices: [critical, warning]
        default: critical
      show:
        description: Columns that are shown beside the key. What they hold is seen by everybody who reads the journal.
        type: list
        elements: str
        default: []
      repairs:
        description:
          - By name, what may be done with such rows.
          - "C({set: {column: expression}}) sets columns to SQL expressions over the row, C({delete: true}) deletes it."
        type: dict
        default: {}
  change:
    description: Id of the change; what is kept bears it.
    type: str
    required: true
  repair:
    description: The chosen repairs, as C(check:option), separated by commas.
    type: str
    default: ""
  seconds:
    description: Seconds that one statement may take.
    type: float
    default: 30
  most:
    description: A repair of more rows than this is refused.
    type: int
    default: 10000
"""
