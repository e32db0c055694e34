"""What there should be, page by page: the part of the predictions store that `heartwave verify` reads."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Final, TypeVar

from heartwave_tasks.stores.label_batch import READ_COLUMNS, LabelReader
from heartwave_tasks.stores.prediction_rows import RegisteredModel
from heartwave_tasks.stores.row_sql import fetch

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import date, datetime

    from psycopg2.extensions import cursor as Cursor  # noqa: N812  a class in all but case

    from heartwave_tasks.stores.transactions import Transactions

PAGE: Final = 1_000
"""Rows asked for at a time, so that memory does not grow with the estate."""

Row = TypeVar("Row")

_REVISIONS: Final = """
    SELECT v.revision_id, v.recording_id, v.content_sha256, v.listing_fingerprint, v.beats_key, v.n_windows, v.n_beats,
        v.beats_sha256, v.strip_sha256, r.current_revision_id = v.revision_id AS is_current
    FROM heartwave.recording_revisions AS v
    JOIN heartwave.recordings AS r USING (recording_id)
"""
_SCORINGS: Final = """
    SELECT s.revision_id, s.model_version_id, v.recording_id, m.model_name || ' version ' || m.version AS model,
        s.night, s.n_labels, v.n_beats, s.labels_sha256, s.labels_dropped_at,
        EXISTS (
            SELECT FROM heartwave.scoring_summaries AS y
            WHERE y.revision_id = s.revision_id AND y.model_version_id = s.model_version_id
        ) AS is_summarised
    FROM heartwave.scorings AS s
    JOIN heartwave.recording_revisions AS v USING (revision_id)
    JOIN heartwave.model_versions AS m USING (model_version_id)
"""
# From one key of the index to the next: reads as many entries as there are scorings, not labels.
_UNACCOUNTED: Final = """
    WITH RECURSIVE labelled AS (
        (SELECT revision_id, model_version_id FROM heartwave.labels ORDER BY 1, 2 LIMIT 1)
        UNION ALL
        SELECT next.revision_id, next.model_version_id
        FROM labelled AS l
        CROSS JOIN LATERAL (
            SELECT revision_id, model_version_id FROM heartwave.labels
            WHERE (revision_id, model_version_id) > (l.revision_id, l.model_version_id)
            ORDER BY 1, 2 LIMIT 1
        ) AS next
    )
    SELECT revision_id, model_version_id FROM labelled AS l
    WHERE NOT EXISTS (
        SELECT FROM heartwave.scorings AS s
        WHERE s.revision_id = l.revision_id AND s.model_version_id = l.model_version_id AND s.labels_dropped_at IS NULL
    )
"""
_LOOSE_PARTITIONS: Final = r"""
    SELECT c.relname FROM pg_class AS c
    WHERE c.relnamespace = 'heartwave'::regnamespace AND c.relkind = 'r' AND c.relname ~ '^labels_\d{4}_\d{2}$'
        AND NOT EXISTS (SELECT FROM pg_inherits AS i WHERE i.inhrelid = c.oid)
    ORDER BY 1
"""
_OLD_PARTITIONS: Final = r"""
    SELECT c.relname FROM pg_inherits AS i JOIN pg_class AS c ON c.oid = i.inhrelid
    WHERE i.inhparent = 'heartwave.labels'::regclass AND c.relname ~ '^labels_\d{4}_\d{2}$'
        AND to_date(right(c.relname, 7), 'YYYY_MM') < %s
    ORDER BY 1
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownRevision:
    """A recording revision, and what is known of its objects."""

    revision_id: int
    recording_id: str
    content_sha256: str
    listing_fingerprint: str
    beats_key: str
    n_windows: int
    n_beats: int
    beats_sha256: str | None
    strip_sha256: str | None
    is_current: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownScoring:
    """A line of the ledger, beside the beats that were ingested."""

    revision_id: int
    model_version_id: int
    recording_id: str
    model: str
    night: date
    n_labels: int
    n_beats: int
    labels_sha256: str
    labels_dropped_at: datetime | None
    is_summarised: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredLabels:
    """What a scoring's labels add up to: how many, whether no beat has two, and their hash as in the ledger."""

    n_labels: int
    one_per_beat: bool
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EstateSize:
    """How much there is to look at."""

    revisions: int
    scorings: int
    models: int


class EstateTables:
    """Everything the tables say there is; pages are transactions of their own, so nothing waits for a reader."""

    _transactions: Transactions

    def estate_size(self) -> EstateSize:
        """Count what there is."""
        counts = ("recording_revisions", "scorings", "model_versions")

        def work(cursor: Cursor) -> EstateSize:
            cursor.execute(f"SELECT {', '.join(f'(SELECT count(*) FROM heartwave.{table})' for table in counts)}")
            revisions, scorings, models = cursor.fetchone() or (0, 0, 0)
            return EstateSize(revisions=revisions, scorings=scorings, models=models)

        return self._transactions.run(work)

    def known_revisions(self) -> Iterator[KnownRevision]:
        """Walk through all revisions in order of their ids."""
        last = -1
        query = f"{_REVISIONS} WHERE v.revision_id > %s ORDER BY v.revision_id LIMIT {PAGE}"
        while page := self._page(query, (last,), KnownRevision):
            yield from page
            last = page[-1].revision_id

    def known_revision(self, revision_id: int) -> KnownRevision | None:
        """Return a revision as it is known now."""
        return next(iter(self._page(f"{_REVISIONS} WHERE v.revision_id = %s", (revision_id,), KnownRevision)), None)

    def known_scorings(self) -> Iterator[KnownScoring]:
        """Walk through the ledger in order of its key."""
        last = (-1, -1)
        query = f"""
            {_SCORINGS} WHERE (s.revision_id, s.model_version_id) > (%s, %s)
            ORDER BY s.revision_id, s.model_version_id LIMIT {PAGE}
        """
        while page := self._page(query, last, KnownScoring):
            yield from page
            last = (page[-1].revision_id, page[-1].model_version_id)

    def known_models(self) -> list[RegisteredModel]:
        """Return all model versions."""
        columns = ", ".join(field.name for field in fields(RegisteredModel))
        return self._page(f"SELECT {columns} FROM heartwave.model_versions ORDER BY 1, 2", (), RegisteredModel)

    def stored_labels(self, revision_id: int, model_version_id: int) -> StoredLabels:
        """Read a scoring's labels through, a few thousand at a time, and return what they add up to."""

        def work(cursor: Cursor) -> StoredLabels:
            reader = LabelReader()
            query = cursor.mogrify(
                f"COPY (SELECT {READ_COLUMNS} FROM heartwave.labels WHERE revision_id = %s AND model_version_id = %s "
                "ORDER BY r_peak_sample) TO STDOUT (FORMAT binary)",
                (revision_id, model_version_id),
            )
            cursor.copy_expert(query, reader)
            return StoredLabels(sha256=reader.sha256(), n_labels=reader.n_labels, one_per_beat=reader.one_per_beat)

        return self._transactions.run(work)

    def labels_dropped(self, revision_id: int, model_version_id: int) -> bool:
        """Tell whether retention has dropped a scoring's labels."""

        def work(cursor: Cursor) -> bool:
            cursor.execute(
                "SELECT labels_dropped_at IS NOT NULL FROM heartwave.scorings "
                "WHERE revision_id = %s AND model_version_id = %s",
                (revision_id, model_version_id),
            )
            return bool((cursor.fetchone() or (False,))[0])

        return self._transactions.run(work)

    def labels_beyond_ledger(self) -> list[tuple[int, int]]:
        """Return (revision id, model version id) of labels that the ledger does not account for."""

        def work(cursor: Cursor) -> list[tuple[int, int]]:
            cursor.execute(_UNACCOUNTED)
            return [(int(revision), int(model)) for revision, model in cursor.fetchall()]

        return self._transactions.run(work)

    def stray_partitions(self, oldest: date) -> tuple[list[str], list[str]]:
        """Return the names of label tables that belong to no table, and of partitions older than a month."""

        def work(cursor: Cursor) -> tuple[list[str], list[str]]:
            cursor.execute(_LOOSE_PARTITIONS)
            loose = [str(name) for (name,) in cursor.fetchall()]
            cursor.execute(_OLD_PARTITIONS, (oldest,))
            return loose, [str(name) for (name,) in cursor.fetchall()]

        return self._transactions.run(work)

    def referred_beats(self, keys: Sequence[str]) -> set[str]:
        """Return which of some object keys are the beats of a revision."""

        def work(cursor: Cursor) -> set[str]:
            cursor.execute(
                "SELECT beats_key FROM heartwave.recording_revisions WHERE beats_key = ANY(%s)", (list(keys),)
            )
            return {str(key) for (key,) in cursor.fetchall()}

        return self._transactions.run(work)

    def forget_listing(self, revision_ids: Sequence[int]) -> None:
        """Make the next ingest cut recordings again, as if their files had just arrived."""
        self._transactions.run(
            lambda cursor: cursor.execute(
                "UPDATE heartwave.recording_revisions SET listing_fingerprint = '' WHERE revision_id = ANY(%s)",
                (list(revision_ids),),
            )
        )

    def _page(self, query: str, parameters: tuple[object, ...], row: type[Row]) -> list[Row]:
        def work(cursor: Cursor) -> list[Row]:
            cursor.execute(query, parameters)
            return fetch(cursor, row)

        return self._transactions.run(work)
