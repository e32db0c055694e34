"""Verify the labels in the lake: each file holds what the ledger says was committed, and each has its scoring."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Final

from heartwave_tasks.jobs.findings import Station
from heartwave_tasks.stores import published_labels
from heartwave_tasks.stores.estate_tables import PAGE
from heartwave_tasks.stores.objects import get_object, list_objects

if TYPE_CHECKING:
    from botocore.client import BaseClient as S3Client

    from heartwave_tasks.jobs.findings import Report
    from heartwave_tasks.stores.predictions import PredictionStore, PublishedScoring

_AGAIN: Final = "Delete the object; `heartwave run score` writes it again."


def verify_published(client: S3Client, bucket: str, store: PredictionStore, report: Report) -> None:
    """Read every file of published labels and hold it against the ledger."""
    listing = list_objects(client, bucket, f"{published_labels.PREFIX}/")
    while page := [entry.key for entry in islice(listing, PAGE)]:
        scorings = store.publishable(sorted(map(published_labels.recording_of, page)))
        known = {published_labels.label_key(scoring): scoring for scoring in scorings}
        for key in page:
            told = _fault(client, bucket, store, key, known.get(key))
            if told:
                report.wrong(Station.PUBLISHED, key, told, _AGAIN if key in known else "Delete the object.")
            report.count(Station.PUBLISHED)


def _fault(client: S3Client, bucket: str, store: PredictionStore, key: str, scoring: PublishedScoring | None) -> str:
    if scoring is None:
        return "there is no scoring it could be the labels of, or it is held back"
    committed = store.scoring(scoring.revision_id, scoring.model_version_id)
    try:
        labels = published_labels.from_parquet(get_object(client, bucket, key))
    except (ValueError, OSError) as error:  # what Arrow says of footers and of pages
        return f"its labels cannot be read ({type(error).__name__})"
    if committed is not None and labels.sha256() != committed.labels_sha256:
        return f"its {len(labels)} labels are not those that were committed"
    return ""
