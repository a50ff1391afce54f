# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""An object store over S3: streamed in parts, hashed on the way, resumed where a connection broke.

ETag and checksums of the store are not enough (a composite one is not checked on the way back), so whoever writes keeps
size and SHA-256, and whoever reads compares them.
"""

from __future__ import annotations

import contextlib
import hashlib
import time
from collections.abc import Generator, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from ..core.errors import BackupUnusable, BadInput, StorageFailed
from ..drivers import package

PART = 16 * 1024 * 1024  # bytes of one part: 10,000 parts reach 160 GB
BLOCK = 1024 * 1024  # bytes of one read
PAUSE = 0.1  # seconds before a broken read is taken up again, doubled each time
TRIES = 5  # of a read that breaks off before it gives up, counted anew whenever bytes came


@dataclass(frozen=True)
class Written:
    """What was stored: bytes and SHA-256 of the whole object."""

    key: str
    size: int
    sha256: str


class Bucket:
    """One bucket. Keys are given without the prefix."""

    def __init__(self, spec: Mapping[str, Any]) -> None:
        boto3 = package("boto3", "python3-boto3")
        self._errors = package("botocore.exceptions", "python3-boto3")
        config = package("botocore.config", "python3-boto3").Config(
            connect_timeout=5, read_timeout=20, retries={"mode": "standard", "max_attempts": 5}
        )
        self.name, self.prefix = str(spec["bucket"]), str(spec.get("prefix") or "")
        keys = {"aws_access_key_id": spec["access_key"], "aws_secret_access_key": spec["secret_key"]}
        self._client = boto3.client(
            "s3",
            endpoint_url=spec.get("endpoint_url") or None,
            region_name=spec.get("region") or "us-east-1",
            verify=spec.get("ca_file") or None,
            config=config,
            **(keys if spec.get("access_key") else {}),
        )

    def put(self, key: str, data: bytes) -> Written:
        """Store ``data`` as one object."""
        self._ask("put_object", key, Body=data)
        return Written(key, len(data), hashlib.sha256(data).hexdigest())

    def write(self, key: str, blocks: Iterable[bytes]) -> Written:
        """Store a stream of unknown length in parts. When ``blocks`` raises, nothing is left behind."""
        self._forget_unfinished(key)
        upload = self._ask("create_multipart_upload", key)["UploadId"]
        sha256, size, tags = hashlib.sha256(), 0, list[Future[str]]()

        def send(part: bytearray, number: int) -> str:
            sent = self._ask("upload_part", key, UploadId=upload, PartNumber=number, Body=part)
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
            with contextlib.suppress(StorageFailed):
                self._ask("abort_multipart_upload", key, UploadId=upload)
            raise
        return Written(key, size, sha256.hexdigest())

    def size(self, key: str) -> int:
        """Bytes of an object; raises StorageFailed (object-missing) when it is not there."""
        # A listing, not a HEAD: the answer to a HEAD has no body, so its errors have no reason.
        found = self._ask("list_objects_v2", "", Prefix=self.prefix + key, MaxKeys=1).get("Contents", [])
        if not found or found[0]["Key"] != self.prefix + key:
            raise StorageFailed(
                f"There is no object {self.prefix}{key} in bucket {self.name}.",
                hint="It was deleted, or never written. Choose another restore point.",
                next="ansible-playbook status.yml",
                code="object-missing",
            )
        return int(found[0]["Size"])

    def get(self, key: str) -> bytes:
        """The whole of a small object."""
        return b"".join(self.read(key))

    def read(self, key: str) -> Iterator[bytes]:
        """An object in blocks; a connection that breaks off is taken up again where it broke."""
        offset, end, tries = 0, self.size(key), 0
        while offset < end:
            try:
                body = self._ask("get_object", key, Range=f"bytes={offset}-")["Body"]
                for block in body.iter_chunks(BLOCK):
                    offset, tries = offset + len(block), 0
                    yield block
            except (self._errors.BotoCoreError, self._errors.HTTPClientError) as error:
                tries += 1
                if tries >= TRIES:
                    raise self._failed("get_object", key, error) from error
                time.sleep(PAUSE * 2**tries)
            else:
                if offset < end:
                    tries += 1
                    if tries >= TRIES:
                        raise self._failed("get_object", key, EOFError(f"ended at byte {offset} of {end}"))

    def proven(self, written: Written) -> Generator[bytes, None, None]:
        """An object in blocks; raises BackupUnusable at its end when it is not what was written."""
        sha256, size = hashlib.sha256(), 0
        for block in self.read(written.key):
            sha256.update(block)
            size += len(block)
            yield block
        if (size, sha256.hexdigest()) != (written.size, written.sha256):
            raise BackupUnusable(
                f"The object {self.prefix}{written.key} in bucket {self.name} is not what was written: "
                f"{size} bytes, SHA-256 {sha256.hexdigest()}; written were {written.size}, {written.sha256}.",
                hint="It was cut, changed or replaced in the store. Never restore it; choose another restore point.",
                next="ansible-playbook status.yml",
                code="object-changed",
            )

    def keys(self, prefix: str) -> list[str]:
        """All keys below ``prefix``, sorted."""
        found: list[str] = []
        token: dict[str, str] = {}
        while True:
            page = self._ask("list_objects_v2", "", Prefix=self.prefix + prefix, **token)
            found += [each["Key"][len(self.prefix) :] for each in page.get("Contents", [])]
            if not page.get("IsTruncated"):
                return sorted(found)
            token = {"ContinuationToken": page["NextContinuationToken"]}

    def delete(self, key: str) -> None:
        """Remove an object; one that is not there is no error."""
        self._ask("delete_object", key)

    def _forget_unfinished(self, key: str) -> None:
        """Parts that a killed writer of this key left are seen by nobody, and paid for."""
        found = self._ask("list_multipart_uploads", "", Prefix=self.prefix + key).get("Uploads", [])
        for upload in found:
            if upload["Key"] == self.prefix + key:
                self._ask("abort_multipart_upload", key, UploadId=upload["UploadId"])

    def _ask(self, what: str, key: str, **options: Any) -> Any:
        named = {"Key": self.prefix + key} if key else {}
        try:
            return getattr(self._client, what)(Bucket=self.name, **named, **options)
        except (self._errors.BotoCoreError, self._errors.ClientError) as error:
            raise self._failed(what, key, error) from error

    def _failed(self, what: str, key: str, error: Exception) -> StorageFailed:
        said = (getattr(error, "response", None) or {}).get("Error", {})
        return StorageFailed(
            f"The object store refused {what} of {self.prefix}{key} in bucket {self.name}: "
            f"{said.get('Code', type(error).__name__)}: {said.get('Message') or error}",
            hint="Check the address, the bucket, the credentials and ca_file in rollback_s3.",
            next="ansible-playbook preflight.yml",
        )


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
