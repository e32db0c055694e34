"""Ingest against a real S3 server and PostgreSQL, without Airflow: good recordings become beats, bad ones wait."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import SecretStr

from heartwave_tasks.jobs import ingest
from heartwave_tasks.stores.objects import list_objects, s3_client
from heartwave_tasks.stores.strips import strip_key
from heartwave_tasks.synthetic import write_recordings
from tests.integration.planting import rows
from tests.integration.s3_server import run_s3_server

if TYPE_CHECKING:
    from collections.abc import Iterator

    from heartwave_tasks.settings import Settings
    from tests.integration.conftest import DatabaseUrls


@dataclass(frozen=True)
class Ward:
    """Somewhere recordings come from: buckets, a database, and three sound records' files by suffix."""

    settings: Settings
    database: DatabaseUrls
    records: dict[str, dict[str, bytes]]

    def put(self, key: str, content: bytes) -> None:
        """Put an object into the recordings bucket."""
        s3_client(self.settings).put_object(Bucket=self.settings.recordings_bucket, Key=key, Body=content)

    def put_record(self, recording_id: str, record: str = "syn001", **replaced: bytes) -> None:
        """Put a record's files there under another name."""
        name = recording_id.rpartition("/")[2]
        for suffix, content in {**self.records[record], **replaced}.items():
            renamed = re.sub(rb"^" + record.encode(), name.encode(), content, flags=re.MULTILINE)
            self.put(f"{recording_id}.{suffix}", renamed if suffix == "hea" else content)

    def ingest(self) -> ingest.IngestCounts:
        """Run ingest's tasks one after another."""
        return ingest.summarise([ingest.segment_shard(self.settings, shard) for shard in ingest.plan(self.settings)])

    def ask(self, query: str) -> list[tuple[Any, ...]]:
        """Ask the database as its owner."""
        return rows(self.database.owner, query)

    def keys(self, bucket: str, prefix: str = "") -> list[str]:
        """Return the keys in a bucket."""
        return [entry.key for entry in list_objects(s3_client(self.settings), bucket, prefix)]


@pytest.fixture(scope="module")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """Settings that lead to an S3 server."""
    with run_s3_server(tmp_path_factory.mktemp("s3")) as settings:
        yield settings


@pytest.fixture(scope="module")
def sound_records(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, bytes]]:
    """Two short synthetic records by name and suffix."""
    directory = tmp_path_factory.mktemp("records")
    names = write_recordings(directory, count=2, duration_s=20)
    return {
        name: {suffix: (directory / f"{name}.{suffix}").read_bytes() for suffix in ("hea", "dat", "atr")}
        for name in names
    }


@pytest.fixture
def ward(s3: Settings, database: DatabaseUrls, sound_records: dict[str, dict[str, bytes]]) -> Ward:
    """Empty buckets and an empty database."""
    settings = s3.model_copy(
        update={
            "database_url": SecretStr(database.writer),
            "owner_database_url": SecretStr(database.owner),
            "reader_database_url": SecretStr(database.reader),
        }
    )
    client = s3_client(settings)
    for bucket in (settings.recordings_bucket, settings.lake_bucket):
        for entry in list(list_objects(client, bucket)):
            client.delete_object(Bucket=bucket, Key=entry.key)
    return Ward(settings, database, sound_records)


def test_good_and_bad(ward: Ward) -> None:
    """A sound recording becomes beats in the lake, a damaged one a row with a reason; again, nothing is to do."""
    ward.put_record("ward3/good")
    ward.put_record("ward3/bad", dat=b"nothing")

    counts = ward.ingest()

    assert (counts.recordings, counts.quarantined) == (1, 1)
    ((recording_id, key, n_beats),) = ward.ask("SELECT recording_id, beats_key, n_beats FROM recording_revisions")
    assert recording_id == "ward3/good"
    assert n_beats == counts.beats > 10
    assert ward.keys(ward.settings.lake_bucket) == [key, strip_key(key)]
    assert ward.ask("SELECT recording_id, code FROM quarantine") == [("ward3/bad", "truncated")]
    assert ingest.plan(ward.settings) == []


def test_a_recording_over_its_limits_stops_nothing(ward: Ward) -> None:
    """A recording whose reading takes too much is quarantined by its limit, and the others are cut."""
    ward.put_record("ward3/small")
    ward.put("ward3/large.hea", b"large 1 360 5000000\nlarge.dat 16 200 16 0 0 0 0 I\n")
    ward.put("ward3/large.dat", bytes(10_000_000))
    tight = ward.settings.model_copy(update={"read_memory_bytes": 32 << 20})
    (shard,) = ingest.plan(tight)

    counts = ingest.segment_shard(tight, shard)

    assert (counts.recordings, counts.quarantined) == (1, 1)
    assert ward.ask("SELECT recording_id, code FROM quarantine") == [("ward3/large", "over_memory")]
