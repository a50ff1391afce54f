# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Text that others wrote, in every place where it comes in: nothing runs, and no screen, report or log is deceived.

Names of git have a table of their own: ``tests/unit/release/test_hostile_names.py``.
"""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import unicodedata
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible.template import trust_as_template
from ansible_collections.steady.rollback.plugins.action import plan as plan_action
from ansible_collections.steady.rollback.plugins.action import words
from ansible_collections.steady.rollback.plugins.callback.runbook import CallbackModule
from ansible_collections.steady.rollback.plugins.module_utils import evidence, notify, web
from ansible_collections.steady.rollback.plugins.module_utils.anchor.store import Store
from ansible_collections.steady.rollback.plugins.module_utils.caches import redis
from ansible_collections.steady.rollback.plugins.module_utils.core import journal, plan, point, screens
from ansible_collections.steady.rollback.plugins.module_utils.core.errors import BadInput, DatabaseFailed, RollbackError
from ansible_collections.steady.rollback.plugins.module_utils.gates import http
from ansible_collections.steady.rollback.plugins.module_utils.kept import Kept
from ansible_collections.steady.rollback.plugins.plugin_utils import controller
from ansible_collections.steady.rollback.plugins.plugin_utils.report import render
from integration.engine_fixtures import World
from unit.report.test_report import checked, records

# MARKER is a file that appears when anything of this is run.
TEMPLATES = [
    "{{ lookup('pipe', 'touch MARKER') }}",
    "{{ lookup('ansible.builtin.file', '/etc/passwd') }}",
    "{% for x in lookup('pipe', 'touch MARKER') %}{% endfor %}",
    "{{ ''.__class__.__mro__[1].__subclasses__() }}",
    "{{ cycler.__init__.__globals__.os.system('touch MARKER') }}",
    "{# comment #}",
    "{{ hostvars['localhost'] }}",
    "{{",
]
HOSTILE = [
    *TEMPLATES,
    # shells and options
    "$(touch MARKER)",
    "`touch MARKER`",
    "; touch MARKER",
    "&& touch MARKER",
    "| touch MARKER",
    "x' ; touch MARKER ; '",
    'x" ; touch MARKER ; "',
    "x\ntouch MARKER\n",
    "${IFS}touch${IFS}MARKER",
    "--upload-pack=touch MARKER",
    "--exec=touch MARKER",
    "-oProxyCommand=touch MARKER",
    "-c core.sshCommand=touch MARKER",
    "--output=MARKER",
    "-",
    "--help",
    "@/etc/passwd",
    "%(touch MARKER)s",
    # SQL
    "'; DROP TABLE messages; --",
    'x"; DROP DATABASE wabot; --',
    "x' UNION SELECT version() --",
    "\\! touch MARKER",
    "'; COPY (SELECT 1) TO PROGRAM 'touch MARKER'; --",
    "$$; SELECT pg_sleep(9); $$",
    # pages, tables, chats
    "<script>alert(1)</script>",
    "</title><script src=//evil.example></script>",
    '" onload="alert(1)',
    "<img src=x onerror=alert(1)>",
    "<svg/onload=alert(1)>",
    "javascript:alert(1)",
    "[click](javascript:alert(1))",
    "![pixel](https://evil.example/pixel.png)",
    "\\[click](javascript:alert(1))",
    "x | y | z\n|---|---|",
    "# heading\n```",
    "<!channel> <@U1> <https://evil.example|bank>",
    "&lt;script&gt;",
    "&#60;script>",
    "=cmd|'/c calc'!A1",
    # terminals
    "\x1b[2J\x1b[Hgone",
    "\x1b[1;31mred",
    "\x1b]0;title\x07",
    "\x1b]8;;https://evil.example\x07link\x1b]8;;\x07",
    "\x1b]52;c;ZXZpbA==\x07",
    "\x1bP+q544e\x1b\\",
    "\x9b2J",
    "\x9d0;title\x9c",
    "\x08\x08\x08\x08ok",
    "\rok    all is well",
    "\x07\x05",
    "\x00",
    "a\x00b",
    "\x7f",
    "\x0b\x0c",
    "\x85next",
    "main\x1b[2K\nPLAY RECAP *****\nlocalhost : ok=9 failed=0",
    "x\r\nPLAY RECAP *****\r\nlocalhost : ok=9",
    "x\u2028PLAY RECAP *****",
    '\n{"kind":"closed","outcome":"completed"}',
    "\u202egnp.exe",
    "\u2066\u2069\u200b\u200e\u200f\ufeff",
    # paths and lengths
    "../../../etc/passwd",
    "/etc/passwd",
    "..",
    ".",
    "a/../../b",
    "..%2f..%2fetc%2fpasswd",
    "C:\\windows\\system32",
    "production\u2215x",
    "\u0440roduction",  # a Cyrillic letter
    "NaN",
    "",
    " ",
    "x" * 100_000,
    "\u0301" * 300,
]
CONFIRMED = plan.Step(1, "data.swap", "data", "swap", "Swap", ["db1"], 5, "", True, True)
ROW = {"level": "fail", "host": "app1", "component": "gate", "name": "x", "fix": "mend", "code": "x"}


def _raising(error: RollbackError) -> None:
    raise error


def _failure(text: str) -> str:
    failed = {"kind": "failed", "n": 1, "step": text, "host": text, "message": text, "hint": text}
    return screens.failure([failed], plan.Plan("full", [], [CONFIRMED], []))


def _status(text: str) -> str:
    opened = {"kind": "opened", "strategy": text, "environment": text, "operator": text, "host": text, "at": text}
    held = {"state": "held", "heartbeat": 0.0, "holder": {"user": text, "host": text}}
    look = {"lease": held, "records": [opened], "run": "r1", "now": 1.0, "report": text, "broken": [text], "points": []}
    return screens.status(look, plan.Plan("full", [], [CONFIRMED], []))


def _plan(text: str) -> str:
    release = {"tag": text, "commit": text}
    where = {"id": text, "created": "2026-01-01T00:00:00.000000Z", "components": {"release": release}}
    run = {"strategy": "full", "environment": "production", "reason": text}
    return screens.plan(run, plan.Plan("full", [], [CONFIRMED], [text], "0" * 64), where, 1.8e9)


def _health(text: str) -> str:
    body = json.dumps({"status": text, "version": text}).encode("utf-8", "replace")
    moved = http.judge(web.Answer(302, {"location": text}, body), {})
    version = http.judge(web.Answer(200, {}, body), {"version": "v1"})
    value = http.judge(web.Answer(200, {}, body), {"body": {"status": "ok"}})
    return "\n".join(reading.note for reading in (moved, version, value))


# Where text comes in: what is shown of it, or the error that it is refused with.
INPUTS: dict[str, Callable[[str, Path], Any]] = {
    **{
        f"word {name}": lambda text, _tmp, name=name: words.refuse({name: trust_as_template(text)})  # type: ignore[misc]
        for name in words.WORDS
    },
    "run": lambda text, tmp: Store(str(tmp), "toy").plan(text),
    "environment": lambda text, tmp: Store(str(tmp / "anchor"), text).records("r1"),
    "change": lambda text, tmp: Kept(str(tmp), text),
    "restore point": lambda text, _tmp: point.choose([], text, "production", 0.0),
    "until": lambda text, _tmp: plan_action._climbs({"ladder": text, "strategy": "code"}) and None,
    "confirm": lambda text, _tmp: plan_action._refuse_unconfirmed(
        {"ladder": "", "confirmation": "toy", "confirm": text, "mode": "run"}, [CONFIRMED]
    ),
    "step": lambda text, _tmp: plan.build("full", [text], {}, {}, "") and None,
    "web address": lambda text, _tmp: web.target(text) and None,
    "cache key, queue": lambda text, _tmp: redis.refuse([redis.shown(text.encode())], "127.0.0.1:6379/0"),
    "database's error": lambda text, _tmp: _raising(DatabaseFailed(text, hint=text, next=text)),
    "health answer": lambda text, _tmp: _health(text),
    "table name": lambda text, _tmp: screens.loss({"minutes": 1, "tables": {text: {"then": 0, "now": 1}}}),
    "finding": lambda text, _tmp: screens.preflight([{**ROW, "found": text}]),
    "failure": lambda text, _tmp: _failure(text),
    "lock": lambda text, _tmp: _status(text),
    "tag and commit": lambda text, _tmp: _plan(text),
    "notice": lambda text, _tmp: notify.message(notify.event({"event": "failed", "reason": text, "text": text})),
}

SHOWN = {"health answer", "table name", "finding", "failure", "lock", "tag and commit", "notice"}


def deceits(shown: str) -> list[str]:
    """What on a screen is not what it seems: control and invisible characters, and lines that look like ours."""
    marks = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200b\u200e\u200f\ufeff\u2028\u2029"
    found = [
        repr(each) for each in shown if (unicodedata.category(each) in ("Cc", "Cs") and each != "\n") or each in marks
    ]
    return found + [line for line in shown.split("\n") if line.startswith(("PLAY RECAP", "localhost :", "ok  "))]


@pytest.mark.parametrize("name", INPUTS)
def test_text_of_others_runs_nothing_and_shows_nothing_that_deceives(name: str, tmp_path: Path) -> None:
    marker, refused = tmp_path / "marker", 0
    screen: list[str] = []
    callback = CallbackModule()
    callback._display = SimpleNamespace(display=lambda text, **_: screen.append(text), verbosity=0)
    assert len(HOSTILE) >= 60
    for text in HOSTILE:
        given = text.replace("MARKER", str(marker))
        try:
            shown = INPUTS[name](given, tmp_path)
            screen.append(str(shown or ""))
        except RollbackError as error:
            refused += 1
            callback._say("red", f"FAILED [db1] {controller.explain(error)}")
        assert not deceits(screen[-1] if screen else ""), (text[:60], screen[-1][:500])
    assert not marker.exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == []
    # What names a thing is one of a list or refused; what is only shown is shown; a word is any plain text.
    least = len(TEMPLATES) if name.startswith("word ") else len(HOSTILE) * 3 // 4
    assert refused == 0 if name in SHOWN else refused >= least


@pytest.mark.parametrize("name", words.WORDS)
def test_a_template_is_no_word_and_data_is_one(name: str) -> None:
    for text in TEMPLATES:
        with pytest.raises(BadInput) as refused:
            words.refuse({name: trust_as_template(text)})
        assert refused.value.message == f"{name} holds a template, which Ansible would run on this machine."
        assert refused.value.hint == (
            "Write it without {{, {% and {#. Text that others wrote belongs into a file, marked as data: "
            f'{name}: !unsafe "...", given by -e @file.'
        )
        assert (refused.value.next, refused.value.code) == ("", "word-template")
        words.refuse({name: text})  # as `!unsafe` gives it
    with pytest.raises(BadInput, match=f"{name} is not a text.") as refused:
        words.refuse({name: [TEMPLATES[0]]})
    assert refused.value.code == "word-unusable"
    for bytes_of_no_text in ("\udcff", "x" * 2001):
        with pytest.raises(BadInput) as refused:
            words.refuse({name: bytes_of_no_text})
        assert refused.value.code == "word-unusable"
        assert refused.value.message == (
            f"{name} is longer than 2000 characters or holds characters that no screen shows."
        )


def poisoned(value: Any, text: str) -> Any:
    """A record with ``text`` in the place of every text that hosts or people give."""
    if isinstance(value, dict):
        kept = {"kind", "at", "step", "prev", "created"}
        return {key: each if key in kept else poisoned(each, text) for key, each in value.items()}
    if isinstance(value, list):
        return [poisoned(each, text) for each in value]
    return text if isinstance(value, str) else value


def test_a_journal_has_one_record_a_line_and_its_report_is_inert() -> None:
    for text in HOSTILE:
        told = [poisoned(record, text[:2000]) for record in records("full")]
        lines, tail = b"", journal.Tail()
        for record in told:
            line, tail = journal.encode(tail, "2026-01-01T00:00:00.000000Z", record)
            assert len(line.decode().splitlines()) == 1 and not deceits(line.decode())
            lines += line
        assert [each["kind"] for each in journal.decode(lines).records] == [each["kind"] for each in told]
        files = render.files(told)
        checked(files["report.html"])
        assert 'http-equiv="Content-Security-Policy" content="default-src \'none\'' in files["report.html"]
        assert not re.search(r"<(?!!--)", files["report.md"]), text
        read = re.sub(
            r"^    .*", "", files["report.md"], flags=re.MULTILINE
        )  # but for commands, which stand as they are
        assert not re.search(r"(?<!\\)(?:\\\\)*\[[^\]\n]*\]\(", read), text
        for content in files.values():
            assert not deceits(content)


def test_evidence_of_hostile_logs_is_plain_text_under_a_plain_name(tmp_path: Path) -> None:
    logs, out = tmp_path / "logs", tmp_path / "out"
    logs.mkdir()
    for number, text in enumerate(each for each in HOSTILE if each):
        name = re.sub(r"[/\x00]", "_", text.replace("MARKER", "x"))[:60]
        (logs / f"{number}{name}.log").write_text(text.replace("MARKER", str(tmp_path / "marker")))
    kept = evidence.collect(evidence.Request(str(out), [str(logs / "*.log")]))
    assert len(kept.files) == len(HOSTILE)  # one is empty, and the system's own file comes first
    for entry in kept.files:
        assert not deceits("".join(Path(entry["path"]).name)), entry["path"]
        assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e]", Path(entry["path"]).read_text())
    assert evidence.existing(str(out)) is not None
    assert not (tmp_path / "marker").exists()


def on_terminal(world: World, *command: str) -> str:
    """What a play writes to a terminal."""
    controller_end, terminal = pty.openpty()
    env = {**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(world.tmp), "ANSIBLE_HOME": str(world.tmp / "home")}
    env.update(ANSIBLE_NOCOLOR="1", ANSIBLE_STDOUT_CALLBACK="steady.rollback.runbook", TERM="xterm", COLUMNS="100")
    env.update(ANSIBLE_LOCALHOST_WARNING="false", ANSIBLE_PIPELINING="1")
    arguments = ["ansible-playbook", "-i", str(world.tmp / "inventory.yml"), *command]
    play = subprocess.Popen(arguments, env=env, stdin=subprocess.DEVNULL, stdout=terminal, stderr=terminal)
    os.close(terminal)
    said = b""
    while True:
        try:
            block = os.read(controller_end, 65536)
        except OSError:  # the other end is closed
            break
        said += block
    os.close(controller_end)
    play.wait(timeout=60)
    return said.decode("utf-8").replace("\r\n", "\n")


def test_whole_plays_keep_the_terminal_clean(tmp_path: Path) -> None:
    world = World(tmp_path)
    marker = tmp_path / "marker"
    text = " ".join(each for each in HOSTILE if len(each) < 1000).replace("MARKER", str(marker))
    typed = on_terminal(world, str(tmp_path / "toy.yml"), "-e", json.dumps({"reason": TEMPLATES[0]}))
    assert "reason holds a template, which Ansible would run on this machine." in " ".join(typed.split())
    (tmp_path / "hostile.yml").write_text(
        f"reason: !unsafe {json.dumps(text[:2000])}\ndoor_found: !unsafe {json.dumps(text)}\n"
        "door_level: warn\nconfirm: toy/data\n"
    )
    (world.traces / "fail-swap-db1").write_bytes(text.encode())
    screens = [
        on_terminal(world, str(tmp_path / "toy.yml"), "-e", f"@{tmp_path}/hostile.yml"),
        on_terminal(world, "steady.rollback.status", "-vvv"),
    ]
    assert "FAILED at [3/5] data.swap on db1" in screens[0]
    assert "data.swap on db1" not in typed and world.trace("edge1") == ["close"]
    for screen in (typed, *screens):
        shown = re.findall(r"[^\n\t\x20-\x7e\xa0-\uffff]|[\u202a-\u202e\u2066-\u2069]", screen)
        assert not shown, (shown[:5], screen)
    assert "\nPLAY RECAP" not in screens[0]
    assert not marker.exists()
    assert world.journal()[0]["reason"] == text[:2000]
    assert len((next((world.root / "toy/runs").iterdir()) / "journal.jsonl").read_bytes().splitlines()) == len(
        world.journal()
    )
