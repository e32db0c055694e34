"""The predictions store against a real PostgreSQL: labels exactly once, whatever happens to whoever writes them."""

from __future__ import annotations

import dataclasses
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import psycopg2
import pytest

from heartwave_tasks.ecg.labels import CLASSES, NO_CLASS
from heartwave_tasks.stores.label_batch import ROWS_PER_CHUNK
from heartwave_tasks.stores.predictions import (
    ConnectionLostError,
    ContradictionError,
    LabelBatch,
    PredictionStore,
)
from tests.integration.planting import labels_of, random_labels, rows, scoring_row, sha256

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.integration.conftest import DatabaseUrls
    from tests.integration.planting import Planter


BLOCKED_WRITERS = (
    "SELECT count(*)::int FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%heartwave.scorings%'"
)
KILL_COPYING = (
    "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE query LIKE 'COPY%' AND state = 'active'"
)


def wait_until(condition: Callable[[], bool]) -> None:
    """Wait up to ten seconds for something to be so."""
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.02)


# Labels in, labels out ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n_labels", [0, 1, 200, 2 * ROWS_PER_CHUNK + 7])
def test_labels_come_back_as_they_went_in(plant: Planter, n_labels: int) -> None:
    """Every value, missing or not, survives the binary COPY, also across chunks and for no beats at all."""
    labels = random_labels(n_labels)
    revision_id, model_version_id = plant.recording("clinic/a", n_labels), plant.model(1)
    assert plant.score(revision_id, model_version_id, labels)

    fetched = plant.store.fetch_labels(revision_id, model_version_id)

    for field in dataclasses.fields(labels):
        given, found = getattr(labels, field.name), getattr(fetched, field.name)
        np.testing.assert_array_equal(found, given.astype(found.dtype), err_msg=field.name)
    assert fetched.sha256() == labels.sha256()


@pytest.mark.parametrize("n_labels", [0, 1, 2 * ROWS_PER_CHUNK + 7])
def test_labels_read_through_add_up(plant: Planter, n_labels: int) -> None:
    """Read through without being kept, labels have the number and hash that the ledger has."""
    revision_id, model_version_id = plant.recording("clinic/a", n_labels), plant.model(1)
    plant.score(revision_id, model_version_id, random_labels(n_labels))

    stored, committed = (
        plant.store.stored_labels(revision_id, model_version_id),
        plant.store.scoring(revision_id, model_version_id),
    )

    assert committed is not None
    assert (stored.n_labels, stored.one_per_beat, stored.sha256) == (n_labels, True, committed.labels_sha256)


def test_columns_hold_what_they_are_named(plant: Planter, database: DatabaseUrls) -> None:
    """Read through plain SQL, every column has the value of its array, and NaN is NULL."""
    labels = random_labels(50)
    night = date(2026, 2, 28)
    revision_id, model_version_id = plant.recording("clinic/a", 50), plant.model(1)
    plant.score(revision_id, model_version_id, labels, night)

    found = rows(
        database.writer,
        "SELECT night, revision_id, model_version_id, r_peak_sample, time_s, class, confidence, p_n, p_s, p_v, p_f, "
        "p_q, rr_previous_s, rr_next_s, reference FROM heartwave.labels ORDER BY r_peak_sample",
    )

    def as_float32(value: float | None) -> np.float32:
        return np.float32(np.nan if value is None else value)

    for index, row in enumerate(found):
        reference = labels.reference_ids[index]
        assert row[:4] == (night, revision_id, model_version_id, labels.r_peak_sample[index])
        assert row[4] == labels.time_s[index]
        assert row[5] == (CLASSES[labels.class_ids[index]] if labels.class_ids[index] != NO_CLASS else None)
        assert np.float32(row[6]) == labels.confidence[index]
        assert tuple(np.float32(row[7:12])) == tuple(labels.probabilities[index])
        for column, array in ((12, labels.rr_previous_s), (13, labels.rr_next_s)):
            np.testing.assert_equal(as_float32(row[column]), array[index])
        assert row[14] == (None if reference == NO_CLASS else CLASSES[reference])
    assert len(found) == 50


def test_the_ledger_counts_the_classes(plant: Planter, database: DatabaseUrls) -> None:
    """The ledger's counts by class are those of the labels table, because burdens are read from it."""
    plant.score(plant.recording("clinic/a", 500), plant.model(1), random_labels(500))

    ledger = rows(database.writer, "SELECT n_labels, n_n, n_s, n_v, n_f, n_q FROM heartwave.scorings")
    counted = rows(
        database.writer,
        "SELECT count(*), "
        + ", ".join(f"count(*) FILTER (WHERE class = '{c}')" for c in CLASSES)
        + " FROM heartwave.labels",
    )

    assert ledger == counted


@pytest.mark.parametrize(
    ("name", "value", "complaint"),
    [
        ("time_s", np.zeros(2), "time_s of shape"),
        ("probabilities", np.zeros((3, 4)), "probabilities of shape"),
        ("r_peak_sample", np.array([1, 1, 2]), "increase strictly"),
        ("r_peak_sample", np.array([-1, 1, 2]), "increase strictly"),
        ("r_peak_sample", np.array([1, 2, 2**31]), "fit 32 bits"),
        ("class_ids", np.array([0, 1, 5]), "Class ids"),
        ("class_ids", np.array([0, 1, -2]), "Class ids"),
        ("reference_ids", np.array([0, 1, 5]), "Reference ids"),
        ("confidence", np.array([0, 1, np.nan]), "every confidence between"),
        ("probabilities", np.full((3, 5), 1.01), "every probabilities between"),
        ("time_s", np.array([0, 1, np.nan]), "finite time_s"),
        ("rr_next_s", np.array([0, 1, np.inf]), "rr_next_s in seconds"),
    ],
)
def test_impossible_labels_are_refused(name: str, value: np.ndarray[Any, Any], complaint: str) -> None:
    """A batch that cannot be right raises before anything reaches the database, and says what is wrong."""
    with pytest.raises(ValueError, match=complaint):
        dataclasses.replace(random_labels(3), **{name: value})


def test_equal_labels_hash_equally_whatever_their_types() -> None:
    """The content hash depends on the values, not on array types or on NaN's bit pattern."""
    labels = random_labels(100)
    other_nan = labels.rr_previous_s.astype(np.float64)
    other_nan[np.isnan(other_nan)] = -np.float64(np.nan)
    same = dataclasses.replace(labels, rr_previous_s=other_nan, class_ids=labels.class_ids.astype(np.int16))
    one_less_sure = labels.confidence.copy()
    one_less_sure[50] = np.nextafter(one_less_sure[50], 0, dtype=np.float32)

    assert same.sha256() == labels.sha256()
    assert dataclasses.replace(labels, confidence=one_less_sure).sha256() != labels.sha256()


def test_the_hash_covers_long_recordings_from_end_to_end() -> None:
    """A label changed in the first or the last chunk changes the hash."""
    labels = random_labels(2 * ROWS_PER_CHUNK + 1)
    for index in (0, -1):
        other_time = labels.time_s.copy()
        other_time[index] += 0.001
        assert dataclasses.replace(labels, time_s=other_time).sha256() != labels.sha256()


def test_the_hash_stays_what_it_is() -> None:
    """Ledgers of years compare hashes, so what goes into them is fixed (computed once with this very code)."""
    labels = labels_of("NSVFQ", [1, 2, 3, 4, 5], "NSVFQ")
    assert labels.sha256() == "ec9422b1ba49186fef9244746883936eef9ad4bf7fe27db5a49b2489fa159062"


# Exactly once -------------------------------------------------------------------------------------------------------


def test_labelling_again_changes_nothing(plant: Planter) -> None:
    """A second scoring of the same revision by the same version writes nothing, even with another result."""
    revision_id, model_version_id = plant.recording("clinic/a", 300), plant.model(1)
    assert plant.score(revision_id, model_version_id, random_labels(300))
    before = plant.store.label_digest()

    assert not plant.score(revision_id, model_version_id, random_labels(300))
    assert not plant.score(revision_id, model_version_id, random_labels(300, seed=1), date(2026, 1, 1))

    assert plant.store.label_digest() == before
    assert before[0] == 300


def _save_in_process(url: str, revision_id: int, model_version_id: int, barrier: Any, results: Any) -> None:
    with PredictionStore(url) as store:
        store.ensure_partition(datetime.now(UTC).date())
        labels = random_labels(20_000)
        barrier.wait()
        results.put(store.save_labels(scoring_row(revision_id, model_version_id), labels))


def test_of_two_processes_at_once_one_writes(plant: Planter, database: DatabaseUrls) -> None:
    """Two processes that label the same recording at the same moment commit one set of labels."""
    revision_id, model_version_id = plant.recording("clinic/a", 20_000), plant.model(1)
    context = multiprocessing.get_context("spawn")
    barrier, results = context.Barrier(2), context.Queue()
    arguments = (database.writer, revision_id, model_version_id, barrier, results)
    processes = [context.Process(target=_save_in_process, args=arguments) for _ in range(2)]
    for process in processes:
        process.start()

    assert sorted(results.get(timeout=60) for _ in processes) == [False, True]
    for process in processes:
        process.join(timeout=60)
    assert plant.store.fetch_labels(revision_id, model_version_id).sha256() == random_labels(20_000).sha256()


class HeldLabels(LabelBatch):
    """Labels whose COPY stops after the rows until it is released; ``sending`` tells when."""

    sending: Any
    released: Any

    def copy_binary(self, night: date, revision_id: int, model_version_id: int) -> Iterator[bytes]:
        """Yield the signature and the rows, wait, then yield the end."""
        *most, last = super().copy_binary(night, revision_id, model_version_id)
        yield from most
        self.sending.set()
        self.released.wait(60)
        yield last


def held(labels: LabelBatch, sending: Any, released: Any) -> HeldLabels:
    """Return the same labels, held."""
    batch = HeldLabels(**{field.name: getattr(labels, field.name) for field in dataclasses.fields(labels)})
    object.__setattr__(batch, "sending", sending)
    object.__setattr__(batch, "released", released)
    return batch


def test_the_second_writer_waits_for_the_first(plant: Planter, database: DatabaseUrls) -> None:
    """A writer that comes second waits until the first has committed, and then reports False."""
    revision_id, model_version_id = plant.recording("clinic/a", 100), plant.model(1)
    labels = random_labels(100)
    sending, released = threading.Event(), threading.Event()
    with ThreadPoolExecutor(2) as threads, PredictionStore(database.writer) as other:
        first = threads.submit(plant.score, revision_id, model_version_id, held(labels, sending, released))
        assert sending.wait(10)
        second = threads.submit(other.save_labels, scoring_row(revision_id, model_version_id), labels)
        wait_until(lambda: rows(database.admin, BLOCKED_WRITERS) == [(1,)])
        assert not second.done()
        released.set()

        assert first.result(10)
        assert not second.result(10)
    assert plant.store.label_digest()[0] == 100


def test_the_second_writer_steps_in_when_the_first_dies(plant: Planter, database: DatabaseUrls) -> None:
    """When the first writer's transaction breaks, the one that waited for it writes the labels."""
    revision_id, model_version_id = plant.recording("clinic/a", 100), plant.model(1)
    labels = random_labels(100)
    sending, released = threading.Event(), threading.Event()
    doomed = PredictionStore(database.writer, retry_for_s=0)
    with ThreadPoolExecutor(2) as threads, doomed:
        first = threads.submit(
            doomed.save_labels, scoring_row(revision_id, model_version_id), held(labels, sending, released)
        )
        assert sending.wait(10)
        second = threads.submit(plant.score, revision_id, model_version_id, labels)
        wait_until(lambda: rows(database.admin, BLOCKED_WRITERS) == [(1,)])
        assert rows(database.admin, KILL_COPYING) == [(True,)]
        assert second.result(10)
        released.set()

        with pytest.raises(ConnectionLostError):
            first.result(10)
    assert plant.store.fetch_labels(revision_id, model_version_id).sha256() == labels.sha256()
    assert plant.store.label_digest()[0] == 100


def test_a_backend_killed_in_mid_copy_leaves_nothing(plant: Planter, database: DatabaseUrls) -> None:
    """Without a retry, a connection that breaks in the middle of COPY leaves neither labels nor a ledger row."""
    revision_id, model_version_id = plant.recording("clinic/a", 5_000), plant.model(1)
    sending, released = threading.Event(), threading.Event()
    with ThreadPoolExecutor(1) as threads, PredictionStore(database.writer, retry_for_s=0) as doomed:
        labels = held(random_labels(5_000), sending, released)
        saving = threads.submit(doomed.save_labels, scoring_row(revision_id, model_version_id), labels)
        assert sending.wait(10)
        assert rows(database.admin, KILL_COPYING) == [(True,)]
        released.set()
        with pytest.raises(ConnectionLostError, match="broke"):
            saving.result(10)

    assert plant.store.label_digest()[0] == 0
    assert plant.store.scoring(revision_id, model_version_id) is None
    assert plant.score(revision_id, model_version_id, random_labels(5_000))


def test_a_backend_killed_in_mid_copy_is_retried(plant: Planter, database: DatabaseUrls) -> None:
    """With retries, the same call writes all labels over a new connection, once."""
    revision_id, model_version_id = plant.recording("clinic/a", 5_000), plant.model(1)
    sending, released = threading.Event(), threading.Event()
    with ThreadPoolExecutor(1) as threads:
        labels = held(random_labels(5_000), sending, released)
        saving = threads.submit(plant.score, revision_id, model_version_id, labels)
        assert sending.wait(10)
        assert rows(database.admin, KILL_COPYING) == [(True,)]
        released.set()
        assert saving.result(20)

    assert plant.store.fetch_labels(revision_id, model_version_id).sha256() == labels.sha256()


def _save_until_killed(url: str, revision_id: int, model_version_id: int, sending: Any, released: Any) -> None:
    with PredictionStore(url) as store:
        store.save_labels(scoring_row(revision_id, model_version_id), held(random_labels(20_000), sending, released))


def test_a_process_killed_in_mid_copy_leaves_nothing(plant: Planter, database: DatabaseUrls) -> None:
    """SIGKILL in the middle of COPY leaves nothing behind, and a rerun gives the labels of an undisturbed run."""
    revision_id, model_version_id = plant.recording("clinic/a", 20_000), plant.model(1)
    context = multiprocessing.get_context("spawn")
    sending, released = context.Event(), context.Event()
    arguments = (database.writer, revision_id, model_version_id, sending, released)
    process = context.Process(target=_save_until_killed, args=arguments)
    process.start()
    assert sending.wait(30)
    os.kill(process.pid or 0, signal.SIGKILL)
    process.join(10)

    assert plant.store.label_digest()[0] == 0
    assert plant.score(revision_id, model_version_id, random_labels(20_000))
    assert plant.store.fetch_labels(revision_id, model_version_id).sha256() == random_labels(20_000).sha256()


@pytest.mark.parametrize("n_labels", [9, 11])
def test_labels_that_are_not_one_per_beat_are_refused(plant: Planter, n_labels: int) -> None:
    """A count that disagrees with the ingested beats raises, names both numbers, and writes nothing."""
    revision_id, model_version_id = plant.recording("clinic/a", 10), plant.model(1)

    with pytest.raises(ContradictionError, match=f"clinic/a: 10 beats were ingested, but {n_labels} labels"):
        plant.score(revision_id, model_version_id, random_labels(n_labels))

    assert plant.store.label_digest()[0] == 0
    assert plant.store.scoring(revision_id, model_version_id) is None


def test_labels_of_an_unknown_revision_are_refused(plant: Planter) -> None:
    """A revision that was never ingested cannot be labelled."""
    with pytest.raises(ContradictionError, match="no recording revision 77"):
        plant.score(77, plant.model(1), random_labels(3))


def test_labels_of_the_training_set_are_flagged(plant: Planter, database: DatabaseUrls) -> None:
    """The flag follows the content: another revision of a training recording is not in the training set."""
    model_version_id = plant.model(1, trained_on=["clinic/a"])
    trained = plant.recording("clinic/a", 3)
    changed = plant.recording("clinic/a", 3, content_sha256=sha256("other content"))
    other = plant.recording("clinic/b", 3)
    for revision_id in (trained, changed, other):
        plant.score(revision_id, model_version_id, random_labels(3))

    flags = dict(rows(database.writer, "SELECT revision_id, in_training_set FROM heartwave.scorings"))

    assert flags == {trained: True, changed: False, other: False}


def test_the_digest_depends_on_content_alone(plant: Planter, database: DatabaseUrls) -> None:
    """Order, nights and surrogate keys do not change the digest; a lost, doubled or altered label does."""
    batches = {f"clinic/{name}": random_labels(20, seed) for seed, name in enumerate("abc")}

    def digest(names: list[str], night: date) -> tuple[int, str]:
        rows(
            database.superuser,
            "TRUNCATE heartwave.labels, heartwave.scorings, heartwave.recordings, heartwave.recording_revisions, "
            "heartwave.beat_reviews CASCADE",
        )
        for name in names:
            plant.score(plant.recording(name, 20), plant.model(1), batches[name], night)
        return plant.store.label_digest()

    forwards = digest(sorted(batches), date(2026, 3, 1))
    assert digest(sorted(batches, reverse=True), date(2025, 7, 9)) == forwards
    rows(database.superuser, "UPDATE heartwave.labels SET p_q = p_q + 0.001 WHERE class = 'N'")
    assert plant.store.label_digest()[1] != forwards[1]
    digest(sorted(batches), date(2026, 3, 1))
    rows(
        database.superuser,
        "DELETE FROM heartwave.labels WHERE r_peak_sample = (SELECT min(r_peak_sample) FROM heartwave.labels)",
    )
    assert plant.store.label_digest()[1] != forwards[1]


# Retention ----------------------------------------------------------------------------------------------------------


def test_retention_drops_labels_and_remembers_that_they_were_given(plant: Planter, database: DatabaseUrls) -> None:
    """Old labels go, newer ones and all counts stay, and what was dropped is not labelled again."""
    model_version_id = plant.model(1, promoted=True)
    old, new = plant.recording("clinic/old", 10), plant.recording("clinic/new", 10)
    plant.score(old, model_version_id, random_labels(10), date(2024, 5, 31))
    plant.score(new, model_version_id, random_labels(10), date(2024, 6, 1))

    with PredictionStore(database.owner) as owner:
        assert owner.drop_labels_before(date(2024, 6, 15)) == ["labels_2024_05"]
        assert owner.drop_labels_before(date(2024, 6, 15)) == []

    assert len(plant.store.fetch_labels(old, model_version_id)) == 0
    assert len(plant.store.fetch_labels(new, model_version_id)) == 10
    assert plant.store.unscored(model_version_id) == []
    assert not plant.score(old, model_version_id, random_labels(10))
    burden = rows(
        database.reader,
        "SELECT recording_id, n_beats, labels_dropped_at IS NULL FROM recording_burden ORDER BY recording_id",
    )
    assert burden == [("clinic/new", 10, True), ("clinic/old", 10, False)]
    assert rows(database.reader, "SELECT DISTINCT recording_id FROM current_labels") == [("clinic/new",)]


def test_retention_is_the_owners_alone(plant: Planter, database: DatabaseUrls) -> None:
    """The writer cannot throw labels away, and nobody can throw away the running month's."""
    with pytest.raises(psycopg2.errors.InsufficientPrivilege):
        plant.store.drop_labels_before(date(2024, 6, 1))
    with PredictionStore(database.owner) as owner, pytest.raises(psycopg2.DataError, match="not old"):
        owner.drop_labels_before(datetime.now(UTC).date() + timedelta(days=32))


def test_the_store_is_light() -> None:
    """Importing the store loads neither pandas nor TensorFlow nor SQLAlchemy: each scoring task pays for imports."""
    heavy = "{'pandas', 'tensorflow', 'sqlalchemy', 'scipy', 'airflow', 'mlflow', 'pyarrow'}"
    code = f"import sys, heartwave_tasks.stores.predictions; print(sorted({heavy} & set(sys.modules)))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
