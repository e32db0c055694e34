"""Quarantine: what people do about recordings that were refused."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from heartwave_tasks.stores import kept_bytes
from heartwave_tasks.stores.objects import list_objects, s3_client
from heartwave_tasks.stores.predictions import PredictionStore
from heartwave_tasks.stores.recording_names import QUARANTINE

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

    from heartwave_tasks.settings import Settings
    from heartwave_tasks.stores.objects import StoredObject
    from heartwave_tasks.stores.prediction_rows import Quarantined

logger = logging.getLogger(__name__)


class NotInQuarantineError(LookupError):
    """No recording waits under a number; the message says what to do."""


def waiting(settings: Settings, source: str | None = None) -> list[Quarantined]:
    """Return the recordings that wait, of one source or of all, the newest first."""
    with PredictionStore(settings.require_database_url()) as store:
        rows = store.quarantined()
    return [row for row in rows if source in {None, row.recording_id.rpartition("/")[0]}]


def find(settings: Settings, number: int) -> tuple[Quarantined, dict[str, StoredObject]]:
    """Return what is known of a waiting recording, and the files that are kept of it.

    Raises `NotInQuarantineError` when none waits under the number.
    """
    row = next((row for row in waiting(settings) if row.quarantine_id == number), None)
    if row is None:
        msg = f"No recording waits in quarantine as number {number}. `heartwave quarantine list` shows those that do."
        raise NotInQuarantineError(msg)
    files = kept_bytes.kept_files(s3_client(settings), settings, row.kept_prefix) if row.kept_prefix else {}
    return row, files


def save(settings: Settings, files: dict[str, StoredObject], directory: Path) -> list[Path]:
    """Write kept files to a directory of this machine; existing files are left alone, which raises FileExistsError."""
    client = s3_client(settings)
    directory.mkdir(parents=True, exist_ok=True)
    saved = []
    for name, entry in files.items():
        target = directory / name
        with target.open("xb") as file:
            client.download_fileobj(settings.recordings_bucket, entry.key, file)
        saved.append(target)
    return saved


def retry(settings: Settings, numbers: Collection[int]) -> int:
    """Let the next ingest look at waiting recordings again; return how many did wait."""
    with PredictionStore(settings.require_database_url()) as store:
        return store.end_quarantine(numbers, "retried")


def discard(settings: Settings, numbers: Collection[int]) -> int:
    """Give waiting recordings up, and delete the bytes kept of them; return how many did wait.

    What arrived stays in the bucket and is not looked at again, until something else comes under its name.
    """
    client = s3_client(settings)
    rows = [row for row in waiting(settings) if row.quarantine_id in set(numbers)]
    with PredictionStore(settings.require_database_url()) as store:
        ended = store.end_quarantine(numbers, "discarded")
    for row in rows:
        if row.kept_prefix:
            kept_bytes.delete(client, settings, row.kept_prefix)
    return ended


def sweep(settings: Settings) -> int:
    """Delete kept bytes that nobody has waited for, for ``quarantine_days``; return how many objects that were."""
    client = s3_client(settings)
    with PredictionStore(settings.require_database_url()) as store:
        wanted = tuple(row.kept_prefix for row in store.quarantined() if row.kept_prefix)
    before = datetime.now(UTC) - timedelta(days=settings.quarantine_days)
    old = [
        entry.key
        for entry in list_objects(client, settings.recordings_bucket, f"{QUARANTINE}/")
        if entry.last_modified < before and not entry.key.startswith(wanted)
    ]
    for key in old:
        client.delete_object(Bucket=settings.recordings_bucket, Key=key)
    logger.info("%d objects deleted from the quarantine.", len(old))
    return len(old)
