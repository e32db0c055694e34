"""Labels as Parquet in a real S3 server, and night monitoring, against a real PostgreSQL."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import date
from typing import TYPE_CHECKING

import duckdb
import numpy as np
import pandas as pd
import pyarrow.dataset as ds
import pytest
from pyarrow.fs import S3FileSystem
from pydantic import SecretStr

from heartwave_tasks.ecg.features import CONTEXT_FEATURES
from heartwave_tasks.jobs import maintain, monitoring, publishing
from heartwave_tasks.models.population import BINS, Population
from heartwave_tasks.stores.objects import get_object, list_objects, s3_client
from heartwave_tasks.stores.published_labels import PREFIX, SCHEMA
from tests.integration.planting import labels_of, random_labels, rows, scoring_row, sha256
from tests.integration.s3_server import run_s3_server

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from heartwave_tasks.settings import Settings
    from tests.integration.conftest import DatabaseUrls
    from tests.integration.planting import Planter

MARCH, APRIL = date(2026, 3, 31), date(2026, 4, 1)


@pytest.fixture(scope="module")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """Settings that lead to an S3 server."""
    with run_s3_server(tmp_path_factory.mktemp("s3")) as settings:
        yield settings


@pytest.fixture
def settings(s3: Settings, database: DatabaseUrls) -> Settings:
    """Settings that lead to an empty lake and an empty database."""
    client = s3_client(s3)
    for entry in list_objects(client, s3.lake_bucket):
        client.delete_object(Bucket=s3.lake_bucket, Key=entry.key)
    urls = {"database_url": SecretStr(database.writer), "owner_database_url": SecretStr(database.owner)}
    return s3.model_copy(update=urls)


def objects(settings: Settings) -> dict[str, bytes]:
    """Every object of labels by key."""
    client = s3_client(settings)
    keys = [entry.key for entry in list_objects(client, settings.lake_bucket, f"{PREFIX}/")]
    return {key: get_object(client, settings.lake_bucket, key) for key in keys}


def download(settings: Settings, directory: Path) -> Path:
    """Copy the labels to a directory, as other engines read them."""
    for key, content in objects(settings).items():
        (directory / key).parent.mkdir(parents=True, exist_ok=True)
        (directory / key).write_bytes(content)
    return directory / PREFIX


@pytest.fixture
def labelled(plant: Planter) -> dict[str, int]:
    """Two recordings labelled by two versions, in two months."""
    versions = [plant.model(1, promoted=True), plant.model(2, promoted=True)]
    for seed, name in enumerate(("clinic/a", "clinic/ward/b")):
        revision_id = plant.recording(name, 40)
        for version, night in zip(versions, (MARCH, APRIL), strict=True):
            plant.score(revision_id, version, random_labels(40, seed), night)
    return {"files": 4, "labels": 160}


def test_the_lake_holds_what_postgres_holds(
    labelled: dict[str, int], settings: Settings, database: DatabaseUrls, tmp_path: Path
) -> None:
    """Row by row and column by column, DuckDB reads the labels that all_labels has, model and version from the keys."""
    counts = publishing.publish_labels(settings, APRIL)
    files = download(settings, tmp_path)

    assert (counts.recordings, counts.labels, counts.already) == (4, 160, 0)
    columns = [name for name in SCHEMA.names if name != "content_sha256"]
    kept = ", ".join(["model", "version", *columns])
    found = duckdb.sql(
        f"SELECT {kept} FROM read_parquet('{files}/**/*.parquet', hive_partitioning = true) "
        "ORDER BY version, recording_id, r_peak_sample"
    ).fetchall()
    # Both as Python's floats: psycopg reads the shortest decimals of 32 bits.
    types = {"class": "text", "reference": "text", "time_s": "float8", "r_peak_sample": "bigint", "night": "date"}
    names = ", ".join(f"{name}::{types.get(name, 'float8')}" for name in columns[1:])
    assert found == rows(
        database.reader,
        f"SELECT model_name, model_version, recording_id, {names} FROM all_labels "
        'ORDER BY model_version, recording_id COLLATE "C", r_peak_sample',
    )


def test_a_rerun_mends_what_is_missing_with_the_same_bytes(labelled: dict[str, int], settings: Settings) -> None:
    """A file that was never written, or is lost, is written again as it was; those that are there are left alone."""
    publishing.publish_labels(settings, APRIL)
    before = objects(settings)
    assert publishing.publish_labels(settings, APRIL).recordings == 0
    lost = min(before)
    s3_client(settings).delete_object(Bucket=settings.lake_bucket, Key=lost)

    counts = publishing.publish_labels(settings, APRIL)

    assert (counts.recordings, counts.already) == (1, 3)
    assert objects(settings) == before


def test_documented_queries_work(labelled: dict[str, int], settings: Settings, tmp_path: Path) -> None:
    """What docs/data-scientists.md shows for DuckDB and pandas, also by partition and straight from S3."""
    publishing.publish_labels(settings, APRIL)
    files = download(settings, tmp_path)

    ((n_ventricular, n_labels),) = duckdb.sql(
        f"SELECT count(*) FILTER (WHERE class = 'V'), count(*) FROM read_parquet('{files}/**/*.parquet', "
        "hive_partitioning = true) WHERE model = 'heartwave' AND version = 2 AND month = '2026-04'"
    ).fetchall()
    frame = pd.read_parquet(files, filters=[("version", "==", 2)], columns=["recording_id", "class"])
    assert settings.s3_endpoint_url is not None
    lake = S3FileSystem(
        endpoint_override=settings.s3_endpoint_url,
        access_key=settings.s3_access_key_id,
        secret_key=settings.s3_secret_access_key.get_secret_value() if settings.s3_secret_access_key else None,
    )
    dataset = ds.dataset(f"{settings.lake_bucket}/{PREFIX}", filesystem=lake, partitioning="hive")
    table = dataset.to_table(filter=(ds.field("version") == 2) & (ds.field("month") == "2026-04"))

    assert n_labels == len(frame) == len(table) == 80
    assert n_ventricular == (frame["class"] == "V").sum() > 0


def test_held_labels_are_not_published_until_they_are_released(plant: Planter, settings: Settings) -> None:
    """The lake gets no implausible labels; after a release it gets them by the next run."""
    row = scoring_row(plant.recording("clinic/a", 2), plant.model(1, promoted=True))
    plant.store.save_labels(row, labels_of("VV", [1, 2]), ["100 % of the beats are V."])

    assert publishing.publish_labels(settings, APRIL).recordings == 0
    plant.store.release([1], "dr. b")
    assert publishing.publish_labels(settings, APRIL).recordings == 1


def test_labels_held_for_months_are_published_when_they_are_released(plant: Planter, settings: Settings) -> None:
    """Nights before the last month are left alone, but not what somebody released since."""
    version = plant.model(1, promoted=True)
    row = scoring_row(plant.recording("clinic/a", 2), version, date(2025, 1, 31))
    plant.store.save_labels(row, labels_of("VV", [1, 2]), ["100 % of the beats are V."])
    plant.score(plant.recording("clinic/b", 2), version, labels_of("NN", [1, 2]), date(2025, 1, 31))
    plant.store.release([1], "dr. b")

    publishing.publish_labels(settings, APRIL)

    assert [key.split("/")[1] for key in objects(settings)] == ["month=2025-01"]
    assert "clinic/a" in min(objects(settings))


def test_retention_drops_the_files_too(labelled: dict[str, int], settings: Settings) -> None:
    """Months that Postgres drops are dropped from the lake, and not written again."""
    publishing.publish_labels(settings, APRIL)

    maintain.drop_old_labels(settings.model_copy(update={"retention_months": 1}), date(2026, 5, 20))

    assert {key.split("/")[1] for key in objects(settings)} == {"month=2026-04"}
    assert publishing.publish_labels(settings, APRIL).recordings == 0


# Night monitoring ---------------------------------------------------------------------------------------------------


STEADY, MOVED = CONTEXT_FEATURES[0], CONTEXT_FEATURES[-1]


def population(share_of_v: float) -> Population:
    """A training population with even bins for every feature, and a share of V among its classes."""
    n_features = len(CONTEXT_FEATURES)
    return Population(
        features=list(CONTEXT_FEATURES),
        edges=[list(range(BINS - 1))] * n_features,
        feature_shares=[[1 / BINS] * BINS + [0.0]] * n_features,
        class_shares=[1 - share_of_v, 0.0, share_of_v, 0.0, 0.0],
        n_recordings=100,
    )


def score_night(plant: Planter, model_version_id: int, n_recordings: int, classes: str) -> None:
    """Label recordings whose last feature lies in the last bin for every beat, and all others evenly in all."""
    counts = np.full((len(CONTEXT_FEATURES), BINS + 1), 9)
    counts[:, BINS] = 0
    counts[-1] = [0] * (BINS - 1) + [90, 0]
    for number in range(n_recordings):
        revision_id = plant.recording(f"clinic/{number}", len(classes))
        row = scoring_row(revision_id, model_version_id, MARCH)
        labels = labels_of(classes, list(range(1, len(classes) + 1)))
        plant.store.save_labels(row, labels, [], counts)


def test_a_night_unlike_the_training_population_is_told(
    plant: Planter, settings: Settings, database: DatabaseUrls
) -> None:
    """Drifted features and classes are stored with their figures and told in sentences, the same when asked again."""
    version = plant.model(1, promoted=True)
    plant.store.save_population(version, population(0.05).to_json())
    score_night(plant, version, 20, "NVNV")

    alerts = monitoring.watch_night(settings, MARCH)

    assert len(alerts) == 2
    assert "classes of the night 2026-03-31" in alerts[0]
    assert f"PSI {MOVED}" in alerts[1]
    assert not any("clinic" in alert for alert in alerts)
    query = "SELECT name, psi, is_alarming, n_recordings FROM population_drift ORDER BY kind, name"
    before = rows(database.reader, query)
    found = {name: figures for name, *figures in before}
    assert len(found) == len(CONTEXT_FEATURES) + 1
    assert found[MOVED][1:] == [True, 20]
    assert found[STEADY] == [pytest.approx(0, abs=1e-9), False, 20]
    assert found["class"][0] == pytest.approx(0.45 * np.log(0.5 / 0.95) * -1 + 0.45 * np.log(0.5 / 0.05), rel=1e-6)
    assert monitoring.watch_night(settings, MARCH) == alerts
    assert rows(database.reader, query) == before


def test_few_recordings_raise_no_alert(plant: Planter, settings: Settings, database: DatabaseUrls) -> None:
    """What the number of recordings alone explains is stored, and nobody is woken."""
    version = plant.model(1, promoted=True)
    plant.store.save_population(version, population(0.05).to_json())
    score_night(plant, version, 3, "NVNV")

    assert monitoring.watch_night(settings, MARCH) == []
    query = "SELECT count(*)::int, bool_or(is_alarming) FROM population_drift"
    assert rows(database.reader, query) == [(len(CONTEXT_FEATURES) + 1, False)]


def test_a_population_of_other_features_compares_with_nothing(plant: Planter, settings: Settings) -> None:
    """What a model learnt from before beats had today's features raises no false alarm."""
    version = plant.model(1, promoted=True)
    old = {**asdict(population(0.05)), "features": ["long gone"]}
    plant.store.save_population(version, json.dumps(old))
    score_night(plant, version, 20, "NVNV")

    assert [alert for alert in monitoring.watch_night(settings, MARCH) if "look unlike" in alert] == []


def test_held_recordings_are_told_even_without_a_population(plant: Planter, settings: Settings) -> None:
    """A version from before populations were kept has no drift, but what is held is told."""
    version = plant.model(1, promoted=True)
    row = scoring_row(plant.recording("clinic/a", 2), version, MARCH)
    plant.store.save_labels(row, labels_of("VV", [1, 2]), ["100 % of the beats are V."])

    (alert,) = monitoring.watch_night(settings, MARCH)

    assert "Of 1 recordings of the night 2026-03-31, the labels of 1 look implausible" in alert
    assert monitoring.watch_night(settings, APRIL) == []


def test_runs_are_told_from_the_ledger(plant: Planter, database: DatabaseUrls) -> None:
    """A run's row counts what it committed, and its hashes depend on inputs and labels alone."""
    version = plant.model(1, promoted=True)
    for name in "ab":
        plant.score(plant.recording(f"clinic/{name}", 30), version, random_labels(30), MARCH)

    query = (
        "SELECT dag_run_id, night, model_version, code_version, n_recordings, n_labels, n_held, duration_s >= 0, "
        "inputs_sha256, labels_sha256 FROM scoring_runs"
    )
    (run,) = rows(database.reader, query)

    assert run[:8] == ("manual__2026", MARCH, 1, "0.1.0", 2, 60, 0, True)
    inputs = "\n".join(f"clinic/{name} {sha256(f'clinic/{name}')} 1" for name in "ab")
    assert run[8] == sha256(inputs)
    assert run[9] == sha256("\n".join([random_labels(30).sha256()] * 2))
