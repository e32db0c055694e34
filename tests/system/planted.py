"""A patient planted wherever a recording can name one, and a search of every store for what was planted."""

from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING

import psycopg2
import pyarrow.parquet as pq
import wfdb

from heartwave_tasks.stores.objects import get_object, list_objects, s3_client
from tests.fuzzing.seeds import PLANTED
from tests.unit.signal_files import write_csv, write_edf

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from heartwave_tasks.settings import Settings

SOURCE = "hospital"
"""A source whose recordings are known by pseudonyms."""

NAME = "Quandt1931"
"""What its files are called."""

WORDS = (*(word for words in PLANTED for word in words.split()), NAME)
"""What must not be found outside the bucket the files arrived in."""

DURATION_S = 60


def write_planted(directory: Path, record: Path) -> dict[str, bytes]:
    """Return files of three recordings made of a sound one, and of one that is refused, by name."""
    directory.mkdir()
    signals = wfdb.rdrecord(str(record), sampto=DURATION_S * 360)
    marks = wfdb.rdann(str(record), "atr", sampto=DURATION_S * 360)
    wfdb.wrsamp(
        f"{NAME}a", fs=360, units=["mV"] * 2, sig_name=["MLII", PLANTED[2]], p_signal=signals.p_signal, fmt=["16"] * 2,
        adc_gain=[200.0] * 2, baseline=[0, 0], comments=list(PLANTED), write_dir=str(directory),
    )  # fmt: skip
    notes = [f"{PLANTED[0]}\0" if note else "" for note in marks.aux_note]
    wfdb.wrann(f"{NAME}a", "atr", marks.sample, marks.symbol, aux_note=notes, write_dir=str(directory))
    write_edf(directory / f"{NAME}b.edf", signals.p_signal, frequency=360, patient=PLANTED)
    columns: dict[str, list[object]] = {"II": [f"{value:.3f}" for value in signals.p_signal[:, 0]]}
    columns[PLANTED[0]] = [PLANTED[1]] * len(signals.p_signal)
    write_csv(directory, columns, {"II": "mV"}, 360)
    for suffix in ("csv", "json"):
        (directory / f"r.{suffix}").rename(directory / f"{NAME}c.{suffix}")
    (directory / f"{NAME}d.hea").write_text(
        f"{NAME}d 1 {PLANTED[1]} 100\n{NAME}d.dat 16 {PLANTED[0]}\n# {PLANTED[2]}\n"
    )
    return {file.name: file.read_bytes() for file in sorted(directory.iterdir())}


def find(settings: Settings, words: Sequence[str]) -> list[tuple[str, str]]:
    """Return where, and which of, some words are found: lake, models, every table of every database, logs."""
    pattern = re.compile("|".join(map(re.escape, words)).encode())
    texts = (*_objects(settings), *_rows(settings), *_logs(settings.home / "logs"))
    return [(place, found[0].decode()) for place, text in texts if (found := pattern.search(text))]


def _objects(settings: Settings) -> Iterator[tuple[str, bytes]]:
    client = s3_client(settings)
    for bucket in (settings.lake_bucket, settings.models_bucket):
        for entry in list_objects(client, bucket):
            content = get_object(client, bucket, entry.key)
            yield entry.key, entry.key.encode() + b"\n" + content
            if entry.key.endswith(".parquet"):
                table = pq.read_table(io.BytesIO(content))
                words = [field.name for field in table.schema if "string" in str(field.type)]
                distinct = {name: table[name].unique().to_pylist() for name in words}
                yield entry.key, f"{table.schema.metadata} {table.column_names} {distinct}".encode()


def _rows(settings: Settings) -> Iterator[tuple[str, bytes]]:
    """Every row of every table, as the superuser: HeartWave's, Airflow's with its XComs, MLflow's."""
    assert settings.admin_database_url is not None
    url = settings.admin_database_url.get_secret_value()
    for database in ("heartwave", "airflow", "mlflow"):
        connection = psycopg2.connect(url, dbname=database)
        try:
            with connection.cursor() as cursor:
                cursor.execute(
                    "SELECT format('%I.%I', schemaname, tablename) FROM pg_tables "
                    "WHERE schemaname NOT IN ('pg_catalog', 'information_schema')"
                )
                for (table,) in cursor.fetchall():
                    rows = io.BytesIO()
                    # Columns of bytes are told as such, too, and as text.
                    cursor.copy_expert(f"COPY (SELECT * FROM {table}) TO STDOUT", rows)
                    text = rows.getvalue()
                    yield f"{database}: {table}", text
                    for found in re.finditer(rb"\\\\x((?:[0-9a-f]{2})+)", text):
                        yield f"{database}: {table}", bytes.fromhex(found[1].decode())
        finally:
            connection.close()


def _logs(directory: Path) -> Iterator[tuple[str, bytes]]:
    for file in directory.rglob("*"):
        if file.is_file():
            yield file.name, file.name.encode() + b"\n" + file.read_bytes()
