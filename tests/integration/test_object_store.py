"""The object store over a line that breaks: a TCP proxy before a real SeaweedFS cuts connections after some bytes."""

from __future__ import annotations

import hashlib
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

import pytest
from ansible_collections.steady.rollback.plugins.module_utils.core.errors import BackupUnusable, StorageFailed
from ansible_collections.steady.rollback.plugins.module_utils.storage import objects
from ansible_collections.steady.rollback.plugins.module_utils.storage.objects import Bucket, Written
from integration.postgres_fixtures import s3_client, s3_fixture  # noqa: F401

MB = 1024 * 1024


class Line:
    """Forwards connections to ``target``; ``cuts`` are the bytes of answers after which the next connections break."""

    def __init__(self, target: tuple[str, int]) -> None:
        self.target, self.cuts, self.broken = target, list[int](), 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self.listener.accept()
                server = socket.create_connection(self.target)
                threading.Thread(target=self._pump, args=(client, server, False), daemon=True).start()
                threading.Thread(target=self._pump, args=(server, client, True), daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket, answers: bool) -> None:
        passed = 0
        with suppress(OSError):
            while data := source.recv(65536):
                if answers and self.cuts and passed + len(data) >= self.cuts[0]:
                    sink.sendall(data[: self.cuts.pop(0) - passed])
                    self.broken += 1
                    break
                sink.sendall(data)
                passed += len(data)
        for end in (source, sink):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()


@pytest.fixture(name="line")
def line_fixture(s3: dict[str, Any]) -> Iterator[Line]:
    """A line to the store."""
    parts = urlsplit(s3["endpoint_url"])
    line = Line((str(parts.hostname), int(parts.port or 0)))
    yield line
    line.listener.close()


@pytest.fixture(name="bucket")
def bucket_fixture(s3: dict[str, Any]) -> Iterator[Bucket]:
    """The store without the line; empty afterwards."""
    bucket = Bucket(s3)
    yield bucket
    for key in bucket.keys(""):
        bucket.delete(key)


def test_a_stream_comes_back_as_it_went_in(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(objects, "PART", 5 * MB)
    data = os.urandom(12 * MB)
    written = bucket.write("a/b", (data[at : at + 700_000] for at in range(0, len(data), 700_000)))
    assert written == Written("a/b", len(data), hashlib.sha256(data).hexdigest())
    assert b"".join(bucket.proven(written)) == data
    assert (bucket.size("a/b"), bucket.keys("a/")) == (len(data), ["a/b"])


def test_a_read_goes_on_where_the_line_broke(bucket: Bucket, line: Line, s3: dict[str, Any]) -> None:
    data = os.urandom(6 * MB)
    written = bucket.write("big", [data])
    line.cuts = [1 * MB, 300_000, 2 * MB]
    assert b"".join(Bucket({**s3, "endpoint_url": line.url}).proven(written)) == data
    assert line.broken == 3


def test_a_line_that_always_breaks_is_given_up(bucket: Bucket, line: Line, s3: dict[str, Any]) -> None:
    written = bucket.write("big", [os.urandom(2 * MB)])
    line.cuts = [1] * 100
    with pytest.raises(StorageFailed):
        b"".join(Bucket({**s3, "endpoint_url": line.url}).proven(written))


def test_an_upload_that_fails_leaves_no_object_and_no_parts(
    bucket: Bucket, s3: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(objects, "PART", 5 * MB)

    def breaks() -> Iterator[bytes]:
        yield os.urandom(11 * MB)
        raise RuntimeError("the dump failed")

    with pytest.raises(RuntimeError, match="the dump failed"):
        bucket.write("half", breaks())
    client = s3_client(s3)
    assert bucket.keys("half") == []
    assert not client.list_multipart_uploads(Bucket=s3["bucket"]).get("Uploads")
    # What a killed writer leaves is removed by the next one.
    client.create_multipart_upload(Bucket=s3["bucket"], Key="half")
    bucket.write("half", [b"whole"])
    assert not client.list_multipart_uploads(Bucket=s3["bucket"]).get("Uploads")
    assert bucket.get("half") == b"whole"


def test_an_object_that_is_not_what_was_written(bucket: Bucket) -> None:
    written = bucket.write("key", [b"good"])
    bucket.put("key", b"evil")
    with pytest.raises(BackupUnusable):
        b"".join(bucket.proven(written))
    bucket.put("key", b"goo")
    with pytest.raises(BackupUnusable):
        b"".join(bucket.proven(written))


def test_a_prefix_keeps_products_apart(bucket: Bucket, s3: dict[str, Any]) -> None:
    mine = Bucket({**s3, "prefix": "mine/"})
    mine.put("key", b"x")
    assert (bucket.keys(""), mine.keys("")) == (["mine/key"], ["key"])
    with pytest.raises(StorageFailed) as error:
        bucket.size("key")
    assert error.value.code == "object-missing"
