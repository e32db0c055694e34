"""Verify: the whole estate against what is known of it, from the recordings' bytes to the last label.

Everything is read a page, an object or a scoring at a time, so memory does not grow with the estate; and beside
running DAGs, so what differs is looked at a second time before it is reported.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from heartwave_tasks.jobs.findings import Report, Station
from heartwave_tasks.jobs.maintain import oldest_month
from heartwave_tasks.jobs.verify_objects import verify_objects, verify_orphans
from heartwave_tasks.jobs.verify_published import verify_published
from heartwave_tasks.stores.failures import is_permanent
from heartwave_tasks.stores.objects import s3_client
from heartwave_tasks.stores.predictions import PredictionStore
from heartwave_tasks.stores.registry import Registry, TamperedModelError

if TYPE_CHECKING:
    from collections.abc import Callable

    from heartwave_tasks.settings import Settings
    from heartwave_tasks.stores.estate_tables import KnownScoring

_MAINTAIN = "`heartwave run maintain` takes it away."


def verify(settings: Settings, progress: Callable[[Station, int, int | None], None], *, mend: bool = False) -> Report:
    """Check recordings, beats, strips, models, ledger, labels and partitions, and what nobody refers to.

    With ``mend``, recordings whose beats or strip are damaged are cut again by the next ingest, which writes the same
    bytes to the same place.

    Raises psycopg2's, boto3's and MLflow's errors when a server cannot be reached.
    """
    report = Report(progress)
    client = s3_client(settings)
    with PredictionStore(settings.require_database_url()) as store:
        size = store.estate_size()
        verify_objects(settings, client, store, report, size.revisions)
        verify_orphans(client, settings.lake_bucket, store, report)
        _verify_models(settings, store, report)
        for scoring in store.known_scorings():
            _verify_scoring(store, scoring, report, size.scorings)
        verify_published(client, settings.lake_bucket, store, report)
        _verify_partitions(settings, store, report)
        _note_unlabelled(store, report)
        report.n_labels, report.label_digest = store.label_digest()
        if mend and report.mendable:
            store.forget_listing(sorted(report.mendable))
    return report


def _verify_models(settings: Settings, store: PredictionStore, report: Report) -> None:
    models = store.known_models()
    if not models:
        return
    registry = Registry(settings)
    for model in models:
        label = f"{model.model_name} version {model.version}"
        try:
            registry.model_files(model.mlflow_run_id, model.manifest_sha256, label)
        except Exception as error:
            if not is_permanent(error):
                raise
            told = str(error) if isinstance(error, TamperedModelError) else f"its files are not in MLflow: {error}"
            remedy = "Restore MLflow's artifacts, or retrain; `heartwave rollback` brings back an earlier champion."
            report.wrong(Station.MODELS, label, told.removeprefix(f"{label}: "), remedy)
        report.count(Station.MODELS, len(models))


def _verify_scoring(store: PredictionStore, scoring: KnownScoring, report: Report, total: int) -> None:
    what = f"{scoring.recording_id} by {scoring.model}"
    restore = "Restore the database from a backup, and report it: the writer can neither change nor delete labels."
    if scoring.n_labels != scoring.n_beats:
        told = f"{scoring.n_beats} beats were ingested, but the ledger counts {scoring.n_labels} labels"
        report.wrong(Station.LEDGER, what, told, restore)
    if not scoring.is_summarised:
        told = "its labels have no summary, so views leave it out"
        report.wrong(Station.LEDGER, what, told, "As the owner: SELECT heartwave.finish_scoring(…).")
    report.count(Station.LEDGER, total)
    if scoring.labels_dropped_at is not None:
        return
    stored = store.stored_labels(scoring.revision_id, scoring.model_version_id)
    told = ""
    if not stored.one_per_beat:
        told = f"some beats have more than one of its {stored.n_labels} labels"
    elif stored.n_labels != scoring.n_labels:
        told = f"the ledger counts {scoring.n_labels} labels, but there are {stored.n_labels}"
    elif stored.sha256 != scoring.labels_sha256:
        told = f"its {stored.n_labels} labels are not those that were committed (SHA-256 {stored.sha256[:12]})"
    # Retention may have come between.
    if told and not store.labels_dropped(scoring.revision_id, scoring.model_version_id):
        report.wrong(Station.LABELS, what, told, restore)
    report.count(Station.LABELS, total)


def _verify_partitions(settings: Settings, store: PredictionStore, report: Report) -> None:
    for revision_id, model_version_id in store.labels_beyond_ledger():
        what = f"revision {revision_id} by model version {model_version_id}"
        told = "there are labels that the ledger does not account for"
        report.wrong(Station.LABELS, what, told, "Delete them as the schema's owner, and report it.")
    loose, old = store.stray_partitions(oldest_month(settings, datetime.now(UTC).date()))
    for name in loose:
        told = "a table of labels that no view reads"
        report.wrong(
            Station.PARTITIONS, name, told, "Attach it to heartwave.labels, or drop it, as the schema's owner."
        )
    for name in old:
        told = f"it is older than the {settings.retention_months} months that labels are kept"
        report.wrong(Station.PARTITIONS, name, told, _MAINTAIN)
    report.count(Station.PARTITIONS)


def _note_unlabelled(store: PredictionStore, report: Report) -> None:
    champion = store.champion()
    waiting = len(store.unscored(champion.model_version_id)) if champion else 0
    if champion and waiting:
        told = f"{waiting} recordings wait for their labels by version {champion.version}"
        report.note(Station.LABELS, "champion", told, "`heartwave run score` labels them; so does the next night.")
