# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Sessions in the product's database: bounded in time, one spelling for every value, and no rows in what goes wrong."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from ..core.errors import DatabaseFailed
from ..core.redact import line
from ..databases import difference
from ..databases.guard import application
from ..databases.postgres import Server
from ..drivers import package

# A name without a schema is one of the product's, whoever else may make tables.
SETTINGS = {**difference.SESSION, "search_path": "public"}
# One at a time in a database, also when the host of an orphan is not the one that holds the engine's lock.
ALONE = "SELECT pg_advisory_xact_lock(hashtextextended('steady.rollback.integrity', 0))"


@dataclass(frozen=True)
class Place:
    """The database that a change is made in. No statement takes more than ``seconds``."""

    server: Server
    database: str
    change: str
    seconds: float

    @classmethod
    def of(cls, params: Mapping[str, Any]) -> Place:
        """What a module's options name."""
        return cls(Server.of(params), params["database"], params["change"], params["seconds"])

    @contextmanager
    def reading(self) -> Iterator[Any]:
        """A connection that cannot write."""
        with self._connect(options="-c default_transaction_read_only=on") as connection:
            yield connection

    @contextmanager
    def writing(self, wait: float) -> Iterator[Any]:
        """A connection that waits for no lock longer than ``wait`` seconds; what it is refused is a DatabaseFailed."""
        errors = package("psycopg.errors", "python3-psycopg")
        with self._connect() as connection:
            connection.execute("SELECT set_config('lock_timeout', %s, false)", [_ms(wait)])
            try:
                yield connection
            except (errors.LockNotAvailable, errors.QueryCanceled, errors.DeadlockDetected) as error:
                raise DatabaseFailed(
                    f"The rows could not be had in time: {said(error)}",
                    hint="This repair has changed nothing. Who holds them: SELECT pid, query FROM pg_stat_activity.",
                    next="ansible-playbook resume.yml",
                    code="repair-blocked",
                ) from error
            except package("psycopg", "python3-psycopg").Error as error:
                raise DatabaseFailed(
                    f"PostgreSQL refused: {said(error)}",
                    hint="This repair has changed nothing.",
                    next="ansible-playbook data-repair.yml --check",
                    code="repair-refused",
                ) from error

    @contextmanager
    def _connect(self, **options: Any) -> Iterator[Any]:
        with self.server.connect(self.database, application(self.change), **options) as connection:
            for name, value in {**SETTINGS, "statement_timeout": _ms(self.seconds)}.items():
                connection.execute("SELECT set_config(%s, %s, false)", [name, value])
            yield connection


def said(error: Any) -> str:
    """What the server says, without its details: they repeat rows."""
    return line(str(error.diag.message_primary or error), 300)


def _ms(seconds: float) -> str:
    """0 would mean for ever."""
    return str(max(1, int(seconds * 1000)))
