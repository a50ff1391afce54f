# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The sandbox's PostgreSQL: a cluster, its roles and WabotIQ's database, as a careful team would have them."""

from __future__ import annotations

import subprocess

import psycopg
from psycopg import sql

from .layout import Sandbox
from .privileges import shipped, unprivileged
from .programs import postgres_tools

SETTINGS = {
    "listen_addresses": "127.0.0.1",
    # TCP only: the path of a socket would not fit into every directory.
    "unix_socket_directories": "",
    "max_connections": "80",
    "fsync": "off",
    "shared_buffers": "64MB",
}
ROLES = (
    "CREATE ROLE wabot LOGIN PASSWORD {wabot}",
    *shipped("postgres.sql", owner="wabot", rollback_password="{rollback}").rstrip(";\n").split(";\n"),
    "CREATE ROLE reporting NOLOGIN",
    "CREATE DATABASE wabot OWNER wabot",
    # What a restore beside loses unless it is copied.
    "REVOKE CONNECT, TEMPORARY ON DATABASE wabot FROM PUBLIC",
    "GRANT CONNECT ON DATABASE wabot TO reporting",
    "ALTER DATABASE wabot SET statement_timeout = '30s'",
    "COMMENT ON DATABASE wabot IS 'WabotIQ production'",
)


def initialise(sandbox: Sandbox) -> None:
    """Make the cluster when it is not there yet."""
    data = sandbox.home("db1") / "data"
    if (data / "PG_VERSION").exists():
        return
    password = sandbox.home("db1") / "password"
    password.touch(mode=0o600)
    password.write_text(sandbox.passwords["postgres"], encoding="utf-8")
    command = [str(postgres_tools() / "initdb"), "-D", str(data), "-U", "postgres", "-A", "scram-sha-256"]
    command += ["--pwfile", str(password), "-E", "UTF8", "--locale=C.UTF-8", "--no-sync"]
    command += [f"--set={name}={value}" for name, value in {**SETTINGS, "port": sandbox.ports["postgres"]}.items()]
    subprocess.run(unprivileged(command), check=True, stdout=subprocess.DEVNULL)
    password.unlink()


def is_ready(sandbox: Sandbox) -> bool:
    """Whether PostgreSQL takes connections."""
    try:
        psycopg.connect(**sandbox.postgres(database="postgres")).close()
    except psycopg.OperationalError:
        return False
    return True


def create_roles(sandbox: Sandbox) -> None:
    """The roles and WabotIQ's database, once."""
    passwords = {user: sql.Literal(password) for user, password in sandbox.passwords.items()}
    with psycopg.connect(**sandbox.postgres(database="postgres"), autocommit=True) as connection:
        if connection.execute("SELECT 1 FROM pg_roles WHERE rolname = 'reporting'").fetchone() is None:
            for statement in ROLES:
                connection.execute(sql.SQL(statement).format(**passwords))
