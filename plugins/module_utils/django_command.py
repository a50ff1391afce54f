# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Commands of a Django release: its own interpreter, its own settings, nothing of the caller's environment."""

from __future__ import annotations

import os
import pwd
import re
import shlex
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from . import envfile
from .core.errors import CommandFailed

SECRET = re.compile(r"PASS|SECRET|KEY|TOKEN|URL|DSN|CREDENTIAL", re.IGNORECASE)
TAIL = 20  # lines of an error output that a person still reads

# The options of a module that runs commands of a release (doc fragment: project).
PROJECT_OPTIONS: dict[str, dict[str, Any]] = {
    "project": {"type": "path", "required": True},
    "env_file": {"type": "path", "default": ""},
    "python": {"type": "path", "default": ""},
    "user": {"type": "str", "default": ""},
    "command_timeout": {"type": "int", "default": 60},
}


@dataclass(frozen=True)
class Project:
    """A release on disk. ``user`` runs its commands when the caller is root; ``timeout`` is seconds a command."""

    directory: str
    env_file: str = ""
    python: str = ""
    user: str = ""
    timeout: float = 60.0

    @classmethod
    def of(cls, params: Mapping[str, Any]) -> Project:
        """The project that a module's PROJECT_OPTIONS name."""
        return cls(
            params["project"], params["env_file"], params["python"], params["user"], float(params["command_timeout"])
        )

    @property
    def interpreter(self) -> str:
        """The release's own Python."""
        return self.python or f"{self.directory}/venv/bin/python"

    def environment(self) -> dict[str, str]:
        """What the release's processes see. Only the env file counts: the caller's variables stay out."""
        base = {
            "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "HOME": pwd.getpwnam(self.user).pw_dir if self.user else os.environ.get("HOME", "/"),
            "LANG": "C.UTF-8",
            # A command must not leave .pyc files of another owner in a release.
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        return {**base, **(envfile.read(self.env_file) if self.env_file else {})}

    def start(self, argv: list[str], **options: Any) -> subprocess.Popen[str]:
        """Start ``python argv...`` in the release, as its user."""
        if self.user and os.geteuid() == 0:
            account = pwd.getpwnam(self.user)
            groups = os.getgrouplist(self.user, account.pw_gid)
            options.update(user=account.pw_uid, group=account.pw_gid, extra_groups=groups)
        try:
            return subprocess.Popen(
                [self.interpreter, *argv], cwd=self.directory, env=self.environment(), text=True, **options
            )
        except OSError as error:
            raise CommandFailed(
                f"{self.interpreter} cannot be started in {self.directory}: {error.strerror or error}.",
                hint="Is the release built on this host, and is its virtual environment complete?",
                next=f"ls -l {self.interpreter}",
                code="release-python-missing",
            ) from error

    def manage(self, *args: str, stdin: str = "") -> str:
        """What ``manage.py args...`` prints. Raises CommandFailed when it ends badly or not in time."""
        shown = shlex.join(["manage.py", *args])
        pipe = subprocess.PIPE
        process = self.start(["manage.py", *args], stdin=pipe, stdout=pipe, stderr=pipe)
        try:
            out, err = process.communicate(stdin, timeout=self.timeout)
        except subprocess.TimeoutExpired as error:
            process.kill()
            process.communicate()
            raise CommandFailed(
                f"{shown} did not end within {self.timeout:g} s and was stopped.",
                hint="The database or the broker may be locked or out of reach.",
                next=self.by_hand(shown),
                code="command-timeout",
            ) from error
        if process.returncode != 0:
            raise CommandFailed(
                f"{shown} ended with code {process.returncode}.", hint=self.tail(err or out), next=self.by_hand(shown)
            )
        return out

    def by_hand(self, shown: str) -> str:
        """The command line that repeats a command."""
        load = f"set -a; . {shlex.quote(self.env_file)}; set +a; " if self.env_file else ""
        return f"cd {shlex.quote(self.directory)}; {load}{shlex.quote(self.interpreter)} {shown}"

    def tail(self, text: str) -> str:
        """The last lines of an output, without the secrets of the env file."""
        for key, value in self.environment().items():
            for secret in {value, *re.findall(r"://[^/@]*:([^@]+)@", value)} if SECRET.search(key) else ():
                text = text.replace(secret, "***") if len(secret) > 3 else text
        return "\n".join(text.strip().splitlines()[-TAIL:])
