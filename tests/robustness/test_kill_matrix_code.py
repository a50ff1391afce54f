# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The strategies that leave the data alone, broken at every one of their steps, and resumed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import sandbox
from kills import HANG, HOWS, KILL, MOMENTS, RAISE, Breaker, Kind, assert_world, broken_everywhere, first_back
from sandbox import playbooks
from test_strategies import FEATURES

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from conftest import Product

CONFIRMED = {"confirm": playbooks.ENVIRONMENT, "reason": "broken"}
FIRST = {
    "feature-flag-rollback": "flags.disable",
    "code-rollback": "evidence.prepare",
    "warm-rollback": "evidence.prepare",
}
SHARED_OUT = [
    pytest.param("feature-flag-rollback", [Kind("inside", RAISE)], [Kind("inside", HANG)], id="feature-flag-rollback"),
    pytest.param(
        "code-rollback",
        [Kind("inside", RAISE), Kind("before", RAISE)],
        [],
        id="code-rollback",
        marks=pytest.mark.slow,
    ),
    pytest.param(
        "warm-rollback",
        [Kind("inside", KILL), Kind("after", RAISE)],
        [],
        id="warm-rollback",
        marks=pytest.mark.slow,
    ),
]
EVERYTHING = [(book, [Kind(moment, how)]) for book in FIRST for moment in MOMENTS for how in HOWS]


@pytest.fixture(scope="module")
def breaker(product: Product) -> Iterator[Breaker]:
    """v1.1 is live, and v1 is warm beside it."""
    sandbox.deploy(product.box.directory, "v1.1", warm=True)
    product.worlds["v1.1"] = {}
    product.release("v1.1")
    found = Breaker(product)
    yield found
    found.end()


def wanted(breaker: Breaker, book: str) -> dict[str, Any]:
    """The world after a strategy: the code of v1, or v1.1 with its features off."""
    v1, v11 = (breaker.product.worlds[tag] for tag in ("v1", "v1.1"))
    if book in ("code-rollback", "warm-rollback"):
        return {**v11, **{part: v1[part] for part in ("release", "running", "edge")}}
    now = sandbox.fingerprint(breaker.product.box.directory, v11["watermarks"])
    assert not any(tenant[name] for tenant in now["configuration"].values() for name in FEATURES)
    table = "bot_agentconfiguration"
    return {**v11, "configuration": now["configuration"], "rows": {**v11["rows"], table: now["rows"][table]}}


def there_and_back(breaker: Breaker, book: str, there: Sequence[Kind], back: Sequence[Kind]) -> None:
    places = broken_everywhere(breaker, book, FIRST[book], there, **CONFIRMED)
    assert_world(breaker, wanted(breaker, book), "completed")
    if back:
        places += ["undo:", *broken_everywhere(breaker, "undo", first_back(breaker), back)]
    else:
        breaker.product.play("undo")
    assert_world(breaker, breaker.product.worlds["v1.1"], "undone")
    print(f"\n{book}, broken and resumed:", *places, sep="\n  ")


@pytest.mark.parametrize(("book", "there", "back"), SHARED_OUT)
def test_broken_at_every_step_and_resumed(
    breaker: Breaker, book: str, there: Sequence[Kind], back: Sequence[Kind]
) -> None:
    there_and_back(breaker, book, there, back)


@pytest.mark.slow
@pytest.mark.parametrize(("book", "kinds"), EVERYTHING, ids=str)
def test_every_step_in_every_way(breaker: Breaker, book: str, kinds: Sequence[Kind]) -> None:
    there_and_back(breaker, book, kinds, kinds)
