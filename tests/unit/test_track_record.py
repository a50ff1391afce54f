"""Every test that the table of bugs names is there."""

from __future__ import annotations

import re
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
NAMED = re.compile(r"`(?:tests/)?((?:[\w-]+/)*test_\w+\.py)(?:::(\w+))?")


def test_every_bug_has_its_test() -> None:
    lost = []
    for path, name in NAMED.findall((TESTS / "robustness/README.md").read_text(encoding="utf-8")):
        places = [TESTS / path, TESTS / "robustness" / path]
        found = [place for place in (*places, *TESTS.rglob(Path(path).name)) if place.is_file()]
        if not any(not name or f"def {name}(" in place.read_text(encoding="utf-8") for place in found):
            lost.append(f"{path}::{name}")
    assert lost == []
