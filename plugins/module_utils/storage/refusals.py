# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the refusals of an object store mean, and the way out of each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..core.errors import BackupUnusable, RollbackError, StorageFailed

CHANGED = "It was cut, changed or replaced in the store. Never restore it; choose another restore point."
PREFLIGHT, STATUS = "ansible-playbook preflight.yml", "ansible-playbook status.yml"


@dataclass(frozen=True)
class Way:
    """What to do when the store says one of ``said``."""

    said: frozenset[str]
    code: str
    hint: str
    next: str = PREFLIGHT
    kind: type[RollbackError] = StorageFailed


def _way(said: str, **more: Any) -> Way:
    return Way(frozenset(said.split()), **more)


# The answer to a request by HTTP status alone, as some stores give it, is listed too.
WAYS = (
    _way(
        "NoSuchKey NoSuchVersion 404",
        code="object-missing",
        hint="It was deleted, or never written. Choose another restore point.",
        next=STATUS,
    ),
    _way(
        "PreconditionFailed FlexibleChecksumError 412",
        code="object-changed",
        hint=CHANGED,
        next=STATUS,
        kind=BackupUnusable,
    ),
    _way(
        "InvalidObjectState",
        code="object-archived",
        hint="It was moved to an archive. Have the store bring it back, or choose another restore point.",
        next=STATUS,
    ),
    _way(
        "NoSuchBucket",
        code="bucket-missing",
        hint="Correct bucket and endpoint_url in rollback_s3: another account or another region has other buckets.",
    ),
    _way(
        "PermanentRedirect TemporaryRedirect AuthorizationHeaderMalformed IllegalLocationConstraintException 301 307",
        code="storage-region",
        hint="The bucket lies in another region: correct region and endpoint_url in rollback_s3.",
    ),
    _way(
        "ExpiredToken ExpiredTokenException TokenRefreshRequired",
        code="storage-expired",
        hint="The credentials in rollback_s3 have expired. Renew them; what was begun goes on with resume.yml.",
    ),
    _way(
        "AccessDenied AllAccessDisabled InvalidAccessKeyId SignatureDoesNotMatch 401 403",
        code="storage-denied",
        hint="Correct access_key and secret_key in rollback_s3, or allow this account what the message names.",
    ),
    _way(
        "SSLError",
        code="storage-untrusted",
        hint="Its certificate is not trusted for this name: name its authority in ca_file of rollback_s3.",
    ),
    _way(
        "RequestTimeTooSkewed RequestExpired",
        code="storage-clock",
        hint="The clocks of this host and of the store differ too much.",
        next="timedatectl",
    ),
    _way(
        "SlowDown ServiceUnavailable InternalError RequestTimeout ThrottlingException 500 502 503 504",
        code="storage-busy",
        hint="The store is overloaded or broken, and stayed so while it was asked again. Wait, then try again.",
    ),
)
SILENT = Way(
    frozenset(),
    code="storage-silent",
    hint="It did not answer in time, or broke off. Check that endpoint_url in rollback_s3 can be reached from here.",
)
OTHER = Way(
    frozenset(), code="storage-failed", hint="Check the address, the bucket and the credentials in rollback_s3."
)


def of(asked: str, error: Exception, tried: int) -> RollbackError:
    """The error for a request that failed. ``asked``: what and where; ``tried``: how often it was asked again."""
    response: Mapping[str, Any] = getattr(error, "response", None) or {}
    said = response.get("Error", {})
    code = str(said.get("Code") or type(error).__name__)
    status = str(response.get("ResponseMetadata", {}).get("HTTPStatusCode", ""))
    known = [way for word in (code, status) for way in WAYS if word in way.said]
    way = known[0] if known else OTHER if said else SILENT
    text = f"The object store failed at {asked}: {code}: {said.get('Message') or error}".rstrip(".")
    again = f", asked again {tried} times" if tried else ""
    return way.kind(f"{text}{again}.", hint=way.hint, next=way.next, code=way.code)


def changed(what: str, found: str, written: str) -> BackupUnusable:
    """The error for an object that is not what was stored. ``what``: its key and place."""
    return BackupUnusable(
        f"The object {what} is not what was written: {found}; written were {written}.",
        hint=CHANGED,
        next=STATUS,
        code="object-changed",
    )
