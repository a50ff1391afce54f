# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The overlay that turns ``inventories/wabot`` into this sandbox: variables of hosts, nothing else."""

from __future__ import annotations

import sys
from typing import Any

import yaml

from .layout import APP_HOSTS, BUCKET, HOSTS, Sandbox
from .programs import postgres_tools, program


def overlay(sandbox: Sandbox) -> str:
    """YAML. Host variables beat every group variable, so nothing of the production inventory is repeated."""
    shared = _shared(sandbox)
    hosts = {host: {**shared, "wabot_home": str(sandbox.home(host))} for host in (*HOSTS, "localhost")}
    for host in APP_HOSTS:
        hosts[host]["wabot_port"] = sandbox.ports[host]
        hosts[host]["wabot_standby_port"] = sandbox.ports[f"{host}_standby"]
        hosts[host]["wabot_address"] = "127.0.0.1"
    edge = sandbox.home("edge1")
    hosts["edge1"]["wabot_upstream_file"] = str(edge / "upstream.conf")
    hosts["edge1"]["wabot_nginx_test"] = [program("nginx"), "-t", "-c", str(edge / "nginx.conf"), "-e", "stderr"]
    hosts["db1"]["postgres_data_directory"] = str(sandbox.home("db1") / "data")
    logs = {"db": sandbox.directory / "log" / "db1-postgres.log", "edge": sandbox.home("edge1") / "log" / "*.log"}
    for host, group in (("db1", "db"), ("edge1", "edge")):
        hosts[host]["evidence_logs"] = [str(logs[group])]
    return yaml.safe_dump({"all": {"hosts": hosts}}, sort_keys=False)


def _shared(sandbox: Sandbox) -> dict[str, Any]:
    return {
        "ansible_connection": "local",
        "ansible_python_interpreter": sys.executable,
        "ansible_become": False,
        "rollback_dir": str(sandbox.directory / "anchor"),
        "wabot_url": sandbox.url(),
        "wabot_repository": str(sandbox.directory / "origin.git"),
        "wabot_service_provider": "supervisor",
        "wabot_supervisor_socket": str(sandbox.socket),
        "wabot_postgres_host": "127.0.0.1",
        "wabot_postgres_port": sandbox.ports["postgres"],
        "wabot_postgres_tools": str(postgres_tools()),
        "wabot_postgres_rollback_password": sandbox.passwords["rollback"],
        "wabot_postgres_sslmode": "disable",
        "wabot_broker_url": sandbox.redis_url(0),
        "wabot_cache_url": sandbox.redis_url(1),
        "cache_url": sandbox.redis_url(1, "rollback"),
        "wabot_s3_url": sandbox.url("s3"),
        "wabot_s3_bucket": BUCKET,
        "wabot_s3_access_key": "rollback",
        "wabot_s3_secret_key": sandbox.passwords["s3_rollback"],
        "wabot_edge_flag": str(sandbox.home("edge1") / "maintenance.flag"),
        # A few seconds stand for minutes here.
        "wabot_soak_seconds": 6,
        "wabot_smoke_seconds": 30,
        "wabot_baseline_seconds": 3,
        "wabot_gate_interval": 0.2,
    }
