# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Names and addresses that would make git or a shell run something. A marker file shows whether anything did."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from ansible_collections.steady.rollback.plugins.module_utils.core.errors import BadInput, RollbackError
from ansible_collections.steady.rollback.plugins.module_utils.release import git, target
from ansible_collections.steady.rollback.plugins.module_utils.release.commands import Runner
from ansible_collections.steady.rollback.plugins.module_utils.release.layout import Home
from hypothesis import given
from hypothesis import strategies as st

NAMES = [
    "--upload-pack=touch {marker}",
    "--upl=touch {marker}",
    "-u touch {marker}",
    "--exec=touch {marker}",
    "-c core.sshCommand=touch {marker}",
    "--output={marker}",
    "--help",
    "-",
    "$(touch {marker})",
    "`touch {marker}`",
    "v1; touch {marker}",
    "v1 && touch {marker}",
    "v1 | touch {marker}",
    "v1\ntouch {marker}",
    "v1\x00",
    "v1\x1b[2J",
    "v1\u202e",
    "../../v1",
    "v1/../../x",
    "refs/tags/../heads/x",
    "/etc/passwd",
    "v1.lock",
    "v1@{{upstream}}",
    "v1^{{/x}}",
    "v1:requirements.lock",
    "v1~1",
    "HEAD",
    "main",
    ":/fix",
    "*",
    "v1 v2",
    "a" * 201,
    "{{{{ lookup('pipe','touch {marker}') }}}}",
]
ADDRESSES = [
    "ext::sh -c touch% {marker}",
    "ext::touch {marker}",
    "--upload-pack=touch {marker}",
    "-oProxyCommand=touch {marker}",
    "ssh://-oProxyCommand=touch {marker}/x",
    "ssh://-oProxyCommand=touch/x",
    "git@-oProxyCommand=touch:x",
    "ssh://host;touch {marker}/x",
    "ssh://host/x;touch {marker}",
    "ssh://host/`touch {marker}`",
    "ssh://host/--upload-pack=touch",
    "fd::17/x",
    "file:///etc",
    "git://host/x",
    "http://host/x",
    "ftp://host/x",
    "https://user:secret@host/x",
    "https://host/x\n--upload-pack=touch {marker}",
    "https://host/../x",
    "https://ho st/x",
    "/srv/../etc",
    "/srv/-x",
    "srv/x",
    "~root/x",
    "transport::address",
    "",
]


@pytest.fixture(name="mirror")
def mirror_fixture(tmp_path: Path) -> Path:
    """A mirror with one commit, the branch main and the tag v1."""
    path = tmp_path / "app" / "repo.git"
    subprocess.run(["git", "init", "--quiet", "--bare", "--initial-branch=main", str(path)], check=True)
    stream = b"commit refs/heads/main\ncommitter t <t@t> 0 +0000\ndata 1\nx\nreset refs/tags/v1\nfrom refs/heads/main\n"
    subprocess.run(["git", "--git-dir", str(path), "fast-import", "--quiet"], input=stream, check=True)
    return path


def test_the_good_ones_are_taken(mirror: Path) -> None:
    known = git.Mirror(mirror, str(mirror), Runner())
    commit = known.resolve("v1")
    assert git.SHA.match(commit)
    assert (
        commit
        == known.resolve(commit)
        == known.resolve(commit[:7])
        == known.advertised("v1")
        == known.advertised(commit)
    )
    for address, protocol in {
        "https://git.example.com:8443/team/app.git": "https",
        "ssh://git@git.example.com:2222/team/app.git": "ssh",
        "git@git.example.com:team/app.git": "ssh",
        "/srv/git/app.git": "file",
    }.items():
        assert git.protocol(address) == protocol


@pytest.mark.parametrize("text", NAMES)
def test_a_hostile_name_starts_nothing_and_finds_nothing(mirror: Path, tmp_path: Path, text: str) -> None:
    marker = tmp_path / "marker"
    wanted = text.format(marker=marker)
    known = git.Mirror(mirror, str(mirror), Runner(timeout=20))
    with pytest.raises(RollbackError) as refused:
        target.find(Home(str(mirror.parent)), known, "", wanted)
    assert refused.value.code in {"release-name", "release-unknown"}
    assert not marker.exists()


@pytest.mark.parametrize("text", ADDRESSES)
def test_a_hostile_address_is_refused_before_git_is_asked(mirror: Path, tmp_path: Path, text: str) -> None:
    marker = tmp_path / "marker"
    address = text.format(marker=marker)
    with pytest.raises(BadInput) as refused:
        git.protocol(address)
    assert refused.value.code == "release-address" and "secret" not in repr(vars(refused.value))
    if address:
        known = git.Mirror(mirror, address, Runner(timeout=20))
        for ask in (known.advertised, known.fetch, known.resolve):
            with pytest.raises(BadInput):
                ask("v1")
    assert not marker.exists()


@given(st.text(max_size=40))
def test_only_plain_names_pass(text: str) -> None:
    try:
        passed = git.name(text)
    except BadInput:
        return
    assert passed == text and text.isascii() and not text.startswith(("-", ".", "/"))
    assert not set(text) & set(" \t\n\\:*?[~^'\"`$;&|<>(){}@")


def test_a_mirror_with_hooks_and_helpers_starts_nothing(mirror: Path, tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    for name in ("post-checkout", "post-index-change", "reference-transaction"):
        hook = mirror / "hooks" / name
        hook.write_text(f"#!/bin/sh\ntouch {marker}\n")
        hook.chmod(0o755)
    monitor = ["git", "--git-dir", str(mirror), "config", "core.fsmonitor", f"touch {marker}"]
    subprocess.run(monitor, check=True)
    known = git.Mirror(mirror, str(mirror), Runner())
    release = tmp_path / "release"
    release.mkdir()
    known.fetch("v1")
    known.checkout(known.resolve("v1"), release)
    assert not marker.exists()
