# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The strategies that replace everything, broken at every one of their steps; resumed, or taken back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from kills import HANG, HOWS, KILL, MOMENTS, RAISE, Breaker, Kind, assert_world, broken_everywhere, first_back
from sandbox import playbooks

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from conftest import Product

pytestmark = pytest.mark.slow  # killed between any two steps, the full rollback is in make test: test_resume_undo.py
CONFIRMED = {"confirm": playbooks.ENVIRONMENT, "reason": "broken"}
FIRST = {"full-rollback": "evidence.prepare", "emergency-rollback": "maintenance.enable"}
# The kinds take turns over the steps there, and over those of the way back.
SHARED_OUT = [
    pytest.param(
        "full-rollback",
        [Kind("inside", KILL), Kind("before", KILL)],
        [Kind("inside", RAISE), Kind("after", HANG), Kind("inside", HANG)],
        id="full-rollback",
    ),
    pytest.param(
        "emergency-rollback",
        [Kind("inside", HANG), Kind("after", HANG)],
        [Kind("before", HANG)],
        id="emergency-rollback",
    ),
]
EVERYTHING = [(book, [Kind(moment, how)]) for book in FIRST for moment in MOMENTS for how in HOWS]
# Where taking back is most dangerous: users are out, jobs half sorted, the database and the code another one.
TAKEN_BACK = [
    "maintenance.enable:after:hang",
    "queue.park:inside:kill",
    "postgres.swap:inside:hang",
    "release.switch:inside:raise",
]


@pytest.fixture(scope="module")
def breaker(product: Product) -> Iterator[Breaker]:
    """v2 is live."""
    product.release("v2")
    found = Breaker(product)
    yield found
    found.end()


def there_and_back(breaker: Breaker, book: str, there: Sequence[Kind], back: Sequence[Kind]) -> None:
    places = broken_everywhere(breaker, book, FIRST[book], there, **CONFIRMED)
    assert_world(breaker, breaker.product.worlds["v1"], "completed")
    back_places = broken_everywhere(breaker, "undo", first_back(breaker), back)
    assert_world(breaker, breaker.product.worlds["v2"], "undone")
    print(f"\n{book}, broken and resumed:", *places, "undo:", *back_places, sep="\n  ")


@pytest.mark.parametrize(("book", "there", "back"), SHARED_OUT)
def test_broken_at_every_step_and_resumed(
    breaker: Breaker, book: str, there: Sequence[Kind], back: Sequence[Kind]
) -> None:
    there_and_back(breaker, book, there, back)


@pytest.mark.parametrize("place", TAKEN_BACK)
def test_broken_and_taken_back(breaker: Breaker, place: str) -> None:
    taken_back(breaker, "full-rollback", place)


def taken_back(breaker: Breaker, book: str, place: str) -> None:
    assert breaker.run(book, place, **CONFIRMED).code != 0
    ended = breaker.run("undo", **({"take_over": breaker.store().runs()[-1]} if breaker.late else {}))
    assert ended.code == 0, ended.said
    assert_world(breaker, breaker.product.worlds["v2"], "undone")


@pytest.mark.parametrize(("book", "kinds"), EVERYTHING, ids=str)
def test_every_step_in_every_way(breaker: Breaker, book: str, kinds: Sequence[Kind]) -> None:
    there_and_back(breaker, book, kinds, kinds)
