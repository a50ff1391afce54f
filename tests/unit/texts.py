"""Rules over what the files say: documented error codes, words that do not belong, tests that cannot fail."""

from __future__ import annotations

import ast
import os
import re
from collections.abc import Iterator
from pathlib import Path

CODE = re.compile(r"[a-z][a-z0-9]*(?:-[a-z0-9]+)*\Z")
# Where `core/checks.py` takes a code by position.
POSITION = {"fail": 3, "warn": 3, "Check": 4}
TEXT = {".py", ".yml", ".yaml", ".md", ".cfg", ".toml", ".txt", ".j2", ".sh", ".html", ".css", ".sql", ""}
GENERATED = {"collections", "reports", "__pycache__", "output"}

# Pattern, the files it is looked for in, and why it is not welcome. A letter in brackets keeps a pattern from matching
# itself.
WORDS = [
    (r"(?<![\w.])/[w]ork/|/[h]ome/\w+/|/[U]sers/\w+/", "", "a path of one machine"),
    (r"\b(?:[T]ODO|[F]IXME|[X]XX)\b|\bnot\ implemented\b", "", "unfinished"),
    (r"\bpytest\.(?:[s]kip|[x]fail|[i]mportorskip)\b|\bmark\.(?:[s]kip|[x]fail)", "tests", "a test that is not run"),
    (r"\|\| *[t]rue\b", "", "a failure that nobody sees"),
    (r"\bassert [T]rue\b", "tests", "a test that cannot fail"),
]


def literals(node: ast.AST | None) -> set[str]:
    """The error codes that an expression may give: `"a" if short else "b"` gives two, `row["code"]` none."""
    if isinstance(node, ast.IfExp):
        return literals(node.body) | literals(node.orelse)
    if isinstance(node, ast.BoolOp):
        return set().union(*(literals(value) for value in node.values))
    if isinstance(node, ast.Constant) and isinstance(node.value, str) and CODE.match(node.value):
        return {node.value}
    return set()


def used_codes(root: Path) -> set[str]:
    """Every error code in the sources: on a class, as keyword or key `code`, or by position in a preflight row."""
    found: set[str] = set()
    for path in sorted((root / "plugins").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef):
                for item in node.body:
                    if isinstance(item, ast.Assign) and any(getattr(name, "id", "") == "code" for name in item.targets):
                        found |= literals(item.value)
            elif isinstance(node, ast.Dict):
                for key, value in zip(node.keys, node.values):
                    if isinstance(key, ast.Constant) and key.value == "code":
                        found |= literals(value)
            elif isinstance(node, ast.Call):
                found.update(*(literals(word.value) for word in node.keywords if word.arg == "code"))
                if len(node.args) > 1 and isinstance(node.args[0], ast.Constant) and node.args[0].value == "code":
                    found |= literals(node.args[1])  # result.get("code", "task-failed")
                name = getattr(node.func, "attr", getattr(node.func, "id", ""))
                if name in POSITION and len(node.args) > POSITION[name]:
                    found |= literals(node.args[POSITION[name]])
    return found


def documented_codes(root: Path) -> list[str]:
    """The headings of the pages that docs/errors.md leads to, with repetitions."""
    texts = [page.read_text(encoding="utf-8") for page in sorted((root / "docs" / "errors.d").glob("*.md"))]
    return [code for text in texts for code in re.findall(r"^## `?([a-z0-9-]+)`?$", text, re.MULTILINE)]


def error_codes(root: Path) -> list[str]:
    """Each code that can reach an operator is explained once, and nothing else is."""
    used, listed = used_codes(root), documented_codes(root)
    problems = [f"error code {code} is not in docs/errors.d" for code in sorted(used - set(listed))]
    problems += [f"docs/errors.d explains {code}, which no source uses" for code in sorted(set(listed) - used)]
    return problems + [f"docs/errors.d explains {code} twice" for code in sorted(set(listed)) if listed.count(code) > 1]


def text_files(root: Path) -> Iterator[Path]:
    """The project's own text files; symbolic links lead elsewhere, and built things are nobody's."""
    for directory, below, files in os.walk(root):
        below[:] = sorted(name for name in below if name not in GENERATED and (name == ".ci" or name[0] != "."))
        for path in (Path(directory, name) for name in sorted(files)):
            if path.suffix in TEXT and path.name != ".git" and not path.is_symlink():
                yield path


def words(root: Path) -> list[str]:
    """No machine paths, no unfinished work, no check that does not check."""
    problems = []
    for path in text_files(root):
        where = path.relative_to(root).as_posix()
        for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), 1):
            problems += [
                f"{where}:{number}: {why}: {line.strip()[:80]}"
                for pattern, start, why in WORDS
                if where.startswith(start) and re.search(pattern, line)
            ]
    return problems


RULES = [error_codes, words]
