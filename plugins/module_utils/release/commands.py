# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Programs that fetch and build a release: argument lists, bounded, run by the right account, ended together."""

from __future__ import annotations

import contextlib
import os
import pwd
import shlex
import signal
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..core import redact
from ..core.errors import BadInput, CommandFailed

TAIL = 20  # lines of an error output that a person still reads
SEARCH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
# What an account or a host sets to reach its package index.
PASSED = ("PIP_", "UV_", "XDG_CACHE_HOME", "SSL_CERT_", "REQUESTS_CA_BUNDLE")
PROXIES = ("http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")


@dataclass(frozen=True)
class Runner:
    """Runs programs. ``user`` is their account when the caller is root; ``timeout`` is seconds a program.

    ``hold`` are descriptors that programs inherit: a lock stays held as long as one of them lives.
    """

    user: str = ""
    timeout: float = 900.0
    secrets: tuple[str, ...] = ()
    hold: tuple[int, ...] = ()

    def environment(self, more: Mapping[str, str] | None = None) -> dict[str, str]:
        """What programs see: nothing of the caller's environment but what reaches a package index."""
        passed = {key: value for key, value in os.environ.items() if key.startswith(PASSED) or key in PROXIES}
        home = self.account().pw_dir if self.becomes else os.environ.get("HOME", "/")
        base = {"PATH": SEARCH, "HOME": home, "LANG": "C.UTF-8", "PYTHONDONTWRITEBYTECODE": "1"}
        return {**base, **passed, **(more or {})}

    def run(self, argv: Sequence[str], *, cwd: str = "/", env: Mapping[str, str] | None = None, code: str = "") -> str:
        """What ``argv`` prints. Raises CommandFailed with ``code`` when it ends badly or not in time."""
        shown = redact.redact(shlex.join(argv), self.secrets)
        try:
            process: subprocess.Popen[str] = subprocess.Popen(
                list(argv), cwd=cwd, env=self.environment(env), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                stderr=subprocess.PIPE, text=True, errors="replace", start_new_session=True, umask=0o022,
                pass_fds=self.hold, **self._as(),
            )  # fmt: skip
        except OSError as error:
            raise CommandFailed(
                f"{argv[0]} cannot be started in {cwd}: {error.strerror or error}.",
                hint="Is it installed on this host, and may this account run it?",
                next=f"ls -l {argv[0]}",
                code=code,
            ) from error
        try:
            out, err = process.communicate(timeout=self.timeout)
        except BaseException as error:
            _end(process)
            if not isinstance(error, subprocess.TimeoutExpired):
                raise
            raise CommandFailed(
                f"{shown} did not end within {self.timeout:g} s and was stopped.",
                hint="It waits for a network, a lock or an answer. Run it by hand.",
                next=f"cd {shlex.quote(cwd)}; {shown}",
                code="command-timeout",
            ) from error
        if process.returncode != 0:
            raise CommandFailed(
                f"{shown} ended with code {process.returncode}.",
                hint=self.tail(err.strip() or out),
                next=f"cd {shlex.quote(cwd)}; {shown}",
                code=code,
            )
        return out

    def tail(self, text: str) -> str:
        """The last lines of an output, without secrets."""
        return "\n".join(redact.redact(text.strip(), self.secrets).splitlines()[-TAIL:])

    @property
    def becomes(self) -> bool:
        """Whether programs run as another account than the caller."""
        return bool(self.user) and os.geteuid() == 0

    def account(self) -> pwd.struct_passwd:
        """The account of the programs; BadInput when this host does not have it."""
        try:
            return pwd.getpwnam(self.user)
        except KeyError:
            raise BadInput(
                f"This host has no account {self.user!r}.",
                hint="It is to own the releases. Correct release_owner, or make the account.",
                next=f"getent passwd {shlex.quote(self.user)}",
            ) from None

    def _as(self) -> dict[str, Any]:
        if not self.becomes:
            return {}
        who = self.account()
        return {"user": who.pw_uid, "group": who.pw_gid, "extra_groups": os.getgrouplist(self.user, who.pw_gid)}


def _end(process: subprocess.Popen[str]) -> None:
    """End a program with everything that it has started."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
