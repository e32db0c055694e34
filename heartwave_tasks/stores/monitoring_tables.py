"""Night monitoring: what a model learnt from, what a night looked like, and how far apart the two are."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import numpy as np

from heartwave_tasks.stores.row_sql import insert

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date

    from numpy.typing import NDArray
    from psycopg2.extensions import cursor as Cursor  # noqa: N812  a class in all but case

    from heartwave_tasks.stores.transactions import Transactions


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftFigure:
    """How far a night is from the training population, in one feature or in the shares of the labels."""

    kind: str
    name: str
    psi: float
    n_recordings: int
    threshold: float
    is_alarming: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class NightCounts:
    """A night's beats and labels by one model version; each recording counts the same.

    Attributes
    ----------
    n_recordings, n_held
        Recordings, and those of them whose labels are held.
    class_shares
        float64 (5,), mean over the recordings.
    feature_shares
        float64 (n_features, n_bins), mean over the recordings; None where none were counted.
    """

    n_recordings: int
    n_held: int
    class_shares: NDArray[np.float64]
    feature_shares: NDArray[np.float64] | None


class MonitoringTables:
    """What drift is measured by."""

    _transactions: Transactions

    def save_population(self, model_version_id: int, population: str) -> None:
        """Store a model version's training population, as JSON; a second time changes nothing."""
        self._transactions.run(
            lambda cursor: cursor.execute(
                "INSERT INTO heartwave.model_populations (model_version_id, population) VALUES (%s, %s) "
                "ON CONFLICT DO NOTHING",
                (model_version_id, population),
            )
        )

    def population(self, model_version_id: int) -> str | None:
        """Return a model version's training population as JSON; None where none was stored."""

        def work(cursor: Cursor) -> str | None:
            cursor.execute(
                "SELECT population::text FROM heartwave.model_populations WHERE model_version_id = %s",
                (model_version_id,),
            )
            found = cursor.fetchone()
            return None if found is None else str(found[0])

        return self._transactions.run(work)

    def night_counts(self, night: date, model_version_id: int) -> NightCounts | None:
        """Add up a night's scorings by a model version; None where there are none."""

        def work(cursor: Cursor) -> NightCounts | None:
            cursor.execute(
                """
                SELECT ARRAY[s.n_n, s.n_s, s.n_v, s.n_f, s.n_q], h.held_id IS NOT NULL, f.counts
                FROM heartwave.scorings AS s
                LEFT JOIN heartwave.scoring_features AS f USING (revision_id, model_version_id)
                LEFT JOIN heartwave.held_scorings AS h
                    ON h.revision_id = s.revision_id AND h.model_version_id = s.model_version_id
                    AND h.released_at IS NULL
                WHERE s.night = %s AND s.model_version_id = %s AND s.n_labels > 0
                """,
                (night, model_version_id),
            )
            found = cursor.fetchall()
            if not found:
                return None
            classes, held, features = zip(*found, strict=True)
            counted = [counts for counts in features if counts is not None]
            return NightCounts(
                n_recordings=len(found),
                n_held=sum(held),
                class_shares=_mean_shares(np.array(classes, dtype=np.float64)),
                feature_shares=_mean_shares(np.array(counted, dtype=np.float64)) if counted else None,
            )

        return self._transactions.run(work)

    def save_drift(self, night: date, model_version_id: int, figures: Sequence[DriftFigure]) -> None:
        """Store a night's drift in place of an earlier measurement of it."""
        key = {"night": night, "model_version_id": model_version_id}

        def work(cursor: Cursor) -> None:
            # One at a time, or a retry beside its hanging first attempt would trip over it.
            cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended('heartwave drift', 0))")
            cursor.execute(
                "DELETE FROM heartwave.drift_figures "
                "WHERE night = %(night)s AND model_version_id = %(model_version_id)s",
                key,
            )
            insert(cursor, "drift_figures", [{**key, **asdict(figure)} for figure in figures])

        self._transactions.run(work)


def _mean_shares(counts: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean over the first axis of counts made shares over the last."""
    totals = counts.sum(axis=-1, keepdims=True)
    shares: NDArray[np.float64] = (counts / np.maximum(totals, 1)).mean(axis=0)
    return shares
