# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A bare mirror and its origin. No free text reaches git: names and addresses must fit, then become a full commit."""

from __future__ import annotations

import os
import re
from pathlib import Path

from .. import drivers
from ..core.errors import BadInput, CommandFailed, TargetMissing
from .commands import Runner
from .layout import SHA

_PART = r"[A-Za-z0-9_][A-Za-z0-9_.~-]*"
_HOST = r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?)*"
_PATH = rf"(?:/{_PART})+/?"
_ADDRESSES = {
    "https": re.compile(rf"https://{_HOST}(?::\d{{1,5}})?{_PATH}\Z"),
    "ssh": re.compile(rf"(?:ssh://(?:{_PART}@)?{_HOST}(?::\d{{1,5}})?{_PATH}|{_PART}@{_HOST}:/?{_PART}(?:{_PATH})?)\Z"),
    "file": re.compile(r"(?:/[A-Za-z0-9_.][A-Za-z0-9_.~+@-]*)+/?\Z"),
}
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/+-]{0,199}\Z")
_CUT = re.compile(r"\.\.|//|/\.|\./|\.\Z|/\Z|\.lock(?:/|\Z)")
_HEX = re.compile(r"[0-9a-f]{7,39}\Z")
# Nothing in a repository or its configuration may start a program.
_SAFE = ("core.hooksPath=/dev/null", "core.fsmonitor=false", "protocol.ext.allow=never", "gc.auto=0")


def protocol(address: str) -> str:
    """The one protocol that ``address`` needs: https, ssh or file; BadInput when it is none of them."""
    for name, form in _ADDRESSES.items():
        if form.match(address) and "/../" not in f"{address}/":
            return name
    # The address may hold a password, so it is not repeated.
    raise BadInput(
        "The address of the repository cannot be used.",
        hint="Allowed are https://host/path, ssh://user@host/path, user@host:path and an absolute path, without a "
        "password: that belongs into a credential helper or an SSH key.",
        code="release-address",
    )


def name(wanted: str) -> str:
    """``wanted`` when it may name a release: a tag or a commit; else BadInput."""
    if not _NAME.match(wanted) or _CUT.search(wanted):
        raise BadInput(
            f"{wanted!r} cannot name a release.",
            hint="Name a tag, a commit of 7 to 40 hexadecimal digits, or 'previous'.",
            code="release-name",
        )
    return wanted


class Mirror:
    """The bare mirror on this host, and the ``origin`` (empty when there is none) that it is filled from."""

    def __init__(self, directory: Path, origin: str, runner: Runner) -> None:
        self.directory, self.origin, self.runner = directory, origin, runner

    def resolve(self, wanted: str) -> str:
        """The full commit of a tag or a commit, empty when the mirror does not know it."""
        if not self.directory.is_dir():
            return ""
        forms = (
            [wanted] if SHA.match(name(wanted)) else [f"refs/tags/{wanted}", *([wanted] if _HEX.match(wanted) else [])]
        )
        for form in forms:
            argv = ["rev-parse", "--verify", "--quiet", "--end-of-options", f"{form}^{{commit}}"]
            try:
                return self._git(*argv).strip()
            except CommandFailed:
                continue
        return ""

    def advertised(self, wanted: str) -> str:
        """The full commit that the origin gives for a tag, or ``wanted`` itself when one of its refs is there."""
        refs = [] if SHA.match(name(wanted)) else [f"refs/tags/{wanted}", f"refs/tags/{wanted}^{{}}"]
        lines = self._git("ls-remote", "--", self.origin, *refs, code="release-origin").splitlines()
        found = {ref: commit for commit, _tab, ref in (line.partition("\t") for line in lines)}
        if not refs:
            return wanted if wanted in found.values() else ""
        return found.get(refs[1]) or found.get(refs[0], "")

    def fetch(self, wanted: str) -> None:
        """Bring tags and branches of the origin into the mirror, and ``wanted`` if it is a commit of its own."""
        if not self.origin:
            raise TargetMissing(
                f"The mirror {self.directory} does not know {wanted}, and there is no repository to fetch it from.",
                hint="Set release_repository, or name a release that is on the hosts.",
                code="release-unknown",
            )
        if not self.directory.is_dir():
            self.runner.run([self._program(), "init", "--quiet", "--bare", "--", str(self.directory)])
        into = ["fetch", "--quiet", "--no-tags", "--no-recurse-submodules", "--", self.origin]
        self._git(*into, "+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*", code="release-origin")
        if SHA.match(wanted) and not self.resolve(wanted):
            self._git(*into, wanted, code="release-origin")

    def tag(self, commit: str) -> str:
        """The newest tag of a commit, empty when it has none."""
        argv = [
            "for-each-ref",
            "--sort=-creatordate",
            f"--points-at={commit}",
            "--format=%(refname:strip=2)",
            "refs/tags",
        ]
        return (self._git(*argv).split() or [""])[0]

    def has(self, commit: str, path: str) -> bool:
        """Whether a commit holds the file ``path``."""
        try:
            self._git("cat-file", "-e", f"{commit}:{path}")
        except CommandFailed:
            return False
        return True

    def checkout(self, commit: str, directory: Path) -> None:
        """Write the files of a commit into an empty directory. Symlinks that leave it are refused."""
        index = {"GIT_INDEX_FILE": str(directory / ".index")}
        tree = ["--work-tree", str(directory)]
        self._git(*tree, "read-tree", commit, cwd=str(directory), env=index)
        self._git(*tree, "checkout-index", "--all", "--force", cwd=str(directory), env=index, code="release-checkout")
        (directory / ".index").unlink()
        refuse_escapes(directory)

    def _git(self, *argv: str, cwd: str = "/", env: dict[str, str] | None = None, code: str = "") -> str:
        options = [part for setting in _SAFE for part in ("-c", setting)]
        allowed = {
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_ALLOW_PROTOCOL": protocol(self.origin) if self.origin else "none",
            **(env or {}),
        }
        command = [self._program(), *options, "--git-dir", str(self.directory), *argv]
        return self.runner.run(command, cwd=cwd, env=allowed, code=code)

    def _program(self) -> str:
        return drivers.program("git", "git")


def refuse_escapes(directory: Path) -> None:
    """Raise BadInput when a symlink of a tree leads out of it: a build would write through it."""
    top = os.path.realpath(directory)
    for parent, below, files in os.walk(directory):
        for link in (os.path.join(parent, each) for each in below + files):
            if os.path.islink(link) and os.path.commonpath([top, os.path.realpath(link)]) != top:
                where = os.path.relpath(link, directory)
                raise BadInput(
                    f"The symlink {where} of the release leads out of it, to {os.readlink(link)!r}.",
                    hint="A build would write through it. Take it out of the repository.",
                    code="path-escapes",
                )
