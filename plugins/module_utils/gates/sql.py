# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One query to PostgreSQL, in a read-only session, and its first value."""

from __future__ import annotations

import math
from collections.abc import Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from .. import drivers
from ..core.redact import line, redact
from .predicates import holds
from .watch import Probe
from .window import Reading

if TYPE_CHECKING:
    import psycopg


def probe(spec: Mapping[str, Any]) -> Probe:
    """Options: query, expected, host, port, database, user, password, sslmode, timeout.

    Without ``expected`` the first value must not be null or false. DriverMissing when psycopg is not installed.
    """
    driver = drivers.package("psycopg", "python3-psycopg")

    def look() -> Reading:
        try:
            row = _first_row(driver, spec)
        except driver.Error as error:
            reason = redact(str(error), [spec.get("password") or ""])
            return Reading(False, line(reason, 200) or type(error).__name__)
        return judge(row, spec.get("expected"))

    return look


def judge(row: tuple[Any, ...] | None, expected: Any) -> Reading:
    """No row, null and NaN are no data. Pure."""
    if row is None:
        return Reading(None, "the query gave no row")
    value = float(row[0]) if isinstance(row[0], Decimal) else row[0]
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return Reading(None, "the query gave no value")
    held = bool(value) if expected is None else holds(value, expected)
    wanted = "" if expected is None else f", expected {line(str(expected), 60)}"
    return Reading(held, f"value {line(str(value), 60)}{'' if held else wanted}")


def _first_row(driver: Any, spec: Mapping[str, Any]) -> tuple[Any, ...] | None:
    timeout = spec.get("timeout") or 5.0
    # A fresh connection each time: an old one would survive a database that takes no new ones.
    connection: psycopg.Connection[tuple[Any, ...]] = driver.connect(
        host=spec["host"],
        port=spec.get("port") or 5432,
        dbname=spec["database"],
        user=spec["user"],
        password=spec.get("password") or None,
        sslmode=spec.get("sslmode") or "verify-full",
        connect_timeout=max(2, math.ceil(timeout)),
        application_name="steady.rollback gate",
        options=f"-c default_transaction_read_only=on -c statement_timeout={int(timeout * 1000)}",
        autocommit=True,
    )
    with connection:
        return connection.execute(spec["query"]).fetchone()
