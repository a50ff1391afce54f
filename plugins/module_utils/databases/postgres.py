# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One PostgreSQL server: connections and client programs. What is done with them is the business of its neighbours."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from ..core.errors import DatabaseFailed
from ..drivers import package, program

# The options of a module that speaks to PostgreSQL (doc fragment: postgres).
POSTGRES_OPTIONS: dict[str, dict[str, Any]] = {
    "host": {"type": "str", "default": "127.0.0.1"},
    "port": {"type": "int", "default": 5432},
    "database": {"type": "str", "required": True},
    "user": {"type": "str", "required": True},
    "password": {"type": "str", "default": "", "no_log": True},
    "sslmode": {
        "type": "str",
        "default": "verify-full",
        "choices": ["disable", "prefer", "require", "verify-ca", "verify-full"],
    },
    "tools": {"type": "path", "default": ""},
    "tools_seconds": {"type": "float", "default": 3600},
}


# Where databases are created, renamed and dropped from: every cluster has it, and no product lives in it.
MAINTENANCE = "postgres"

# The limits that a product sets for its own short sessions would cut off ours; rows that a policy hides must be an
# error, never a smaller count; and a server that asks whether its client still lives ends the work of a killed one.
# Settings that an older server does not know are left out.
SESSION = {
    "statement_timeout": "0",
    "idle_in_transaction_session_timeout": "0",
    "idle_session_timeout": "0",
    "transaction_timeout": "0",
    "row_security": "off",
    "client_connection_check_interval": "1s",
}
# A server that is gone is noticed within half a minute, not after the system's two hours.
KEEPALIVES = {"keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 4}


UNTRUSTED = (
    "The server has to prove its name. Put the certificate of its authority into ~/.postgresql/root.crt of the account "
    "that does this here, or set PGSSLROOTCERT."
)


@dataclass(frozen=True)
class Server:
    """Where PostgreSQL listens, and the role that speaks to it.

    ``tools`` is the directory of pg_dump, else PATH, and ``seconds`` what one run of a client program may take.
    """

    host: str
    port: int
    user: str
    password: str
    sslmode: str
    tools: str = ""
    seconds: float = 3600

    @classmethod
    def of(cls, params: Mapping[str, Any]) -> Server:
        """The server that a module's POSTGRES_OPTIONS name."""
        names = ("host", "port", "user", "password", "sslmode", "tools", "tools_seconds")
        return cls(*(params[name] for name in names))

    @contextmanager
    def connect(self, database: str, application: str = "rollback", **options: Any) -> Iterator[Any]:
        """A connection in autocommit; whatever the server or the driver refuses is raised as DatabaseFailed."""
        psycopg = package("psycopg", "python3-psycopg")
        try:
            with psycopg.connect(
                host=self.host,
                port=self.port,
                user=self.user,
                password=self.password or None,
                sslmode=self.sslmode,
                dbname=database,
                application_name=application,
                connect_timeout=5,
                autocommit=True,
                **KEEPALIVES,
                **options,
            ) as connection:
                for name, value in SESSION.items():
                    connection.execute(
                        "SELECT set_config(name, %s, false) FROM pg_settings WHERE name = %s", [value, name]
                    )
                yield connection
        except psycopg.Error as error:
            raise DatabaseFailed(
                f"PostgreSQL at {self.host}:{self.port}, database {database!r}, role {self.user}: "
                + " ".join(str(error).split()),
                hint=UNTRUSTED if "certificate" in str(error) else "Is the server up, and may this role do that?",
                next=f"psql -h {self.host} -p {self.port} -U {self.user} -l",
            ) from error

    def program(self, name: str) -> str:
        """The path of one of PostgreSQL's own programs."""
        return program(name, "postgresql-client", self.tools)

    def target(self, database: str) -> str:
        """The option that names a database to a client program: quoted, so that no name is read as a connection."""
        make = package("psycopg.conninfo", "python3-psycopg").make_conninfo
        return f"--dbname={make(dbname=database, **KEEPALIVES)}"

    def environment(self, database: str, application: str = "rollback") -> dict[str, str]:
        """What a client program is started with: no password on a command line."""
        return {
            **os.environ,
            "PGHOST": self.host,
            "PGPORT": str(self.port),
            "PGUSER": self.user,
            "PGPASSWORD": self.password,
            "PGSSLMODE": self.sslmode,
            "PGDATABASE": database,
            "PGAPPNAME": application,
            "PGCONNECT_TIMEOUT": "5",
            # What they say is read by us, and by people who look for it.
            "LC_ALL": "C",
        }
