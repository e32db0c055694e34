"""The stages that wait for servers: objects to and from S3, labels into PostgreSQL."""

from __future__ import annotations

import io
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import psycopg2
from psycopg2.extras import execute_values

from heartwave_tasks.jobs.score import label
from heartwave_tasks.stores.label_batch import LABEL_COLUMNS
from heartwave_tasks.stores.objects import get_object, s3_client
from heartwave_tasks.stores.predictions import PredictionStore
from tests.bench.measuring import Sample, measure
from tests.integration.planting import Planter, scoring_row

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from heartwave_tasks.models.architectures import BeatModel
    from heartwave_tasks.settings import Settings
    from heartwave_tasks.stores.predictions import LabelBatch
    from tests.bench.servers import Servers
    from tests.bench.stages import Bench

_NIGHT: Final = datetime.now(UTC).date()
_ROW: Final = f"INSERT INTO heartwave.labels ({', '.join(LABEL_COLUMNS)}) VALUES %s"


class Objects:
    """Beats to S3 and back."""

    def __init__(self, settings: Settings, bench: Bench, directory: Path, servers: Servers) -> None:
        self._client, self._bucket, self._servers = s3_client(settings), settings.lake_bucket, servers
        self._bench, self._directory = bench, directory

    def stages(self) -> Iterator[Sample]:
        """Measure objects as ingest writes and scoring reads them; the floor is the same to files."""
        bench, size = self._bench, sum(map(len, self._bench.files))
        paths = [self._directory / f"{number}.parquet" for number in range(len(bench.files))]
        yield bench.measure("S3 put", "heartwave", self._put, size, servers_cpu=self._servers.cpu_s)
        yield bench.measure(
            "S3 put", "floor", lambda: [p.write_bytes(c) for p, c in zip(paths, bench.files, strict=True)], size,
            note="writing files",
        )  # fmt: skip
        yield bench.measure("S3 get", "heartwave", self._get, size, servers_cpu=self._servers.cpu_s)
        yield bench.measure(
            "S3 get", "floor", lambda: [path.read_bytes() for path in paths], size, note="reading files"
        )

    def _put(self) -> None:
        for number, content in enumerate(self._bench.files):
            self._client.put_object(Bucket=self._bucket, Key=f"bench/{number}.parquet", Body=content)

    def _get(self) -> None:
        for number in range(len(self._bench.files)):
            get_object(self._client, self._bucket, f"bench/{number}.parquet")


class Labels:
    """Labels into the real table, with its key and indexes, by a role that may only insert."""

    def __init__(self, settings: Settings, bench: Bench, model: BeatModel, servers: Servers) -> None:
        self._servers = servers
        self._url = settings.require_database_url()
        self._bench = bench
        self._batches = [label(model, beats) for beats in bench.beats]
        self._n_labels = sum(map(len, self._batches))
        self._bytes = sum(len(_encode(batch, 1)) for batch in self._batches)

    def stages(self) -> Iterator[Sample]:
        """Measure whole transactions, COPY alone, COPY of constants, and rows by INSERT."""
        with PredictionStore(self._url) as store:
            store.ensure_partition(_NIGHT)
            planter = Planter(store)
            revisions = [planter.recording(f"bench/{number}", len(batch)) for number, batch in enumerate(self._batches)]
            versions = iter(range(1, 1_000))

            def save() -> None:
                version = planter.model(next(versions))
                for revision, batch in zip(revisions, self._batches, strict=True):
                    assert store.save_labels(scoring_row(revision, version, _NIGHT), batch)

            yield self._measure(
                "Postgres load", "heartwave", save, note="a transaction for every recording, with its ledger"
            )
        connection = psycopg2.connect(self._url)
        try:
            yield from self._bare(connection)
        finally:
            connection.close()

    def _bare(self, connection: psycopg2.extensions.connection) -> Iterator[Sample]:
        copy = f"COPY heartwave.labels ({', '.join(LABEL_COLUMNS)}) FROM STDIN (FORMAT binary)"
        numbers = iter(range(1_000_000, 2_000_000))

        def encode_and_copy() -> None:
            for batch in self._batches:
                with connection, connection.cursor() as cursor:
                    cursor.copy_expert(copy, io.BytesIO(_encode(batch, next(numbers))))

        yield self._measure("COPY", "heartwave", encode_and_copy, note="rows encoded and copied, a recording at a time")
        repetitions = self._bench.repetitions + 1
        ready = iter([[_encode(batch, next(numbers)) for batch in self._batches] for _ in range(repetitions)])

        def copy_constants() -> None:
            with connection, connection.cursor() as cursor:
                for content in next(ready):
                    cursor.copy_expert(copy, io.BytesIO(content))

        yield self._measure(
            "COPY", "floor", copy_constants, note="the same rows, encoded beforehand, in one transaction"
        )
        rows = _rows(self._batches[0])

        def insert() -> None:
            number = next(numbers)
            with connection, connection.cursor() as cursor:
                execute_values(cursor, _ROW, [(_NIGHT, number, 1, *row) for row in rows], page_size=1_000)

        yield self._measure("COPY", "plain", insert, n_labels=len(rows), note="execute_values, pages of 1 000 rows")

    def _measure(self, stage: str, way: str, work: object, *, note: str, n_labels: int | None = None) -> Sample:
        n_labels = n_labels or self._n_labels
        n_bytes = self._bytes * n_labels // self._n_labels
        return measure(
            stage,
            way,
            work,
            beats=n_labels,
            n_bytes=n_bytes,
            repetitions=self._bench.repetitions,
            servers_cpu=self._servers.cpu_s,
            note=note,  # type: ignore[arg-type]
        )


def _encode(batch: LabelBatch, revision_id: int) -> bytes:
    return b"".join(batch.copy_binary(_NIGHT, revision_id, 1))


def _rows(batch: LabelBatch) -> list[tuple[object, ...]]:
    columns = (
        batch.r_peak_sample, batch.time_s, ["NSVFQ"[index] for index in batch.class_ids], batch.confidence,
        *batch.probabilities.T, batch.rr_previous_s, batch.rr_next_s,
    )  # fmt: skip
    listed = [column if isinstance(column, list) else column.tolist() for column in columns]
    return [(*row, None) for row in zip(*listed, strict=True)]
