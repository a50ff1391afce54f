"""Every way of using the object store under every fault of it: refused or gone on with, and nothing else is changed.

The rows are S1-S9 of the catalogue of failures. The store is a real one behind ``s3_faults.Proxy``.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.steady.rollback.plugins.module_utils import entry
from ansible_collections.steady.rollback.plugins.module_utils.anchor import mirror
from ansible_collections.steady.rollback.plugins.module_utils.anchor.store import Store
from ansible_collections.steady.rollback.plugins.module_utils.core import point
from ansible_collections.steady.rollback.plugins.module_utils.core.errors import RollbackError
from ansible_collections.steady.rollback.plugins.module_utils.databases import backup, restore, source
from ansible_collections.steady.rollback.plugins.module_utils.storage import objects
from ansible_collections.steady.rollback.plugins.module_utils.storage.objects import Bucket, Written
from ansible_collections.steady.rollback.plugins.modules import restore_point
from integration.postgres_fixtures import (  # noqa: F401
    Cluster,
    cluster_fixture,
    product_fixture,
    s3_client,
    s3_fixture,
)
from integration.restore_fixtures import PLACE, POINT, captured, order
from integration.s3_faults import MB, Fault, Proxy
from integration.test_postgres_role import Anchor

PREFLIGHT, STATUS = "ansible-playbook preflight.yml", "ansible-playbook status.yml"
BODY = {"id": "p2", "created": "2026-01-01T00:00:00.000000Z", "environment": "production", "purpose": "pre_deploy"}
BUSY = "The store is overloaded or broken, and stayed so while it was asked again. Wait, then try again."
DENIED = "Correct access_key and secret_key in rollback_s3, or allow this account what the message names."
MISSING = "It was deleted, or never written. Choose another restore point."
CHANGED = "It was cut, changed or replaced in the store. Never restore it; choose another restore point."
SILENT = "It did not answer in time, or broke off. Check that endpoint_url in rollback_s3 can be reached from here."

# HTTP status, code and text of the store's answer; code, hint and next command of ours.
REFUSALS = [
    (503, "SlowDown", "Please reduce your request rate.", "storage-busy", BUSY, PREFLIGHT),
    (500, "InternalError", "We encountered an internal error.", "storage-busy", BUSY, PREFLIGHT),
    (404, "NoSuchKey", "The specified key does not exist.", "object-missing", MISSING, STATUS),
    (404, "NoSuchVersion", "The specified version does not exist.", "object-missing", MISSING, STATUS),
    (
        404,
        "NoSuchBucket",
        "The specified bucket does not exist.",
        "bucket-missing",
        "Correct bucket and endpoint_url in rollback_s3: another account or another region has other buckets.",
        PREFLIGHT,
    ),
    (
        301,
        "PermanentRedirect",
        "The bucket must be addressed using another endpoint.",
        "storage-region",
        "The bucket lies in another region: correct region and endpoint_url in rollback_s3.",
        PREFLIGHT,
    ),
    (
        400,
        "ExpiredToken",
        "The provided token has expired.",
        "storage-expired",
        "The credentials in rollback_s3 have expired. Renew them; what was begun goes on with resume.yml.",
        PREFLIGHT,
    ),
    (403, "AccessDenied", "Access Denied.", "storage-denied", DENIED, PREFLIGHT),
    (403, "InvalidAccessKeyId", "The key does not exist in our records.", "storage-denied", DENIED, PREFLIGHT),
    (
        403,
        "RequestTimeTooSkewed",
        "The difference between the request time and the current time is too large.",
        "storage-clock",
        "The clocks of this host and of the store differ too much.",
        "timedatectl",
    ),
    (
        403,
        "InvalidObjectState",
        "The operation is not valid for the object's storage class.",
        "object-archived",
        "It was moved to an archive. Have the store bring it back, or choose another restore point.",
        STATUS,
    ),
    (412, "PreconditionFailed", "At least one of the preconditions did not hold.", "object-changed", CHANGED, STATUS),
    (
        400,
        "MalformedXML",
        "The XML you provided was not well-formed.",
        "storage-failed",
        "Check the address, the bucket and the credentials in rollback_s3.",
        PREFLIGHT,
    ),
]


@dataclass
class World:
    """A product with a backup, an anchor with a restore point and a run, and the store that both use, seen twice."""

    product: Cluster
    s3: dict[str, Any]
    proxy: Proxy
    facts: dict[str, Any]
    anchor: Store

    @property
    def bucket(self) -> Bucket:
        """The store as the product reaches it."""
        return Bucket(self.options)

    @property
    def options(self) -> dict[str, Any]:
        """The option ``s3`` of a module."""
        return {**self.s3, "endpoint_url": self.proxy.url}

    def all_there_is(self) -> dict[str, Any]:
        """Databases and rows, objects and unfinished uploads, files of the anchor."""
        client = s3_client(self.s3)
        listed = client.list_objects_v2(Bucket=self.s3["bucket"]).get("Contents", [])
        files = (path for path in sorted(self.anchor.home.rglob("*")) if path.is_file())
        return {
            "databases": self.product.databases(),
            "rows": self.product.run("wabot", "SELECT (SELECT count(*) FROM message), count(*) FROM conversation"),
            "objects": [(each["Key"], each["ETag"]) for each in listed],
            "uploads": client.list_multipart_uploads(Bucket=self.s3["bucket"]).get("Uploads", []),
            "anchor": {path: path.read_bytes() for path in files},
        }

    def restored(self) -> dict[str, Any]:
        """Restore beside through the proxy."""
        return restore.prepare(self.product.server, self.bucket, order(self.facts), dry_run=False)

    def take(self, name: str) -> dict[str, Any]:
        """Take a backup through the proxy."""
        return backup.take(
            self.product.server, self.bucket, backup.Order("wabot", "production", name, "pre_deploy"), False
        )


@pytest.fixture(name="world")
def world_fixture(
    product: Cluster, s3: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[World]:
    """All of it, with requests that are not repeated and pauses that are not waited for."""
    bucket = Bucket(s3)
    facts = captured(product, bucket)
    anchor = Store(str(tmp_path / "anchor"), "production")
    anchor.write_plan("r1", {"plan": {"steps": []}, "run": {"id": "r1"}, "point": {}})
    with anchor.exclusive():
        anchor.append("r1", [{"kind": "opened"}, {"kind": "closed", "outcome": "completed"}])
    manifest = point.pack({**BODY, "id": "p1", "good": True, "components": {}, "hosts": {}})
    anchor.write_point("p1", manifest)
    bucket.put("production/points/p1.json", manifest)
    proxy = Proxy(s3["endpoint_url"])
    monkeypatch.setattr(objects, "ATTEMPTS", 1)
    monkeypatch.setattr(objects, "PAUSE", 0)
    yield World(product, s3, proxy, facts, anchor)
    proxy.close()
    for key in bucket.keys(""):
        bucket.delete(key)


def keep_a_manifest(world: World) -> Any:
    """What restore_point.yml does on the anchor."""
    asked = {"root": str(world.anchor.home.parent), "environment": "production", "s3": world.options}
    manifest = {**BODY, "components": {}}
    return restore_point.do(entry.Call({**asked, "state": "written", "manifest": manifest}, False, print))


def fetch(world: World) -> None:
    """What fetch.yml does on a new anchor."""
    new = Store(str(world.anchor.home.parent / "new"), "production")
    mirror.fetch(new, world.bucket, mirror.missing(new, world.bucket))


def preflight(world: World) -> None:
    """What a preflight looks at: nothing is read but a listing and the note."""
    source.refuse(source.look(world.product.server, world.bucket, world.facts, PLACE))


DUMP, NEW = f"production/postgres/{POINT}.dump", "production/postgres/r2.dump"
# Name: method and part of the address that the fault is for, what the message says was asked, the act itself, and
# what it may leave behind: an upload that is whole but has no note is no backup.
PATHS: dict[str, tuple[str, str, str, Callable[[World], Any], list[str]]] = {
    "list": ("GET", "list-type", "list_objects_v2", lambda world: world.bucket.keys(""), []),
    "upload a backup": ("PUT", "partNumber", f"upload_part of {NEW}", lambda world: world.take("r2"), []),
    "end an upload": (
        "POST",
        "uploadId",
        f"complete_multipart_upload of {NEW}",
        lambda world: world.take("r2"),
        [],
    ),
    "read a backup back": ("GET", f"backups/{NEW}$", f"get_object of {NEW}", lambda world: world.take("r2"), [NEW]),
    "write its note": ("PUT", f"/{NEW}.json", f"put_object of {NEW}.json", lambda world: world.take("r2"), [NEW]),
    "look before a run": ("GET", f"/{DUMP}.json", f"get_object of {DUMP}.json", preflight, []),
    "restore": ("GET", f"backups/{DUMP}$", f"get_object of {DUMP}", World.restored, []),
    "keep a manifest": ("PUT", "points/", "put_object of production/points/p2.json", keep_a_manifest, []),
    "copy the record": (
        "PUT",
        "runs/",
        "put_object of production/runs/r1/journal.jsonl",
        lambda world: mirror.push(world.anchor, "r1", world.bucket),
        [],
    ),
    "fetch the record": ("GET", "/production/points/", "get_object of production/points/p1.json", fetch, []),
}
SLOW = {"upload a backup", "end an upload", "read a backup back", "write its note", "restore"}  # a database works


@pytest.mark.parametrize("path", PATHS)
def test_a_refusal_has_its_way_out_and_changes_nothing(world: World, path: str) -> None:
    method, part, asked, act, leaves = PATHS[path]
    before = world.all_there_is()
    for status, said, text, code, hint, following in REFUSALS[:: 4 if path in SLOW else 1]:
        fault = Fault("refuse", method, part, status=status, code=said, said=text)
        with world.proxy.suffers(fault), pytest.raises(RollbackError) as caught:
            act(world)
        error = caught.value
        print(f"{path:20} {said:22} {error.code}")
        assert (error.code, error.hint, error.next) == (code, hint, following)
        where = f"in bucket {world.s3['bucket']} at {world.proxy.url} as {world.s3['access_key']}"
        assert error.message == f"The object store failed at {asked} {where}: {said}: {text.rstrip('.')}."
        after = world.all_there_is()
        after["objects"] = [each for each in after["objects"] if each[0] not in leaves]
        assert after == before
    # The store is well again: the same act goes on to its end.
    act(world)


TRANSFERS: dict[str, tuple[list[Fault], str]] = {
    "cut twice": ([Fault("cut", "GET", times=1, at=3000), Fault("cut", "GET", times=1, at=2500)], ""),
    "cut for ever": ([Fault("cut", "GET", at=10)], "storage-silent"),
    "stalled once": ([Fault("stall", "GET", times=1, at=5000)], ""),
    "dripping once": ([Fault("drip", "GET", times=1, at=5000)], ""),
    "refused in the middle": (
        [
            Fault("cut", "GET", times=1, at=3000),
            Fault("refuse", "GET", status=400, code="ExpiredToken", said="It has expired."),
        ],
        "storage-expired",
    ),
    "flipped": ([Fault("flip", "GET", at=-100)], "object-changed"),
    "flipped, with a whole checksum": (
        [Fault("flip", "GET", at=-100, headers=(("x-amz-checksum-crc32", "crc32"),))],
        "object-changed",
    ),
    "flipped, with a composite checksum": (
        [Fault("flip", "GET", at=-100, headers=(("x-amz-checksum-crc32", "composite"),))],
        "object-changed",
    ),
    "short": ([Fault("short", "GET", at=200)], "storage-silent"),
}


@pytest.mark.parametrize("name", TRANSFERS)
def test_a_transfer_goes_on_where_it_broke_or_is_refused(
    world: World, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    faults, code = TRANSFERS[name]
    monkeypatch.setattr(objects, "BLOCK", 1000)
    monkeypatch.setattr(objects, "SILENCE", 1)
    monkeypatch.setattr(objects, "PATIENCE", 0.5)
    before = world.all_there_is()
    written = Written(world.facts["key"], world.facts["size"], world.facts["sha256"])
    for act in (World.restored, lambda each: b"".join(each.bucket.proven(written))):
        with world.proxy.suffers(*(replace(each, part=f"backups/{DUMP}$") for each in faults)):
            if code:
                with pytest.raises(RollbackError) as caught:
                    act(world)
                assert caught.value.code == code
                assert world.all_there_is() == before
            else:
                act(world)
                assert world.proxy.struck == len(faults)
                offsets = [each[2] for each in world.proxy.seen if each[2]]
    if not code:
        # The last act has read nothing but the archive, and no byte of it twice from the start.
        assert offsets[0] == "bytes=0-"
        assert len(offsets) == len(faults) + 1
        assert "bytes=0-" not in offsets[1:]
    print(f"{name:36} {code or 'resumed'}")


def test_an_object_that_is_replaced_while_it_is_read(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(objects, "BLOCK", 1000)
    cut = Fault("cut", "GET", f"backups/{DUMP}$", times=1, at=3000)
    with world.proxy.suffers(cut), closing(world.bucket.read(DUMP)) as blocks:
        next(blocks)
        Bucket(world.s3).put(DUMP, os.urandom(world.facts["size"]))
        with pytest.raises(RollbackError) as caught:
            b"".join(blocks)
    assert (caught.value.code, caught.value.hint, caught.value.next) == ("object-changed", CHANGED, STATUS)


def test_a_busy_store_is_asked_again_and_says_so(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(objects, "ATTEMPTS", 3)
    bucket = world.bucket
    with world.proxy.suffers(Fault("refuse", times=2, status=503, code="SlowDown", said="Slower.")):
        assert len(bucket.keys("production/points/")) == 1
    assert bucket.retries == 2
    with world.proxy.suffers(Fault("refuse", status=503, code="SlowDown", said="Slower")):
        with pytest.raises(RollbackError, match=r"SlowDown: Slower, asked again 2 times\.$"):
            bucket.keys("")
        assert len(world.proxy.seen) == 3


def test_a_store_that_is_not_there(world: World) -> None:
    with pytest.raises(RollbackError) as caught:
        Bucket({**world.s3, "endpoint_url": "http://127.0.0.1:1"}).keys("")
    error = caught.value
    where = f"list_objects_v2 in bucket {world.s3['bucket']} at http://127.0.0.1:1 as {world.s3['access_key']}"
    why = 'EndpointConnectionError: Could not connect to the endpoint URL: "http://127.0.0.1:1/backups?list-type=2'
    assert error.message.startswith(f"The object store failed at {where}: {why}")
    assert (error.code, error.hint, error.next) == ("storage-silent", SILENT, PREFLIGHT)


def test_an_upload_over_a_slow_line(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A whole part that had to be gone within the time of one block would never arrive."""
    monkeypatch.setattr(objects, "CONNECT", 0.5)
    world.proxy.pace = 0.4
    began = time.monotonic()
    written = world.bucket.write("slow", [os.urandom(4 * MB)])
    assert time.monotonic() - began > 1
    assert Bucket(world.s3).size("slow") == written.size


def test_an_upload_whose_last_answer_is_lost(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(objects, "ATTEMPTS", 2)
    with world.proxy.suffers(Fault("deaf", "POST", "uploadId", times=1)):
        made = world.take("r2")["backup"]
    assert world.all_there_is()["uploads"] == []
    assert Bucket(world.s3).size(NEW) == made["size"]


def test_an_archived_backup_is_refused_before_a_run(world: World) -> None:
    archived = Fault("replace", "GET", "list-type", headers=(("STANDARD", "GLACIER"),))
    with world.proxy.suffers(archived), pytest.raises(RollbackError) as caught:
        preflight(world)
    error = caught.value
    where = f"in bucket {world.s3['bucket']} at {world.proxy.url} as {world.s3['access_key']}"
    assert error.message == f"The object {DUMP} {where} cannot be read: its storage class is GLACIER."
    assert error.code == "object-archived"


@pytest.mark.parametrize("what", ["flip", "short"])
def test_a_record_that_is_not_what_was_written_is_not_fetched(world: World, what: str) -> None:
    mirror.push(world.anchor, "r1", world.bucket)
    with world.proxy.suffers(Fault(what, "GET", "plan.json", at=5)), pytest.raises(RollbackError) as caught:
        fetch(world)
    assert (caught.value.code, caught.value.hint, caught.value.next) == ("object-changed", CHANGED, STATUS)
    assert not (world.anchor.home.parent / "new/production/runs/r1/plan.json").exists()
    fetch(world)
    new = Store(str(world.anchor.home.parent / "new"), "production")
    assert new.plan("r1") == world.anchor.plan("r1")


def test_whole_runs_with_a_store_that_fails(product: Cluster, s3: dict[str, Any], tmp_path: Path) -> None:
    """Before a deployment, before a rollback, and at its end."""
    proxy = Proxy(s3["endpoint_url"])
    anchor = Anchor(tmp_path, product, {**s3, "endpoint_url": proxy.url})
    rollback = [str(anchor.home / "database.yml"), "-e", "reason=test", "-e", "confirm=production"]
    refuse = {"what": "refuse", "status": 403, "code": "AccessDenied", "said": "Access Denied."}
    try:
        # No backup: no restore point, and the deployment that waits for it does not begin.
        with proxy.suffers(Fault(method="PUT", **refuse)):  # type: ignore[arg-type]
            assert DENIED in " ".join(anchor.play("steady.rollback.restore_point", good=False).split())
        assert Bucket(s3).keys("") == []
        assert not list(anchor.home.glob("anchor/production/points/*"))
        with proxy.suffers(Fault("refuse", times=2, status=503, code="SlowDown", said="Slower.")):
            assert "    retries: 2\n" in anchor.play("steady.rollback.restore_point", "-v")
        product.run("wabot", "DELETE FROM message WHERE id % 2 = 0")
        # No store: the run ends in its preflight.
        with proxy.suffers(Fault(method="GET", **refuse)):  # type: ignore[arg-type]
            said = anchor.play(*rollback, good=False)
        said = " ".join(said.split())
        assert "FAIL db1 postgres: The object store failed at list_objects_v2 of production/postgres/" in said
        assert product.run("wabot", "SELECT count(*) FROM message") == [(1000,)]
        assert product.databases() == {"postgres", "wabot"}
        assert not (anchor.home / "anchor/production/runs").exists()
        assert not (anchor.home / "anchor/production/lock.json").exists()
        # No store at the end: the run has done its work.
        with proxy.suffers(Fault(method="PUT", part="runs/", **refuse)):  # type: ignore[arg-type]
            said = anchor.play(*rollback)
        warning = (
            "WARNING [localhost] The record of this run is on the anchor only, not in the object store: The object"
        )
        assert f"{warning} store failed at put_object of production/runs/" in " ".join(said.split())
        assert product.run("wabot", "SELECT count(*) FROM message") == [(2000,)]
        assert anchor.journals()[-1]["outcome"] == "completed"
        (report,) = anchor.home.glob("anchor/production/runs/*/report.md")
        assert (
            "- Not told: Copy of this record: storage-denied: The object store failed at put_object of "
            in report.read_text()
        )
        assert [key for key in Bucket(s3).keys("production/runs/") if key] == []
    finally:
        proxy.close()
        for key in Bucket(s3).keys(""):
            Bucket(s3).delete(key)
