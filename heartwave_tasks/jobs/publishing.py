"""Publishing: committed labels become Parquet files in the lake, each written whole, and again where one is lost."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from heartwave_tasks.stores.objects import CHECKSUM, list_folders, list_objects, s3_client
from heartwave_tasks.stores.predictions import PredictionStore
from heartwave_tasks.stores.published_labels import PREFIX, label_key, month_prefix, to_parquet

if TYPE_CHECKING:
    from datetime import date

    from heartwave_tasks.settings import Settings
    from heartwave_tasks.stores.predictions import PublishedScoring

logger = logging.getLogger(__name__)

_WRITERS: Final = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishCounts:
    """What publishing did; `already` were there."""

    recordings: int = 0
    labels: int = 0
    already: int = 0


def publish_labels(settings: Settings, night: date | None = None) -> PublishCounts:
    """Write what the lake lacks of the labels of a night's month and the last, or released since; without one, of all.

    What is there is told by the lake's listing, not remembered: a file that was lost, or never written because the task
    was killed after the commit, is written by the next run.
    """
    client = s3_client(settings)
    since = (night.replace(day=1) - timedelta(days=1)).replace(day=1) if night else None
    with PredictionStore(settings.require_database_url()) as store:
        wanted = store.publishable(since=since)
        there = {
            entry.key
            for prefix in {month_prefix(scoring.night) for scoring in wanted}
            for entry in list_objects(client, settings.lake_bucket, prefix)
        }
        missing = [scoring for scoring in wanted if label_key(scoring) not in there]

        def write(scoring: PublishedScoring) -> int:
            labels = store.fetch_labels(scoring.revision_id, scoring.model_version_id)
            content = to_parquet(scoring, labels)
            client.put_object(
                Bucket=settings.lake_bucket, Key=label_key(scoring), Body=content, ChecksumAlgorithm=CHECKSUM
            )
            return len(labels)

        with ThreadPoolExecutor(_WRITERS) as writers:
            n_labels = sum(writers.map(write, missing))
    logger.info("Labels of %d recordings written to the lake: %d beats.", len(missing), n_labels)
    return PublishCounts(recordings=len(missing), labels=n_labels, already=len(wanted) - len(missing))


def drop_published(settings: Settings, oldest: date) -> int:
    """Delete labels of months before a day's from the lake; return how many recordings' that were."""
    client = s3_client(settings)
    old = [
        entry.key
        for prefix in list_folders(client, settings.lake_bucket, f"{PREFIX}/")
        if prefix < month_prefix(oldest)
        for entry in list_objects(client, settings.lake_bucket, prefix)
    ]
    for key in old:
        client.delete_object(Bucket=settings.lake_bucket, Key=key)
    return len(old)
