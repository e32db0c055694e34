"""Model versions and evaluations: the part of the predictions store that retraining writes."""

from __future__ import annotations

import json
from dataclasses import fields
from typing import TYPE_CHECKING, Any, Final

from psycopg2.extras import execute_values

from heartwave_tasks.stores.prediction_rows import (
    ClassEvaluation,
    ContradictionError,
    EvaluationRows,
    FigureEvaluation,
    ModelVersionRow,
    RecordingEvaluation,
    RegisteredModel,
)
from heartwave_tasks.stores.row_sql import fetch, insert, placeholders, values

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from psycopg2.extensions import cursor as Cursor  # noqa: N812  a class in all but case

    from heartwave_tasks.stores.transactions import Transactions

_DETAILS: Final = ("classes", "recordings", "figures")
"""Fields of an evaluation that are tables of their own, in the order they are read."""


class ModelTables:
    """Which models there are, and how good they are."""

    _transactions: Transactions

    def register_model(self, model: ModelVersionRow, training: Iterable[tuple[str, str]]) -> int:
        """Store a model version and the (recording id, content SHA-256) pairs it was trained on; return its id.

        Raises `ContradictionError` when this version is there already with other content.
        """
        pairs = sorted(set(training))

        def work(cursor: Cursor) -> int:
            columns = values(model)
            cursor.execute(
                f"""
                INSERT INTO heartwave.model_versions ({", ".join(columns)}) VALUES ({placeholders(columns)})
                ON CONFLICT DO NOTHING RETURNING model_version_id
                """,
                columns,
            )
            inserted = cursor.fetchone()
            if inserted is None:
                stored = _model(cursor, "model_name = %(model_name)s AND version = %(version)s", columns)
                if stored is None or values(model).items() - values(stored).items():
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

    def model_versions(self) -> list[RegisteredModel]:
        """Return all registered model versions, the newest first."""

        def work(cursor: Cursor) -> list[RegisteredModel]:
            columns = ", ".join(field.name for field in fields(RegisteredModel))
            cursor.execute(f"SELECT {columns} FROM heartwave.model_versions ORDER BY model_version_id DESC")
            return fetch(cursor, RegisteredModel)

        return self._transactions.run(work)

    def training_recordings(self, model_version_id: int) -> set[tuple[str, str]]:
        """Return the (recording id, content SHA-256) pairs a model version was trained on."""

        def work(cursor: Cursor) -> set[tuple[str, str]]:
            cursor.execute(
                "SELECT recording_id, content_sha256 FROM heartwave.model_training_recordings "
                "WHERE model_version_id = %s",
                (model_version_id,),
            )
            return {(recording_id, content) for recording_id, content in cursor.fetchall()}

        return self._transactions.run(work)

    def save_evaluation(self, evaluation: EvaluationRows) -> None:
        """Store a model version's evaluation under one protocol, in place of an earlier one."""
        columns = values(evaluation)
        classes = [values(row) for row in columns.pop("classes")]
        recordings = [values(row) for row in columns.pop("recordings")]
        figures = [values(row) for row in columns.pop("figures")]
        columns["confusion"] = json.dumps(columns["confusion"])
        key = {name: columns[name] for name in ("model_version_id", "protocol")}

        def work(cursor: Cursor) -> None:
            # One at a time, or a retry beside its hanging first attempt would trip over it. The details go with
            # the deleted row (ON DELETE CASCADE).
            cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended('heartwave evaluations', 0))")
            cursor.execute(
                "DELETE FROM heartwave.model_evaluations "
                "WHERE model_version_id = %(model_version_id)s AND protocol = %(protocol)s",
                key,
            )
            for table, rows in (
                ("model_evaluations", [columns]),
                ("model_evaluation_classes", classes),
                ("model_evaluation_recordings", recordings),
                ("model_evaluation_figures", figures),
            ):
                insert(cursor, table, [{**key, **row} for row in rows])

        self._transactions.run(work)

    def evaluation(self, model_version_id: int, protocol: str) -> EvaluationRows | None:
        """Return a stored evaluation with its classes and recordings, None when there is none."""

        def work(cursor: Cursor) -> EvaluationRows | None:
            found: list[list[Any]] = []
            for row, table in (
                (ClassEvaluation, "model_evaluation_classes"),
                (RecordingEvaluation, "model_evaluation_recordings"),
                (FigureEvaluation, "model_evaluation_figures"),
                (EvaluationRows, "model_evaluations"),
            ):
                names = [field.name for field in fields(row) if field.name not in _DETAILS]
                selected = ["class::text AS beat_class" if name == "beat_class" else name for name in names]
                cursor.execute(
                    f"SELECT {', '.join(selected)} FROM heartwave.{table} "
                    "WHERE model_version_id = %s AND protocol = %s ORDER BY 1, 2",
                    (model_version_id, protocol),
                )
                details = dict(zip(_DETAILS, found, strict=True)) if table == "model_evaluations" else {}
                found.append(fetch(cursor, row, **details))
            return found[-1][0] if found[-1] else None

        return self._transactions.run(work)


def _model(cursor: Cursor, condition: str, parameters: Mapping[str, object]) -> RegisteredModel | None:
    columns = ", ".join(field.name for field in fields(RegisteredModel))
    cursor.execute(f"SELECT {columns} FROM heartwave.model_versions WHERE {condition}", parameters)
    return next(iter(fetch(cursor, RegisteredModel)), None)
