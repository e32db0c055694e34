"""Objects in the lake that no recording revision refers to: an ingest died before it recorded them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import TYPE_CHECKING, Final

from heartwave_tasks.stores import beats, strips
from heartwave_tasks.stores.estate_tables import PAGE
from heartwave_tasks.stores.objects import list_objects

if TYPE_CHECKING:
    from collections.abc import Iterator

    from botocore.client import BaseClient as S3Client

    from heartwave_tasks.stores.objects import StoredObject
    from heartwave_tasks.stores.predictions import PredictionStore

AGE: Final = timedelta(days=2)
"""An object younger than this may belong to an ingest that has not recorded it yet."""


def walk(client: S3Client, bucket: str, store: PredictionStore) -> Iterator[tuple[StoredObject, bool]]:
    """Walk through beats and strips, a page of the listing at a time, and tell of each whether it is an orphan."""
    before = datetime.now(UTC) - AGE
    for prefix, beats_key_of in ((beats.PREFIX, str), (strips.PREFIX, strips.beats_key)):
        listing = list_objects(client, bucket, f"{prefix}/")
        while page := list(islice(listing, PAGE)):
            referred = store.referred_beats([beats_key_of(entry.key) for entry in page])
            for entry in page:
                yield entry, beats_key_of(entry.key) not in referred and entry.last_modified < before
