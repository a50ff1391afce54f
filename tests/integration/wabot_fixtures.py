# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Releases of WabotIQ on disk and a database for them, without its services."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.steady.rollback.plugins.module_utils.django_command import Project
from integration.postgres_fixtures import PASSWORD, Cluster
from sandbox import deployment
from systems.wabot import build_history

VENV = Path(sys.executable).parent.parent


def mirror(home: Path) -> Path:
    """The product's git repository below ``home``."""
    repository = home / "repo.git"
    if not repository.exists():
        build_history.build(repository)
    return repository


def release(home: Path, tag: str) -> Path:
    """A built release below ``home``, with the tests' own virtualenv where that has all that the release needs."""
    repository = mirror(home)
    commit = git(repository, "rev-parse", f"{tag}^{{commit}}").decode().strip()
    directory = home / "releases" / commit[:12]
    if not directory.exists():
        directory.mkdir(parents=True)
        subprocess.run(["tar", "-x", "-C", str(directory)], input=git(repository, "archive", tag), check=True)
        if "inflection" in (directory / "requirements.lock").read_text():
            deployment._virtualenv(directory)
        else:
            (directory / "venv").symlink_to(VENV)
        lock = hashlib.sha256((directory / "requirements.lock").read_bytes()).hexdigest()
        marker = {"commit": commit, "tag": tag, "lock_sha256": lock, "built": "2026-11-24T02:00:00Z"}
        (directory / ".release.json").write_text(json.dumps(marker))
    return directory


def git(repository: Path, *arguments: str) -> bytes:
    """The output of git."""
    return subprocess.run(["git", "--git-dir", str(repository), *arguments], check=True, stdout=subprocess.PIPE).stdout


class Wabot:
    """WabotIQ on one host: its home, its database, and no process."""

    def __init__(self, home: Path, cluster: Cluster) -> None:
        self.home, self.cluster = home, cluster
        self.env = home / "env"
        settings = {"DB_PORT": cluster.port, "DB_PASSWORD": PASSWORD, "SECRET_KEY": "very-secret", "LOG_DIR": home}
        self.env.write_text("".join(f"WABOT_{name}={value}\n" for name, value in settings.items()))
        self.env.chmod(0o600)

    @property
    def project(self) -> Project:
        """The live release."""
        return Project(str(self.home / "current"), str(self.env), timeout=60)

    def switch(self, tag: str) -> str:
        """Make a release the live one; returns its commit."""
        directory, link = release(self.home, tag), self.home / "current"
        link.unlink(missing_ok=True)
        link.symlink_to(directory)
        return str(json.loads((directory / ".release.json").read_text())["commit"])

    def deploy(self, tag: str) -> str:
        """Switch and migrate, as the team does."""
        commit = self.switch(tag)
        self.project.manage("migrate", "--verbosity", "0")
        return commit

    def rows(self, statement: str) -> list[tuple[Any, ...]]:
        """Ask the database."""
        return self.cluster.run("wabot", statement)


@pytest.fixture(name="wabot", scope="module")
def wabot_fixture(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Wabot]:
    """WabotIQ v1 with an empty database; the demo data is not there yet."""
    cluster.drop_all()
    cluster.create(content="SELECT 1")
    made = Wabot(tmp_path_factory.mktemp("srv"), cluster)
    made.deploy("v1")
    yield made
    cluster.drop_all()
