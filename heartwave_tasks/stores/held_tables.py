"""Scorings that are held back until somebody has looked at them: what `heartwave held` lists and releases."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING

from heartwave_tasks.stores.prediction_rows import HeldScoring
from heartwave_tasks.stores.row_sql import fetch

if TYPE_CHECKING:
    from collections.abc import Collection

    from psycopg2.extensions import cursor as Cursor  # noqa: N812  a class in all but case

    from heartwave_tasks.stores.transactions import Transactions


class HeldTables:
    """Labels that look implausible."""

    _transactions: Transactions

    def held_scorings(self) -> list[HeldScoring]:
        """Return what is held, the newest first."""
        columns = ", ".join(field.name for field in fields(HeldScoring))

        def work(cursor: Cursor) -> list[HeldScoring]:
            cursor.execute(f"SELECT {columns} FROM heartwave.current_held ORDER BY held_at DESC, held_id DESC")
            return fetch(cursor, HeldScoring)

        return self._transactions.run(work)

    def release(self, held_ids: Collection[int], by: str) -> int:
        """Let held labels speak for their recordings; return how many were held until now."""

        def work(cursor: Cursor) -> int:
            cursor.execute(
                "UPDATE heartwave.held_scorings SET released_at = clock_timestamp(), released_by = %s "
                "WHERE released_at IS NULL AND held_id = ANY(%s)",
                (by, list(held_ids)),
            )
            return int(cursor.rowcount)

        return self._transactions.run(work)
