"""Which requirement is claimed by which file: read from the sources, kept nowhere else."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

ID = r"[A-Z]+-\d+"
SERVES = re.compile(r"^\s*# Serves: (.*)$", re.MULTILINE)
# Where a line `# Serves: ID, ID` counts: what operators run, and the drill.
CLAIMANTS = ("playbooks/**/*.yml", "plugins/**/*.py", "tests/drill/**/*.py", "tests/sandbox/**/*.py")


def inventory(root: Path) -> list[str]:
    """Every known ID, in the order of docs/requirements.md."""
    text = (root / "docs" / "requirements.md").read_text(encoding="utf-8")
    return re.findall(rf"^- \*\*({ID})\*\* ", text, re.MULTILINE)


def claims(root: Path) -> dict[str, list[str]]:
    """{ID: the files that claim it}; a range or a typing error shows up as an ID of its own."""
    found: dict[str, list[str]] = {}
    for path in sorted(root.glob("roles/*/meta/verbs.yml")):
        for name in (yaml.safe_load(path.read_text(encoding="utf-8")) or {}).get("serves") or []:
            found.setdefault(name, []).append(path.relative_to(root).as_posix())
    for path in sorted({path for pattern in CLAIMANTS for path in root.glob(pattern)}):
        for line in SERVES.findall(path.read_text(encoding="utf-8")):
            for name in line.replace(",", " ").split():
                found.setdefault(name, []).append(path.relative_to(root).as_posix())
    return found


def unknown(root: Path) -> list[str]:
    """Claims of requirements that nobody asked for."""
    known = set(inventory(root))
    return [
        f"{name} is claimed by {', '.join(files)}, and is no requirement"
        for name, files in claims(root).items()
        if name not in known
    ]


def unclaimed(root: Path, wanted: list[str]) -> list[str]:
    """The wanted IDs that no file claims."""
    claimed = claims(root)
    return [name for name in wanted if name not in claimed]
