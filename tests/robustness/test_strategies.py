# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Each strategy on the whole product: what it changes, what it leaves alone, and that its undo gives all of it back."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
import sandbox
from sandbox import load, playbooks

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conftest import Product

FEATURES = (
    "enable_message_harmonization",
    "enable_immediate_product_display",
    "enable_grounded_validation",
    "enable_reference_resolution",
)
CONFIRMED = {"confirm": playbooks.ENVIRONMENT, "reason": "test"}


@pytest.fixture
def on_v1(product: Product) -> Iterator[Product]:
    """v1 is live: the code is good."""
    yield product
    assert product.is_as("v1") == []


@pytest.fixture
def on_v11(product: Product) -> Iterator[Product]:
    """v1.1 is live: bad code, the same schema."""
    product.release("v1.1")
    yield product
    assert product.is_as("v1.1") == []


@pytest.fixture
def on_v2(product: Product) -> Iterator[Product]:
    """v2 is live: everything is bad."""
    product.release("v2")
    yield product
    assert product.is_as("v2") == []


def seen(product: Product, seconds: float) -> load.Summary:
    """What customers see meanwhile."""
    began = time.time()
    with load.Load(product.box.url(), product.box.directory / "samples.jsonl") as customers:
        customers.write(False)
        time.sleep(seconds)
        return customers.seen(began)


def configuration(product: Product) -> dict[str, dict[str, Any]]:
    """Every tenant's configuration."""
    found: dict[str, dict[str, Any]] = sandbox.fingerprint(product.box.directory)["configuration"]
    return found


def test_the_configuration_goes_back_and_the_code_stays(on_v1: Product) -> None:
    good = configuration(on_v1)
    with psycopg.connect(**on_v1.box.postgres()) as connection:
        connection.execute("UPDATE bot_agentconfiguration SET max_products_to_show = 99, custom_bot_greeting = ''")
    settings = on_v1.box.home("app2") / "env"
    kept = settings.read_text(encoding="utf-8")
    settings.write_text(kept + "WABOT_GUESSED=1\n", encoding="utf-8")
    bad = sandbox.fingerprint(on_v1.box.directory)
    on_v1.play("config-rollback", **CONFIRMED)
    assert configuration(on_v1) == good
    assert on_v1.is_as("v1") == []
    on_v1.play("undo")
    assert sandbox.difference(bad, sandbox.fingerprint(on_v1.box.directory, bad["watermarks"])) == []
    on_v1.play("undo")


def test_features_are_switched_off_for_every_tenant(on_v11: Product) -> None:
    assert seen(on_v11, 6).failed > 0
    on_v11.play("feature-flag-rollback", **CONFIRMED)
    assert all(not tenant[name] for tenant in configuration(on_v11).values() for name in FEATURES)
    assert seen(on_v11, 6).failed == 0
    on_v11.play("undo")


def test_the_code_goes_back_and_the_data_stays(on_v11: Product) -> None:
    on_v11.ask("POST", "/v1/conversations", tenant="books", customer_phone="+49171", customer_name="Stays")
    on_v11.play("code-rollback", **CONFIRMED)
    after = sandbox.fingerprint(on_v11.box.directory, on_v11.worlds["v1.1"]["watermarks"])
    assert after["release"] == on_v11.worlds["v1"]["release"]
    assert after["running"] == on_v11.worlds["v1"]["running"]
    assert after["rows"] == on_v11.worlds["v1.1"]["rows"]
    with psycopg.connect(**on_v11.box.postgres()) as connection:
        assert connection.execute("SELECT 1 FROM messaging_conversation WHERE customer_name = 'Stays'").fetchone()
    on_v11.play("undo")


def test_the_ladder_ends_at_the_rung_that_helps(on_v11: Product) -> None:
    said = on_v11.play("escalate", **CONFIRMED)
    assert "feature_flag rollback" in said
    assert "config rollback" not in said
    assert seen(on_v11, 6).failed == 0
    on_v11.play("undo")


def test_code_alone_is_refused_where_the_schema_cannot_serve_it(on_v2: Product) -> None:
    said = on_v2.play("code-rollback", 2, **CONFIRMED)
    assert "full-rollback.yml" in said


def test_an_emergency_stops_all_writes_first(on_v2: Product) -> None:
    on_v2.play("emergency-rollback", **CONFIRMED)
    assert on_v2.is_as("v1") == []
    run = playbooks.runs(on_v2.box)[-1]
    done = [record["step"] for record in playbooks.journal(run) if record["kind"] == "done"]
    assert done.index("service.stop") < done.index("postgres.prepare")
    on_v2.play("undo")


def test_the_ladder_climbs_to_the_top(on_v2: Product) -> None:
    on_v2.play("escalate", **CONFIRMED)
    assert on_v2.is_as("v1") == []
    on_v2.play("undo")


def test_finalize_deletes_in_a_run_that_goes_back_to_nothing(product: Product) -> None:
    product.play("finalize", reason="test")
    records = playbooks.journal(playbooks.runs(product.box)[-1])
    assert records[-1]["outcome"] == "completed"
    done = {record["step"] for record in records if record["kind"] == "done"}
    assert done == {"postgres.finalize", "release.finalize", "config.finalize", "integrity.finalize"}
