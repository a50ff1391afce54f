# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""An object store over S3: streamed in parts, hashed on the way, resumed where a connection broke.

ETag and checksums of the store are not enough (a composite one is not checked on the way back), so whoever writes keeps
size and SHA-256, and whoever reads compares them.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import threading
import time
from collections.abc import Generator, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from ..core.errors import BadInput, RollbackError
from ..drivers import package
from . import refusals

PART = 16 * 1024 * 1024  # bytes of one part: 10,000 parts reach 160 GB
BLOCK = 1024 * 1024  # bytes of one read
PAUSE = 0.1  # seconds before a broken read is taken up again, doubled each time
TRIES = 5  # of a read that breaks off before it gives up, counted anew when a block's worth of bytes came
ATTEMPTS = 5  # of a request that is refused for a moment; the pauses between them grow to 8 seconds
CONNECT = 5.0  # seconds to reach the store, and for it to take a small block
SILENCE = 20.0  # seconds without a byte after which a connection counts as broken
PATIENCE = 60.0  # seconds that a block may take: slower than 17 KB/s is as good as broken
ARCHIVES = frozenset({"GLACIER", "DEEP_ARCHIVE"})  # classes of storage that cannot be read at once


@dataclass(frozen=True)
class Written:
    """What was stored: bytes and SHA-256 of the whole object."""

    key: str
    size: int
    sha256: str


class Bucket:
    """One bucket. Keys are given without the prefix. ``retries``: how often something was asked again."""

    def __init__(self, spec: Mapping[str, Any]) -> None:
        boto3 = package("boto3", "python3-boto3")
        self._errors = package("botocore.exceptions", "python3-boto3")
        config = package("botocore.config", "python3-boto3").Config(
            connect_timeout=CONNECT, read_timeout=SILENCE, retries={"mode": "standard", "total_max_attempts": ATTEMPTS}
        )
        self.name, self.prefix = str(spec["bucket"]), str(spec.get("prefix") or "")
        self.retries = 0
        keys = {"aws_access_key_id": spec["access_key"], "aws_secret_access_key": spec["secret_key"]}
        self._client = boto3.client(
            "s3",
            endpoint_url=spec.get("endpoint_url") or None,
            region_name=spec.get("region") or "us-east-1",
            verify=spec.get("ca_file") or None,
            config=config,
            **(keys if spec.get("access_key") else {}),
        )
        self._place = f"in bucket {self.name} at {self._client.meta.endpoint_url}"
        self._place += f" as {spec['access_key']}" if spec.get("access_key") else ""

    def put(self, key: str, data: bytes) -> Written:
        """Store ``data`` as one object, which ``get`` reads.

        It is given as a file, which goes in small blocks: whole, it would have to go within the time of one block.
        """
        sha256 = hashlib.sha256(data).hexdigest()
        self._ask("put_object", key, Body=io.BytesIO(data), Metadata={"sha256": sha256})
        return Written(key, len(data), sha256)

    def write(self, key: str, blocks: Iterable[bytes]) -> Written:
        """Store a stream of unknown length in parts. When ``blocks`` raises, nothing is left behind."""
        self._forget_unfinished(key)
        upload = self._ask("create_multipart_upload", key)["UploadId"]
        sha256, size, tags = hashlib.sha256(), 0, list[Future[str]]()

        def send(part: bytearray, number: int) -> str:
            # As a file, for the same reason as in ``put``.
            sent = self._ask("upload_part", key, UploadId=upload, PartNumber=number, Body=io.BytesIO(part))
            return str(sent["ETag"])

        try:
            # One part is on its way while the next one is read.
            with ThreadPoolExecutor(1) as sender:
                for number, part in enumerate(_parts(blocks), 1):
                    sha256.update(part)
                    size += len(part)
                    if tags:
                        tags[-1].result()
                    tags.append(sender.submit(send, part, number))
            parts = [{"PartNumber": number, "ETag": tag.result()} for number, tag in enumerate(tags, 1)]
            self._ask("complete_multipart_upload", key, UploadId=upload, MultipartUpload={"Parts": parts})
        except BaseException:
            # A store that does not answer keeps its parts; the next write of this key has them removed.
            with contextlib.suppress(RollbackError):
                self._ask("abort_multipart_upload", key, UploadId=upload)
            raise
        return Written(key, size, sha256.hexdigest())

    def size(self, key: str) -> int:
        """Bytes of an object; raises StorageFailed when it cannot be read (object-missing, object-archived)."""
        return int(self._look(key)["Size"])

    def get(self, key: str) -> bytes:
        """The whole of a small object; raises BackupUnusable when it is not what ``put`` has stored."""
        tries = 0
        while True:
            answer = self._ask("get_object", key)
            try:
                data = b"".join(_blocks(answer["Body"]))
            except (self._errors.BotoCoreError, self._errors.HTTPClientError) as error:
                tries = self._again(tries, "get_object", key, error)
            else:
                break
        sha256, told = hashlib.sha256(data).hexdigest(), answer["Metadata"].get("sha256")
        if told and told != sha256:  # an older version of this collection did not tell
            raise self._changed(key, f"{len(data)} bytes, SHA-256 {sha256}", f"SHA-256 {told}")
        return data

    def read(self, key: str) -> Iterator[bytes]:
        """An object in blocks; a connection that breaks off is taken up again where it broke."""
        found = self._look(key)
        offset, end, tries, broke = 0, int(found["Size"]), 0, 0
        while offset < end:
            try:
                answer = self._ask("get_object", key, Range=f"bytes={offset}-", IfMatch=found["ETag"])
                if not str(answer.get("ContentRange")).startswith(f"bytes {offset}-"):
                    raise EOFError(f"asked from byte {offset} on, it sent {answer.get('ContentRange', 'all')}")
                for block in _blocks(answer["Body"]):
                    offset += len(block)
                    yield block
                if offset < end:
                    raise EOFError(f"it ended at byte {offset} of {end}")
            except (self._errors.BotoCoreError, self._errors.HTTPClientError, EOFError) as error:
                # A line that lets a few bytes through each time would go on for ever.
                tries = self._again(0 if offset - broke >= BLOCK else tries, "get_object", key, error)
                broke = offset

    def proven(self, written: Written) -> Generator[bytes, None, None]:
        """An object in blocks; raises BackupUnusable at its end when it is not what was written."""
        sha256, size = hashlib.sha256(), 0
        for block in self.read(written.key):
            sha256.update(block)
            size += len(block)
            yield block
        if (size, sha256.hexdigest()) != (written.size, written.sha256):
            found = f"{size} bytes, SHA-256 {sha256.hexdigest()}"
            raise self._changed(written.key, found, f"{written.size} bytes, SHA-256 {written.sha256}")

    def keys(self, prefix: str) -> list[str]:
        """All keys below ``prefix``, sorted."""
        found: list[str] = []
        token: dict[str, str] = {}
        while True:
            page = self._list("list_objects_v2", prefix, **token)
            found += [each["Key"][len(self.prefix) :] for each in page.get("Contents", [])]
            if not page.get("IsTruncated"):
                return sorted(found)
            token = {"ContinuationToken": page["NextContinuationToken"]}

    def delete(self, key: str) -> None:
        """Remove an object; one that is not there is no error."""
        self._ask("delete_object", key)

    def _forget_unfinished(self, key: str) -> None:
        """Parts that a killed writer of this key left are seen by nobody, and paid for."""
        found = self._list("list_multipart_uploads", key).get("Uploads", [])
        for upload in found:
            if upload["Key"] == self.prefix + key:
                self._ask("abort_multipart_upload", key, UploadId=upload["UploadId"])

    def _look(self, key: str) -> Mapping[str, Any]:
        """What a listing says of an object: Size, ETag. The answer to a HEAD has no body, so its errors no reason."""
        more = {"MaxKeys": 1, "OptionalObjectAttributes": ["RestoreStatus"]}
        found = self._list("list_objects_v2", key, **more).get("Contents", [])
        if not found or found[0]["Key"] != self.prefix + key:
            raise self._refused("list_objects_v2", key, "NoSuchKey", "there is no such object")
        kind, back = found[0].get("StorageClass"), found[0].get("RestoreStatus", {})
        if kind in ARCHIVES and not back.get("RestoreExpiryDate"):
            raise self._refused("list_objects_v2", key, "InvalidObjectState", f"its storage class is {kind}")
        return dict(found[0])

    def _list(self, what: str, prefix: str, **options: Any) -> Any:
        return self._ask(what, prefix, "Prefix", **options)

    def _ask(self, what: str, key: str, named: str = "Key", **options: Any) -> Any:
        try:
            answer = getattr(self._client, what)(Bucket=self.name, **{named: self.prefix + key}, **options)
        except (self._errors.BotoCoreError, self._errors.ClientError) as error:
            raise self._failed(what, key, error, ATTEMPTS - 1) from error
        self.retries += int(answer["ResponseMetadata"].get("RetryAttempts", 0))
        return answer

    def _again(self, tries: int, what: str, key: str, error: Exception) -> int:
        """Wait before a body that broke off is asked for once more; raises StorageFailed after the last time."""
        if tries + 1 >= TRIES:
            raise self._failed(what, key, error, tries) from error
        time.sleep(PAUSE * 2**tries)
        self.retries += 1
        return tries + 1

    def _failed(self, what: str, key: str, error: Exception, tried: int) -> RollbackError:
        answered = (getattr(error, "response", None) or {}).get("ResponseMetadata", {})
        return refusals.of(self._asked(what, key), error, int(answered.get("RetryAttempts", tried)))

    def _refused(self, what: str, key: str, code: str, message: str) -> RollbackError:
        said = {"Error": {"Code": code, "Message": message}}
        return refusals.of(self._asked(what, key), self._errors.ClientError(said, what), 0)

    def _changed(self, key: str, found: str, written: str) -> RollbackError:
        return refusals.changed(f"{self.prefix}{key} {self._place}", found, written)

    def _asked(self, what: str, key: str) -> str:
        return f"{what}{' of ' if self.prefix + key else ''}{self.prefix}{key} {self._place}"


def _blocks(body: Any) -> Iterator[bytes]:
    """The blocks of an answer. A read times out when it is silent, so what drips must be made to time out."""
    with contextlib.closing(body):
        while True:
            watch = threading.Timer(PATIENCE, body.set_socket_timeout, [0.001])
            watch.daemon = True
            watch.start()
            try:
                block = body.read(BLOCK)
            finally:
                watch.cancel()
            if not block:
                return
            yield block


def store_of(spec: Mapping[str, Any]) -> Bucket | None:
    """The store that the option ``s3`` of a module names; None when it names none."""
    return Bucket(spec) if spec.get("bucket") else None


def open_store(spec: Mapping[str, Any]) -> Bucket:
    """The store that the option ``s3`` of a module names; raises BadInput when it names none."""
    store = store_of(spec)
    if store is None:
        raise BadInput(
            "There is no object store.",
            hint="Set rollback_s3: bucket, endpoint_url, access_key, secret_key.",
            code="no-object-store",
        )
    return store


def _parts(blocks: Iterable[bytes]) -> Iterator[bytearray]:
    """The stream in parts of PART bytes, the last one shorter; an empty stream is one empty part."""
    part, sent = bytearray(), False
    for block in blocks:
        rest = memoryview(block)
        while len(part) + len(rest) >= PART:
            room = PART - len(part)
            part += rest[:room]
            yield part
            part, rest, sent = bytearray(), rest[room:], True
        part += rest
    if part or not sent:
        yield part
