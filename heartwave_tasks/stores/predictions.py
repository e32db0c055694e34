"""The predictions store: which recordings and models there are, and one label per heartbeat, exactly once.

Scoring loads nothing heavier than numpy and psycopg2 through this module.
"""

from __future__ import annotations

import io
import logging
from dataclasses import fields
from typing import TYPE_CHECKING, Self

from heartwave_tasks.ecg.labels import CLASSES
from heartwave_tasks.stores.estate_tables import EstateTables
from heartwave_tasks.stores.failures import RETRY_FOR_S, ConnectionLostError
from heartwave_tasks.stores.held_tables import HeldTables
from heartwave_tasks.stores.label_batch import LABEL_COLUMNS, READ_COLUMNS, LabelBatch, read_copy_binary
from heartwave_tasks.stores.model_tables import ModelTables
from heartwave_tasks.stores.monitoring_tables import MonitoringTables
from heartwave_tasks.stores.prediction_rows import (
    BeatReview,
    ClassEvaluation,
    CommittedScoring,
    ComparisonRow,
    ContradictionError,
    EvaluationRows,
    FigureComparison,
    FigureEvaluation,
    ModelPromotion,
    ModelVersionRow,
    PublishedScoring,
    QuarantineRow,
    RecordingEvaluation,
    RegisteredModel,
    RevisionRef,
    RevisionRow,
    ScoringRow,
)
from heartwave_tasks.stores.promotion_tables import PromotionTables
from heartwave_tasks.stores.quarantine_tables import QuarantineTables
from heartwave_tasks.stores.recording_tables import RecordingTables
from heartwave_tasks.stores.review_tables import ReviewTables
from heartwave_tasks.stores.row_sql import fetch, placeholders, values
from heartwave_tasks.stores.transactions import Transactions

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import date

    import numpy as np
    from numpy.typing import NDArray
    from psycopg2.extensions import cursor as Cursor  # noqa: N812  a class in all but case

__all__ = [
    "BeatReview",
    "ClassEvaluation",
    "CommittedScoring",
    "ComparisonRow",
    "ConnectionLostError",
    "ContradictionError",
    "EvaluationRows",
    "FigureComparison",
    "FigureEvaluation",
    "LabelBatch",
    "ModelPromotion",
    "ModelVersionRow",
    "PredictionStore",
    "PublishedScoring",
    "QuarantineRow",
    "RecordingEvaluation",
    "RegisteredModel",
    "RevisionRef",
    "RevisionRow",
    "ScoringRow",
]

logger = logging.getLogger(__name__)


class PredictionStore(
    RecordingTables,
    QuarantineTables,
    ModelTables,
    PromotionTables,
    ReviewTables,
    HeldTables,
    EstateTables,
    MonitoringTables,
):
    """HeartWave's tables as the pipeline uses them, over one connection as the writer role.

    Every method is one transaction, may be repeated without harm, and survives a server that restarts within
    ``retry_for_s`` seconds. Raises psycopg2's errors.
    """

    def __init__(self, database_url: str, retry_for_s: float = RETRY_FOR_S) -> None:
        self._transactions = Transactions(database_url, retry_for_s)
        self._partitions: set[tuple[int, int]] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection."""
        self._transactions.close()

    def ensure_partition(self, night: date) -> None:
        """Create the partition that holds a night's labels, unless it is there."""
        month = (night.year, night.month)
        if month not in self._partitions:
            statement = "SELECT heartwave.ensure_label_partition(%s)"
            self._transactions.run(lambda cursor: cursor.execute(statement, (night,)))
            self._partitions.add(month)

    def save_labels(
        self,
        scoring: ScoringRow,
        labels: LabelBatch,
        held: Sequence[str] = (),
        feature_counts: NDArray[np.integer] | None = None,
    ) -> bool:
        """Write all labels of a recording revision by a model version, once and together with their ledger row.

        What is derived from them (summary, episodes, agreement) is part of the same transaction. With ``held``, reasons
        why the labels look implausible, they are kept from `current_labels` until somebody releases them. Drift is
        measured by ``feature_counts``, (n_features, n_bins) of the recording's beats.

        Returns True when this call committed them, False when they were there before; while another call is writing
        the same ones, this one waits for its outcome. (After a connection lost during COMMIT, False may mean that
        this very call had got through.) Raises `ContradictionError` when the labels are not one per ingested beat.
        """
        self.ensure_partition(scoring.night)
        columns = values(scoring) | {"n_labels": len(labels), "labels_sha256": labels.sha256()}
        counts = {f"n_{name.lower()}": n for name, n in zip(CLASSES, labels.class_counts(), strict=True)}
        columns |= counts

        def work(cursor: Cursor) -> bool:
            cursor.execute(
                "SELECT recording_id, content_sha256, n_beats "
                "FROM heartwave.recording_revisions WHERE revision_id = %s",
                (scoring.revision_id,),
            )
            revision = cursor.fetchone()
            if revision is None:
                raise ContradictionError(f"There is no recording revision {scoring.revision_id} to label.")
            recording_id, content_sha256, n_beats = revision
            if len(labels) != n_beats:
                raise ContradictionError(
                    f"{recording_id}: {n_beats} beats were ingested, but {len(labels)} labels given. "
                    "Nothing was written."
                )
            # The first writer holds this row until it commits; the others wait here, and then find it taken.
            cursor.execute(
                f"""
                INSERT INTO heartwave.scorings ({", ".join(columns)}, in_training_set)
                SELECT {placeholders(columns)}, EXISTS (
                    SELECT FROM heartwave.model_training_recordings
                    WHERE model_version_id = %(model_version_id)s
                      AND recording_id = %(recording_id)s AND content_sha256 = %(content_sha256)s
                )
                ON CONFLICT (revision_id, model_version_id) DO NOTHING
                """,
                columns | {"recording_id": recording_id, "content_sha256": content_sha256},
            )
            if cursor.rowcount == 0:
                self._compare(cursor, recording_id, scoring, columns["labels_sha256"])
                return False
            stream = labels.copy_binary(scoring.night, scoring.revision_id, scoring.model_version_id)
            cursor.copy_expert(
                f"COPY heartwave.labels ({', '.join(LABEL_COLUMNS)}) FROM STDIN (FORMAT binary)", _Chunks(stream)
            )
            if cursor.rowcount != len(labels):
                raise ContradictionError(
                    f"{recording_id}: PostgreSQL took {cursor.rowcount} of {len(labels)} labels. Nothing was written."
                )
            key = (scoring.revision_id, scoring.model_version_id)
            cursor.execute("SELECT heartwave.finish_scoring(%s, %s)", key)
            if held:
                cursor.execute(
                    "INSERT INTO heartwave.held_scorings (revision_id, model_version_id, reasons) VALUES (%s, %s, %s)",
                    (*key, list(held)),
                )
            if feature_counts is not None:
                cursor.execute(
                    "INSERT INTO heartwave.scoring_features (revision_id, model_version_id, counts) "
                    "VALUES (%s, %s, %s)",
                    (*key, feature_counts.tolist()),
                )
            return True

        return self._transactions.run(work)

    @staticmethod
    def _compare(cursor: Cursor, recording_id: str, scoring: ScoringRow, labels_sha256: str) -> None:
        """Say so when a repeated scoring came to other labels than the committed ones, which stay."""
        committed = _scoring(cursor, scoring.revision_id, scoring.model_version_id)
        if committed is not None and committed.labels_sha256 != labels_sha256:
            logger.warning(
                "%s: labelled again by model version %s with another result; the labels of %s are kept.",
                recording_id,
                scoring.model_version_id,
                committed.night,
            )

    def scoring(self, revision_id: int, model_version_id: int) -> CommittedScoring | None:
        """Return the ledger row of a revision and model version, None when it was not labelled."""
        return self._transactions.run(lambda cursor: _scoring(cursor, revision_id, model_version_id))

    def fetch_labels(self, revision_id: int, model_version_id: int) -> LabelBatch:
        """Return the committed labels in order of their R peaks; no labels when there are none."""

        def work(cursor: Cursor) -> LabelBatch:
            buffer = io.BytesIO()
            query = cursor.mogrify(
                f"""
                COPY (
                    SELECT {READ_COLUMNS} FROM heartwave.labels
                    WHERE revision_id = %s AND model_version_id = %s ORDER BY r_peak_sample
                ) TO STDOUT (FORMAT binary)
                """,
                (revision_id, model_version_id),
            )
            cursor.copy_expert(query, buffer)
            return read_copy_binary(buffer.getvalue())

        return self._transactions.run(work)

    def publishable(
        self, recording_ids: Sequence[str] | None = None, since: date | None = None
    ) -> list[PublishedScoring]:
        """Return the scorings whose labels belong into the lake: present, and not held.

        Of some recordings, or all; of nights since a day, or released since, or all.
        """

        def work(cursor: Cursor) -> list[PublishedScoring]:
            cursor.execute(
                """
                SELECT s.revision_id, s.model_version_id, m.model_name, m.version AS model_version, s.night,
                    v.recording_id, v.content_sha256, v.segmenter_version
                FROM heartwave.scorings AS s
                JOIN heartwave.recording_revisions AS v ON v.revision_id = s.revision_id
                JOIN heartwave.model_versions AS m ON m.model_version_id = s.model_version_id
                LEFT JOIN heartwave.held_scorings AS h
                    ON h.revision_id = s.revision_id AND h.model_version_id = s.model_version_id
                WHERE s.labels_dropped_at IS NULL AND s.n_labels > 0
                  AND (h.held_id IS NULL OR h.released_at IS NOT NULL)
                  AND (%(since)s::date IS NULL OR s.night >= %(since)s OR h.released_at >= %(since)s)
                  AND (%(recordings)s::text[] IS NULL OR v.recording_id = ANY(%(recordings)s))
                ORDER BY s.committed_at
                """,
                {"since": since, "recordings": recording_ids if recording_ids is None else list(recording_ids)},
            )
            return fetch(cursor, PublishedScoring)

        return self._transactions.run(work)

    def label_digest(self) -> tuple[int, str]:
        """Return how many labels there are, and the hash of them all (see the view ``label_digest``)."""

        def work(cursor: Cursor) -> tuple[int, str]:
            cursor.execute("SELECT n_labels, digest FROM heartwave.label_digest")
            n_labels, digest = cursor.fetchone() or (0, "")
            return int(n_labels), str(digest)

        return self._transactions.run(work)

    def drop_labels_before(self, month: date) -> list[str]:
        """Drop the labels of all nights before a month and return the names of the partitions; the owner's alone.

        The ledger keeps its rows, marked, so the recordings are not labelled again by the same model version.
        """

        def work(cursor: Cursor) -> list[str]:
            cursor.execute("SELECT heartwave.drop_label_partitions_before(%s)", (month,))
            (names,) = cursor.fetchone() or ([],)
            return list(names)

        dropped = self._transactions.run(work)
        self._partitions.clear()
        return dropped


class _Chunks:
    """The file that ``copy_expert`` reads: hands on each chunk whole, whatever size is asked for."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks

    def read(self, _size: int = -1) -> bytes:
        """Return the next chunk, nothing after the last."""
        return next(self._chunks, b"")

    def readline(self, size: int = -1) -> bytes:
        """Return the next chunk; psycopg2 wants the method but never calls it."""
        return self.read(size)


def _scoring(cursor: Cursor, revision_id: int, model_version_id: int) -> CommittedScoring | None:
    columns = ", ".join(field.name for field in fields(CommittedScoring))
    cursor.execute(
        f"SELECT {columns} FROM heartwave.scorings WHERE revision_id = %s AND model_version_id = %s",
        (revision_id, model_version_id),
    )
    return next(iter(fetch(cursor, CommittedScoring)), None)
