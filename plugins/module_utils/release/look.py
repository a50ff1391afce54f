# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What can be known of the releases of a host without writing anything: what is live, what stops a rollback."""

from __future__ import annotations

import os
import re
import shutil
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from .. import drivers, envfile, looks, web
from ..core import checks
from ..core.checks import Check
from ..core.errors import RollbackError
from . import target
from .build import Builder
from .layout import SHORT, Home
from .target import Target

MIB = 1024 * 1024
LEAST = 300 * MIB  # what a small release with its virtualenv takes
PYPI = "https://pypi.org/simple/"


@dataclass(frozen=True)
class Look:
    """A look at one host. ``agreed`` is the target of every host by name."""

    builder: Builder
    target: Target
    agreed: Mapping[str, str]
    allow_bad: bool = False


def captured(home: Home) -> dict[str, Any]:
    """The live release as a restore point keeps it; ``good`` is false when it should not be gone back to."""
    live = home.live()
    bad = home.bad(live.commit) if live.commit else {}
    problem = live.problem or (f"left by the rollback {bad.get('change')}" if bad else "")
    return {
        "captured": {"commit": live.commit, "tag": live.tag, "lock_sha256": live.lock_sha256},
        "captured_host": {"path": str(live.path), "problem": problem},
        "good": not problem,
    }


def preflight(
    builder: Builder, change: str, wanted: str, *, agreed: Mapping[str, str], allow_bad: bool
) -> list[dict[str, Any]]:
    """One row for each finding."""
    try:
        found = target.find(builder.home, builder.mirror, change, wanted)
    except RollbackError as error:
        return [checks.fail("target", error.message, error.next or error.hint, error.code).row()]
    look = Look(builder, found, agreed, allow_bad)
    return looks.rows("layout", *(partial(each, look) for each in (_target, _bad, _layout, _release, _env_file)))


def _target(look: Look) -> Iterator[Check]:
    named = f"{look.target.tag or 'untagged'} ({look.target.commit[:SHORT]})"
    different = {host: commit for host, commit in look.agreed.items() if commit != look.target.commit}
    if different:
        said = ", ".join(f"{host} {commit[:SHORT] or 'nothing'}" for host, commit in sorted(different.items()))
        fix = "Name the full commit: -e release=<40 digits>."
        yield checks.fail(
            "target", f"The hosts do not mean the same release: here {named}; {said}.", fix, "release-hosts-disagree"
        )
        return
    live = look.builder.home.live()
    if live.commit == look.target.commit and not live.problem:
        yield checks.warn("target", f"{named} is live already: the code stays as it is.", "", "release-live-already")
        return
    yield checks.ok("target", f"{named}, instead of {live.tag or 'untagged'} ({live.commit[:SHORT] or 'no release'})")


def _bad(look: Look) -> Iterator[Check]:
    home = look.builder.home
    if mark := home.bad(look.target.commit):
        short = look.target.commit[:SHORT]
        found = f"{short} was left by the rollback {mark.get('change')}: {mark.get('reason') or 'no reason given'}."
        fix = f"rm {home.releases}/{short}.bad, once it is known to be good; or -e release_allow_bad=true"
        yield Check("warn" if look.allow_bad else "fail", "target", found, fix, "release-bad")


def _layout(look: Look) -> Iterator[Check]:
    home, runner = look.builder.home, look.builder.runner
    live = home.live()
    if live.problem:
        yield checks.warn(
            "live", f"The live release is broken: {live.problem}.", "A rollback replaces it.", "release-live-broken"
        )
    uid = runner.account().pw_uid if runner.becomes else os.geteuid()
    for path in (home.root, home.releases, home.mirror):
        if not path.exists():
            if path == home.root:
                fix = f"install -d -o <owner> {path}"
                yield checks.fail("layout", f"{path} is missing.", fix, "release-layout")
            continue
        about = path.stat()
        if stat.S_IMODE(about.st_mode) & stat.S_IWOTH:
            found = f"Everybody may write into {path}: what would be switched to cannot be trusted."
            yield checks.fail("layout", found, f"chmod o-w {path}", "release-layout")
        elif about.st_uid in (uid, 0) and not os.access(path, os.W_OK):
            yield checks.fail("layout", f"{path} cannot be written.", f"findmnt -T {path}", "release-layout")
        elif about.st_uid not in (uid, 0):
            found = f"{path} belongs to account {about.st_uid}; the releases are to belong to account {uid}."
            yield checks.fail("layout", found, f"chown -R {uid} {path}", "release-layout")


def _release(look: Look) -> Iterator[Check]:
    builder, commit = look.builder, look.target.commit
    release = builder.home.release(commit)
    if not release.problem:
        yield checks.ok("release", f"{release.path.name} is complete on this host: nothing is fetched or built")
        return
    if os.path.realpath(builder.home.current) == str(builder.home.directory(commit)):
        found = f"The live release is the target and cannot be used: {release.problem}."
        yield checks.fail("release", found, "Deploy it again, or choose another release.", "release-live-incomplete")
        return
    yield checks.ok("release", f"{commit[:SHORT]} is built before anything is switched: {release.problem}")
    yield from _space(look)
    yield from _source(look)
    yield from _tools(look)


def _space(look: Look) -> Iterator[Check]:
    home = look.builder.home
    place = home.releases if home.releases.exists() else home.root
    live = home.live()
    need = max(LEAST, _size(live.path) * 3 // 2 if live.path.is_dir() else 0)
    free = shutil.disk_usage(place).free
    if free < need:
        found = f"{free // MIB} MiB are free below {place}; a build takes up to {need // MIB} MiB."
        yield checks.fail("space", found, f"ansible-playbook finalize.yml, or du -sh {place}/*", "release-no-space")


def _source(look: Look) -> Iterator[Check]:
    mirror, recipe, commit = look.builder.mirror, look.builder.recipe, look.target.commit
    drivers.program("git", "git")
    if mirror.resolve(commit):
        if recipe.lock and not mirror.has(commit, recipe.lock):
            found = f"Commit {commit[:SHORT]} has no {recipe.lock}."
            yield checks.fail(
                "lock", found, "Choose a release with a lock file, or set release_lock.", "release-lock-missing"
            )
    elif not mirror.origin:
        found = f"The mirror {mirror.directory} does not know {commit[:SHORT]}, and no repository is named."
        yield checks.fail("source", found, "Set release_repository.", "release-unknown")
    elif look.target.where == "origin" or mirror.advertised(commit):
        yield checks.ok("source", f"{commit[:SHORT]} is fetched from {mirror.origin}")
    else:
        found = f"{mirror.origin} answers, and none of its branches and tags ends at {commit[:SHORT]}."
        yield checks.warn("source", found, f"git ls-remote -- {mirror.origin}", "release-unknown")


def _tools(look: Look) -> Iterator[Check]:
    recipe = look.builder.recipe
    if not recipe.lock:
        return
    if not look.builder.uv():
        python = recipe.python or "python3"
        try:
            look.builder.runner.run([python, "-c", "import venv, ensurepip"])
        except RollbackError:
            found = f"There is no uv, and {python} cannot make virtualenvs."
            yield checks.fail("tools", found, "apt-get install python3-venv", "release-tools-missing")
    if recipe.wheels:
        if not os.path.isdir(recipe.wheels):
            found = f"The directory of wheels {recipe.wheels} is missing."
            yield checks.fail("index", found, f"ls -ld {recipe.wheels}", "release-index")
        return
    index = re.sub(r"//[^/@]*@", "//", recipe.index_url) or PYPI
    try:
        status = web.ask(index, method="HEAD", timeout=5).status
        problem = "" if status < 500 else f"it answers {status}"
    except web.Unanswered as error:
        problem = str(error)
    if problem:
        found = f"The package index {index} does not serve ({problem}): only what is in the cache can be installed."
        yield checks.warn("index", found, f"curl -sI {index}", "release-index")


def _env_file(look: Look) -> Iterator[Check]:
    path = look.builder.recipe.env_file
    if not path:
        return
    envfile.read(path)
    if stat.S_IMODE(os.stat(path).st_mode) & (stat.S_IROTH | stat.S_IWOTH):
        yield checks.warn(
            "env file", f"Everybody on this host may read {path}.", f"chmod 600 {path}", "release-env-open"
        )


def _size(path: Path) -> int:
    """Bytes below a directory; links are counted, not followed."""
    total = 0
    for parent, _below, names in os.walk(path):
        total += sum(os.lstat(os.path.join(parent, name)).st_size for name in names)
    return total
