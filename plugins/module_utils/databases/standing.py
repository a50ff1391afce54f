# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Where a change stands: which database is live, whether it can be written, and which one is kept."""

from __future__ import annotations

from typing import Any

from ..core.errors import NotEffective
from . import beside, names
from .guard import application
from .postgres import MAINTENANCE, Server

LIVE = """
SELECT oid::int8, pg_is_in_recovery(), current_setting('transaction_read_only')
FROM pg_database WHERE datname = current_database()
"""


def look(server: Server, live: str, change: str) -> dict[str, Any]:
    """{live, oid, writable, swapped, kept, replaced, until, waiting}: what is there, whatever was expected.

    ``swapped``: the live database is the one that took over from the kept one. ``waiting``: one that is to go live.
    """
    with server.connect(MAINTENANCE, application(change)) as connection:
        bad, good = (beside.look(connection, name) for name in (names.bad(live, change), names.good(live, change)))
    with server.connect(live, application(change)) as connection:
        oid, standby, read_only = connection.execute(LIVE).fetchone()
    kept = bad["mark"].get("kept", {}) if bad else {}
    return {
        "live": live,
        "oid": oid,
        "writable": not standby and read_only == "off",
        "swapped": bool(kept) and kept["live"] == oid and not good,
        "kept": bad.get("datname", ""),
        "replaced": kept.get("replaced", ""),
        "until": kept.get("until", ""),
        "waiting": good.get("datname", ""),
    }


def verify(server: Server, live: str, change: str, swapped: bool) -> dict[str, Any]:
    """As look; raises NotEffective when the restored database is not live as it should be, or takes no writes."""
    found = look(server, live, change)
    if swapped and not found["swapped"]:
        raise NotEffective(
            f"The database {live!r} is not the one that was restored for this change: beside it there are "
            f"{found['kept'] or 'no kept one'} and {found['waiting'] or 'none that waits'}.",
            hint="Resume: the switch looks before it acts.",
            next="ansible-playbook resume.yml",
            code="swap-not-effective",
            **found,
        )
    if not found["writable"]:
        raise NotEffective(
            f"The database {live!r} takes connections and no writes.",
            hint="Is the server a standby, or default_transaction_read_only set for the database?",
            next="psql -c 'SELECT pg_is_in_recovery()'",
            code="database-read-only",
            **found,
        )
    return found
