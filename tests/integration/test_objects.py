"""Objects written to a real S3 server arrive as they were, or not at all."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

from heartwave_tasks.stores.objects import get_object, put_file, s3_client

if TYPE_CHECKING:
    from pathlib import Path

    from heartwave_tasks.settings import Settings


def test_a_file_arrives_under_its_hash(s3: Settings, tmp_path: Path) -> None:
    """What is read back is what was written, and its SHA-256 is returned."""
    path = tmp_path / "object"
    path.write_bytes(bytes(range(256)) * 9_000)
    client = s3_client(s3)

    digest = put_file(client, s3.lake_bucket, "somewhere/object", path)

    content = get_object(client, s3.lake_bucket, "somewhere/object")
    assert content == path.read_bytes()
    assert digest == hashlib.sha256(content).hexdigest()


def test_bytes_that_changed_on_their_way_are_refused(s3: Settings, tmp_path: Path) -> None:
    """The checksum is signed, the bytes are not: others than those it was taken of are no object."""
    path = tmp_path / "object"
    path.write_bytes(b"as they were")
    client = s3_client(s3)

    def garble(request: Any, **_: object) -> None:
        assert b"x-amz-checksum-sha256" in request.headers["Authorization"]  # what is signed
        request.body = b"as they came"

    client.meta.events.register("before-send.s3.PutObject", garble)
    with pytest.raises(ClientError, match="BadDigest"):
        put_file(client, s3.lake_bucket, "garbled", path)
    with pytest.raises(ClientError, match="NoSuchKey"):
        get_object(client, s3.lake_bucket, "garbled")
