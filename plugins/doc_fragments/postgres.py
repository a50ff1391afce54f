# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Options shared by the modules that speak to PostgreSQL."""

from __future__ import annotations


class ModuleDocFragment:
    """See POSTGRES_OPTIONS in module_utils/databases/postgres.py."""

    DOCUMENTATION = r"""
options:
  host:
    description: Where PostgreSQL listens.
    type: str
    default: 127.0.0.1
  port:
    description: Its port.
    type: int
    default: 5432
  database:
    description: The product's database.
    type: str
    required: true
  user:
    description:
      - The role that rolls back. It owns nothing and is no superuser. It has C(CREATEDB) and is a member of the owner
        of O(database), of C(pg_signal_backend) and of C(pg_read_all_data).
    type: str
    required: true
  password:
    description: Its password. Empty means what the client library finds, such as a C(.pgpass) file.
    type: str
    default: ""
  sslmode:
    description: How TLS is used.
    type: str
    choices: [disable, prefer, require, verify-ca, verify-full]
    default: verify-full
  tools:
    description: Directory of C(pg_dump) and C(pg_restore), of at least the server's version. Empty means PATH.
    type: path
    default: ""
  tools_seconds:
    description:
      - Seconds that one run of C(pg_dump) or C(pg_restore) may take before it is ended.
    type: float
    default: 3600
"""
