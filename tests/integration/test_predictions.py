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
    ClassEvaluation,
    ConnectionLostError,
    ContradictionError,
    EvaluationRows,
    LabelBatch,
    PredictionStore,
    QuarantineRow,
    RecordingEvaluation,
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
        assert row[5] == CLASSES[labels.class_ids[index]]
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
        ("class_ids", np.array([0, 1, -1]), "Class ids"),
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
    same = dataclasses.replace(labels, rr_previous_s=other_nan, class_ids=labels.class_ids.astype(np.uint8))
    one_less_sure = labels.confidence.copy()
    one_less_sure[50] = np.nextafter(one_less_sure[50], 0, dtype=np.float32)

    assert same.sha256() == labels.sha256()
    assert dataclasses.replace(labels, confidence=one_less_sure).sha256() != labels.sha256()


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


def _save_in_process(url: str, revision_id: int, model_version_id: int, barrier: Any, results: Any) -> None:  # noqa: ANN401
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


def held(labels: LabelBatch, sending: Any, released: Any) -> HeldLabels:  # noqa: ANN401  threading's or multiprocessing's
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


def _save_until_killed(url: str, revision_id: int, model_version_id: int, sending: Any, released: Any) -> None:  # noqa: ANN401
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
            "TRUNCATE heartwave.labels, heartwave.scorings, heartwave.recordings, heartwave.recording_revisions",
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


# Recordings and quarantine ------------------------------------------------------------------------------------------


def test_content_that_comes_back_becomes_current_again(plant: Planter, database: DatabaseUrls) -> None:
    """Content A, then B, then A again: two revisions, and A counts."""
    first = plant.recording("clinic/a", 3)
    second = plant.recording("clinic/a", 4, content_sha256=sha256("B"), listing_fingerprint="B")
    assert plant.store.known_fingerprints("1") == {"clinic/a": {"B"}}

    again = plant.recording("clinic/a", 3, listing_fingerprint="A uploaded again")

    assert again == first != second
    assert plant.store.known_fingerprints("1") == {"clinic/a": {"A uploaded again"}}
    assert rows(database.reader, "SELECT revision_id, n_beats FROM current_recordings") == [(first, 3)]
    assert [ref.revision_id for ref in plant.store.annotated_revisions()] == [first]


def test_a_new_segmenter_version_makes_everything_unknown(plant: Planter) -> None:
    """Recordings cut by another version of the segmenter are listed as work again."""
    plant.recording("clinic/a", 3)

    assert plant.store.known_fingerprints("1") == {"clinic/a": {"listing of clinic/a"}}
    assert plant.store.known_fingerprints("2") == {}


def test_the_same_content_cannot_have_other_beats(plant: Planter) -> None:
    """A segmenter that changed its results without a new version is found out."""
    plant.recording("clinic/a", 3)

    with pytest.raises(ContradictionError, match=r"clinic/a: segmenter 1 cut the same content"):
        plant.recording("clinic/a", 4)


def test_annotated_revisions_leaves_out_the_others(plant: Planter) -> None:
    """Only recordings with reference labels are offered for training."""
    plant.recording("clinic/a", 3)
    plant.recording("clinic/b", 3, annotated=False, r_peak_source="detector", second_lead=None)

    assert [ref.recording_id for ref in plant.store.annotated_revisions()] == ["clinic/a"]


def test_quarantine_ends_when_good_content_arrives(plant: Planter, database: DatabaseUrls) -> None:
    """A refused recording is known until something else arrives under its name."""
    refused = QuarantineRow(
        recording_id="clinic/a", listing_fingerprint="bad", code="truncated", reason="too short", remedy="send it again"
    )
    plant.store.quarantine(refused)
    plant.store.quarantine(dataclasses.replace(refused, reason="still too short"))
    assert plant.store.known_fingerprints("1") == {"clinic/a": {"bad"}}
    assert rows(database.reader, "SELECT recording_id, reason FROM current_quarantine") == [
        ("clinic/a", "still too short")
    ]

    plant.recording("clinic/a", 3)
    assert rows(database.reader, "SELECT * FROM current_quarantine") == []
    assert plant.store.known_fingerprints("1") == {"clinic/a": {"listing of clinic/a"}}

    plant.store.quarantine(refused)
    assert plant.store.known_fingerprints("1") == {"clinic/a": {"listing of clinic/a", "bad"}}


def test_quarantine_ends_when_the_bad_content_is_taken_away(plant: Planter) -> None:
    """What is no longer listed, or listed with other content, no longer waits for somebody."""
    for name, fingerprint in (("stays", "1"), ("goes", "2"), ("changes", "3")):
        plant.store.quarantine(
            QuarantineRow(recording_id=name, listing_fingerprint=fingerprint, code="c", reason="r", remedy="m")
        )

    assert plant.store.resolve_quarantine({"stays": "1", "changes": "4"}) == 2
    assert plant.store.known_fingerprints("1") == {"stays": {"1"}}
    assert plant.store.resolve_quarantine({}) == 1


def test_quarantine_takes_any_name_and_reason(plant: Planter, database: DatabaseUrls) -> None:
    """Hostile names, NUL bytes, broken Unicode and endless messages are stored, not tripped over."""
    plant.store.quarantine(
        QuarantineRow(
            recording_id="../../x'; DROP TABLE labels; --",
            listing_fingerprint="\0\udcff",
            code="bad_name",
            reason="x\0y" * 10_000,
            remedy="%s %(x)s {}",
        )
    )

    ((name, reason, remedy),) = rows(database.reader, "SELECT recording_id, reason, remedy FROM current_quarantine")
    assert name == "../../x'; DROP TABLE labels; --"
    assert reason.startswith("x\N{REPLACEMENT CHARACTER}yx")
    assert len(reason) == 2_000
    assert remedy == "%s %(x)s {}"


# Models -------------------------------------------------------------------------------------------------------------


def test_registering_again_gives_the_same_version(plant: Planter) -> None:
    """A retried registration finds its row; another model under the same version is refused."""
    first = plant.model(1, trained_on=["clinic/a"])
    assert plant.model(1, trained_on=["clinic/a"]) == first
    registered = plant.store.model_version("heartwave", 1)
    assert registered is not None
    assert registered.model_version_id == first
    assert plant.store.model_version("heartwave", 2) is None

    other = dataclasses.replace(registered, manifest_sha256=sha256("other"))
    fields = {f.name: getattr(other, f.name) for f in dataclasses.fields(other) if f.name != "model_version_id"}
    with pytest.raises(ContradictionError, match="version 1 is registered already"):
        plant.store.register_model(type(registered).__mro__[1](**fields), [])


def test_the_champion_is_who_was_promoted_last(plant: Planter, database: DatabaseUrls) -> None:
    """Promotion moves the champion, also back; promoting the champion changes nothing, not even eight times at once."""
    assert plant.store.champion() is None
    first, second = plant.model(1, promoted=True), plant.model(2)

    def promote(_: int) -> bool:
        with PredictionStore(database.writer) as store:
            return store.promote(second, "test", "better")

    with ThreadPoolExecutor(8) as threads:
        assert sum(threads.map(promote, range(8))) == 1
    champion = plant.store.champion()
    assert champion is not None
    assert champion.model_version_id == second
    assert plant.store.promote(first, "test", "back")
    assert rows(database.reader, "SELECT model_version, promoted_by, reason FROM champion") == [(1, "test", "back")]
    assert rows(database.writer, "SELECT count(*) FROM heartwave.promotions") == [(3,)]


def test_evaluations_are_replaced_whole(plant: Planter, database: DatabaseUrls) -> None:
    """Saved twice, an evaluation is there once, with undefined figures as NULL and numpy's numbers understood."""
    model_version_id = plant.model(1, promoted=True)
    evaluation = EvaluationRows(
        model_version_id=model_version_id,
        protocol="ds1_ds2",
        n_beats=100,
        n_recordings=2,
        accuracy=np.float64(0.9),
        macro_f1=0.5,
        weighted_f1=0.6,
        nsv_mean_f1=0.7,
        cohen_kappa=None,
        j_kappa=None,
        ece=0.1,
        confusion=[[90, 0], [10, 0]],
        classes=[
            ClassEvaluation(beat_class="N", n_beats=90, sensitivity=1.0, positive_predictivity=0.9, f1=0.95),
            ClassEvaluation(beat_class="S", n_beats=10, sensitivity=0.0, positive_predictivity=None, f1=0.0),
        ],
        recordings=[RecordingEvaluation(recording_id="clinic/a", beat_class="N", n_beats=90, n_found=90, n_called=100)],
    )
    worse = dataclasses.replace(
        evaluation, accuracy=float("nan"), n_beats=np.int64(3), classes=evaluation.classes[:1], recordings=()
    )

    plant.store.save_evaluation(worse)
    plant.store.save_evaluation(evaluation)
    assert plant.store.evaluation(model_version_id, "ds1_ds2") == evaluation
    plant.store.save_evaluation(worse)
    assert plant.store.evaluation(model_version_id, "ds1_ds2") == dataclasses.replace(
        worse, accuracy=None, recordings=[], classes=list(worse.classes)
    )
    assert plant.store.evaluation(model_version_id, "random_split") is None
    leaderboard = rows(
        database.reader, "SELECT place, protocol, model_version, is_champion, n_beats FROM model_leaderboard"
    )
    assert leaderboard == [(1, "ds1_ds2", 1, True, 3)]


def test_unscored_lists_what_a_version_has_not_labelled(plant: Planter) -> None:
    """A new version and a new revision of a recording mean work; a superseded revision does not."""
    first, second = plant.model(1, promoted=True), plant.model(2)
    a, b = plant.recording("clinic/a", 3), plant.recording("clinic/b", 3)
    plant.score(a, first, random_labels(3))

    assert [ref.revision_id for ref in plant.store.unscored(first)] == [b]
    assert [ref.revision_id for ref in plant.store.unscored(second)] == [a, b]
    changed = plant.recording("clinic/a", 5, content_sha256=sha256("new"))
    (todo, _) = plant.store.unscored(first)
    assert (todo.revision_id, todo.recording_id, todo.n_beats) == (changed, "clinic/a", 5)
    assert (todo.content_sha256, todo.beats_key) == (sha256("new"), "beats/clinic/a.parquet")


def test_current_labels_are_those_of_the_newest_champion_that_has_labelled(
    plant: Planter, database: DatabaseUrls
) -> None:
    """Until a new champion has labelled a recording the old one's labels stay; challengers never show."""
    current = "SELECT recording_id, model_version, string_agg(class::text, '' ORDER BY time_s) FROM current_labels GROUP BY 1, 2 ORDER BY 1"
    first, second, challenger = plant.model(1, promoted=True), plant.model(2), plant.model(3)
    a, b = plant.recording("clinic/a", 3), plant.recording("clinic/b", 3)
    for revision_id in (a, b):
        plant.score(revision_id, first, labels_of("NNN", [1, 2, 3]))
    plant.score(a, second, labels_of("VVV", [1, 2, 3]))
    plant.score(a, challenger, labels_of("QQQ", [1, 2, 3]))
    assert rows(database.reader, current) == [("clinic/a", 1, "NNN"), ("clinic/b", 1, "NNN")]

    plant.store.promote(second, "test", "better")
    assert rows(database.reader, current) == [("clinic/a", 2, "VVV"), ("clinic/b", 1, "NNN")]
    plant.store.promote(first, "test", "back")
    assert rows(database.reader, current) == [("clinic/a", 1, "NNN"), ("clinic/b", 1, "NNN")]
    plant.recording("clinic/b", 4, content_sha256=sha256("new"))
    assert rows(database.reader, current) == [("clinic/a", 1, "NNN")]


# Connections --------------------------------------------------------------------------------------------------------


def test_a_connection_lost_between_calls_is_replaced(plant: Planter, database: DatabaseUrls) -> None:
    """A store outlives a restarted server: the next call opens a new connection."""
    assert plant.store.champion() is None
    rows(database.admin, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'heartwave'")

    assert plant.store.champion() is None


def test_a_server_that_refuses_for_a_moment_is_waited_for(database: DatabaseUrls) -> None:
    """While the database takes no connections the store keeps trying, and gets through when it does again."""
    name = database.writer.rsplit("/", 1)[1]
    rows(database.admin, f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
    open_again = threading.Timer(1.0, rows, (database.admin, f"ALTER DATABASE {name} ALLOW_CONNECTIONS true"))
    open_again.start()
    started = time.monotonic()

    with PredictionStore(database.writer) as store:
        assert store.champion() is None

    open_again.join()
    assert time.monotonic() - started >= 0.9


def test_an_unreachable_server_is_given_up_in_the_end() -> None:
    """Retries end after the time allowed, with the reason."""
    started = time.monotonic()
    with (
        PredictionStore("postgresql://a:b@127.0.0.1:9/x", retry_for_s=1) as store,
        pytest.raises(psycopg2.OperationalError, match="refused"),
    ):
        store.champion()
    assert 0.9 < time.monotonic() - started < 15


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (lambda url: url.replace("heartwave_writer:", "heartwave_writer:not-"), "password authentication failed"),
        (lambda url: url + "_missing", "does not exist"),
    ],
)
def test_a_permanent_refusal_fails_at_once(
    database: DatabaseUrls, change: Callable[[str], str], complaint: str
) -> None:
    """A wrong password or a missing database is not waited for."""
    started = time.monotonic()
    with PredictionStore(change(database.writer)) as store, pytest.raises(psycopg2.OperationalError, match=complaint):
        store.champion()
    assert time.monotonic() - started < 1


def test_the_store_is_light() -> None:
    """Importing the store loads neither pandas nor TensorFlow nor SQLAlchemy: each scoring task pays for imports."""
    heavy = "{'pandas', 'tensorflow', 'sqlalchemy', 'scipy', 'airflow', 'mlflow', 'pyarrow'}"
    code = f"import sys, heartwave_tasks.stores.predictions; print(sorted({heavy} & set(sys.modules)))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
