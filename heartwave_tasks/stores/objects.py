"""Objects in S3: the client every store shares, and the buckets HeartWave needs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from botocore.client import BaseClient as S3Client

    from heartwave_tasks.settings import Settings

_MISSING = frozenset({"404", "NoSuchBucket", "NoSuchKey", "NotFound"})
_ALREADY_THERE = frozenset({"BucketAlreadyExists", "BucketAlreadyOwnedByYou"})


@dataclass(frozen=True, slots=True)
class StoredObject:
    """One line of a bucket's listing; `etag` changes with the content."""

    key: str
    size: int
    etag: str
    last_modified: datetime


def s3_client(settings: Settings) -> S3Client:
    """Connect to the S3 server of the settings; transient errors are retried with backoff, at most five times."""
    secret = settings.s3_secret_access_key
    return boto3.client(
        "s3",
        endpoint_url=settings.s3_endpoint_url,
        region_name=settings.s3_region,
        aws_access_key_id=settings.s3_access_key_id,
        aws_secret_access_key=secret.get_secret_value() if secret else None,
        config=Config(
            retries={"mode": "standard", "total_max_attempts": 5},
            connect_timeout=5,
            read_timeout=60,
            max_pool_connections=16,
            s3={"addressing_style": "path" if settings.s3_endpoint_url else "auto"},
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
        for entry in page.get("Contents", ()):
            yield StoredObject(entry["Key"], entry["Size"], entry["ETag"].strip('"'), entry["LastModified"])


def get_object(client: S3Client, bucket: str, key: str) -> bytes:
    """Read one object whole."""
    content: bytes = client.get_object(Bucket=bucket, Key=key)["Body"].read()
    return content


def exists(client: S3Client, bucket: str, key: str) -> bool:
    """Tell whether an object is there."""
    try:
        client.head_object(Bucket=bucket, Key=key)
    except ClientError as error:
        if error.response["Error"]["Code"] in _MISSING:
            return False
        raise
    return True


def _create(client: S3Client, bucket: str) -> None:
    try:
        client.create_bucket(Bucket=bucket)
    except ClientError as error:
        if error.response["Error"]["Code"] not in _ALREADY_THERE:
            raise
