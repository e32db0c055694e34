"""The predictions store: which recordings and models there are, and one label per heartbeat, exactly once.

Scoring loads nothing heavier than numpy and psycopg2 through this module.
"""

from __future__ import annotations

import io
import json
import logging
import math
from dataclasses import asdict, fields
from typing import TYPE_CHECKING, Any, Self, TypeVar

import numpy as np
from psycopg2.extras import execute_values

from heartwave_tasks.stores.label_batch import (
    BEAT_CLASSES,
    LABEL_COLUMNS,
    NO_REFERENCE,
    READ_COLUMNS,
    LabelBatch,
    read_copy_binary,
)
from heartwave_tasks.stores.prediction_rows import (
    ClassEvaluation,
    CommittedScoring,
    EvaluationRows,
    ModelVersionRow,
    QuarantineRow,
    RecordingEvaluation,
    RegisteredModel,
    RevisionRef,
    RevisionRow,
    ScoringRow,
)
from heartwave_tasks.stores.transactions import ConnectionLostError, Transactions

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import date

    from psycopg2.extensions import cursor as Cursor

__all__ = [
    "BEAT_CLASSES",
    "NO_REFERENCE",
    "ClassEvaluation",
    "CommittedScoring",
    "ConnectionLostError",
    "ContradictionError",
    "EvaluationRows",
    "LabelBatch",
    "ModelVersionRow",
    "PredictionStore",
    "QuarantineRow",
    "RecordingEvaluation",
    "RegisteredModel",
    "RevisionRef",
    "RevisionRow",
    "ScoringRow",
]

logger = logging.getLogger(__name__)

Row = TypeVar("Row")

# Longest reason or remedy that is stored: an error message can quote a whole header.
_MAX_TEXT = 2_000


class ContradictionError(RuntimeError):
    """What is to be stored contradicts what is stored already; nothing was written."""


class PredictionStore:
    """HeartWave's tables as the pipeline uses them, over one connection as the writer role.

    Every method is one transaction, may be repeated without harm, and survives a server that restarts within
    ``retry_for_s`` seconds. Raises psycopg2's errors.
    """

    def __init__(self, database_url: str, retry_for_s: float = 60.0) -> None:
        self._transactions = Transactions(database_url, retry_for_s)
        self._partitions: set[tuple[int, int]] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection."""
        self._transactions.close()

    # Recordings -----------------------------------------------------------------------------------------------------

    def known_fingerprints(self, segmenter_version: str) -> dict[str, set[str]]:
        """Return by recording the listing fingerprints that need no work.

        Those are the fingerprint of the current revision, if it was cut by this version of the segmenter, and those
        that wait in quarantine. Superseded revisions do not count: content that comes back has to become current.
        """

        def work(cursor: Cursor) -> dict[str, set[str]]:
            cursor.execute(
                """
                SELECT recording_id, v.listing_fingerprint
                FROM heartwave.recordings AS r
                JOIN heartwave.recording_revisions AS v USING (recording_id)
                WHERE v.revision_id = r.current_revision_id AND v.segmenter_version = %s
                UNION ALL
                SELECT recording_id, listing_fingerprint FROM heartwave.quarantine WHERE resolved_at IS NULL
                """,
                (segmenter_version,),
            )
            known: dict[str, set[str]] = {}
            for recording_id, fingerprint in cursor.fetchall():
                known.setdefault(recording_id, set()).add(fingerprint)
            return known

        return self._transactions.run(work)

    def record_revision(self, revision: RevisionRow) -> int:
        """Make this the recording's current revision, end its quarantine, and return the revision's id.

        Raises `ContradictionError` when the same content gave other beats before under the same segmenter version.
        """

        def work(cursor: Cursor) -> int:
            cursor.execute(
                "INSERT INTO heartwave.recordings (recording_id, source) VALUES (%s, %s) ON CONFLICT DO NOTHING",
                (revision.recording_id, revision.source),
            )
            values = _values(revision)
            del values["source"]
            cursor.execute(
                f"""
                INSERT INTO heartwave.recording_revisions ({", ".join(values)}) VALUES ({_placeholders(values)})
                ON CONFLICT (recording_id, content_sha256, segmenter_version)
                DO UPDATE SET listing_fingerprint = EXCLUDED.listing_fingerprint
                RETURNING revision_id, beats_key, n_beats, n_marks
                """,
                values,
            )
            revision_id, *stored = cursor.fetchone() or (0,)
            given = [revision.beats_key, revision.n_beats, revision.n_marks]
            if stored != given:
                raise ContradictionError(
                    f"{revision.recording_id}: segmenter {revision.segmenter_version} cut the same content into "
                    f"{stored} before and {given} now (beats key, beats, marks). Raise the segmenter's version when "
                    "its results change."
                )
            cursor.execute(
                "UPDATE heartwave.recordings SET current_revision_id = %s WHERE recording_id = %s",
                (revision_id, revision.recording_id),
            )
            cursor.execute(
                "UPDATE heartwave.quarantine SET resolved_at = now() WHERE recording_id = %s AND resolved_at IS NULL",
                (revision.recording_id,),
            )
            return int(revision_id)

        return self._transactions.run(work)

    def annotated_revisions(self) -> list[RevisionRef]:
        """Return the current revisions that carry reference labels, by recording."""
        return self._revisions("v.annotated", ())

    def unscored(self, model_version_id: int) -> list[RevisionRef]:
        """Return the current revisions this model version has not labelled, by recording.

        Labels that retention dropped count as given.
        """
        return self._revisions(
            """
            NOT EXISTS (
                SELECT FROM heartwave.scorings AS s
                WHERE s.revision_id = v.revision_id AND s.model_version_id = %s
            )
            """,
            (model_version_id,),
        )

    def _revisions(self, condition: str, parameters: tuple[object, ...]) -> list[RevisionRef]:
        def work(cursor: Cursor) -> list[RevisionRef]:
            cursor.execute(
                f"""
                SELECT v.revision_id, v.recording_id, v.beats_key, v.n_beats, v.content_sha256
                FROM heartwave.recordings AS r
                JOIN heartwave.recording_revisions AS v ON v.revision_id = r.current_revision_id
                WHERE {condition}
                ORDER BY v.recording_id
                """,
                parameters,
            )
            return _fetch(cursor, RevisionRef)

        return self._transactions.run(work)

    # Quarantine -----------------------------------------------------------------------------------------------------

    def quarantine(self, row: QuarantineRow) -> None:
        """Put a recording's content into quarantine; seen again, it only gets a newer date and reason."""
        values = {name: _storable(value) for name, value in asdict(row).items()}

        def work(cursor: Cursor) -> None:
            cursor.execute(
                f"""
                INSERT INTO heartwave.quarantine ({", ".join(values)}) VALUES ({_placeholders(values)})
                ON CONFLICT (recording_id, listing_fingerprint) DO UPDATE
                SET code = EXCLUDED.code, reason = EXCLUDED.reason, remedy = EXCLUDED.remedy,
                    last_seen_at = now(), resolved_at = NULL
                """,
                values,
            )

        self._transactions.run(work)

    def resolve_quarantine(self, listing: Mapping[str, str]) -> int:
        """End the quarantine of content that is no longer there; return how many rows that were.

        ``listing`` holds the fingerprint of every recording in the bucket, the refused ones included.
        """

        def work(cursor: Cursor) -> int:
            cursor.execute(
                """
                UPDATE heartwave.quarantine AS q
                SET resolved_at = now()
                WHERE resolved_at IS NULL AND NOT EXISTS (
                    SELECT FROM unnest(%s::text[], %s::text[]) AS l (recording_id, fingerprint)
                    WHERE l.recording_id = q.recording_id AND l.fingerprint = q.listing_fingerprint
                )
                """,
                ([_storable(name) for name in listing], [_storable(value) for value in listing.values()]),
            )
            return int(cursor.rowcount)

        return self._transactions.run(work)

    # Models ---------------------------------------------------------------------------------------------------------

    def register_model(self, model: ModelVersionRow, training: Iterable[tuple[str, str]]) -> int:
        """Store a model version and the (recording id, content SHA-256) pairs it was trained on; return its id.

        Raises `ContradictionError` when this version is there already with other content.
        """
        pairs = sorted(set(training))

        def work(cursor: Cursor) -> int:
            values = _values(model)
            cursor.execute(
                f"""
                INSERT INTO heartwave.model_versions ({", ".join(values)}) VALUES ({_placeholders(values)})
                ON CONFLICT DO NOTHING RETURNING model_version_id
                """,
                values,
            )
            inserted = cursor.fetchone()
            if inserted is None:
                stored = _model(cursor, "model_name = %(model_name)s AND version = %(version)s", values)
                if stored is None or _values(model).items() - _values(stored).items():
                    raise ContradictionError(
                        f"Model {model.model_name} version {model.version} is registered already, with other content: "
                        f"{stored}. Versions are never overwritten; register a new one."
                    )
                return stored.model_version_id
            model_version_id = int(inserted[0])
            execute_values(
                cursor,
                "INSERT INTO heartwave.model_training_recordings (model_version_id, recording_id, content_sha256) "
                "VALUES %s",
                [(model_version_id, *pair) for pair in pairs],
                page_size=1_000,
            )
            return model_version_id

        return self._transactions.run(work)

    def model_version(self, model_name: str, version: int) -> RegisteredModel | None:
        """Return a registered model version, None when there is none."""
        key = {"model_name": model_name, "version": version}
        return self._transactions.run(
            lambda cursor: _model(cursor, "model_name = %(model_name)s AND version = %(version)s", key)
        )

    def champion(self) -> RegisteredModel | None:
        """Return the model version promoted last, None before the first promotion."""
        return self._transactions.run(_champion)

    def promote(self, model_version_id: int, by: str, reason: str) -> bool:
        """Make a model version the champion; return False when it is already."""

        def work(cursor: Cursor) -> bool:
            # Two promotions at once take turns, so that each sees who is champion.
            cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended('heartwave promotions', 0))")
            champion = _champion(cursor)
            if champion is not None and champion.model_version_id == model_version_id:
                return False
            cursor.execute(
                "INSERT INTO heartwave.promotions (model_version_id, promoted_by, reason) VALUES (%s, %s, %s)",
                (model_version_id, by, reason),
            )
            return True

        return self._transactions.run(work)

    def save_evaluation(self, evaluation: EvaluationRows) -> None:
        """Store a model version's evaluation under one protocol, in place of an earlier one."""
        values = _values(evaluation)
        classes = [_values(row) for row in values.pop("classes")]
        recordings = [_values(row) for row in values.pop("recordings")]
        values["confusion"] = json.dumps(values["confusion"])
        key = {name: values[name] for name in ("model_version_id", "protocol")}

        def work(cursor: Cursor) -> None:
            # The details go with it (ON DELETE CASCADE).
            cursor.execute(
                "DELETE FROM heartwave.model_evaluations "
                "WHERE model_version_id = %(model_version_id)s AND protocol = %(protocol)s",
                key,
            )
            for table, rows in (
                ("model_evaluations", [values]),
                ("model_evaluation_classes", classes),
                ("model_evaluation_recordings", recordings),
            ):
                _insert(cursor, table, [{**key, **row} for row in rows])

        self._transactions.run(work)

    def evaluation(self, model_version_id: int, protocol: str) -> EvaluationRows | None:
        """Return a stored evaluation with its classes and recordings, None when there is none."""

        def work(cursor: Cursor) -> EvaluationRows | None:
            found: list[list[Any]] = []
            for row, table in (
                (ClassEvaluation, "model_evaluation_classes"),
                (RecordingEvaluation, "model_evaluation_recordings"),
                (EvaluationRows, "model_evaluations"),
            ):
                names = [field.name for field in fields(row) if field.name not in {"classes", "recordings"}]
                columns = ["class::text AS beat_class" if name == "beat_class" else name for name in names]
                cursor.execute(
                    f"SELECT {', '.join(columns)} FROM heartwave.{table} "
                    "WHERE model_version_id = %s AND protocol = %s ORDER BY 1, 2",
                    (model_version_id, protocol),
                )
                details = {} if table != "model_evaluations" else {"classes": found[0], "recordings": found[1]}
                found.append(_fetch(cursor, row, **details))
            return found[2][0] if found[2] else None

        return self._transactions.run(work)

    # Labels ---------------------------------------------------------------------------------------------------------

    def ensure_partition(self, night: date) -> None:
        """Create the partition that holds a night's labels, unless it is there."""
        month = (night.year, night.month)
        if month not in self._partitions:
            self._transactions.run(lambda cursor: cursor.execute("SELECT heartwave.ensure_label_partition(%s)", (night,)))
            self._partitions.add(month)

    def save_labels(self, scoring: ScoringRow, labels: LabelBatch) -> bool:
        """Write all labels of a recording revision by a model version, once and together with their ledger row.

        Returns True when this call committed them, False when they were there before; while another call is writing
        the same ones, this one waits for its outcome. (After a connection lost during COMMIT, False may mean that
        this very call had got through.) Raises `ContradictionError` when the labels are not one per ingested beat.
        """
        self.ensure_partition(scoring.night)
        values = _values(scoring) | {"n_labels": len(labels), "labels_sha256": labels.sha256()}
        counts = {f"n_{name.lower()}": n for name, n in zip(BEAT_CLASSES, labels.class_counts(), strict=True)}
        values |= counts

        def work(cursor: Cursor) -> bool:
            cursor.execute(
                "SELECT recording_id, content_sha256, n_beats FROM heartwave.recording_revisions WHERE revision_id = %s",
                (scoring.revision_id,),
            )
            revision = cursor.fetchone()
            if revision is None:
                raise ContradictionError(f"There is no recording revision {scoring.revision_id} to label.")
            recording_id, content_sha256, n_beats = revision
            if len(labels) != n_beats:
                raise ContradictionError(
                    f"{recording_id}: {n_beats} beats were ingested, but {len(labels)} labels given. Nothing was written."
                )
            # The first writer holds this row until it commits; the others wait here, and then find it taken.
            cursor.execute(
                f"""
                INSERT INTO heartwave.scorings ({", ".join(values)}, in_training_set)
                SELECT {_placeholders(values)}, EXISTS (
                    SELECT FROM heartwave.model_training_recordings
                    WHERE model_version_id = %(model_version_id)s
                      AND recording_id = %(recording_id)s AND content_sha256 = %(content_sha256)s
                )
                ON CONFLICT (revision_id, model_version_id) DO NOTHING
                """,
                values | {"recording_id": recording_id, "content_sha256": content_sha256},
            )
            if cursor.rowcount == 0:
                self._compare(cursor, recording_id, scoring, values["labels_sha256"])
                return False
            stream = labels.copy_binary(scoring.night, scoring.revision_id, scoring.model_version_id)
            cursor.copy_expert(
                f"COPY heartwave.labels ({', '.join(LABEL_COLUMNS)}) FROM STDIN (FORMAT binary)", _Chunks(stream)
            )
            if cursor.rowcount != len(labels):
                raise ContradictionError(
                    f"{recording_id}: PostgreSQL took {cursor.rowcount} of {len(labels)} labels. Nothing was written."
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
        return next(self._chunks, b"")


def _values(row: Any) -> dict[str, Any]:  # noqa: ANN401  any of the frozen rows
    """Return a row's columns as psycopg2 takes them: plain numbers, None for NaN, ``class`` for ``beat_class``."""
    values = {}
    for field in fields(row):
        value = getattr(row, field.name)
        if isinstance(value, np.generic):
            value = value.item()
        if isinstance(value, float) and math.isnan(value):
            value = None
        if field.name == "leads":
            value = list(value)
        values["class" if field.name == "beat_class" else field.name] = value
    return values


def _placeholders(values: Iterable[str]) -> str:
    return ", ".join(f"%({name})s" for name in values)


def _insert(cursor: Cursor, table: str, rows: Sequence[dict[str, Any]]) -> None:
    """Insert rows that all have the same columns."""
    if rows:
        execute_values(
            cursor,
            f"INSERT INTO heartwave.{table} ({', '.join(rows[0])}) VALUES %s",
            rows,
            template=f"({_placeholders(rows[0])})",
            page_size=1_000,
        )


def _fetch(cursor: Cursor, row: type[Row], **more: object) -> list[Row]:
    """Return the result as rows of a dataclass whose fields are named like the columns."""
    names = [column.name for column in cursor.description or ()]
    return [row(**dict(zip(names, found, strict=True)), **more) for found in cursor.fetchall()]


def _model(cursor: Cursor, condition: str, parameters: Mapping[str, object]) -> RegisteredModel | None:
    columns = ", ".join(field.name for field in fields(RegisteredModel))
    cursor.execute(f"SELECT {columns} FROM heartwave.model_versions WHERE {condition}", parameters)
    return next(iter(_fetch(cursor, RegisteredModel)), None)


def _champion(cursor: Cursor) -> RegisteredModel | None:
    newest = "(SELECT model_version_id FROM heartwave.promotions ORDER BY promotion_id DESC LIMIT 1)"
    return _model(cursor, f"model_version_id = {newest}", {})


def _scoring(cursor: Cursor, revision_id: int, model_version_id: int) -> CommittedScoring | None:
    columns = ", ".join(field.name for field in fields(CommittedScoring))
    cursor.execute(
        f"SELECT {columns} FROM heartwave.scorings WHERE revision_id = %s AND model_version_id = %s",
        (revision_id, model_version_id),
    )
    return next(iter(_fetch(cursor, CommittedScoring)), None)


def _storable(text: str) -> str:
    """Make any text from a bad recording fit for PostgreSQL: no NUL, no lone surrogates, not endless."""
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}").encode("utf-8", "replace").decode("utf-8")[:_MAX_TEXT]
