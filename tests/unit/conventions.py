"""The project's rules for its own files, as functions: each takes a root directory and returns a list of problems."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

HEADER = "# GNU General Public License v3.0+"
STAGE_KINDS = {"capture": "capture", "preflight": "preflight"}
VERB_KEYS = {"does", "budget", "inverse", "notice", "rolling", "confirm", "part", "leaves"}
TASK_LINES, MODULE_LINES, LIBRARY_LINES = 40, 60, 200

# What no task of a role says, and why.
ROLE_KEYWORDS = {
    "run_once": "the engine already limits a verb to its hosts",
    "delegate_to": "an unreachable delegate takes the whole host down, past every rescue",
    "become": "the play decides",
    "become_user": "the play decides",
}
KEYWORDS = {
    "ignore_errors": "a failure is handled or it ends the run",
    "shell": "commands are argument lists",
    "ansible.builtin.shell": "commands are argument lists",
    "ansible.legacy.shell": "commands are argument lists",
}


def load(path: Path) -> Any:
    """A YAML file; an absent one is empty."""
    return yaml.safe_load(path.read_text(encoding="utf-8")) if path.exists() else None


def roles(root: Path) -> list[Path]:
    """The role directories."""
    return sorted(path for path in (root / "roles").glob("*") if path.is_dir())


def tasks(items: Any) -> Iterator[dict[str, Any]]:
    """Every task of a task list, those inside blocks too."""
    for item in items or []:
        yield item
        for part in ("block", "rescue", "always"):
            yield from tasks(item.get(part))


def dispatches(role: Path, verb: str) -> bool:
    """Whether a verb only chooses its provider's file, ``<verb>_<provider>.yml``."""
    path = role / "tasks" / f"{verb}.yml"
    return path.exists() and f"{verb}_{{{{" in path.read_text(encoding="utf-8")


def verbs(role: Path) -> set[str]:
    """The verbs of a role: its task files but private ones and those of a single provider."""
    stems = {path.stem for path in (role / "tasks").glob("*.yml") if not path.stem.startswith("_")}
    return {
        stem
        for stem in stems
        if not any(stem.startswith(f"{verb}_") and dispatches(role, verb) for verb in stems - {stem})
    }


def argument_specs(root: Path) -> list[str]:
    """Each verb has an entry point in the argument specs, and each entry point is a verb."""
    problems = []
    for role in roles(root):
        specs = (load(role / "meta" / "argument_specs.yml") or {}).get("argument_specs", {})
        problems += [f"{role.name}: {name} is not in meta/argument_specs.yml" for name in verbs(role) - set(specs)]
        problems += [f"{role.name}: entry point {name} has no tasks file" for name in set(specs) - verbs(role)]
        for name, spec in specs.items():
            problems += [
                f"{role.name}.{name}: no {key}" for key in ("short_description", "description") if not spec.get(key)
            ]
    return problems


def verb_files(root: Path) -> list[str]:
    """meta/verbs.yml names every verb, with its budget, and inverses that undo each other."""
    problems = []
    for role in roles(root):
        meta = load(role / "meta" / "verbs.yml") or {}
        known = meta.get("verbs") or {}
        if not meta.get("serves"):
            problems.append(f"{role.name}: meta/verbs.yml serves no requirement")
        problems += [f"{role.name}: {name} is not in meta/verbs.yml" for name in verbs(role) - set(known)]
        problems += [f"{role.name}: verb {name} has no tasks file" for name in set(known) - verbs(role)]
        for name, verb in known.items():
            problems += [f"{role.name}.{name}: unknown key {key}" for key in set(verb) - VERB_KEYS]
            problems += [f"{role.name}.{name}: no {key}" for key in ("does", "budget") if key not in verb]
            inverse = verb.get("inverse")
            if inverse and known.get(inverse, {}).get("inverse") != name:
                problems.append(f"{role.name}.{name}: its inverse {inverse} does not name it back")
            if inverse not in (None, name) and not (verb.get("part") and verb.get("leaves")):
                problems.append(f"{role.name}.{name}: what it leaves, of which part, is not said")
    return problems


def readmes(root: Path) -> list[str]:
    """Each role's README names its verbs and has room for the generated table."""
    problems = []
    for role in roles(root):
        path = role / "README.md"
        text = path.read_text(encoding="utf-8") if path.exists() else ""
        problems += [f"{role.name}: README.md does not name {name}" for name in verbs(role) if name not in text]
        problems += [
            f"{role.name}: README.md has no {mark}"
            for mark in ("<!-- options -->", "<!-- /options -->")
            if mark not in text
        ]
    return problems


def results(root: Path) -> list[str]:
    """Each verb registers exactly one result, under the name that the engine reads."""
    problems = []
    for role in roles(root):
        for verb in verbs(role):
            wanted = f"__{role.name}_{STAGE_KINDS.get(verb, 'effect')}"
            pattern = f"{verb}_*.yml" if dispatches(role, verb) else f"{verb}.yml"
            for path in sorted((role / "tasks").glob(pattern)):
                found = [
                    task
                    for task in tasks(load(path))
                    if task.get("register") == wanted or wanted in task.get("ansible.builtin.set_fact", {})
                ]
                if len(found) != 1:
                    problems.append(f"{role.name}/tasks/{path.name}: registers {wanted} {len(found)} times, not once")
    return problems


def task_files(root: Path) -> list[str]:
    """Task files fit a screen and keep to the keywords that are safe in a role."""
    problems = []
    for role in roles(root):
        for path in sorted((role / "tasks").rglob("*.yml")):
            where = f"{role.name}/tasks/{path.name}"
            text = path.read_text(encoding="utf-8")
            body = re.sub(r"\A(?:(?:#.*|---)?\n)*", "", text)
            if HEADER not in text:
                problems.append(f"{where}: no licence header")
            if body.count("\n") > TASK_LINES:
                problems.append(f"{where}: {body.count(chr(10))} lines, more than {TASK_LINES}")
            for task in tasks(load(path)):
                problems += [
                    f"{where}: {key}: {why}" for key, why in {**KEYWORDS, **ROLE_KEYWORDS}.items() if key in task
                ]
                if task.get("failed_when") is False:  # this is the rule that forbids it
                    problems.append(f"{where}: failed_when: false hides a failure")
    return problems


def variable_names(root: Path) -> list[str]:
    """A role's variables carry its name."""
    return [
        f"{role.name}: default {name} does not start with {role.name}_"
        for role in roles(root)
        for name in load(role / "defaults" / "main.yml") or {}
        if not name.startswith((f"{role.name}_", f"__{role.name}_"))
    ]


def code_lines(path: Path, besides: tuple[str, ...] = ()) -> int:
    """Lines of code: no blank ones, comments, docstrings or the named documentation constants."""
    text = path.read_text(encoding="utf-8")
    tree = ast.parse(text)
    skipped: set[int] = set()
    for node in ast.walk(tree):
        quoted = (
            isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
        )
        named = isinstance(node, ast.Assign) and any(getattr(name, "id", "") in besides for name in node.targets)
        if quoted or named:
            skipped.update(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    lines = enumerate(text.splitlines(), 1)
    return sum(
        1 for number, line in lines if number not in skipped and line.strip() and not line.strip().startswith("#")
    )


def modules(root: Path) -> list[str]:
    """Modules are thin, documented, and start with shebang and licence."""
    problems = []
    documents = ("DOCUMENTATION", "EXAMPLES", "RETURN")
    for path in sorted((root / "plugins" / "modules").glob("[!_]*.py")):
        text = path.read_text(encoding="utf-8")
        wanted = [
            "#!/usr/bin/python\n",
            HEADER,
            "\nfrom __future__ import annotations\n",
            *(f"\n{d} = " for d in documents),
        ]
        problems += [f"{path.name}: no {part.strip()}" for part in wanted if part not in text]
        if (lines := code_lines(path, documents)) > MODULE_LINES:
            problems.append(f"{path.name}: {lines} lines of code, more than {MODULE_LINES}")
    return problems


def library(root: Path) -> list[str]:
    """Library files are short, raise instead of exiting, and know Ansible only in entry.py."""
    problems = []
    base = root / "plugins" / "module_utils"
    for path in sorted(base.rglob("*.py")):
        where, text = path.relative_to(base).as_posix(), path.read_text(encoding="utf-8")
        if HEADER not in text:
            problems.append(f"{where}: no licence header")
        if (lines := code_lines(path)) > LIBRARY_LINES:
            problems.append(f"{where}: {lines} lines of code, more than {LIBRARY_LINES}")
        if where == "entry.py":
            continue
        if "fail_json" in text:
            problems.append(f"{where}: fail_json: libraries raise, entry.py exits")
        if re.search(r"^\s*(?:from|import) ansible\b", text, re.MULTILINE):
            problems.append(f"{where}: imports Ansible")
    return problems


def core(root: Path) -> list[str]:
    """The core knows no other room: what it decides is tested without any of them."""
    problems = []
    for path in sorted((root / "plugins" / "module_utils" / "core").glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and (node.level > 1 or "ansible_collections" in (node.module or "")):
                problems.append(f"core/{path.name}:{node.lineno}: imports from another room")
    return problems


def plays(root: Path) -> list[str]:
    """Every play stops all hosts at the first failure, and none hides one."""
    problems = []
    for path in sorted((root / "playbooks").glob("*.yml")):
        for play in load(path) or []:
            if "hosts" in play and play.get("any_errors_fatal") is not True:
                problems.append(
                    f"{path.name}: play without any_errors_fatal: after one host fails the next play still runs"
                )
            for part in ("pre_tasks", "tasks", "post_tasks", "handlers"):
                for task in tasks(play.get(part)):
                    problems += [f"{path.name}: {key}: {why}" for key, why in KEYWORDS.items() if key in task]
    return problems


def shims(root: Path) -> list[str]:
    """Each playbook but the engine can be run from the root by its hyphenated name, and no shim leads nowhere."""
    problems = []
    playbooks = {path.stem for path in (root / "playbooks").glob("[!_]*.yml")} - {"run"}
    found = {path.stem.replace("-", "_"): path for path in root.glob("[!.]*.yml") if path.name != "galaxy.yml"}
    problems += [f"{name.replace('_', '-')}.yml is missing at the root" for name in sorted(playbooks - set(found))]
    for name, path in sorted(found.items()):
        imported = [
            item.get("ansible.builtin.import_playbook") or item.get("import_playbook") for item in load(path) or []
        ]
        if name not in playbooks:
            problems.append(f"{path.name}: there is no playbooks/{name}.yml")
        elif imported != [f"steady.rollback.{name}"] or "_" in path.stem:
            problems.append(f"{path.name}: must only import steady.rollback.{name}")
    return problems


RULES = [argument_specs, verb_files, readmes, results, task_files, variable_names, modules, library, core, plays, shims]
