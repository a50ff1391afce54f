# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Who is at the other end: verified by default everywhere. What turns that off is a warning in every preflight."""

from __future__ import annotations

import ipaddress
from typing import Any
from urllib.parse import parse_qs, urlsplit

from .core.checks import Check, warn

NEAR = ("", "localhost")  # no host is a unix socket
MEANING = {"http": "not encrypted", "redis": "not encrypted", "disable": "not encrypted", "prefer": "not verified"}


def near(host: str) -> bool:
    """Whether ``host`` is this machine, where nobody stands in between; a path is a unix socket."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host in NEAR or host.startswith("/")


def unproven(name: str, host: str, why: str, fix: str) -> list[Check]:
    """The warning that the server ``host`` could be anybody; none for this machine, and none without a ``why``."""
    if not why or near(host):
        return []
    return [warn(name, f"the connection to {host} is {why}", fix, "tls-unverified")]


def postgres(host: str, sslmode: str) -> list[Check]:
    """``verify-full`` alone proves that the server is the one that is named."""
    why = "" if sslmode == "verify-full" else f"{MEANING.get(sslmode, 'not verified')} (sslmode {sslmode})"
    return unproven("tls", host, why, "Set postgres_sslmode to verify-full.")


def web(name: str, url: str, verify: bool = True) -> list[Check]:
    """An http address, or one whose certificate is not looked at."""
    parts = urlsplit(url)
    why = MEANING.get(parts.scheme, "" if verify else "not verified")
    return unproven(name, parts.hostname or "", why, "Use https, and name the authority in ca_file.")


def redis(url: str) -> list[Check]:
    """A URL that is not rediss://, or that turns the certificate off."""
    parts = urlsplit(url)
    off = parse_qs(parts.query).get("ssl_cert_reqs", ["required"])[0] != "required"
    why = MEANING.get(parts.scheme, "not verified" if off else "")
    fix = "Use rediss://, and name the authority: ?ssl_ca_certs=<file>."
    return unproven("tls", parts.hostname or "" if parts.scheme != "unix" else "", why, fix)


def redis_options(url: str) -> dict[str, Any]:
    """What the driver must be told besides the URL: older ones take any trusted certificate for any name."""
    named = urlsplit(url)
    checks = named.scheme == "rediss" and parse_qs(named.query).get("ssl_cert_reqs", [""])[0] != "none"
    return {"ssl_check_hostname": True} if checks else {}
