# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Who is at the other end: real servers behind a line that speaks TLS with a certificate that nobody has signed.

The servers of the tests are built without TLS, so it ends in front of them, as it does behind many a balancer.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.steady.rollback.plugins.module_utils import notify, tls, web
from ansible_collections.steady.rollback.plugins.module_utils.caches import redis
from ansible_collections.steady.rollback.plugins.module_utils.core.errors import RollbackError
from ansible_collections.steady.rollback.plugins.module_utils.databases.postgres import UNTRUSTED, Server
from ansible_collections.steady.rollback.plugins.module_utils.gates import gate, http
from ansible_collections.steady.rollback.plugins.module_utils.gates import redis as redis_gate
from ansible_collections.steady.rollback.plugins.module_utils.gates import sql as sql_gate
from ansible_collections.steady.rollback.plugins.module_utils.gates.verdict import Rule
from ansible_collections.steady.rollback.plugins.module_utils.storage.objects import Bucket
from integration.postgres_fixtures import Cluster, cluster_fixture, product_fixture, s3_fixture  # noqa: F401
from integration.queue_fixtures import valkey_fixture  # noqa: F401
from unit.web_server import certificate, say, serve


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
    for end in (source, sink):
        with contextlib.suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)


@contextlib.contextmanager
def secured(port: int, context: ssl.SSLContext, postgres: bool = False) -> Iterator[int]:
    """The port of a line that ends TLS and goes on to ``port``. PostgreSQL's clients ask in plain words first."""
    listener = socket.create_server(("127.0.0.1", 0))

    def one(client: socket.socket) -> None:
        with contextlib.suppress(OSError):
            if postgres:
                client.recv(8)
                client.sendall(b"S")
            wrapped = context.wrap_socket(client, server_side=True)
            server = socket.create_connection(("127.0.0.1", port))
            threading.Thread(target=_pump, args=(server, wrapped), daemon=True).start()
            _pump(wrapped, server)

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=one, args=(listener.accept()[0],), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    yield listener.getsockname()[1]
    listener.close()


@pytest.fixture(name="signed")
def signed_fixture(tmp_path: Path) -> tuple[ssl.SSLContext, Path]:
    """A server's certificate for the name ``localhost``, and its file, which is its own authority."""
    return certificate(tmp_path, "localhost")


def refusal(act: Callable[[], Any]) -> RollbackError:
    """The error of an act that has to be refused."""
    with pytest.raises(RollbackError) as refused:
        act()
    return refused.value


def test_postgresql(product: Cluster, signed: tuple[ssl.SSLContext, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    context, authority = signed
    with secured(product.port, context, postgres=True) as port:

        def ask(host: str) -> str:
            server = Server(host, port, "rollback", product.server.password, "verify-full")
            with server.connect("wabot") as connection:
                return str(connection.execute("SELECT current_database()").fetchone()[0])

        monkeypatch.setenv("HOME", str(authority.parent))
        unknown = refusal(lambda: ask("localhost"))
        assert "certificate" in unknown.message and f"localhost:{port}" in unknown.message
        assert (unknown.hint, unknown.code) == (UNTRUSTED, "database-failed")
        assert unknown.next == f"psql -h localhost -p {port} -U rollback -l"
        monkeypatch.setenv("PGSSLROOTCERT", str(authority))
        assert ask("localhost") == "wabot"
        other = refusal(lambda: ask("127.0.0.1"))
        assert 'server certificate for "localhost" (and 1 other name) does not match host name' in other.message
        gated = {"host": "127.0.0.1", "port": port, "database": "wabot", "user": "rollback", "query": "SELECT 1"}
        reading = sql_gate.probe({**gated, "password": product.server.password})()
        assert reading.ok is False and "does not match host name" in reading.note


def test_redis(valkey: int, signed: tuple[ssl.SSLContext, Path]) -> None:
    context, authority = signed
    with secured(valkey, context) as port:
        known = f"?ssl_ca_certs={authority}"
        unknown = refusal(lambda: redis.look(redis.Cache(f"rediss://localhost:{port}/1"), ["*"]))
        assert "certificate verify failed: self-signed certificate" in unknown.message
        assert unknown.hint == "Its certificate is not trusted for this name. Name its authority: ?ssl_ca_certs=<file>."
        assert (unknown.code, unknown.next) == ("redis-untrusted", f"redis-cli -u redis://localhost:{port}/1 PING")
        assert redis.look(redis.Cache(f"rediss://localhost:{port}/1{known}"), ["*"])["keys"] == {"*": 0}
        other = refusal(lambda: redis.look(redis.Cache(f"rediss://127.0.0.1:{port}/1{known}"), ["*"]))
        assert other.code == "redis-untrusted" and "IP address mismatch" in other.message
        assert redis_gate.probe({"url": f"rediss://localhost:{port}/1{known}"})().ok
        for url in (f"rediss://localhost:{port}/1", f"rediss://127.0.0.1:{port}/1{known}"):
            reading = redis_gate.probe({"url": url})()
            assert reading.ok is False and "certificate verify failed" in reading.note
    # What an older driver would not look at by itself.
    assert tls.redis_options("rediss://cache/1") == {"ssl_check_hostname": True}
    assert tls.redis_options("redis://cache/1") == tls.redis_options("rediss://cache/1?ssl_cert_reqs=none") == {}


def test_a_password_in_a_url_that_cannot_be_read_is_not_repeated() -> None:
    error = refusal(lambda: redis.Cache("redis://rollback:S3cr3t-1/x#y@cache:6379/1"))
    assert (error.message, error.code, error.next) == ("The Redis URL cannot be read.", "cache-url-missing", "")
    assert error.hint == (
        "It is rediss://user:password@host:port/database, with / # ? and @ in the password percent-encoded."
    )
    assert error.__cause__ is None and error.__suppress_context__


def test_the_object_store(s3: dict[str, Any], signed: tuple[ssl.SSLContext, Path]) -> None:
    context, authority = signed
    Bucket(s3).put("tls", b"x")
    with secured(int(s3["endpoint_url"].rpartition(":")[2]), context) as port:
        here = {**s3, "endpoint_url": f"https://localhost:{port}"}
        unknown = refusal(lambda: Bucket(here).get("tls"))
        assert "SSLError: SSL validation failed for" in unknown.message
        assert "self-signed certificate" in unknown.message
        assert unknown.hint == (
            "Its certificate is not trusted for this name: name its authority in ca_file of rollback_s3."
        )
        assert (unknown.code, unknown.next) == ("storage-untrusted", "ansible-playbook preflight.yml")
        assert Bucket({**here, "ca_file": str(authority)}).get("tls") == b"x"
        elsewhere = {**here, "endpoint_url": f"https://127.0.0.1:{port}", "ca_file": str(authority)}
        assert "hostname '127.0.0.1' doesn't match 'localhost'" in refusal(lambda: Bucket(elsewhere).get("tls")).message


def test_webhooks_and_gates(signed: tuple[ssl.SSLContext, Path]) -> None:
    context, authority = signed
    with serve(lambda request: say(request, 200), context) as base:
        url = base.replace("127.0.0.1", "localhost")
        event = notify.event({"event": "started"})
        sink = {"name": "hook", "kind": "webhook", "url": url}
        told = notify.deliver(event, [sink])
        assert told == [{"sink": "hook", "reason": "TLS certificate refused: self-signed certificate"}]
        assert notify.deliver(event, [{**sink, "ca_file": str(authority)}]) == []
        assert http.probe({"url": url})().note == "TLS certificate refused: self-signed certificate"
        assert http.probe({"url": url, "ca_file": str(authority)})().ok
        assert http.probe({"url": url, "verify": False})().ok


@pytest.mark.parametrize(
    ("found", "shown"),
    [
        (tls.postgres("db1", "require"), "the connection to db1 is not verified (sslmode require)"),
        (tls.postgres("db1", "verify-ca"), "the connection to db1 is not verified (sslmode verify-ca)"),
        (tls.postgres("db1", "disable"), "the connection to db1 is not encrypted (sslmode disable)"),
        (tls.postgres("db1", "verify-full"), ""),
        (tls.postgres("127.0.0.1", "disable"), ""),
        (tls.postgres("/run/postgresql", "disable"), ""),
        (tls.redis("redis://cache:6379/1"), "the connection to cache is not encrypted"),
        (tls.redis("rediss://cache/1?ssl_cert_reqs=none"), "the connection to cache is not verified"),
        (tls.redis("rediss://cache/1"), ""),
        (tls.redis("redis://[::1]:6379/1"), ""),
        (tls.redis("unix:///run/redis.sock?db=1"), ""),
        (tls.web("object store", "http://minio:9000"), "the connection to minio is not encrypted"),
        (tls.web("object store", "https://minio:9000"), ""),
        (tls.web("object store", ""), ""),
        (tls.web("gate", "https://app1/health", False), "the connection to app1 is not verified"),
        (tls.web("gate", "https://localhost/health", False), ""),
    ],
)
def test_turning_it_off_is_a_warning(found: list[Any], shown: str) -> None:
    assert [row.found for row in found] == ([shown] if shown else [])
    assert all((row.level, row.code) == ("warn", "tls-unverified") and row.fix for row in found)


def test_a_gate_that_anybody_could_answer_is_a_warning() -> None:
    probes = [
        {"name": "web", "kind": "http", "url": "https://app1/health", "verify": False},
        {"name": "plain", "kind": "http", "url": "http://app1/health"},
        {"name": "cache", "kind": "redis", "url": "redis://cache:6379/1"},
        {"name": "rows", "kind": "sql", "host": "db1", "sslmode": "prefer", "query": "SELECT 1"},
    ]
    rows = gate.definitions(probes, Rule(), "smoke")
    assert [(row.name, row.level) for row in rows if row.level != "ok"] == [
        ("gate smoke, probe web", "warn"), ("tls", "warn"), ("tls", "warn"),
    ]  # fmt: skip


METADATA = "its name leads to {}, where a cloud keeps its credentials: it is never asked"


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("http://169.254.169.254/latest/meta-data/", "169.254.169.254"),
        ("http://169.254.0.1/", "169.254.0.1"),
        ("http://2852039166/", "169.254.169.254"),
        ("http://0xa9fea9fe/", "169.254.169.254"),
        ("http://0251.0376.0251.0376/", "169.254.169.254"),
        ("http://[::ffff:169.254.169.254]/", "169.254.169.254"),
        ("http://[fd00:ec2::254]/", "fd00:ec2::254"),
        ("http://[fe80::1]/", "fe80::1"),
        ("http://100.100.100.200/", "100.100.100.200"),
        ("https://168.63.129.16/", "168.63.129.16"),
    ],
)
def test_where_a_cloud_keeps_its_credentials_is_never_asked(url: str, address: str) -> None:
    with pytest.raises(web.Unanswered) as refused:
        web.ask(url, timeout=0.5)
    assert str(refused.value) == METADATA.format(address)


def test_no_name_and_no_redirect_leads_there(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []

    def redirect(request: Any) -> None:
        seen.append(request.path)
        say(request, 302, None, Location="http://169.254.169.254/latest/meta-data/")

    with serve(redirect) as url:
        assert http.probe({"url": url})().note == (
            "status 302 to http://169.254.169.254/latest/meta-data/, expected 200"
        )
        sink = {"name": "hook", "kind": "webhook", "url": url, "allow_http": True}
        assert notify.deliver(notify.event({"event": "started"}), [sink]) == [{"sink": "hook", "reason": "status 302"}]
        assert len(seen) == 3
        port = int(url.rpartition(":")[2])
        real = socket.getaddrinfo

        def rebound(host: str, *args: Any, **more: Any) -> Any:
            """A name of two addresses, the second of which is not to be asked."""
            if host != "rebound.example":
                return real(host, *args, **more)
            return [(2, 1, 6, "", (address, port)) for address in ("127.0.0.1", "169.254.169.254")]

        monkeypatch.setattr(socket, "getaddrinfo", rebound)
        assert http.probe({"url": f"http://rebound.example:{port}/"})().note == METADATA.format("169.254.169.254")
        assert len(seen) == 3
