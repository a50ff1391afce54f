# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What an operator types, and what he finds afterwards on the anchor host."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .programs import surroundings

if TYPE_CHECKING:
    from .layout import Sandbox

ROOT = Path(__file__).resolve().parents[2]
ENVIRONMENT = "production"
LONGEST = 300  # seconds


def command(sandbox: Sandbox, book: str, **variables: str) -> list[str]:
    """``ansible-playbook <book>.yml`` for this sandbox, to be run in ROOT."""
    inventories = [f"-i{ROOT / 'inventories' / 'wabot'}", f"-i{sandbox.inventory}"]
    extra = ["-e", json.dumps(variables)] if variables else []
    return [str(Path(sys.executable).parent / "ansible-playbook"), *inventories, f"{book}.yml", *extra]


def environment(sandbox: Sandbox) -> dict[str, str]:
    """The environment of a shell in ROOT; what Ansible keeps stays inside the checkout.

    The hosts of each sandbox have a temporary directory of their own, as hosts have: modules lock there.
    """
    temporary = sandbox.directory / "tmp"
    temporary.mkdir(exist_ok=True)
    kept = {
        "TMPDIR": str(temporary),
        "ANSIBLE_HOME": str(ROOT / ".cache" / "ansible"),
        "PYTHONUNBUFFERED": "1",
        "XDG_CACHE_HOME": str(ROOT / ".cache"),
    }
    return {**surroundings(), **kept}


def play(sandbox: Sandbox, book: str, code: int = 0, /, **variables: str) -> str:
    """Run a command to its end and return what it printed; raises RuntimeError when it does not end with ``code``."""
    done = subprocess.run(
        command(sandbox, book, **variables), cwd=ROOT, env=environment(sandbox), stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, timeout=LONGEST,
    )  # fmt: skip
    if done.returncode != code:
        raise RuntimeError(f"{book}.yml ended with {done.returncode}, not {code}:\n{done.stdout}")
    return done.stdout


def runs(sandbox: Sandbox) -> list[Path]:
    """The directories of all runs, oldest first: an id begins with its time."""
    below = sandbox.directory / "anchor" / ENVIRONMENT / "runs"
    return sorted(path.parent for path in below.glob("*/journal.jsonl"))


def journal(run: Path) -> list[dict[str, Any]]:
    """The records of a run; a line that is still being written does not count."""
    try:
        lines = (run / "journal.jsonl").read_text(encoding="utf-8").split("\n")[:-1]
    except FileNotFoundError:
        return []
    return [json.loads(line) for line in lines]
