"""Refused recordings' bytes, kept beside the reason in the recordings bucket under ``quarantine/``.

What arrived stays where it is, too; but a source that sends a better one under the same name overwrites it, and who
wants to know what was wrong needs the bytes that were refused.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from botocore.exceptions import ClientError

from heartwave_tasks.stores.failures import is_transient_s3, persistent
from heartwave_tasks.stores.objects import CHECKSUM, is_missing, list_objects
from heartwave_tasks.stores.recording_names import QUARANTINE, SAFE_FILE_NAME

if TYPE_CHECKING:
    from botocore.client import BaseClient as S3Client

    from heartwave_tasks.settings import Settings
    from heartwave_tasks.stores.arrivals import RecordingProblem
    from heartwave_tasks.stores.objects import StoredObject
    from heartwave_tasks.stores.recordings import Listing

REASON_FILE: Final = "reason.json"
"""Beside the bytes: what was wrong, what to do, and what the files were called."""

WAITING_CODES: Final = frozenset({"incomplete"})
"""Nothing is wrong with a recording that has not come whole yet."""

_MOST_FILES: Final = 100


def keep(client: S3Client, settings: Settings, listing: Listing, problem: RecordingProblem) -> str | None:
    """Copy a refused recording's objects aside, within S3; return the prefix they are kept under.

    None where nothing is kept: the recording is incomplete or over the limits of what is ever read, or its objects
    have changed meanwhile, so that the next run looks at it again.
    """
    if problem.code in WAITING_CODES or listing.size > settings.max_object_bytes or len(listing.objects) > _MOST_FILES:
        return None
    folder = listing.recording_id if listing.is_safely_named else "unsafely-named"
    prefix = f"{QUARANTINE}/{folder}/{listing.fingerprint[:16]}/"
    kept = {
        name if SAFE_FILE_NAME.fullmatch(name) and name != REASON_FILE else f"file-{number:03d}": entry
        for number, (name, entry) in enumerate(sorted(listing.objects.items()), start=1)
    }
    retrying = persistent(is_transient_s3)
    bucket = settings.recordings_bucket
    try:
        for name, entry in kept.items():
            retrying(client.copy, {"Bucket": bucket, "Key": entry.key}, bucket, f"{prefix}files/{name}")
    except ClientError as error:
        if not is_missing(error):
            raise
        delete(client, settings, prefix)
        return None
    told = {
        "recording_id": listing.recording_id,
        "code": problem.code,
        "reason": problem.reason,
        "remedy": problem.remedy,
        "files": {name: entry.key for name, entry in kept.items()},
    }
    body = json.dumps(told, indent=1).encode()
    retrying(client.put_object, Bucket=bucket, Key=f"{prefix}{REASON_FILE}", Body=body, ChecksumAlgorithm=CHECKSUM)
    return prefix


def kept_files(client: S3Client, settings: Settings, prefix: str) -> dict[str, StoredObject]:
    """Return what is kept under a prefix, by file name."""
    begin = f"{prefix}files/"
    return {entry.key.removeprefix(begin): entry for entry in list_objects(client, settings.recordings_bucket, begin)}


def delete(client: S3Client, settings: Settings, prefix: str) -> int:
    """Delete what is kept under a prefix, bytes and reason; return how many objects that were."""
    if not prefix.startswith(f"{QUARANTINE}/"):
        msg = f"{prefix!r} is no prefix of the quarantine; nothing was deleted."
        raise ValueError(msg)
    keys = [entry.key for entry in list_objects(client, settings.recordings_bucket, prefix)]
    for key in keys:
        client.delete_object(Bucket=settings.recordings_bucket, Key=key)
    return len(keys)
