"""Somewhere recordings come from, for tests of what becomes of them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from heartwave_tasks.jobs import ingest
from heartwave_tasks.stores.objects import list_objects, s3_client
from tests.integration.planting import rows

if TYPE_CHECKING:
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
            self.put(f"{recording_id}.{suffix}", rename(content, record, name) if suffix == "hea" else content)

    def ingest(self) -> ingest.IngestCounts:
        """Run ingest's tasks one after another."""
        return ingest.summarise(
            self.settings, [ingest.segment_shard(self.settings, shard) for shard in ingest.plan(self.settings)]
        )

    def ask(self, query: str) -> list[tuple[Any, ...]]:
        """Ask the database as its owner."""
        return rows(self.database.owner, query)

    def keys(self, bucket: str, prefix: str = "") -> list[str]:
        """Return the keys in a bucket."""
        return [entry.key for entry in list_objects(s3_client(self.settings), bucket, prefix)]


def rename(header: bytes, old: str, new: str) -> bytes:
    """Give the record a header names, and its signal files, another name."""
    return re.sub(rb"^" + old.encode(), new.encode(), header, flags=re.MULTILINE)
