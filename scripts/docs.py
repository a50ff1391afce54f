# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Write the parts of the documentation that the sources already say.

- ``roles/*/README.md``: the table of variables, from ``meta/argument_specs.yml``, between two marker lines
- ``docs/modules.md``: every module with its first sentence
- ``docs/errors.md``: the index of error codes, from the pages in ``docs/errors.d``

Usage: scripts/docs.py [--check]    (--check writes nothing and fails when a file is stale)
"""

from __future__ import annotations

import ast
import re
import sys
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parent.parent
BEGIN, END = "<!-- options -->", "<!-- /options -->"


def sentence(description: Any) -> str:
    """A description (text or list of texts) as one line of a table."""
    text = " ".join(description) if isinstance(description, list) else str(description)
    return " ".join(text.split()).replace("|", "\\|")


def code(value: Any) -> str:
    """A value as it is written in an inventory; nothing for an absent one."""
    if value is None or value == "":
        return ""
    text = value if isinstance(value, str) else yaml.safe_dump(value, default_flow_style=True, width=1000)
    return "`" + text.replace("\n...", "").strip().replace("|", "\\|") + "`"


def options_table(specs: dict[str, Any], defaults: dict[str, Any]) -> str:
    """One row a variable: the verbs that read it are named, as a role's verbs share most of their variables."""
    options: dict[str, dict[str, Any]] = {}
    verbs: dict[str, list[str]] = {}
    for verb, spec in specs["argument_specs"].items():
        for name, option in (spec.get("options") or {}).items():
            options.setdefault(name, option)
            verbs.setdefault(name, []).append(verb)
    if not options:
        return "This role has no variables."
    rows = ["| variable | type | default | verbs | what it is |", "|---|---|---|---|---|"]
    for name, option in sorted(options.items()):
        default = "required" if option.get("required") else code(option.get("default", defaults.get(name)))
        used = "all" if len(verbs[name]) == len(specs["argument_specs"]) else ", ".join(verbs[name])
        row = [f"`{name}`", option.get("type", "str"), default, used, sentence(option.get("description", ""))]
        rows.append("| " + " | ".join(row) + " |")
    return "\n".join(rows)


def readme(role: Path) -> str:
    """The role's README with its table renewed. Raises ValueError when the marker lines are missing."""
    text = (role / "README.md").read_text(encoding="utf-8")
    if BEGIN not in text or END not in text:
        raise ValueError(f"{role.name}/README.md has no lines {BEGIN} and {END}")
    specs = yaml.safe_load((role / "meta" / "argument_specs.yml").read_text(encoding="utf-8"))
    settings = role / "defaults" / "main.yml"
    defaults = yaml.safe_load(settings.read_text(encoding="utf-8")) if settings.exists() else {}
    table = options_table(specs, defaults or {})
    return f"{text.split(BEGIN)[0]}{BEGIN}\n\n{table}\n\n{END}{text.split(END)[1]}"


def documentation(module: Path) -> dict[str, Any]:
    """What a module's DOCUMENTATION says."""
    for node in ast.parse(module.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and any(getattr(name, "id", "") == "DOCUMENTATION" for name in node.targets):
            found: dict[str, Any] = yaml.safe_load(ast.literal_eval(node.value))
            return found
    raise ValueError(f"{module.name} has no DOCUMENTATION")


def modules_page(root: Path) -> str:
    """The index of modules."""
    rows = [
        f"| `steady.rollback.{module.stem}` | {sentence(documentation(module)['short_description'])} |"
        for module in sorted((root / "plugins" / "modules").glob("[!_]*.py"))
    ]
    head = "# Modules\n\n`ansible-doc steady.rollback.<module>` prints the options, examples and results of each.\n"
    return "\n".join([head, "| module | what it does |", "|---|---|", *rows]) + "\n"


def errors_page(root: Path) -> str:
    """The index of error codes, in the order of the alphabet; ``docs/errors.d/<room>.md`` explains each."""
    rows = []
    for room in sorted((root / "docs" / "errors.d").glob("*.md")):
        for part in re.split(r"^## ", room.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]:
            name, _line, text = part.partition("\n")
            means = re.split(r"(?<=[.:;]) ", sentence(text), maxsplit=1)[0].rstrip(":;.")
            rows.append(f'| <a id="{name}"></a>[`{name}`](errors.d/{room.name}#{name}) | {means} |')
    head = "# Errors\n\nEvery error carries a code. Its link says what it means in full, and what to do.\n"
    return "\n".join([head, "| code | what it means |", "|---|---|", *sorted(rows)]) + "\n"


def pages(root: Path) -> dict[Path, str]:
    """Every file that holds generated text, with the content that it should have."""
    written = {root / "docs" / "modules.md": modules_page(root), root / "docs" / "errors.md": errors_page(root)}
    for specs in sorted(root.glob("roles/*/meta/argument_specs.yml")):
        role = specs.parent.parent
        written[role / "README.md"] = readme(role)
    return written


def main(arguments: list[str]) -> int:
    """Write, or with --check only compare."""
    stale = {
        path: text
        for path, text in pages(ROOT).items()
        if not path.exists() or path.read_text(encoding="utf-8") != text
    }
    for path, text in stale.items():
        if "--check" in arguments:
            print(f"{path.relative_to(ROOT)} is stale: run  make docs", file=sys.stderr)
        else:
            path.write_text(text, encoding="utf-8")
            print(f"wrote {path.relative_to(ROOT)}")
    return int(bool(stale) and "--check" in arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
