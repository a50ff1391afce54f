"""Every requirement that must be served is claimed, and nothing is claimed that nobody asked for."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from unit import requirements

ROOT = Path(__file__).resolve().parents[2]
WANTED = [
    name
    for line in (Path(__file__).parent / "requirements_part1.txt").read_text(encoding="utf-8").splitlines()
    for name in re.sub("#.*", "", line).split()
]


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A project that asks for three things and claims two of them."""
    texts = {
        "docs/requirements.md": "# R\n\n- **MNT-01** Enable [S3:1]\n- **STR-18** Full [S3:2]\n- **DRL-03** Time\n",
        "roles/maintenance/meta/verbs.yml": "serves: [MNT-01]\nverbs: {}\n",
        "playbooks/full_rollback.yml": "---\n# Serves: STR-18, MNT-01\n- hosts: all\n",
    }
    for name, text in texts.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True)
        path.write_text(text, encoding="utf-8")
    return tmp_path


def test_no_requirement_is_listed_twice() -> None:
    listed = requirements.inventory(ROOT)
    assert len(listed) == len(set(listed)) == 337


def test_what_must_be_served_is_known() -> None:
    assert set(WANTED) <= set(requirements.inventory(ROOT))


def test_the_project_claims_only_known_requirements() -> None:
    assert requirements.unknown(ROOT) == []


def test_the_project_claims_all_that_it_must_serve() -> None:
    assert requirements.unclaimed(ROOT, WANTED) == []


def test_claims_are_read_from_roles_and_playbooks(tree: Path) -> None:
    assert requirements.claims(tree) == {
        "MNT-01": ["roles/maintenance/meta/verbs.yml", "playbooks/full_rollback.yml"],
        "STR-18": ["playbooks/full_rollback.yml"],
    }
    assert requirements.unclaimed(tree, ["STR-18", "DRL-03"]) == ["DRL-03"]


@pytest.mark.parametrize("claim", ["MNT-99", "MNT-01..08", "mnt-01"])
def test_a_claim_that_nobody_asked_for_is_reported(tree: Path, claim: str) -> None:
    module = tree / "plugins" / "modules" / "door.py"
    module.parent.mkdir(parents=True)
    module.write_text(f"# Serves: STR-18, {claim}\n", encoding="utf-8")
    assert requirements.unknown(tree) == [f"{claim} is claimed by plugins/modules/door.py, and is no requirement"]
