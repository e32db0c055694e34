"""Objects in S3: the client every store shares, and the buckets HeartWave needs."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from heartwave_tasks.stores.failures import is_transient_s3, persistent

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime
    from pathlib import Path

    from botocore.client import BaseClient as S3Client

    from heartwave_tasks.settings import Settings

CHECKSUM: Final = "SHA256"
"""Sent with every object and signed in place of its bytes, so that nothing else can be put there on its way."""

FEW: Final = 1000
"""Objects in one answer of S3's, at most."""

_MISSING = frozenset({"404", "NoSuchBucket", "NoSuchKey", "NotFound"})
_REPLACED = frozenset({"PreconditionFailed", "412"})
_ALREADY_THERE = frozenset({"BucketAlreadyExists", "BucketAlreadyOwnedByYou"})


@dataclass(frozen=True, slots=True)
class StoredObject:
    """One line of a bucket's listing; `etag` changes with the content."""

    key: str
    size: int
    etag: str
    last_modified: datetime


def s3_client(settings: Settings) -> S3Client:
    """Connect to the S3 server of the settings.

    Refused, silent, broken and overloaded (503) requests are sent again with backoff, eight times in all. What breaks
    while an answer is being read is beyond that: see `get_object`.
    """
    secret = settings.s3_secret_access_key
    return boto3.client(
        "s3",
        endpoint_url=settings.s3_endpoint_url,
        region_name=settings.s3_region,
        aws_access_key_id=settings.s3_access_key_id,
        aws_secret_access_key=secret.get_secret_value() if secret else None,
        config=Config(
            retries={"mode": "standard", "total_max_attempts": 8},
            connect_timeout=5,
            read_timeout=settings.s3_timeout_s,
            max_pool_connections=16,
            s3={
                "addressing_style": "path" if settings.s3_endpoint_url else "auto",
                # `CHECKSUM` is signed: signing the bytes as well would hash them once more.
                "payload_signing_enabled": False,
            },
        ),
    )


def create_buckets(settings: Settings) -> list[str]:
    """Create the buckets that are not there yet, and return the names of those created."""
    client = s3_client(settings)
    created = []
    for bucket in (settings.recordings_bucket, settings.lake_bucket, settings.models_bucket):
        try:
            client.head_bucket(Bucket=bucket)
        except ClientError as error:
            if error.response["Error"]["Code"] not in _MISSING:
                raise
            _create(client, bucket)
            created.append(bucket)
    return created


def list_objects(client: S3Client, bucket: str, prefix: str = "") -> Iterator[StoredObject]:
    """Walk the listing under a prefix, page by page."""
    for page in client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
        yield from _entries(page)


def list_if_few(client: S3Client, bucket: str, prefix: str) -> list[StoredObject] | None:
    """Return the listing under a prefix, for one request, if it is no longer than `FEW`; else None."""
    page = client.list_objects_v2(Bucket=bucket, Prefix=prefix, MaxKeys=FEW)
    return None if page.get("IsTruncated") else list(_entries(page))


def list_folders(client: S3Client, bucket: str, prefix: str) -> Iterator[str]:
    """Walk the folders right below a prefix, each ending in a slash, without what is in them."""
    for page in client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix, Delimiter="/"):
        for entry in page.get("CommonPrefixes", ()):
            yield str(entry["Prefix"])


def get_object(client: S3Client, bucket: str, key: str, byte_range: str | None = None) -> bytes:
    """Read an object, whole or a range (``bytes=0-99``) of it; what breaks off half-way is asked for again."""
    only = {"Range": byte_range} if byte_range else {}

    def read() -> bytes:
        content: bytes = client.get_object(Bucket=bucket, Key=key, **only)["Body"].read()
        return content

    return persistent(is_transient_s3)(read)


def put_file(client: S3Client, bucket: str, key: str, path: Path) -> str:
    """Write a file as an object and return its SHA-256; S3 refuses bytes that have another."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256")
        file.seek(0)
        checksum = base64.b64encode(digest.digest()).decode()
        client.put_object(Bucket=bucket, Key=key, Body=file, ChecksumSHA256=checksum)
    return digest.hexdigest()


def is_missing(error: ClientError) -> bool:
    """Tell an object that is not there, or not the one any more that was asked for, from other refusals."""
    return error.response["Error"]["Code"] in _MISSING | _REPLACED


def exists(client: S3Client, bucket: str, key: str) -> bool:
    """Tell whether an object is there."""
    try:
        client.head_object(Bucket=bucket, Key=key)
    except ClientError as error:
        if error.response["Error"]["Code"] in _MISSING:
            return False
        raise
    return True


def _entries(page: dict[str, Any]) -> Iterator[StoredObject]:
    for entry in page.get("Contents", ()):
        yield StoredObject(entry["Key"], entry["Size"], entry["ETag"].strip('"'), entry["LastModified"])


def _create(client: S3Client, bucket: str) -> None:
    try:
        client.create_bucket(Bucket=bucket)
    except ClientError as error:
        if error.response["Error"]["Code"] not in _ALREADY_THERE:
            raise
