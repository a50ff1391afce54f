# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""``make drill``: a production-like system breaks, goes back to good, back to bad, and to good again."""
