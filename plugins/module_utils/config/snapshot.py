# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The configuration of a host: env files, and rows of models. Taken back to a restore point, and forth again.

Copies lie in a private directory under the SHA-256 of what they hold; ``changes/<change>.json`` there says what was in
force before a change. It is written before the first change and goes when the change is taken back.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from .. import envfile, files
from ..core import canonical, checks, failpoint
from ..core.errors import CommandFailed, NotEffective, TargetMissing
from ..django_command import Project
from . import rows

NOTHING = ""  # instead of a hash: the file was not there

# The options of a module that looks at or changes the configuration (doc fragment: configuration).
CONFIGURATION_OPTIONS: dict[str, dict[str, Any]] = {
    "files": {"type": "list", "elements": "path", "default": []},
    "keep_keys": {
        "type": "list",
        "elements": "str",
        "default": ["*PASSWORD*", "*SECRET*", "*KEY*", "*TOKEN*", "*URL*"],
        "no_log": False,
    },
    "models": {"type": "list", "elements": "str", "default": []},
    "directory": {"type": "path", "required": True},
    "project": {"type": "path", "default": ""},
    "env_file": {"type": "path", "default": ""},
    "user": {"type": "str", "default": ""},
}


@dataclass(frozen=True)
class Configuration:
    """What is configuration on this host. ``project`` is needed when there are ``models``."""

    paths: Sequence[str]
    models: Sequence[str]
    keep: Sequence[str]
    directory: str
    project: Project | None = None
    store: files.Store = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "store", files.Store(self.directory))

    @classmethod
    def of(cls, params: Mapping[str, Any]) -> Configuration:
        """The configuration that a module's CONFIGURATION_OPTIONS name."""
        project = Project(params["project"], params["env_file"], user=params["user"]) if params["models"] else None
        return cls(params["files"], params["models"], params["keep_keys"], params["directory"], project)

    def read_rows(self) -> list[rows.Row]:
        """The rows as they are, none when no models are configuration."""
        return rows.read(self.project, self.models) if self.models and self.project else []

    def write_rows(self, wanted: Sequence[rows.Row]) -> None:
        """Make the rows what they were."""
        if self.project:
            rows.replace(self.project, self.models, wanted)

    def record(self, change: str) -> Path:
        """Where it is written down what was in force before ``change``."""
        return Path(self.directory) / "changes" / f"{change}.json"


def capture(of: Configuration, dry_run: bool) -> dict[str, Any]:
    """Keep every file and the rows; returns hashes, names of keys, and the rows."""
    found: dict[str, Any] = {}
    for path in of.paths:
        data = _read(path)
        found[path] = {"sha256": files.digest(data) if dry_run else of.store.keep(data), "bytes": len(data)}
    return {"files": found, "models": list(of.models), "rows": of.read_rows()}


def restore(of: Configuration, captured: Mapping[str, Any], change: str, dry_run: bool) -> dict[str, Any]:
    """Put files and rows of a restore point back; returns what differed: keys of each file, number of rows."""
    wanted = {path: _wanted(of, path, each["sha256"]) for path, each in captured.get("files", {}).items()}
    return _become(of, wanted, captured.get("rows") if of.models else None, change, dry_run)


def restore_back(of: Configuration, change: str, dry_run: bool) -> dict[str, Any]:
    """Put back what was in force before ``change``; nothing to do when it changed nothing."""
    data = files.read(of.record(change))
    if data is None:
        return {"changed": False, "files": {}, "rows": 0}
    before = json.loads(data)
    wanted = {path: _copy(of, name, path) if name else None for path, name in before["files"].items()}
    back = json.loads(_copy(of, before["rows"], "the rows") or b"null") if before["rows"] else None
    done = _become(of, wanted, back, "", dry_run)
    if not dry_run:
        # It stays: a ladder takes several steps back, and the database may be another one when the next is taken.
        files.write(of.record(change), canonical.dumps({**before, "undone": True}))
    return done


def preflight(of: Configuration, captured: Mapping[str, Any], switches: bool) -> list[checks.Check]:
    """Whether the restore point's configuration is there, and what going back to it would change.

    With ``switches`` another release answers when it is put back, so the live one may be broken.
    """
    missed: list[checks.Check] = []
    try:
        found = restore(of, captured, "", True)
    except CommandFailed as error:
        if not switches:
            raise
        missed.append(checks.warn("rows", error.message, "The step config.restore compares them.", error.code))
        found = restore(replace(of, models=[]), captured, "", True)
    keys = [f"{path}: {', '.join(each)}" for path, each in found["files"].items() if each]
    if found["rows"]:
        keys.append(f"{found['rows']} rows of {', '.join(of.models)}")
    return [checks.ok("configuration", "; ".join(keys) or "as it was"), *missed]


def finalize(of: Configuration, points: Sequence[Mapping[str, Any]], hours: float, dry_run: bool) -> list[str]:
    """Delete accounts of changes older than ``hours``, and such copies that no restore point and no account names."""
    named = {
        each["sha256"]
        for point in points
        for host in point.get("hosts", {}).values()
        for each in host.get("config", {}).get("files", {}).values()
    }
    past = time.time() - hours * 3600
    accounts = sorted(Path(of.directory).glob("changes/*.json"))
    for path in (each for each in accounts if each.stat().st_mtime >= past):
        before = json.loads(path.read_bytes())
        named |= {before["rows"], *before["files"].values()}
    old = [
        path
        for path in [*accounts, *sorted(Path(of.directory).glob("[0-9a-f]" * 64))]
        if path.name not in named and path.stat().st_mtime < past
    ]
    for path in old if not dry_run else []:
        files.remove(path)
    return [path.name for path in old]


def _become(
    of: Configuration, wanted: Mapping[str, bytes | None], rows_wanted: Any, change: str, dry_run: bool
) -> dict[str, Any]:
    """The one way to change: look, write down what is there, act, look again."""
    present = {path: files.read(Path(path)) for path in wanted}
    moving = {path: data for path, data in wanted.items() if present[path] != data}
    now = of.read_rows() if rows_wanted is not None else []
    stirred = _differing(now, rows_wanted) if rows_wanted is not None else 0
    shown = {path: envfile.difference(_text(present[path]), _text(data)) for path, data in moving.items()}
    if (moving or stirred) and not dry_run:
        if change:
            _write_down(of, change, {path: present[path] for path in wanted}, now if rows_wanted is not None else None)
        for path, data in moving.items():
            if data is None:
                files.remove(Path(path))
            else:
                files.write(Path(path), data)
        failpoint.inside("config.restore", "config.restore_back")
        if stirred:
            of.write_rows(rows_wanted)
            if left := _differing(of.read_rows(), rows_wanted):
                raise NotEffective(
                    f"{left} rows of {', '.join(of.models)} are not what they were made.",
                    hint="Something else writes them. Stop it, then resume.",
                    next="ansible-playbook resume.yml",
                    code="rows-not-restored",
                )
    return {"changed": bool(moving or stirred), "files": shown, "rows": stirred}


def _write_down(of: Configuration, change: str, present: Mapping[str, bytes | None], now: Any) -> None:
    """What was in force before the change. The first account stays: a second attempt finds a half-changed host."""
    account = files.read(of.record(change))
    if account is not None and not json.loads(account).get("undone"):
        return
    names = {path: of.store.keep(data) if data is not None else NOTHING for path, data in present.items()}
    kept = of.store.keep(canonical.dumps(now)) if now is not None else NOTHING
    files.write(
        files.private_directory(of.record(change).parent) / f"{change}.json",
        canonical.dumps({"files": names, "rows": kept}),
    )


def _differing(now: Sequence[rows.Row], wanted: Sequence[rows.Row]) -> int:
    """How many rows are not as wanted, counted over both sides. Fields that the wanted rows do not know count not."""
    one = {(row["model"], str(row["pk"])): row["fields"] for row in now}
    other = {(row["model"], str(row["pk"])): row["fields"] for row in wanted}
    extra = one.keys() - other.keys()
    changed = [
        key
        for key, fields in other.items()
        if key not in one or any(one[key][name] != value for name, value in fields.items() if name in one[key])
    ]
    return len(extra) + len(changed)


def _wanted(of: Configuration, path: str, name: str) -> bytes:
    present = files.read(Path(path))
    return envfile.merged(_text(_copy(of, name, path)), _text(present), of.keep).encode("utf-8", "surrogateescape")


def _copy(of: Configuration, name: str, path: str) -> bytes:
    data = of.store.get(name)
    if data is None:
        raise TargetMissing(
            f"The copy of {path} is not in {of.directory}, or was changed there ({name[:12]}).",
            hint="A restore point keeps it on the host itself. Choose another restore point.",
            next="ansible-playbook status.yml",
            code="config-copy-missing",
        )
    return data


def _read(path: str) -> bytes:
    files.refuse_link(Path(path))
    data = files.read(Path(path))
    if data is None:
        raise TargetMissing(
            f"There is no file {path}.",
            hint="config_files names what is configuration on this host.",
            next=f"ls -l {path}",
            code="config-file-missing",
        )
    return data


def _text(data: bytes | None) -> str:
    return (data or b"").decode("utf-8", "surrogateescape")
