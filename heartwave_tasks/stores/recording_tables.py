"""Recordings and their revisions: the part of the predictions store that ingest writes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from heartwave_tasks.stores.prediction_rows import ContradictionError, RevisionRef, RevisionRow
from heartwave_tasks.stores.row_sql import fetch, placeholders, values

if TYPE_CHECKING:
    from collections.abc import Sequence

    from psycopg2.extensions import cursor as Cursor  # noqa: N812  a class in all but case

    from heartwave_tasks.stores.transactions import Transactions

_CURRENT_REVISIONS: Final = """
    heartwave.recordings AS r JOIN heartwave.recording_revisions AS v ON v.revision_id = r.current_revision_id
"""


class RecordingTables:
    """What has arrived."""

    _transactions: Transactions

    def known_fingerprints(self, segmenter_version: str) -> dict[str, set[str]]:
        """Return by recording the listing fingerprints that need no work.

        Those are the fingerprint of the current revision, if it was cut by this version of the segmenter, and those
        that wait in quarantine or were discarded from it. Superseded revisions do not count: content that comes back
        has to become current.
        """

        def work(cursor: Cursor) -> dict[str, set[str]]:
            cursor.execute(
                """
                SELECT recording_id, v.listing_fingerprint
                FROM heartwave.recordings AS r
                JOIN heartwave.recording_revisions AS v USING (recording_id)
                WHERE v.revision_id = r.current_revision_id AND v.segmenter_version = %s
                UNION ALL
                SELECT recording_id, listing_fingerprint FROM heartwave.quarantine
                WHERE resolved_at IS NULL OR resolution = 'discarded'
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
            columns = values(revision)
            del columns["source"]
            cursor.execute(
                f"""
                INSERT INTO heartwave.recording_revisions ({", ".join(columns)}) VALUES ({placeholders(columns)})
                ON CONFLICT (recording_id, content_sha256, segmenter_version)
                -- Another release of the Parquet library writes the same beats as other bytes.
                DO UPDATE SET listing_fingerprint = EXCLUDED.listing_fingerprint,
                    beats_sha256 = EXCLUDED.beats_sha256, strip_sha256 = EXCLUDED.strip_sha256
                RETURNING revision_id, beats_key, n_beats, n_marks
                """,
                columns,
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
                "UPDATE heartwave.quarantine SET resolved_at = now(), resolution = 'ingested' "
                "WHERE recording_id = %s AND resolved_at IS NULL",
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

    def revisions(self, revision_ids: Sequence[int]) -> list[RevisionRef]:
        """Return the revisions of these ids, current or not, by recording; those that are gone are left out."""
        every = "heartwave.recording_revisions AS v"
        return self._revisions("v.revision_id = ANY(%s)", (list(revision_ids),), every)

    def _revisions(
        self, condition: str, parameters: tuple[object, ...], among: str = _CURRENT_REVISIONS
    ) -> list[RevisionRef]:
        def work(cursor: Cursor) -> list[RevisionRef]:
            cursor.execute(
                f"""
                SELECT v.revision_id, v.recording_id, v.beats_key, v.n_beats, v.n_windows, v.content_sha256,
                    v.beats_sha256
                FROM {among}
                WHERE {condition}
                ORDER BY v.recording_id
                """,
                parameters,
            )
            return fetch(cursor, RevisionRef)

        return self._transactions.run(work)
