"""The quarantine, and how much of each source ends there: what ingest writes, and what people do about it."""

from __future__ import annotations

from dataclasses import asdict, fields
from typing import TYPE_CHECKING, Final

from heartwave_tasks.stores.prediction_rows import Quarantined, QuarantineRow, SourceIngest
from heartwave_tasks.stores.row_sql import fetch, placeholders, storable

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from psycopg2.extensions import cursor as Cursor  # noqa: N812  a class in all but case

    from heartwave_tasks.stores.transactions import Transactions

_LEAST_RECORDINGS: Final = 5
"""Of fewer, a share says nothing."""
_JUMP: Final = 0.2
"""How far a source's share of refused recordings may lie above its usual one."""


class QuarantineTables:
    """What could not be read."""

    _transactions: Transactions

    def quarantine(self, row: QuarantineRow) -> None:
        """Put a recording's content into quarantine; seen again, it only gets a newer date and reason."""
        columns = {name: storable(value) if isinstance(value, str) else value for name, value in asdict(row).items()}

        def work(cursor: Cursor) -> None:
            cursor.execute(
                f"""
                INSERT INTO heartwave.quarantine AS q ({", ".join(columns)}) VALUES ({placeholders(columns)})
                ON CONFLICT (recording_id, listing_fingerprint) DO UPDATE
                SET code = EXCLUDED.code, reason = EXCLUDED.reason, remedy = EXCLUDED.remedy,
                    kept_prefix = EXCLUDED.kept_prefix, n_attempts = q.n_attempts + 1,
                    last_seen_at = now(), resolved_at = NULL, resolution = NULL
                """,
                columns,
            )

        self._transactions.run(work)

    def resolve_quarantine(self, present: Iterable[tuple[str, str]]) -> int:
        """End the quarantine of content that is no longer there; return how many rows that were.

        ``present`` holds id and fingerprint of every recording in the bucket, the refused ones included.
        """
        pairs = list(present)

        def work(cursor: Cursor) -> int:
            cursor.execute(
                """
                UPDATE heartwave.quarantine AS q
                SET resolved_at = now(), resolution = 'gone'
                WHERE resolved_at IS NULL AND NOT EXISTS (
                    SELECT FROM unnest(%s::text[], %s::text[]) AS l (recording_id, fingerprint)
                    WHERE l.recording_id = q.recording_id AND l.fingerprint = q.listing_fingerprint
                )
                """,
                ([storable(name) for name, _ in pairs], [storable(value) for _, value in pairs]),
            )
            return int(cursor.rowcount)

        return self._transactions.run(work)

    def end_quarantine(self, quarantine_ids: Collection[int], resolution: str) -> int:
        """End the waiting of some by a person's decision, ``retried`` or ``discarded``; return how many did wait."""

        def work(cursor: Cursor) -> int:
            cursor.execute(
                "UPDATE heartwave.quarantine SET resolved_at = now(), resolution = %s "
                "WHERE resolved_at IS NULL AND quarantine_id = ANY(%s)",
                (resolution, list(quarantine_ids)),
            )
            return int(cursor.rowcount)

        return self._transactions.run(work)

    def quarantined(self) -> list[Quarantined]:
        """Return what waits in quarantine, the newest first."""
        columns = ", ".join(field.name for field in fields(Quarantined))

        def work(cursor: Cursor) -> list[Quarantined]:
            cursor.execute(
                f"SELECT {columns} FROM heartwave.quarantine WHERE resolved_at IS NULL "
                "ORDER BY last_seen_at DESC, quarantine_id DESC"
            )
            return fetch(cursor, Quarantined)

        return self._transactions.run(work)

    def record_source_ingests(self, counts: Mapping[str, tuple[int, int]]) -> list[SourceIngest]:
        """Record by source how many recordings a run looked at and how many it refused; judge whether that is usual.

        Alarming is a share of at least five recordings that lies a fifth or more above that of the last 30 days.
        """

        def work(cursor: Cursor) -> list[SourceIngest]:
            found = []
            for source, (n_recordings, n_quarantined) in sorted(counts.items()):
                cursor.execute(
                    "SELECT sum(n_quarantined)::float8 / sum(n_recordings) FROM heartwave.source_ingests "
                    "WHERE source = %s AND ingested_at > now() - interval '30 days'",
                    (source,),
                )
                (usual,) = cursor.fetchone() or (None,)
                jumped = n_quarantined / n_recordings >= (usual or 0.0) + _JUMP
                row = SourceIngest(
                    source=source,
                    n_recordings=n_recordings,
                    n_quarantined=n_quarantined,
                    usual_share=usual,
                    is_alarming=n_recordings >= _LEAST_RECORDINGS and jumped,
                )
                columns = asdict(row)
                cursor.execute(
                    f"INSERT INTO heartwave.source_ingests ({', '.join(columns)}) VALUES ({placeholders(columns)})",
                    columns,
                )
                found.append(row)
            return found

        return self._transactions.run(work)
