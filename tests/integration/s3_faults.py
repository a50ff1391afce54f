"""A proxy before a real object store that does to its answers what networks, gateways and overloaded stores do.

Requests go on as they came, their Host header too, so what the client has signed stays signed.
"""

from __future__ import annotations

import base64
import http.client
import re
import threading
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

MB = 1024 * 1024
HOP = {"connection", "transfer-encoding", "keep-alive"}


@dataclass
class Fault:
    """What happens to requests of ``method`` whose address matches ``part``, but for the first ``after`` of them.

    ``what``: ``refuse`` (with ``status``, ``code``, ``said``), ``cut`` or ``stall`` after ``at`` bytes of the body,
    ``drip`` from there, ``flip`` the byte ``at``, ``short`` (the body ends at ``at`` as if that were all), ``deaf``
    (the store does what it is asked, the answer is lost), ``replace`` (a text in the body). It strikes
    ``times``, -1 is for ever.
    """

    what: str
    method: str = ""
    part: str = ""
    times: int = -1
    after: int = 0
    at: int = 0
    status: int = 503
    code: str = ""
    said: str = ""
    headers: tuple[tuple[str, str], ...] = ()

    def strikes(self, method: str, address: str) -> bool:
        """Whether it is this request's turn; counts."""
        if self.method not in ("", method) or not re.search(self.part, address) or self.times == 0:
            return False
        if self.after > 0:
            self.after -= 1
            return False
        self.times -= 1
        return True


class Proxy:
    """The proxy. ``faults`` may be changed at any time; ``seen`` holds (method, address, Range) of every request."""

    def __init__(self, endpoint: str) -> None:
        parts = urlsplit(endpoint)
        self.target = (str(parts.hostname), int(parts.port or 80))
        self.faults, self.seen, self.struck = list[Fault](), list[tuple[str, str, str]](), 0
        self.pace = 0.0  # seconds for each MB of a request's body
        self.lock, self.ended = threading.Lock(), threading.Event()
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_one_request(self) -> None:
                with suppress(OSError):
                    super().handle_one_request()
                    return
                self.close_connection = True

            def answer(self) -> None:
                proxy.answer(self)

            do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = answer

            def log_message(self, *_args: Any) -> None:
                """Nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def close(self) -> None:
        """Let go of whoever is being stalled, and end."""
        self.ended.set()
        self.server.shutdown()
        self.server.server_close()

    @contextmanager
    def suffers(self, *faults: Fault) -> Iterator[Proxy]:
        """These faults, for as long as the block runs."""
        self.faults, self.seen, self.struck = list(faults), [], 0
        try:
            yield self
        finally:
            self.faults = []

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        """One request and its answer."""
        body = self._body(request)
        address = unquote(request.path)
        with self.lock:
            self.seen.append((request.command, address, request.headers.get("Range", "")))
            fault = next((each for each in self.faults if each.strikes(request.command, address)), None)
            self.struck += fault is not None
        if fault and fault.what == "refuse":
            text = f"<Error><Code>{fault.code}</Code><Message>{fault.said}</Message></Error>".encode()
            more = [("Content-Type", "application/xml"), *fault.headers]
            self._send(request, fault.status, more, b"" if request.command == "HEAD" else text, None)
            return
        store = http.client.HTTPConnection(*self.target, timeout=30)
        store.request(request.command, request.path, body, dict(request.headers.items()))
        said = store.getresponse()
        data, headers = said.read(), [each for each in said.getheaders() if each[0].lower() not in HOP]
        store.close()
        if fault and fault.what == "deaf":
            request.close_connection = True
            return
        self._send(request, said.status, headers, data, fault)

    def _body(self, request: BaseHTTPRequestHandler) -> bytes:
        left, taken = int(request.headers.get("Content-Length", 0)), bytearray()
        while left > len(taken):
            block = request.rfile.read(min(65536, left - len(taken)))
            if not block:
                raise ConnectionError("the client is gone")
            taken += block
            if self.pace:
                time.sleep(self.pace * len(block) / MB)
        return bytes(taken)

    def _send(
        self,
        request: BaseHTTPRequestHandler,
        status: int,
        headers: list[tuple[str, str]],
        data: bytes,
        fault: Fault | None,
    ) -> None:
        fault, true = fault or Fault(""), data
        what, at = fault.what, fault.at
        if what == "short":
            data = data[:at]
        if what == "flip":
            data = data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]
            headers = [*headers, *((name, _checksum(value, true)) for name, value in fault.headers)]
        if what == "replace":
            for old, new in fault.headers:
                data = data.replace(old.encode(), new.encode())
        request.send_response_only(status)
        for name, value in headers:
            if name.lower() != "content-length":
                request.send_header(name, value)
        length = next((value for name, value in headers if name.lower() == "content-length"), len(data))
        request.send_header("Content-Length", str(length if request.command == "HEAD" else len(data)))
        request.end_headers()
        if what in ("cut", "stall", "drip"):
            request.wfile.write(data[:at])
            for byte in data[at:] if what == "drip" else b"":
                if self.ended.wait(0.05):
                    break
                request.wfile.write(bytes([byte]))
            if what == "stall":
                self.ended.wait(60)
            request.close_connection = True
        elif request.command != "HEAD":
            request.wfile.write(data)


def _checksum(kind: str, data: bytes) -> str:
    """The CRC-32 of the true data as S3 spells it; a composite one is one of checksums, and cannot be checked."""
    crc = base64.b64encode(zlib.crc32(data).to_bytes(4, "big")).decode()
    return {"crc32": crc, "composite": f"{crc}-2"}.get(kind, kind)
