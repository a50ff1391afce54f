# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The team's deployment: build on every host, migrate once, switch, restart, wait for health."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from . import programs, supervisor_rpc
from .layout import APP_HOSTS, RELEASE_HOSTS, Sandbox
from .programs import APPLICATION, environment, program, surroundings

if TYPE_CHECKING:
    from pathlib import Path


def deploy(directory: Path, tag: str, warm: bool = False) -> str:
    """Put release ``tag`` on all hosts; returns its commit. The demo data comes with the first deployment.

    ``warm`` keeps the release that was live until now running on the standby ports.
    """
    sandbox = Sandbox.open(directory)
    with ThreadPoolExecutor() as hosts:
        commit, *_ = hosts.map(lambda host: build(sandbox, host, tag), RELEASE_HOSTS)
    release = _release(sandbox, APP_HOSTS[0], commit)
    manage(sandbox, APP_HOSTS[0], "migrate", "--verbosity", "0", release=release)
    if not (sandbox.home(APP_HOSTS[0]) / "current").exists():
        manage(sandbox, APP_HOSTS[0], "seed_demo_data", release=release)
    if warm:
        keep_warm(sandbox)
    for host in RELEASE_HOSTS:
        switch(sandbox, host, commit, tag)
        for name in [name for name, home in APPLICATION.items() if home == host]:
            supervisor_rpc.restart(sandbox.socket, name)
        if host in APP_HOSTS:
            supervisor_rpc.until(lambda host=host: running(sandbox, host) == commit, 15, f"{tag} on {host}")  # type: ignore[misc]
    return commit


def build(sandbox: Sandbox, host: str, tag: str) -> str:
    """Build the release of ``tag`` beside the live one; its marker is written last. Returns the commit."""
    home = sandbox.home(host)
    _fetch(sandbox, home)
    commit = _git(home, "rev-parse", "--verify", f"refs/tags/{tag}^{{commit}}").decode().strip()
    release = _release(sandbox, host, commit)
    if (release / ".release.json").exists():
        return commit
    shutil.rmtree(release, ignore_errors=True)
    release.mkdir(parents=True)
    subprocess.run(["tar", "-x", "-C", str(release)], input=_git(home, "archive", commit), check=True)
    _virtualenv(release)
    manage(sandbox, host, "collectstatic", "--noinput", "--verbosity", "0", release=release)
    marker = {
        "commit": commit,
        "tag": tag,
        "lock_sha256": hashlib.sha256((release / "requirements.lock").read_bytes()).hexdigest(),
        "built": _now(),
    }
    (release / ".release.json").write_text(json.dumps(marker) + "\n", encoding="utf-8")
    return commit


def _virtualenv(release: Path) -> None:
    """A virtualenv of the release's own, from uv's cache where that has everything: no index is asked then."""
    uv, venv, lock = program("uv"), str(release / "venv"), str(release / "requirements.lock")
    _run([uv, "--quiet", "venv", "--python", sys.executable, venv])
    install = [uv, "--quiet", "--system-certs", "pip", "install", "--require-hashes", "-r", lock, "-p", venv]
    try:
        _run([*install, "--offline"])
    except RuntimeError:
        _run(install)


def switch(sandbox: Sandbox, host: str, commit: str, tag: str) -> None:
    """Make a built release the current one, by one rename, and write it to the release log."""
    home = sandbox.home(host)
    release = _release(sandbox, host, commit)
    _link(home / "current", release)
    line = {"at": _now(), "commit": commit, "tag": tag, "path": str(release), "action": "deploy", "by": "pipeline"}
    with (home / "releases.jsonl").open("a", encoding="utf-8") as log:
        log.write(json.dumps(line) + "\n")


def keep_warm(sandbox: Sandbox) -> None:
    """Run what is live now on the standby ports as well."""
    for host in APP_HOSTS:
        _link(sandbox.home(host) / "standby", (sandbox.home(host) / "current").resolve())
    names = programs.standby(sandbox)
    supervisor_rpc.add(sandbox.socket, names)
    for name, host in programs.STANDBY.items():
        supervisor_rpc.restart(sandbox.socket, name)
        what = f"the standby on {host}"
        supervisor_rpc.until(lambda host=host: bool(running(sandbox, f"{host}_standby")), 15, what)  # type: ignore[misc]


def manage(sandbox: Sandbox, host: str, *arguments: str, release: Path | None = None) -> str:
    """The output of a management command of ``release``, or of the host's current one."""
    release = release or sandbox.home(host) / "current"
    command = [str(release / "venv" / "bin" / "python"), "manage.py", *arguments]
    return _run(command, cwd=release, env={**surroundings(), **environment(sandbox, host)})


def running(sandbox: Sandbox, name: str) -> str:
    """The commit that the gunicorn at a port (app1, app1_standby) says it runs, empty when it does not answer."""
    try:
        with urllib.request.urlopen(sandbox.url(name) + "/v1/version", timeout=2) as answer:
            return str(json.load(answer)["commit"])
    except (OSError, ValueError):
        return ""


def _fetch(sandbox: Sandbox, home: Path) -> None:
    if not (home / "repo.git").exists():
        _run(["git", "clone", "--quiet", "--mirror", str(sandbox.directory / "origin.git"), str(home / "repo.git")])
    _git(home, "fetch", "--quiet", "--prune", "origin")


def _link(link: Path, release: Path) -> None:
    fresh = link.with_name(f"{link.name}.new")
    fresh.unlink(missing_ok=True)
    fresh.symlink_to(release)
    fresh.replace(link)


def _release(sandbox: Sandbox, host: str, commit: str) -> Path:
    return sandbox.home(host) / "releases" / commit[:12]


def _git(home: Path, *arguments: str) -> bytes:
    return subprocess.run(
        ["git", "--git-dir", str(home / "repo.git"), *arguments], check=True, capture_output=True
    ).stdout


def _run(command: list[str], **options: Any) -> str:
    """The output of ``command``; raises RuntimeError with what it said when it fails."""
    options.setdefault("env", surroundings())
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, **options)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command[:3])} ended with {done.returncode}:\n{done.stdout}")
    return str(done.stdout)


def _now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="seconds")
