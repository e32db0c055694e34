"""Maintain: partitions ahead of time, retention, and objects nobody refers to."""

from __future__ import annotations

import logging
from datetime import date
from typing import TYPE_CHECKING, Final

from heartwave_tasks.jobs.orphans import walk
from heartwave_tasks.jobs.publishing import drop_published
from heartwave_tasks.settings import SettingsError
from heartwave_tasks.stores.objects import s3_client
from heartwave_tasks.stores.predictions import PredictionStore

if TYPE_CHECKING:
    from heartwave_tasks.settings import Settings

logger = logging.getLogger(__name__)

MONTHS_AHEAD: Final = 2


def add_partitions(settings: Settings, night: date) -> None:
    """Create the label partitions of this month and the next ones."""
    with PredictionStore(settings.require_database_url()) as store:
        for months in range(MONTHS_AHEAD + 1):
            store.ensure_partition(_months_after(night, months))


def drop_old_labels(settings: Settings, night: date) -> list[str]:
    """Drop labels older than the retention, as the schema's owner, and their files in the lake."""
    if settings.owner_database_url is None:
        msg = "HEARTWAVE_OWNER_DATABASE_URL is not set; only the owner may drop partitions."
        raise SettingsError(msg)
    oldest = oldest_month(settings, night)
    with PredictionStore(settings.owner_database_url.get_secret_value()) as store:
        dropped = store.drop_labels_before(oldest)
    logger.info("%d partitions older than %s dropped: %s", len(dropped), oldest, ", ".join(dropped) or "none")
    n_files = drop_published(settings, oldest)
    logger.info("The labels of %d recordings older than that were deleted from the lake.", n_files)
    return dropped


def oldest_month(settings: Settings, night: date) -> date:
    """Return the first day of the oldest month whose labels are kept."""
    return _months_after(night, -settings.retention_months)


def sweep_orphans(settings: Settings) -> int:
    """Delete beats and strips no revision refers to."""
    client = s3_client(settings)
    with PredictionStore(settings.require_database_url()) as store:
        orphans = [entry.key for entry, is_orphan in walk(client, settings.lake_bucket, store) if is_orphan]
    for key in orphans:
        client.delete_object(Bucket=settings.lake_bucket, Key=key)
    logger.info("%d objects nobody refers to deleted.", len(orphans))
    return len(orphans)


def _months_after(day: date, months: int) -> date:
    """First day of the month some months after (before, if negative) a day's month."""
    count = day.year * 12 + day.month - 1 + months
    return date(count // 12, count % 12 + 1, 1)
