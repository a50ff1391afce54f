# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Build a release beside the live one: files, virtualenv, static files. The marker, written last, makes it whole."""

from __future__ import annotations

import json
import os
import shutil
import sys
from dataclasses import dataclass, replace
from pathlib import Path

from .. import envfile, files
from ..core.canonical import utc
from ..core.errors import CommandFailed, DriverMissing, TargetRefused
from ..django_command import SECRET
from . import locks
from .commands import SEARCH, Runner
from .git import Mirror
from .layout import BUILDING, MARKER, SHORT, Home, Release
from .target import Target


@dataclass(frozen=True)
class Recipe:
    """How a release is built. ``commands`` and ``checks`` are argument lists that run in it, its venv first on PATH.

    ``wheels`` is a directory of wheels, used instead of ``index_url``, which may hold a password; ``variables`` reach
    the installer and the commands.
    """

    lock: str = "requirements.lock"
    python: str = ""
    uv: str = ""
    wheels: str = ""
    index_url: str = ""
    env_file: str = ""
    commands: tuple[tuple[str, ...], ...] = ()
    checks: tuple[tuple[str, ...], ...] = ()
    variables: tuple[tuple[str, str], ...] = ()

    def secrets(self) -> tuple[str, ...]:
        """Values that no output may show."""
        settings = {**(envfile.read(self.env_file) if self.env_file else {}), **dict(self.variables)}
        return tuple(value for key, value in {**settings, "INDEX_URL": self.index_url}.items() if SECRET.search(key))

    def installing(self) -> dict[str, str]:
        """What the installer sees. The address of the index stands here and not among its arguments."""
        index = {"PIP_INDEX_URL": self.index_url, "UV_DEFAULT_INDEX": self.index_url} if self.index_url else {}
        return {**dict(self.variables), **index}

    def environment(self, release: Path) -> dict[str, str]:
        """What the release's own commands see: the env file of its services, and its programs first on PATH."""
        settings = envfile.read(self.env_file) if self.env_file else {}
        return {**dict(self.variables), **settings, "PATH": f"{release}/venv/bin:{SEARCH}"}


class Builder:
    """Builds releases of one host with one recipe. ``patience`` is how long another build is waited for, in seconds."""

    def __init__(self, home: Home, mirror: Mirror, recipe: Recipe, runner: Runner, patience: float) -> None:
        self.home, self.mirror, self.recipe, self.runner, self.patience = home, mirror, recipe, runner, patience

    def build(self, target: Target, change: str, now: float) -> tuple[Release, bool]:
        """The complete release of ``target``, and whether it was built now. A retained one needs no network."""
        path = self.home.directory(target.commit)
        self.home.releases.mkdir(mode=0o755, parents=True, exist_ok=True)
        with locks.held(self.home.releases / f".{path.name}.lock", self.patience) as handle:
            found = self.home.release(target.commit)
            if not found.problem:
                return found, False
            holding = replace(self.runner, secrets=self.recipe.secrets(), hold=(handle,))
            self._clear(path, change)
            self._make(path, target, change, holding, now)
            return self.home.release(target.commit), True

    def check(self, release: Release) -> None:
        """Prove that the release can be used: its commands of ``checks`` end well."""
        runner = replace(self.runner, secrets=self.recipe.secrets())
        self._commands(release.path, self.recipe.checks, runner, code="release-check-failed")

    def _clear(self, path: Path, change: str) -> None:
        """Make room: what we left unfinished goes, what others left is kept under another name."""
        if not path.exists():
            return
        if os.path.realpath(self.home.current) == str(path):
            raise TargetRefused(
                f"{path} is live and is not a complete release, so it can be neither used nor built again.",
                hint=f"It was deployed without the marker {MARKER}, or its files were changed. Deploy it again first.",
                code="release-live-incomplete",
            )
        if (path / BUILDING).exists():
            shutil.rmtree(path)
        else:
            path.rename(path.with_name(f"{path.name}.kept-{change}"))

    def _make(self, path: Path, target: Target, change: str, runner: Runner, now: float) -> None:
        path.mkdir(mode=0o755)
        (path / BUILDING).write_text(change + "\n", encoding="utf-8")
        self._own(path)
        self.mirror.checkout(target.commit, path)
        if self.recipe.lock:
            self._install(path, target, runner)
        self._commands(path, self.recipe.commands, runner, code="release-build-failed")
        # The first start of the services is part of the downtime: nothing is left to compile then.
        self._compile(path, runner)
        lock = self.home.lock_sha256(path)
        marker = {"commit": target.commit, "tag": target.tag, "lock_sha256": lock, "built": utc(now)}
        self._own(path)
        os.sync()
        files.write(path / MARKER, json.dumps(marker).encode() + b"\n", 0o644)
        self._own(path / MARKER)
        files.remove(path / BUILDING)

    def _install(self, path: Path, target: Target, runner: Runner) -> None:
        """A virtualenv of the release's own, with exactly what its lock names and hashes."""
        lock = files.inside(str(path), str(path / self.recipe.lock))
        if not lock.is_file():
            raise TargetRefused(
                f"Commit {target.commit[:SHORT]} has no {self.recipe.lock}.",
                hint="Without a lock file with hashes nobody knows what would be installed.",
                next=f"git --git-dir {self.home.mirror} ls-tree --name-only {target.commit}",
                code="release-lock-missing",
            )
        python = self.recipe.python or interpreter()
        wheels = ["--no-index", "--find-links", self.recipe.wheels] if self.recipe.wheels else []
        install = ["install", "--require-hashes", *wheels, "-r", str(lock)]

        def run(argv: list[str]) -> None:
            runner.run(argv, cwd=str(path), env=self.recipe.installing(), code="release-install-failed")

        if uv := self.uv():
            run([uv, "--quiet", "--no-config", "venv", "--python", python, "venv"])
            argv = [
                uv,
                "--quiet",
                "--no-config",
                "pip",
                *install,
                "--compile-bytecode",
                "--python",
                f"{path}/venv/bin/python",
            ]
            try:
                run([*argv, "--offline"])
            except CommandFailed:
                run(argv)
            return
        run([python, "-m", "venv", "venv"])
        run([f"{path}/venv/bin/python", "-m", "pip", "--quiet", "--disable-pip-version-check", "--no-input", *install])

    def _commands(self, path: Path, commands: tuple[tuple[str, ...], ...], runner: Runner, code: str) -> None:
        for argv in commands:
            runner.run(argv, cwd=str(path), env=self.recipe.environment(path), code=code)

    def _compile(self, path: Path, runner: Runner) -> None:
        python = path / "venv" / "bin" / "python"
        if python.exists():
            runner.run([str(python), "-m", "compileall", "-q", "-x", "/venv/", str(path)], code="release-build-failed")

    def _own(self, path: Path) -> None:
        """Give a tree to the account of the builds; symlinks are not followed."""
        if not self.runner.becomes:
            return
        who = self.runner.account()
        os.lchown(path, who.pw_uid, who.pw_gid)
        for parent, below, names in os.walk(path):
            for each in below + names:
                os.lchown(os.path.join(parent, each), who.pw_uid, who.pw_gid)

    def uv(self) -> str:
        """The path of uv, empty when this host has none."""
        return self.recipe.uv or shutil.which("uv", path=SEARCH + ":" + os.path.dirname(sys.executable)) or ""


def interpreter() -> str:
    """The Python for virtualenvs: the host's own."""
    found = shutil.which("python3", path=SEARCH)
    if found is None:
        raise DriverMissing(
            "This host has no python3 to make a virtualenv with.",
            hint="Install it, or set release_python.",
            next="apt-get install python3-venv",
        )
    return found
