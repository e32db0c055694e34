"""Uploads into a real S3 server."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError
from pydantic import SecretStr

from heartwave_tasks.cli.errors import explain
from heartwave_tasks.stores.objects import s3_client
from heartwave_tasks.stores.record_files import RecordFilesError
from heartwave_tasks.stores.upload import UploadProgress, upload_recordings
from tests.integration.s3_server import run_s3_server
from tests.unit.wfdb_files import record_files, write_directory

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from heartwave_tasks.settings import Settings

RECORDS = [f"r{number:02d}" for number in range(20)]


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """Yield settings that lead to a server of this module's own."""
    with run_s3_server(tmp_path_factory.mktemp("s3")) as settings:
        yield settings


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """Twenty records as files."""
    files = {name: data for record in RECORDS for name, data in record_files(record).items()}
    return write_directory(tmp_path / "records", files)


def stored(settings: Settings, source: str) -> dict[str, dict[str, object]]:
    """Return the objects of a source by file name."""
    pages = s3_client(settings).get_paginator("list_objects_v2")
    found = pages.paginate(Bucket=settings.recordings_bucket, Prefix=f"{source}/")
    return {item["Key"].rpartition("/")[2]: item for page in found for item in page.get("Contents", ())}


def test_all_files_arrive_and_the_header_last(settings: Settings, directory: Path) -> None:
    """Every file of every record arrives as it is, no header before its record's other files."""
    seen: list[UploadProgress] = []
    summary = upload_recordings(settings, directory, "first", seen.append)
    objects = stored(settings, "first")
    assert (summary.recordings, summary.files, summary.uploaded, summary.unchanged) == (20, 60, 60, 0)
    assert sorted(objects) == sorted(path.name for path in directory.iterdir())
    for record in RECORDS:
        times = [objects[f"{record}{suffix}"]["LastModified"] for suffix in (".dat", ".atr", ".hea")]
        assert max(times) == times[-1]  # type: ignore[type-var]
    body = s3_client(settings).get_object(Bucket=settings.recordings_bucket, Key="first/r07.hea")["Body"].read()
    assert body == (directory / "r07.hea").read_bytes()
    assert (seen[-1].files_done, seen[-1].bytes_done) == (60, summary.bytes)


def test_what_is_there_by_content_is_skipped(settings: Settings, directory: Path) -> None:
    """A second upload sends nothing; after a change of equal size it sends the changed file alone."""
    upload_recordings(settings, directory, "again")
    before = stored(settings, "again")
    assert upload_recordings(settings, directory, "again").uploaded == 0
    assert stored(settings, "again") == before
    (directory / "r03.dat").write_bytes(b"SIGNAL")
    assert upload_recordings(settings, directory, "again").uploaded == 1
    after = stored(settings, "again")
    assert {name for name in after if after[name]["ETag"] != before[name]["ETag"]} == {"r03.dat"}


def test_files_in_parts_are_known_again(settings: Settings, tmp_path: Path) -> None:
    """A file so large that S3 keeps it in parts, without an MD5 of the whole, is skipped by its SHA-256."""
    write_directory(tmp_path, record_files("large", content=bytes(65 << 20)))
    assert upload_recordings(settings, tmp_path, "parts").uploaded == 3
    assert "-" in str(stored(settings, "parts")["large.dat"]["ETag"])
    assert upload_recordings(settings, tmp_path, "parts").uploaded == 0


def test_a_failing_file_keeps_its_header_back(
    settings: Settings, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When a signal file cannot be sent, its header is not either, so nobody takes half a recording."""
    client = s3_client(settings)
    whole = client.upload_file

    def upload_file(name: str, *arguments: object, **options: object) -> None:
        if name.endswith("r05.dat"):
            raise EndpointConnectionError(endpoint_url="http://gone")
        whole(name, *arguments, **options)

    monkeypatch.setattr(client, "upload_file", upload_file)
    monkeypatch.setattr("heartwave_tasks.stores.upload.s3_client", lambda _: client)
    with pytest.raises(EndpointConnectionError):
        upload_recordings(settings, directory, "half")
    assert "r05.hea" not in stored(settings, "half")


@pytest.mark.parametrize("source", ["", "../up", "a/b", "a b", ".hidden"])
def test_unsafe_sources_are_refused(settings: Settings, directory: Path, source: str) -> None:
    """A source that could be a path is refused before anything is read."""
    with pytest.raises(RecordFilesError, match="cannot name a source"):
        upload_recordings(settings, directory, source)


def test_a_wrong_secret_and_a_missing_bucket_are_explained(settings: Settings, directory: Path) -> None:
    """S3's refusals become sentences with a remedy."""
    wrong = settings.model_copy(update={"s3_secret_access_key": SecretStr("wrong")})
    with pytest.raises(ClientError) as refused:
        upload_recordings(wrong, directory, "mine")
    assert "HEARTWAVE_S3_ACCESS_KEY_ID" in str(explain(refused.value))
    with pytest.raises(ClientError) as missing:
        upload_recordings(settings.model_copy(update={"recordings_bucket": "nowhere"}), directory, "mine")
    assert "heartwave init" in str(explain(missing.value))
