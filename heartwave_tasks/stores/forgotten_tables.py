"""Forgetting: every row of a recording deleted in one transaction, as the owner, and a receipt that names nobody."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from heartwave_tasks.stores.failures import RETRY_FOR_S
from heartwave_tasks.stores.transactions import Transactions

if TYPE_CHECKING:
    from datetime import datetime

    from psycopg2.extensions import cursor as Cursor  # noqa: N812  a class in all but case

_REVISIONS: Final = "revision_id IN (SELECT revision_id FROM heartwave.recording_revisions WHERE recording_id = %(id)s)"

_DELETIONS: Final = {
    "labels": f"DELETE FROM heartwave.labels WHERE {_REVISIONS}",
    "beat_reviews": f"DELETE FROM heartwave.beat_reviews WHERE {_REVISIONS}",
    # Summaries, hours, episodes, references, agreements and what was held go with their scoring.
    "scorings": f"DELETE FROM heartwave.scorings WHERE {_REVISIONS}",
    "model_evaluation_recordings": "DELETE FROM heartwave.model_evaluation_recordings WHERE recording_id = %(id)s",
    "model_training_recordings": "DELETE FROM heartwave.model_training_recordings WHERE recording_id = %(id)s",
    "quarantine": "DELETE FROM heartwave.quarantine WHERE recording_id = %(id)s",
    "recordings": "UPDATE heartwave.recordings SET current_revision_id = NULL WHERE recording_id = %(id)s",
    "recording_revisions": "DELETE FROM heartwave.recording_revisions WHERE recording_id = %(id)s",
}
"""By table, in an order that no foreign key minds; the recording itself comes last."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """What was deleted, and where: ``objects`` by place, ``rows`` by table; model versions, and MLflow run ids."""

    objects: dict[str, int]
    rows: dict[str, int]
    trained: list[dict[str, Any]]
    evaluated: list[dict[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Forgotten(Receipt):
    """A receipt as it is kept."""

    forgotten_at: datetime
    requested_by: str


class ForgettingStore:
    """What the owner alone may do: delete a recording."""

    def __init__(self, owner_url: str) -> None:
        self._transactions = Transactions(owner_url, RETRY_FOR_S)

    def close(self) -> None:
        """Close the connection."""
        self._transactions.close()

    def kept_prefixes(self, recording_id: str) -> set[str]:
        """Return where in the recordings bucket refused bytes of a recording are kept."""

        def work(cursor: Cursor) -> set[str]:
            cursor.execute(
                "SELECT kept_prefix FROM heartwave.quarantine WHERE recording_id = %s AND kept_prefix IS NOT NULL",
                (recording_id,),
            )
            return {str(prefix) for (prefix,) in cursor.fetchall()}

        return self._transactions.run(work)

    def models_of(self, recording_id: str) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        """Return the model versions that were trained on a recording, and those that were evaluated on it."""

        def work(cursor: Cursor) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
            found = []
            for table in ("model_training_recordings", "model_evaluation_recordings"):
                cursor.execute(
                    f"""
                    SELECT model_name, version, mlflow_run_id FROM heartwave.model_versions WHERE model_version_id IN (
                        SELECT model_version_id FROM heartwave.{table} WHERE recording_id = %s
                    ) ORDER BY model_name, version
                    """,
                    (recording_id,),
                )
                found.append(
                    [
                        {"model": name, "version": version, "mlflow_run_id": run_id}
                        for name, version, run_id in cursor.fetchall()
                    ]
                )
            return found[0], found[1]

        return self._transactions.run(work)

    def forget(self, recording_id: str, mac: str, requested_by: str, receipt: Receipt) -> Receipt | None:
        """Delete every row of a recording and keep a receipt, all in one transaction.

        Returns the receipt with the numbers of rows; None, and nothing is kept, when nothing was left to delete.
        """

        def work(cursor: Cursor) -> Receipt | None:
            # Scorings in flight wait, and then find no revision to refer to.
            cursor.execute("SELECT FROM heartwave.recordings WHERE recording_id = %s FOR UPDATE", (recording_id,))
            rows = {}
            for table, statement in _DELETIONS.items():
                cursor.execute(statement, {"id": recording_id})
                rows[table] = cursor.rowcount
            cursor.execute("DELETE FROM heartwave.recordings WHERE recording_id = %s", (recording_id,))
            if not any(rows.values()) and not any(receipt.objects.values()):
                return None
            told = Receipt(objects=receipt.objects, rows=rows, trained=receipt.trained, evaluated=receipt.evaluated)
            cursor.execute(
                "INSERT INTO heartwave.forgotten_recordings (recording_mac, requested_by, receipt) VALUES (%s, %s, %s)",
                (mac, requested_by, json.dumps(_document(told))),
            )
            return told

        return self._transactions.run(work)

    def receipts(self, mac: str) -> list[Forgotten]:
        """Return the receipts of a recording, by the keyed hash of its name, the newest first."""

        def work(cursor: Cursor) -> list[Forgotten]:
            cursor.execute(
                "SELECT receipt, forgotten_at, requested_by FROM heartwave.forgotten_recordings "
                "WHERE recording_mac = %s ORDER BY forgotten_id DESC",
                (mac,),
            )
            return [
                Forgotten(**document, forgotten_at=forgotten_at, requested_by=requested_by)
                for document, forgotten_at, requested_by in cursor.fetchall()
            ]

        return self._transactions.run(work)


def _document(receipt: Receipt) -> dict[str, Any]:
    return {
        "objects": receipt.objects,
        "rows": receipt.rows,
        "trained": receipt.trained,
        "evaluated": receipt.evaluated,
    }
