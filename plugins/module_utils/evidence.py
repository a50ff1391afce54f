# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What an incident review will ask for, kept before a rollback changes it: bounded, redacted, hashed."""

from __future__ import annotations

import errno
import glob
import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from .core import failpoint
from .core.checks import Check, ok, warn
from .core.errors import NotEffective
from .core.redact import redact
from .files import private_directory
from .gates.command import run as run_command

SUMS = "SHA256SUMS"
MOST_FILES = 100


@dataclass(frozen=True)
class Request:
    """What to keep. ``seconds`` and ``total_kib`` bound the whole, ``log_kib`` each log or output."""

    directory: str
    logs: Sequence[str] = ()  # paths or glob patterns
    release: str = ""  # the link or directory of the live release
    commands: Sequence[dict[str, Any]] = ()  # {name, argv, cwd, env_file}
    log_kib: int = 256
    total_kib: int = 16384
    seconds: float = 20.0
    secrets: Sequence[str] = field(default=(), repr=False)


@dataclass(frozen=True)
class Kept:
    """``files``: [{path, sha256, bytes}]. ``truncated``: what was cut, left out or could not be read, and why."""

    files: Sequence[dict[str, Any]]
    truncated: Sequence[str]
    changed: bool = True


def collect(request: Request) -> Kept:
    """Write the evidence and a SHA256SUMS file; a complete collection that is already there stays as it is."""
    before = existing(request.directory)
    if before is not None:
        return Kept(before, [], changed=False)
    began = time.monotonic()
    truncated: list[str] = []
    files: list[dict[str, Any]] = []
    room = request.total_kib * 1024
    try:
        directory = private_directory(Path(request.directory))
        directory.chmod(0o700)
        for name, read in _sources(request, began):
            if time.monotonic() - began > request.seconds or len(files) >= MOST_FILES or room <= 0:
                truncated.append(f"{name}: left out, the bound of the collection was reached")
                continue
            try:
                text, cut = read()
            except OSError as error:
                truncated.append(f"{name}: {error.strerror}")
                continue
            content = redact(text, request.secrets).encode("utf-8", "replace")[:room]
            room -= len(content)
            truncated += [f"{name}: {cut}"] if cut else []
            files.append(_write(directory / name, content))
        failpoint.inside("evidence.prepare")
        # Written last: its presence says that the collection is complete.
        sums = "".join(f"{entry['sha256']}  {Path(entry['path']).name}\n" for entry in files)
        _write(directory / SUMS, sums.encode())
    except OSError as error:
        raise NotEffective(
            f"Evidence cannot be written to {request.directory}: {error.strerror}.",
            hint="Give the account of the run write access to the directory, or free disk space.",
            next=f"df -h {request.directory}",
            code="evidence-unwritable",
        ) from error
    return Kept(files, truncated)


def existing(directory: str) -> list[dict[str, Any]] | None:
    """The files of a complete collection whose hashes agree, else None."""
    found = []
    try:
        for row in (Path(directory) / SUMS).read_text(encoding="utf-8").splitlines():
            sha256, _gap, name = row.partition("  ")
            content = (Path(directory) / name).read_bytes()
            if hashlib.sha256(content).hexdigest() != sha256:
                return None
            found.append({"path": os.path.join(directory, name), "sha256": sha256, "bytes": len(content)})
    except OSError:
        return None
    return found


def readable(request: Request) -> list[Check]:
    """Preflight: what cannot be read is a warning; no evidence is worth refusing a rollback for."""
    rows = []
    for pattern in request.logs:
        paths = sorted(glob.glob(pattern))
        bad = [path for path in paths if not (os.path.isfile(path) and os.access(path, os.R_OK))] or (
            [] if paths else [pattern]
        )
        rows += [
            warn(f"evidence {path}", "cannot be read", f"ls -l {path}", "evidence-unreadable") for path in bad
        ] or [ok(f"evidence {pattern}", f"{len(paths)} files")]
    return rows


def _sources(request: Request, began: float) -> list[tuple[str, Callable[[], tuple[str, str]]]]:
    limit = request.log_kib * 1024
    sources: list[tuple[str, Callable[[], tuple[str, str]]]] = [("system.json", _system)]
    if request.release:
        sources.append(("release.json", lambda: _release(request.release)))
    paths = [path for pattern in request.logs for path in sorted(glob.glob(pattern)) or [pattern]]
    for number, path in enumerate(dict.fromkeys(paths), start=1):
        sources.append((f"{number:02}-{_safe(os.path.basename(path))}", lambda path=path: tail(path, limit)))  # type: ignore[misc]
    for command in request.commands:

        def output(command: dict[str, Any] = command) -> tuple[str, str]:
            left = max(0.1, request.seconds - (time.monotonic() - began))
            return _output(command, left, limit)

        sources.append((f"command-{_safe(command['name'])}.txt", output))
    return sources


def tail(path: str, limit: int) -> tuple[str, str]:
    """The last ``limit`` bytes of a file, beginning with a whole line; and a note when it was longer."""
    if not os.path.isfile(path):  # a pipe would hold us until somebody writes
        raise FileNotFoundError(errno.ENOENT, "no such file")
    with open(path, "rb") as log:
        size = log.seek(0, os.SEEK_END)
        log.seek(max(0, size - limit))
        content = log.read(limit)
    if size <= limit:
        return content.decode("utf-8", "replace"), ""
    whole = content.partition(b"\n")[2] or content
    return whole.decode("utf-8", "replace"), f"the last {limit // 1024} KiB of {size} bytes"


def _output(command: dict[str, Any], seconds: float, limit: int) -> tuple[str, str]:
    rc, output, errors = run_command(command["argv"], command.get("cwd"), command.get("env_file"), seconds, limit)
    head = f"$ {' '.join(command['argv'])}\nended with {'no exit code' if rc is None else rc}\n\n"
    return f"{head}{output}\n{errors}", "stopped, its time was over" if rc is None else ""


def _release(link: str) -> tuple[str, str]:
    """Which release is live: where the link leads, its marker file, and the packages of its virtualenv."""
    place = Path(link).resolve(strict=True)
    marker = place / ".release.json"
    packages = sorted(
        path.name[: -len(".dist-info")] for path in place.glob("venv/lib/python*/site-packages/*.dist-info")
    )
    found = {
        "path": str(place),
        "marker": json.loads(marker.read_text(encoding="utf-8")) if marker.exists() else None,
        "packages": packages,
    }
    return json.dumps(found, indent=1), ""


def _system() -> tuple[str, str]:
    """Memory, load, uptime and disks, read from the kernel; figures in KiB and seconds."""
    memory = {}
    for row in Path("/proc/meminfo").read_text(encoding="ascii").splitlines():
        name, _colon, value = row.partition(":")
        if name in ("MemTotal", "MemAvailable", "SwapTotal", "SwapFree"):
            memory[name] = int(value.split()[0])
    disks = {}
    for row in Path("/proc/mounts").read_text(encoding="utf-8").splitlines():
        device, mount = row.split()[:2]
        if device.startswith("/") and os.path.isdir(mount):
            usage = shutil.disk_usage(mount)
            disks[mount] = {"total_kib": usage.total // 1024, "free_kib": usage.free // 1024}
    found = {
        "at": datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "host": os.uname().nodename,
        "kernel": os.uname().release,
        "uptime_seconds": float(Path("/proc/uptime").read_text(encoding="ascii").split()[0]),
        "load": os.getloadavg(),
        "cpus": os.cpu_count(),
        "memory_kib": memory,
        "disks": disks,
    }
    return json.dumps(found, indent=1), ""


def _safe(name: str) -> str:
    return "".join(letter if letter.isalnum() or letter in "-_." else "_" for letter in name)[:60]


def _write(path: Path, content: bytes) -> dict[str, Any]:
    """Write, for the owner's eyes only, and say what was written."""
    path.unlink(missing_ok=True)
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as target:
        target.write(content)
        target.flush()
        os.fsync(target.fileno())
    return {"path": str(path), "sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
