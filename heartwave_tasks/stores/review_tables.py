"""Reviews of heartbeats: the part of the predictions store that retraining reads."""

from __future__ import annotations

from typing import TYPE_CHECKING

from heartwave_tasks.stores.prediction_rows import BeatReview

if TYPE_CHECKING:
    from datetime import datetime

    from psycopg2.extensions import cursor as Cursor  # noqa: N812  a class in all but case

    from heartwave_tasks.stores.transactions import Transactions


class ReviewTables:
    """What people say heartbeats are."""

    _transactions: Transactions

    def reviews_at(self, moment: datetime) -> list[BeatReview]:
        """Return the reviews that counted at a moment, of current revisions, in order; the same whenever asked."""

        def work(cursor: Cursor) -> list[BeatReview]:
            cursor.execute(
                """
                SELECT v.recording_id, v.beats_key, v.content_sha256, w.r_peak_sample, w.class::text
                FROM heartwave.beat_reviews AS w
                JOIN heartwave.recording_revisions AS v USING (revision_id)
                JOIN heartwave.recordings AS r ON r.current_revision_id = v.revision_id
                WHERE w.reviewed_at <= %(moment)s AND (w.withdrawn_at IS NULL OR w.withdrawn_at > %(moment)s)
                ORDER BY v.recording_id, w.r_peak_sample
                """,
                {"moment": moment},
            )
            return [BeatReview(*row) for row in cursor.fetchall()]

        return self._transactions.run(work)
