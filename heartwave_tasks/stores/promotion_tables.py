"""Comparisons, decisions and promotions: the part of the predictions store that says who labels tonight, and why."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING

from heartwave_tasks.stores.prediction_rows import ComparisonRow, ModelPromotion, RegisteredModel
from heartwave_tasks.stores.row_sql import fetch, insert, placeholders, values

if TYPE_CHECKING:
    from psycopg2.extensions import cursor as Cursor  # noqa: N812  a class in all but case

    from heartwave_tasks.stores.transactions import Transactions


class PromotionTables:
    """Which model labels tonight, and how it came to that."""

    _transactions: Transactions

    def champion(self) -> RegisteredModel | None:
        """Return the model version promoted last, None before the first promotion."""
        return self._transactions.run(_champion)

    def promote(
        self,
        model_version_id: int,
        by: str,
        reason: str,
        *,
        comparison_id: int | None = None,
        is_rollback: bool = False,
    ) -> bool:
        """Make a model version the champion; return False when it is already."""

        def work(cursor: Cursor) -> bool:
            # Two promotions at once take turns, so that each sees who is champion.
            cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended('heartwave promotions', 0))")
            champion = _champion(cursor)
            if champion is not None and champion.model_version_id == model_version_id:
                return False
            cursor.execute(
                "INSERT INTO heartwave.promotions (model_version_id, promoted_by, reason, comparison_id, is_rollback) "
                "VALUES (%s, %s, %s, %s, %s)",
                (model_version_id, by, reason, comparison_id, is_rollback),
            )
            return True

        return self._transactions.run(work)

    def promotions(self) -> list[ModelPromotion]:
        """Return every change of champion, the first one first."""

        def work(cursor: Cursor) -> list[ModelPromotion]:
            columns = ", ".join(field.name for field in fields(ModelPromotion))
            cursor.execute(f"SELECT {columns} FROM heartwave.promotions ORDER BY promotion_id")
            return fetch(cursor, ModelPromotion)

        return self._transactions.run(work)

    def save_comparison(self, comparison: ComparisonRow) -> int:
        """Store how a challenger compared with the champion, once per run, and return the comparison's id."""
        columns = values(comparison)
        figures = [values(figure) for figure in columns.pop("figures")]

        def work(cursor: Cursor) -> int:
            cursor.execute(
                f"""
                INSERT INTO heartwave.model_comparisons ({", ".join(columns)}) VALUES ({placeholders(columns)})
                ON CONFLICT (model_version_id, dag_run_id) DO NOTHING RETURNING comparison_id
                """,
                columns,
            )
            inserted = cursor.fetchone()
            if inserted is None:
                cursor.execute(
                    "SELECT comparison_id FROM heartwave.model_comparisons "
                    "WHERE model_version_id = %(model_version_id)s AND dag_run_id = %(dag_run_id)s",
                    columns,
                )
                ((comparison_id,),) = cursor.fetchall()
                return int(comparison_id)
            (comparison_id,) = inserted
            insert(cursor, "model_comparison_figures", [{"comparison_id": comparison_id, **row} for row in figures])
            return int(comparison_id)

        return self._transactions.run(work)

    def save_decision(self, comparison_id: int, *, approved: bool, by: str, note: str) -> None:
        """Note what a person decided about a challenger; the first decision stands."""
        statement = """
            INSERT INTO heartwave.model_decisions (comparison_id, approved, decided_by, note) VALUES (%s, %s, %s, %s)
            ON CONFLICT (comparison_id) DO NOTHING
        """
        self._transactions.run(lambda cursor: cursor.execute(statement, (comparison_id, approved, by, note)))


def _champion(cursor: Cursor) -> RegisteredModel | None:
    columns = ", ".join(field.name for field in fields(RegisteredModel))
    cursor.execute(
        f"SELECT {columns} FROM heartwave.model_versions WHERE model_version_id = "
        "(SELECT model_version_id FROM heartwave.promotions ORDER BY promotion_id DESC LIMIT 1)"
    )
    return next(iter(fetch(cursor, RegisteredModel)), None)
