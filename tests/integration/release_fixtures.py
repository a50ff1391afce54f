# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A small product with a real git history, real wheels and a home on a host, for the tests of releases and services."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.steady.rollback.plugins.module_utils.release import switch, target
from ansible_collections.steady.rollback.plugins.module_utils.release.build import Builder
from ansible_collections.steady.rollback.plugins.module_utils.release.layout import Home, Release
from ansible_collections.steady.rollback.plugins.module_utils.release.site import SITE_OPTIONS, builder

VENV = Path(sys.executable).parent
GIT = {
    **os.environ,
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
    **{f"GIT_{who}_{what}": "team" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")},
}
APP = """
import greeting, pathlib, sys
if "static" in sys.argv:
    pathlib.Path("static").mkdir()
    pathlib.Path("static/site.css").write_text("body {}")
print(greeting.WORD)
"""


class Product:
    """Origin, wheels and the home of one host, all below ``root``."""

    def __init__(self, root: Path) -> None:
        self.root, self.work, self.origin = root, root / "work", root / "origin.git"
        self.wheels, self.directory = root / "wheels", root / "app1"
        for path in (self.work, self.wheels, self.directory):
            path.mkdir(parents=True)
        self.git("init", "--quiet", "--initial-branch=main", str(self.work))
        subprocess.run(["git", "init", "--quiet", "--bare", str(self.origin)], env=GIT, check=True)
        (self.directory / "env").touch(mode=0o600)
        (self.directory / "env").write_text("APP_SECRET_KEY=topsecret-4711\n")
        self.options: dict[str, Any] = {}

    @property
    def home(self) -> Home:
        return self.builder().home

    def git(self, *argv: str) -> str:
        """Run git in the working copy."""
        done = subprocess.run(["git", *argv], cwd=self.work, env=GIT, check=True, stdout=subprocess.PIPE)
        return done.stdout.decode().strip()

    def release(self, tag: str, word: str = "", **files: str) -> str:
        """Commit, tag and publish a release whose package ``greeting`` says ``word``; returns the commit."""
        name, digest = wheel(self.wheels, word or tag)
        content = {"app.py": APP, "requirements.lock": f"greeting=={name} --hash=sha256:{digest}\n", **files}
        for path, text in content.items():
            (self.work / path).write_text(text)
        return self.publish(tag)

    def publish(self, tag: str) -> str:
        """Commit and tag what is in the working copy, and push it."""
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "-m", f"Release {tag}")
        self.git("tag", tag)
        self.git("push", "--quiet", str(self.origin), "main", "--tags")
        return self.git("rev-parse", "HEAD")

    def builder(self, **options: Any) -> Builder:
        """The builder of this host."""
        usual = {
            "home": str(self.directory),
            "repository": str(self.origin),
            "env_file": str(self.directory / "env"),
            "python": sys.executable,
            "uv": str(VENV / "uv"),
            "wheels": str(self.wheels),
            "build_commands": [["python", "app.py", "static"]],
            "check_commands": [["python", "app.py"]],
            "build_timeout": 60,
        }
        defaults = {name: spec.get("default") for name, spec in SITE_OPTIONS.items()}
        return builder({**defaults, **usual, **self.options, **options})

    def build(self, wanted: str, change: str, **options: Any) -> tuple[Release, bool]:
        """What the module release_build does."""
        site = self.builder(**options)
        found = target.find(site.home, site.mirror, change, wanted)
        if site.home.release(found.commit).problem and not site.mirror.resolve(found.commit):
            site.mirror.fetch(found.commit)
            found = target.find(site.home, site.mirror, change, found.commit)
        switch.remember(site.home, told(change), found)
        done = site.build(found, change, 0)
        site.check(done[0])
        return done

    def rollback(self, wanted: str, change: str) -> str:
        """Prepare and switch; returns the tag that is live."""
        self.build(wanted, change)
        return str(switch.switch(self.home, told(change), dry_run=False)["tag"])

    def undo(self, change: str) -> str:
        """Switch back; returns the tag that is live."""
        return str(switch.switch_back(self.home, told(change), dry_run=False)["tag"])

    def deploy(self, tag: str) -> Release:
        """What a pipeline does: build, switch, write the log."""
        site = self.builder()
        site.mirror.fetch(tag)
        release, _built = site.build(target.find(site.home, site.mirror, "", tag), "pipeline", 0)
        switch.point(site.home, str(release.path))
        line = {"at": "2026-11-25T00:00:00Z", "commit": release.commit, "tag": tag, "path": str(release.path)}
        site.home.append({**line, "action": "deploy", "by": "pipeline"})
        return release

    def live(self) -> str:
        """The tag that is live."""
        return self.home.live().tag

    def log(self) -> list[tuple[str, str]]:
        """Action and tag of every switch."""
        return [(line["action"], line["tag"]) for line in self.home.switches()]


def told(change: str) -> switch.Change:
    """A change as the engine describes it."""
    return switch.Change(change, "ann", "5xx above 5 %", 0)


def wheel(directory: Path, word: str) -> tuple[str, str]:
    """A wheel of the package greeting; returns its version and its SHA-256."""
    version = "1." + "".join(char for char in word if char.isdigit() or char == ".").strip(".") or "1.0"
    info = f"greeting-{version}.dist-info"
    contents = {
        "greeting.py": f"WORD = {word!r}\n",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: greeting\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(f"{name},sha256={_hash(text)},{len(text)}\n" for name, text in contents.items())
    path = directory / f"greeting-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in {**contents, f"{info}/RECORD": record + f"{info}/RECORD,,\n"}.items():
            archive.writestr(zipfile.ZipInfo(name), text)
    return version, hashlib.sha256(path.read_bytes()).hexdigest()


def _hash(text: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()


def marker(release: Release) -> dict[str, Any]:
    """The marker of a release."""
    return dict(json.loads((release.path / ".release.json").read_text()))


@pytest.fixture(name="product")
def product_fixture(tmp_path: Path) -> Product:
    """A product with the releases v1, v2 and v3, none of them on the host."""
    product = Product(tmp_path)
    for tag in ("v1", "v2", "v3"):
        product.release(tag)
    return product


@pytest.fixture(name="running")
def running_fixture(product: Product) -> Product:
    """The same, with v1, v2 and v3 deployed one after the other: only files, as the builds have tests of their own."""
    product.options = {"lock": "", "build_commands": [], "check_commands": []}
    for tag in ("v1", "v2", "v3"):
        product.deploy(tag)
    return product
