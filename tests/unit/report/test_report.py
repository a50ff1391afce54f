# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Reports of two journals of the product, and of journals of any shape.

The lines of ``fixtures/report`` are made by ``core.journal.encode``, with effects as the modules return them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.steady.rollback.plugins.module_utils.core import journal
from ansible_collections.steady.rollback.plugins.plugin_utils.report import render, story
from ansible_collections.steady.rollback.plugins.plugin_utils.report.outside import Sample
from hypothesis import given, settings
from hypothesis import strategies as st

FIXTURES = Path(__file__).parents[2] / "fixtures" / "report"
VOID = {"meta", "link", "br", "hr", "img", "input"}
HOSTILE = [
    "<script>alert(1)</script>",
    "</title><script src=//x>",
    "\" onload='x",
    "a|b`c\n# d",
    "\u202eevil\x1b[2J",
    "&lt;",
]


def records(name: str) -> list[dict[str, Any]]:
    return journal.decode((FIXTURES / f"{name}.jsonl").read_bytes()).records


def ticked(boxes: Any) -> dict[str, bool]:
    return {box.text: box.ticked for box in boxes}


class Checked(HTMLParser):
    """Reads a page, and fails where tags do not nest or something could run or be fetched."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.words: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag not in {"script", "iframe", "object", "embed", "base", "form", "link", "img"}, tag
        for name, value in attrs:
            assert not name.startswith("on"), name
            assert name not in {"src", "href", "xlink:href", "action"}, (name, value)
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open, tag
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def checked(html: str) -> str:
    """The words of a page that is whole and inert."""
    reader = Checked()
    reader.feed(html)
    reader.close()
    assert reader.open == []
    assert "<script" not in html.lower()
    assert "url(" not in html.replace("url(#hatch)", "")
    return " ".join(" ".join(reader.words).split())


def test_a_full_rollback_tells_what_was_done_what_it_cost_and_what_is_next() -> None:
    told = story.tell(records("full"))
    assert (told.head.outcome, told.head.origin, told.head.target) == (
        "completed",
        "v2 (b81e4d70932c)",
        "v1 (3f2a9c41d07b)",
    )
    assert told.downtime.source == "time of the maintenance page"
    assert told.downtime.seconds == pytest.approx(48.4)
    assert told.data is not None
    assert (told.data.rows, told.data.recovery) == (1700, "partial")
    assert told.data.minutes == pytest.approx(14.2, abs=0.1)
    assert (told.data.tables[0].name, told.data.tables[0].difference) == ("public.messaging_message", -1123)
    assert told.jobs is not None
    assert told.jobs.parked[0] == ("bot.harmonize_messages", 38)
    assert [(each.what, each.hosts, each.until) for each in told.kept] == [
        ("wabot__bad_r20261124t022301-4f2a", ["db1"], "until 2026-11-27 02:24 UTC"),
        ("release v2 (b81e4d70932c)", ["app1", "app2", "worker1"], ""),
    ]
    assert told.undelivered == ["status page: Connection refused"]
    assert [command for _what, command in told.commands] == [
        "ansible-playbook undo.yml",
        "ansible-playbook finalize.yml",
    ]


def test_sequences_that_were_advanced_are_said() -> None:
    seen = records("full")
    (prepared,) = (each for each in seen if each["kind"] == "done" and each["step"] == "postgres.prepare")
    prepared["effects"]["db1"]["sequences"] = {"public.order_id_seq": {"restored": 7, "now": 1012}}
    told = story.tell(seen)
    assert told.data is not None
    said = "Sequences go on beyond every number that was given out: public.order_id_seq at 1012."
    assert told.data.notes[-1] == said
    assert said in checked(render.page(told))


def test_boxes_are_ticked_by_proof_and_left_open_for_people() -> None:
    told = story.tell(records("full"))
    before, during, after = told.checklist
    assert ticked(before.boxes) == {
        "Rollback trigger confirmed": False,
        "Rollback strategy selected": True,
        "Incident commander assigned": False,
        "Team notified": True,
        "Stakeholders notified": False,
        "Backup verified available": True,
    }
    assert all(ticked(during.boxes).values())
    assert len(during.boxes) == 6
    assert ticked(after.boxes) == {
        "System stability confirmed": True,
        "Metrics returned to normal": True,
        "Users notified": False,
        "Incident documented": True,
        "Root cause analysis initiated": False,
        "Fix plan developed": False,
    }
    assert ticked(told.success)["No data loss"] is False


def test_a_held_run_says_where_it_stopped_and_ticks_nothing_that_is_not_so() -> None:
    told = story.tell(records("held"))
    assert told.failure is not None
    assert (told.failure.step, told.failure.code) == ("gate.smoke", "gate-failed")
    assert told.downtime.ongoing
    assert [gate.verdict for gate in told.gates] == ["fail"]
    assert not any(ticked(told.success)[text] for text in ("Application accessible", "Smoke tests passing"))
    during = ticked(told.checklist[1].boxes)
    assert during["Maintenance mode enabled"] is True
    assert during["Rollback executed"] is during["Maintenance mode disabled"] is False
    assert told.commands[0][1] == "ansible-playbook resume.yml"
    words = checked(render.page(told))
    assert "Stopped at step 16, gate.smoke on edge1" in words
    assert "still down" in words


def test_an_undo_goes_from_the_restored_release_to_the_replaced_one() -> None:
    full = records("full")
    steps = [{"n": 1, "name": "release.switch_back", "hosts": ["app1"], "budget": 10, "inverse": "release.switch"}]
    switch = next(r for r in full if r["kind"] == "done" and r["step"] == "release.switch")["effects"]["app1"]
    replaced = switch["replaced"]
    undo = {**full[0], "strategy": "undo", "undoes": "r1", "plan": {"steps": steps}, "preflight": {}}
    effect = {"changed": True, **replaced, "replaced": replaced}
    done = {"kind": "done", "n": 1, "step": "release.switch_back", "seconds": 1.0, "effects": {"app1": effect}}
    told = story.tell([undo, {**done, "at": full[0]["at"]}, {"kind": "closed", "outcome": "undone"}])
    assert told.head.title == "Undo of run r1 on production"
    assert (told.head.origin, told.head.target) == ("v1 (3f2a9c41d07b)", "v2 (b81e4d70932c)")
    assert told.kept == []


def test_a_prober_outside_is_believed_before_the_maintenance_page() -> None:
    full = records("full")
    start = story.tell(full).timeline.start
    samples = [Sample(start + i / 10, 12.0, not 500 <= i < 760) for i in range(2000)]
    told = story.tell(full, samples)
    assert told.downtime.source == "measured from outside"
    assert told.downtime.seconds == pytest.approx(26.0)
    words = checked(render.page(told))
    assert "26.0 s downtime" in words
    assert "during the outage 260 260 100.0 %" in words


def test_the_page_stands_alone_and_the_log_is_the_documents_template() -> None:
    files = render.files(records("full"))
    assert "default-src 'none'; style-src 'unsafe-inline'" in files["report.html"]
    words = checked(files["report.html"])
    for part in ("Timeline", "Gates", "Data", "Parked jobs", "Checkpoints to come", "Checklist", "Evidence", "Kept"):
        assert part in words
    headings = [line for line in files["report.md"].splitlines() if line.startswith("#")]
    assert headings == [
        "# Rollback Log",
        *(
            f"## {name}"
            for name in (
                "Trigger",
                "Timeline",
                "Actions Taken",
                "Verification",
                "Data Loss",
                "Parked Jobs",
                "Root Cause",
                "Next Steps",
                "Evidence",
                "Sign-Off",
            )
        ),
    ]
    assert "- [x] Error rate normal: gate.soak passed" in files["report.md"]
    assert "- [ ] Users notified" in files["report.md"]


def test_a_replay_command_is_shown_as_it_must_be_typed() -> None:
    full = records("full")
    command = next(r for r in full if r.get("step") == "queue.park" and r["kind"] == "done")
    wanted = command["effects"]["worker1"]["replay"][0]
    files = render.files(full)
    assert f"\n    {wanted}\n" in files["report.md"]
    assert wanted in checked(files["report.html"])


# -- any journal

WORDS = st.sampled_from(HOSTILE) | st.text(max_size=12)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3),
    max_leaves=6,
)
SITES = ["at", "kind", "n", "step", "outcome", "effects", "plan", "preflight", "point", "reason", "seconds", "hosts"]


def paths(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The place of every value inside a journal."""
    if path:
        yield path
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, each in inner:
        yield from paths(each, (*path, key))


JOURNALS = {name: records(name) for name in ("full", "held")}
PLACES = {name: sorted(paths(each), key=str) for name, each in JOURNALS.items()}


def changed(value: Any, path: tuple[Any, ...], to: Any) -> Any:
    """A copy of a journal with another value at one place."""
    if not path:
        return to
    if isinstance(value, dict):
        return {key: changed(each, path[1:], to) if key == path[0] else each for key, each in value.items()}
    if isinstance(value, list):
        return [changed(each, path[1:], to) if i == path[0] else each for i, each in enumerate(value)]
    return value  # what was there has been changed already


@settings(max_examples=80, deadline=None)
@given(st.data())
def test_a_journal_with_anything_anywhere_gives_a_whole_and_inert_report(data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(sorted(JOURNALS)))
    told: Any = JOURNALS[name]
    for _change in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.sampled_from(PLACES[name]))
        # The records themselves stay mappings with a kind: the journal's own reader sees to that.
        if len(place) > 1:
            told = changed(told, place, data.draw(VALUES))
    files = render.files(told)
    checked(files["report.html"])
    assert "<script" not in files["report.md"].lower()


@settings(max_examples=60, deadline=None)
@given(st.lists(st.dictionaries(st.sampled_from(SITES) | WORDS, VALUES, max_size=6), max_size=6), st.lists(VALUES))
def test_records_of_any_shape_give_a_whole_and_inert_report(any_records: list[Any], samples: list[Any]) -> None:
    files = render.files(any_records, [json.dumps(each) for each in samples])
    checked(files["report.html"])
    assert "<script" not in files["report.md"].lower()
