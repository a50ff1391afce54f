"""The project keeps its own rules; and each rule bites when it is broken."""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest
from unit import conventions, texts

ROOT = Path(__file__).resolve().parents[2]
RULES = [*conventions.RULES, *texts.RULES]
HEADER = "# Copyright (c) steady.rollback developers\n# GNU General Public License v3.0+ (see LICENSE)\n"

# The smallest tree that keeps every rule: one role with a pair of verbs, its module, its playbook.
GOOD = {
    "roles/door/meta/argument_specs.yml": """\
        argument_specs:
          open: {short_description: Open it, description: Opens the door.}
          close: {short_description: Close it, description: Closes the door.}
        """,
    "roles/door/meta/verbs.yml": """\
        serves: [MNT-01]
        verbs:
          open: {does: Open the door, inverse: close, budget: 5, part: door, leaves: open}
          close: {does: Close the door, inverse: open, budget: 5, part: door, leaves: closed}
        """,
    "roles/door/README.md": "Verbs: open, close.\n<!-- options -->\n<!-- /options -->\n",
    "roles/door/defaults/main.yml": "door_name: front\n",
    "roles/door/tasks/open.yml": HEADER
    + """\
        - name: Open the door
          steady.rollback.door: {state: open}
          register: __door_effect
        """,
    "roles/door/tasks/close.yml": HEADER + "- ansible.builtin.include_tasks: close_{{ door_kind }}.yml\n",
    "roles/door/tasks/close_wooden.yml": HEADER
    + """\
        - block:
            - name: Close the door
              steady.rollback.door: {state: closed}
              register: __door_effect
        """,
    "plugins/modules/door.py": "#!/usr/bin/python\n"
    + HEADER
    + 'from __future__ import annotations\n\nDOCUMENTATION = r"""\n"""\nEXAMPLES = r"""\n"""\nRETURN = r"""\n"""\n',
    "plugins/module_utils/doors.py": HEADER
    + """\
        class Stuck(Exception):
            code = "door-stuck"
        """,
    "docs/errors.d/doors.md": "## door-stuck\n\nOil it.\n",
    "playbooks/open_door.yml": """\
        - name: Open
          hosts: all
          any_errors_fatal: true
          tasks: []
        """,
    "open-door.yml": "- name: Open\n  ansible.builtin.import_playbook: steady.rollback.open_door\n",
}


def build(root: Path, changes: dict[str, str]) -> Path:
    """The good tree with some files replaced or added."""
    for name, text in {**GOOD, **changes}.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        head, _, rest = text.partition(HEADER) if HEADER in text else ("", "", text)
        path.write_text((head + HEADER if HEADER in text else "") + textwrap.dedent(rest), encoding="utf-8")
    return root


def task(*lines: str) -> str:
    """A verb file whose one task carries extra lines."""
    return HEADER + "\n".join(["- name: Open", "  steady.rollback.door: {}", "  register: __door_effect", *lines, ""])


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_project_keeps_its_rules(rule: Callable[[Path], list[str]]) -> None:
    assert rule(ROOT) == []


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_a_tree_that_keeps_the_rules_has_no_problems(rule: Callable[[Path], list[str]], tmp_path: Path) -> None:
    assert rule(build(tmp_path, {})) == []


OPEN, CLOSE = "roles/door/tasks/open.yml", "roles/door/tasks/close.yml"
VERBS, MODULE, LIBRARY = "roles/door/meta/verbs.yml", "plugins/modules/door.py", "plugins/module_utils/doors.py"
BROKEN = [
    ("argument_specs", "roles/door/tasks/lock.yml", task(), "lock is not in meta/argument_specs.yml"),
    ("argument_specs", "roles/door/meta/argument_specs.yml", "argument_specs: {slam: {}}", "slam has no tasks file"),
    ("argument_specs", "roles/door/meta/argument_specs.yml", "argument_specs: {open: {}}", "open: no description"),
    ("verb_files", VERBS, "verbs: {}", "serves no requirement"),
    ("verb_files", VERBS, "serves: [X-1]\nverbs: {}", "open is not in meta/verbs.yml"),
    ("verb_files", VERBS, "verbs: {open: {inverse: close}}", "door.open: what it leaves, of which part, is not said"),
    (
        "verb_files",
        VERBS,
        "verbs: {open: {does: x, budget: 1, inverse: close}, close: {}}",
        "close does not name it back",
    ),
    ("verb_files", VERBS, "verbs: {open: {colour: red}}", "unknown key colour"),
    ("verb_files", VERBS, "verbs: {slam: {}}", "slam has no tasks file"),
    ("readmes", "roles/door/README.md", "open\n", "does not name close"),
    ("readmes", "roles/door/README.md", "open close\n", "has no <!-- options -->"),
    ("results", OPEN, task().replace("effect", "result"), "registers __door_effect 0 times"),
    ("results", OPEN, task() + task().replace(HEADER, ""), "registers __door_effect 2 times"),
    (
        "results",
        "roles/door/tasks/close_iron.yml",
        HEADER + "- ansible.builtin.meta: noop\n",
        "close_iron.yml: registers",
    ),
    ("task_files", OPEN, task().replace(HEADER, ""), "no licence header"),
    ("task_files", OPEN, HEADER + "- ansible.builtin.meta: noop\n" * 41, "41 lines, more than 40"),
    ("task_files", OPEN, task("  run_once: true"), "run_once: the engine"),
    ("task_files", OPEN, task("  delegate_to: localhost"), "delegate_to"),
    ("task_files", OPEN, task("  become: true"), "the play decides"),
    # These two hide failures: the rule has to find them.
    ("task_files", OPEN, task("  ignore_errors: true"), "a failure is handled"),
    ("task_files", OPEN, task("  failed_when: false"), "hides a failure"),
    ("task_files", OPEN, HEADER + "- block:\n    - ansible.builtin.shell: ls\n", "argument lists"),
    ("variable_names", "roles/door/defaults/main.yml", "colour: red\n", "does not start with door_"),
    ("modules", MODULE, HEADER, "no #!/usr/bin/python"),
    ("modules", MODULE, "#!/usr/bin/python\n", "no # GNU General Public License"),
    ("modules", MODULE, GOOD[MODULE] + "pass\n" * 60, "61 lines of code, more than 60"),
    ("library", LIBRARY, HEADER + "pass\n" * 201, "201 lines of code, more than 200"),
    ("library", LIBRARY, HEADER + "module.fail_json()\n", "libraries raise"),
    ("library", LIBRARY, HEADER + "from ansible.module_utils import basic\n", "imports Ansible"),
    ("core", "plugins/module_utils/core/a.py", "from ..doors import Stuck\n", "imports from another room"),
    ("plays", "playbooks/open_door.yml", "- hosts: all\n", "without any_errors_fatal"),
    # So does this one.
    ("plays", "playbooks/open_door.yml", "- tasks: [{block: [{ignore_errors: true}]}]", "a failure is handled"),
    ("shims", "playbooks/close_door.yml", "[]", "close-door.yml is missing at the root"),
    ("shims", "slam-door.yml", "[]", "there is no playbooks/slam_door.yml"),
    ("shims", "open-door.yml", "- import_playbook: playbooks/open_door.yml\n", "must only import"),
    ("error_codes", LIBRARY, "Failed('x', code='door-gone' if far else 'door-burnt')", "door-burnt is not in"),
    ("error_codes", LIBRARY, "fail('door', 'none', 'buy one', 'door-none')", "door-none is not in"),
    ("error_codes", LIBRARY, "", "door-stuck, which no source uses"),
    ("error_codes", "docs/errors.d/more.md", "## door-stuck\n", "door-stuck twice"),
    ("words", "docs/a.md", "see /{}/door\n".format("work"), "docs/a.md:1: a path of one machine"),
    ("words", "scripts/a", "paint it # {}\n".format("todo".upper()), "unfinished"),
    ("words", "tests/unit/test_a.py", "@pytest.mark.{}\n".format("skip"), "a test that is not run"),
    ("words", "scripts/a", "paint || {}\n".format("true"), "a failure that nobody sees"),
]


@pytest.mark.parametrize(("rule", "name", "text", "problem"), BROKEN)
def test_a_broken_rule_is_reported(rule: str, name: str, text: str, problem: str, tmp_path: Path) -> None:
    check = next(check for check in RULES if check.__name__ == rule)
    assert [found for found in check(build(tmp_path, {name: text})) if problem in found]


def test_documentation_and_comments_are_not_counted_as_code(tmp_path: Path) -> None:
    path = tmp_path / "counted.py"
    path.write_text(
        '"""Text\n\nmore text."""\n# why\n\nA = """\nb\n"""\nB = 1\n\n\ndef f():\n    """Doc."""\n    return B\n'
    )
    assert conventions.code_lines(path, ("A",)) == 3
    assert conventions.code_lines(path) == 6
