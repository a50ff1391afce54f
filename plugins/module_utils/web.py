# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One HTTP request with one bound: no redirect is followed, no proxy is used, TLS is verified unless told otherwise.

Where a cloud gives its machines their credentials is never asked, whatever name leads there.
"""

from __future__ import annotations

import http.client
import ipaddress
import socket
import ssl
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

from .core.errors import BadInput

# Link-local addresses, and those of the metadata services that are not.
FORBIDDEN = [
    ipaddress.ip_network(each)
    for each in ("169.254.0.0/16", "fe80::/10", "fd00:ec2::254/128", "100.100.100.200/32", "168.63.129.16/32")
]


class Unanswered(Exception):
    """No complete answer came; the text says why."""


@dataclass(frozen=True)
class Answer:
    """``headers`` have lower-case names; ``body`` is cut at the limit asked for."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def target(url: str) -> SplitResult:
    """``url`` in its parts, or BadInput: only http and https, a host, no name and password in it."""
    # The URL itself may hold a secret (a webhook's token), so no message repeats it.
    try:
        parts = urlsplit(url)
        port_is_number = parts.port is None or parts.port > 0
    except ValueError:
        raise BadInput("The URL cannot be read.", hint="Write it as https://host:port/path.") from None
    if parts.scheme not in ("http", "https"):
        raise BadInput(
            f"The URL has the scheme {parts.scheme or 'nothing'!r}; only http and https are used.",
            hint="Write it as https://host:port/path.",
        )
    if not parts.hostname or not port_is_number or parts.username is not None:
        raise BadInput(
            "The URL must have a host and no name or password before it.", hint="Put credentials into a secret header."
        )
    if any(ord(character) <= 32 or ord(character) >= 127 for character in url):
        raise BadInput("The URL has blanks, control characters or non-ASCII letters.", hint="Percent-encode them.")
    return parts


def ask(
    url: str,
    *,
    method: str = "GET",
    headers: Mapping[str, str] | None = None,
    body: bytes | None = None,
    timeout: float = 5.0,
    host: str = "",
    verify: bool = True,
    ca_file: str = "",
    limit: int = 65536,
) -> Answer:
    """The answer to one request, or Unanswered. ``timeout`` (seconds) bounds everything after the name look-up.

    ``host`` replaces the host of the URL in the Host header and in TLS, so that one server behind a name can be
    asked. At most ``limit`` bytes of the body are read.
    """
    parts = target(url)
    secure = parts.scheme == "https"
    port = parts.port or (443 if secure else 80)
    name = host or str(parts.hostname)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    sent = {"Host": host or parts.netloc, "User-Agent": "steady.rollback", "Connection": "close", **(headers or {})}
    deadline = time.monotonic() + timeout
    try:
        context = _tls(verify, ca_file) if secure else None
        plain = _connect(str(parts.hostname), port, deadline)
    except (OSError, ssl.SSLError) as error:
        raise Unanswered(_why(error)) from error
    # From here on the timer is the bound: a socket's own timeout begins anew with every byte.
    plain.settimeout(None)
    if context:
        plain = context.wrap_socket(plain, server_hostname=name.split(":")[0], do_handshake_on_connect=False)
    late = threading.Event()
    timer = threading.Timer(max(0.0, deadline - time.monotonic()), _hang_up, (plain, late))
    timer.daemon = True
    timer.start()
    try:
        if isinstance(plain, ssl.SSLSocket):
            plain.do_handshake()
        connection = http.client.HTTPConnection(str(parts.hostname), port)
        connection.sock = plain
        connection.request(method, path, body=body, headers=sent)
        response = connection.getresponse()
        content = response.read(limit)
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise Unanswered(f"no answer within {timeout:g} s" if late.is_set() else _why(error)) from error
    finally:
        timer.cancel()
        plain.close()
    if late.is_set():  # a body without a length ends like a whole one when the line is cut
        raise Unanswered(f"no complete answer within {timeout:g} s")
    return Answer(response.status, {key.lower(): value for key, value in response.getheaders()}, content)


def _connect(host: str, port: int, deadline: float) -> socket.socket:
    """A connection to the first address of ``host`` that answers; what was looked at is what is connected to."""
    # All of them before the first: a name with one good address must not lead to the other one by a second look-up.
    found = [address for *_kind, address in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]
    for address in found:
        number = ipaddress.ip_address(str(address[0]).partition("%")[0])
        plain = getattr(number, "ipv4_mapped", None) or number
        if any(plain.version == each.version and plain in each for each in FORBIDDEN):
            raise Unanswered(f"its name leads to {plain}, where a cloud keeps its credentials: it is never asked")
    for place, address in enumerate(found, 1):
        try:
            return socket.create_connection((str(address[0]), port), max(0.01, deadline - time.monotonic()))
        except OSError:
            if place == len(found):
                raise
    raise OSError(f"{host} has no address")


def _tls(verify: bool, ca_file: str) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=ca_file or None)
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _hang_up(line: socket.socket, late: threading.Event) -> None:
    late.set()
    try:
        # On the plain socket: a TLS shutdown would wait for the other side.
        socket.socket.shutdown(line, socket.SHUT_RDWR)
    except OSError:
        return  # closed in this very moment


def _why(error: Exception) -> str:
    """The reason in the words of the system, without the URL."""
    if isinstance(error, (TimeoutError, socket.timeout)):
        return "no connection in time"
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"TLS certificate refused: {error.verify_message}"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return type(error).__name__
