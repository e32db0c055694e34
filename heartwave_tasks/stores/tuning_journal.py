"""The journal of a search for parameters, in Postgres: only the right to add and to read is needed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import uuid4

from optuna.storages.journal import BaseJournalBackend
from psycopg2.extras import Json, execute_values

from heartwave_tasks.stores.transactions import Transactions

if TYPE_CHECKING:
    from psycopg2.extensions import cursor as Cursor  # noqa: N812  a class in all but case


class TuningJournal(BaseJournalBackend):
    """One study's journal, for Optuna's `JournalStorage`; several processes may write at once."""

    def __init__(self, database_url: str, study: str) -> None:
        self._transactions = Transactions(database_url)
        self._study = study

    def close(self) -> None:
        """Close the connection."""
        self._transactions.close()

    def read_logs(self, log_number_from: int) -> list[dict[str, Any]]:
        """Return the entries from a place on, in order."""

        def work(cursor: Cursor) -> list[dict[str, Any]]:
            cursor.execute(
                "SELECT entry FROM heartwave.tuning_journal WHERE study = %s AND place >= %s ORDER BY place",
                (self._study, log_number_from),
            )
            return [entry for (entry,) in cursor.fetchall()]

        return self._transactions.run(work)

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        """Add entries behind the last one, once, also when the connection broke as they were committed."""
        batch = str(uuid4())

        def work(cursor: Cursor) -> None:
            cursor.execute(
                "SELECT pg_advisory_xact_lock(hashtextextended('heartwave tuning ' || %s, 0))", (self._study,)
            )
            cursor.execute(
                "SELECT coalesce(max(place) + 1, 0), coalesce(bool_or(batch = %s), false) "
                "FROM heartwave.tuning_journal WHERE study = %s",
                (batch, self._study),
            )
            ((place, is_there),) = cursor.fetchall()
            if not is_there:
                execute_values(
                    cursor,
                    "INSERT INTO heartwave.tuning_journal (study, place, batch, entry) VALUES %s",
                    [(self._study, place + at, batch, Json(entry)) for at, entry in enumerate(logs)],
                )

        self._transactions.run(work)
