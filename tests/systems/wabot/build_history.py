#!/usr/bin/env python
"""Build WabotIQ's git repository from the trees beside this file: the same commits, byte for byte, every time.

``v1`` is a whole tree. ``v1.1`` and ``v2`` hold only the files that differ from the release before them; a file
``REMOVED`` names what is gone, one path a line. v1 is good. v1.1 is bad code on an unchanged schema, so code alone can
go back. v2 is bad in every way: code, schema, data, cache and queue.
"""

from __future__ import annotations

import argparse
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

HERE = Path(__file__).resolve().parent
AUTHOR = "WabotIQ Team <team@wabotiq.example>"
FIRST = 1737381600  # 2025-01-20 14:00 UTC, the deployment of the product's document
EVERY = 3600
# A repository must not depend on who builds it: no configuration of the user or the machine is read.
GIT = {**os.environ, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}


@dataclass(frozen=True)
class Commit:
    """The files of ``tree`` below ``paths``; ``tag`` names the result when it is a release."""

    message: str
    tree: str
    paths: tuple[str, ...]
    tag: str = ""


PRODUCT = ("apps", "config", "manage.py", "requirements.", "VERSION")
HISTORY = (
    Commit("Conversations, the bot and its operation", "v1", PRODUCT),
    Commit("Describe how to run it", "v1", ("README.md",)),
    Commit("Release 1.0.0", "v1", ("",), "v1"),
    Commit("Release 1.1.0: watch the conversation closely", "v1.1", ("",), "v1.1"),
    Commit("Messages know their channel and intent", "v2", ("apps/messaging",)),
    Commit("Answers come in variants", "v2", ("apps/bot",)),
    Commit("Release 2.0.0: conversational commerce", "v2", ("",), "v2"),
)


def build(repository: Path) -> dict[str, str]:
    """Write a bare git repository at ``repository``, which must not exist; returns {tag: commit}."""
    git("init", "--quiet", "--bare", "--initial-branch=main", str(repository))
    git("--git-dir", str(repository), "fast-import", "--quiet", stdin=b"".join(_stream()))
    tags = [commit.tag for commit in HISTORY if commit.tag]
    return {tag: git("--git-dir", str(repository), "rev-parse", f"{tag}^{{commit}}").strip() for tag in tags}


def git(*arguments: str, stdin: bytes = b"") -> str:
    """The output of git; raises CalledProcessError."""
    return subprocess.run(["git", *arguments], input=stdin, env=GIT, check=True, stdout=subprocess.PIPE).stdout.decode()


def files(tree: str) -> dict[str, Path]:
    """{path in the repository: file} of one tree, without what Python leaves behind."""
    root = HERE / tree
    found = {file.relative_to(root).as_posix(): file for file in root.rglob("*") if file.is_file()}
    return {path: file for path, file in sorted(found.items()) if "__pycache__" not in path and path != "REMOVED"}


def removed(tree: str) -> list[str]:
    """The paths that a release takes away."""
    listing = HERE / tree / "REMOVED"
    return listing.read_text(encoding="utf-8").split() if listing.exists() else []


def _stream() -> Iterator[bytes]:
    """The whole history in git's fast-import format."""
    done: set[tuple[str, str]] = set()
    for number, commit in enumerate(HISTORY):
        when = f"{AUTHOR} {FIRST + number * EVERY} +0000"
        yield f"commit refs/heads/main\nmark :{number + 1}\nauthor {when}\ncommitter {when}\n".encode()
        yield _data(commit.message.encode())
        for path, file in files(commit.tree).items():
            if path.startswith(commit.paths) and (commit.tree, path) not in done:
                done.add((commit.tree, path))
                mode = "100755" if path == "manage.py" else "100644"
                yield f"M {mode} inline {path}\n".encode() + _data(file.read_bytes())
        for path in removed(commit.tree) if commit.tag else []:
            yield f"D {path}\n".encode()
        if commit.tag:
            yield f"tag {commit.tag}\nfrom :{number + 1}\ntagger {when}\n".encode() + _data(commit.message.encode())


def _data(content: bytes) -> bytes:
    return b"data %d\n" % len(content) + content + b"\n"


def main() -> None:
    """``build_history.py DIRECTORY``."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("repository", type=Path, help="where the bare repository is written")
    for tag, commit in build(parser.parse_args().repository).items():
        print(f"{tag} {commit}")


if __name__ == "__main__":
    main()
