"""Small, known data for the integration tests."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import psycopg2

from heartwave_tasks.ecg.labels import CLASSES, NO_CLASS
from heartwave_tasks.stores.predictions import LabelBatch, ModelVersionRow, PredictionStore, RevisionRow, ScoringRow

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True)
class Planter:
    """Puts small, known data into the store: recordings, models and labels."""

    store: PredictionStore

    def revision(self, recording_id: str, n_beats: int, **changes: object) -> RevisionRow:
        """Return a revision of ``n_beats`` beats, not stored yet."""
        row: dict[str, object] = {
            "recording_id": recording_id,
            "source": recording_id.split("/", 1)[0],
            "content_sha256": sha256(recording_id),
            "segmenter_version": "1",
            "listing_fingerprint": f"listing of {recording_id}",
            "sampling_frequency": 360.0,
            "n_samples": 650_000,
            "duration_s": 1805.6,
            "leads": ("MLII", "V5"),
            "analysis_lead": "MLII",
            "second_lead": "V5",
            "r_peak_source": "annotations",
            "annotated": True,
            "beats_key": f"beats/{recording_id}.parquet",
            "n_windows": n_beats,
            "n_beats": n_beats,
            "n_marks": 0,
        }
        return RevisionRow(**{**row, **changes})  # type: ignore[arg-type]

    def recording(self, recording_id: str, n_beats: int, **changes: object) -> int:
        """Store a recording of ``n_beats`` beats and return its revision's id."""
        return self.store.record_revision(self.revision(recording_id, n_beats, **changes))

    def model(self, version: int, *, trained_on: Sequence[str] = (), promoted: bool = False) -> int:
        """Register a model version and return its id."""
        row = ModelVersionRow(
            model_name="heartwave",
            version=version,
            mlflow_run_id=f"run {version}",
            architecture="xgboost",
            label_scheme="aami",
            manifest_sha256=sha256(f"model {version}"),
            training_digest="digest",
            n_training_beats=1_000,
        )
        model_version_id = self.store.register_model(row, [(name, sha256(name)) for name in trained_on])
        if promoted:
            self.store.promote(model_version_id, "test", "it is there")
        return model_version_id

    def score(self, revision_id: int, model_version_id: int, labels: LabelBatch, night: date | None = None) -> bool:
        """Save labels as a scoring task does."""
        return self.store.save_labels(scoring_row(revision_id, model_version_id, night), labels)


def sha256(text: str) -> str:
    """Return a hash to stand for some content."""
    return hashlib.sha256(text.encode()).hexdigest()


def scoring_row(revision_id: int, model_version_id: int, night: date | None = None) -> ScoringRow:
    """Return a ledger row to be."""
    return ScoringRow(
        revision_id=revision_id,
        model_version_id=model_version_id,
        night=night or datetime.now(UTC).date(),
        dag_run_id="manual__2026",
        code_version="0.1.0",
        started_at=datetime.now(UTC),
    )


def labels_of(classes: str, time_s: Sequence[float], reference: str = "", confidence: float = 0.9) -> LabelBatch:
    """Return labels given as letters, with RR intervals from their times and one confidence for all."""
    n_labels = len(classes)
    ids = np.array([CLASSES.index(name) for name in classes], dtype=np.int8)
    probabilities = np.full((n_labels, len(CLASSES)), (1 - confidence) / 4, dtype=np.float32)
    probabilities[np.arange(n_labels), ids] = confidence
    rr = np.diff(time_s, prepend=np.nan, append=np.nan)
    return LabelBatch(
        r_peak_sample=np.round(np.multiply(time_s, 360)).astype(np.int32),
        time_s=np.asarray(time_s, dtype=np.float64),
        class_ids=ids,
        confidence=probabilities[np.arange(n_labels), ids],
        probabilities=probabilities,
        rr_previous_s=rr[:-1].astype(np.float32),
        rr_next_s=rr[1:].astype(np.float32),
        reference_ids=np.array([CLASSES.index(name) for name in reference] or [NO_CLASS] * n_labels, dtype=np.int8),
    )


def random_labels(n_labels: int, seed: int = 0) -> LabelBatch:
    """Return labels with all kinds of values, missing ones among them."""
    random = np.random.default_rng(seed)
    probabilities = random.dirichlet((9, 1, 1, 1, 1), n_labels).astype(np.float32)
    class_ids = probabilities.argmax(axis=1)
    rr = random.uniform(0.3, 2.0, (2, n_labels)).astype(np.float32)
    rr[random.random(rr.shape) < 0.1] = np.nan
    class_ids[random.random(n_labels) < 0.05] = NO_CLASS
    return LabelBatch(
        r_peak_sample=np.cumsum(random.integers(100, 400, n_labels)),
        time_s=np.cumsum(random.uniform(0.3, 2.0, n_labels)),
        class_ids=class_ids,
        confidence=probabilities.max(axis=1, initial=0),
        probabilities=probabilities,
        rr_previous_s=rr[0],
        rr_next_s=rr[1],
        reference_ids=random.integers(NO_CLASS, len(CLASSES), n_labels),
    )


def rows(url: str, query: str, parameters: object = None) -> list[tuple[Any, ...]]:
    """Run one statement as some role, committed, and return its rows."""
    connection = psycopg2.connect(url)
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute(query, parameters)
            return cursor.fetchall() if cursor.description else []
    finally:
        connection.close()
