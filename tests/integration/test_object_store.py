"""The object store: streams, unfinished uploads, prefixes. What breaks on the way is in test_object_store_faults."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from typing import Any

import pytest
from ansible_collections.steady.rollback.plugins.module_utils.core.errors import BackupUnusable, StorageFailed
from ansible_collections.steady.rollback.plugins.module_utils.storage import objects
from ansible_collections.steady.rollback.plugins.module_utils.storage.objects import Bucket, Written
from integration.postgres_fixtures import (  # noqa: F401
    bucket_fixture,
    s3_client,
    s3_fixture,
)

MB = 1024 * 1024


def test_a_stream_comes_back_as_it_went_in(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(objects, "PART", 5 * MB)
    data = os.urandom(12 * MB)
    written = bucket.write("a/b", (data[at : at + 700_000] for at in range(0, len(data), 700_000)))
    assert written == Written("a/b", len(data), hashlib.sha256(data).hexdigest())
    assert b"".join(bucket.proven(written)) == data
    assert (bucket.size("a/b"), bucket.keys("a/")) == (len(data), ["a/b"])


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
