"""What is derived from labels, in the transaction that writes them and with every review, agrees with them."""

from __future__ import annotations

import threading
from collections import Counter
from datetime import date
from typing import TYPE_CHECKING, Any

import numpy as np
import psycopg2
import pytest

from heartwave_tasks.ecg.labels import CLASSES, NO_CLASS
from heartwave_tasks.stores.predictions import LabelBatch, PredictionStore
from tests.integration.planting import labels_of, rows, scoring_row

if TYPE_CHECKING:
    from tests.integration.conftest import DatabaseUrls
    from tests.integration.planting import Planter

SUMMARIES = ("scoring_summaries", "scoring_hours", "scoring_episodes", "scoring_references", "scoring_agreements")


def eventful_labels(n_labels: int, seed: int) -> LabelBatch:
    """Labels with runs, couplets, bigeminy, pauses, missing intervals, and a reference that is often right."""
    random = np.random.default_rng(seed)
    pieces = ["N", "NN", "V", "VV", "VVV", "NVNVNVNV", "VVVVV", "S", "F", "SVSVSV", "NNNNNNNN", "Q", "NV"]
    classes = "".join(random.choice(pieces, n_labels))[:n_labels]
    intervals = random.choice([0.4, 0.8, 1.0, 2.5, 3.5, 700.0], n_labels, p=[0.3, 0.4, 0.2, 0.05, 0.03, 0.02])
    batch = labels_of(classes, np.cumsum(intervals).tolist(), confidence=0.55)
    batch.rr_previous_s[random.random(n_labels) < 0.05] = np.nan
    guessed = np.where(random.random(n_labels) < 0.7, batch.class_ids, random.integers(0, len(CLASSES), n_labels))
    batch.reference_ids[:] = np.where(random.random(n_labels) < 0.1, NO_CLASS, guessed)
    return batch


def episodes(classes: str, batch: LabelBatch) -> list[tuple[str, int, int, int]]:
    """Kind, first and last sample and beats of every episode, found by walking along the beats."""
    found = []
    apart = np.isnan(batch.rr_previous_s)
    for turns in (False, True):
        pieces: list[list[int]] = []
        for beat, name in enumerate(classes):
            same = beat > 0 and (name == "V") == (classes[beat - 1] == "V")
            if pieces and not apart[beat] and same is not turns:
                pieces[-1].append(beat)
            else:
                pieces.append([beat])
        for piece in pieces:
            first, last = (int(batch.r_peak_sample[place]) for place in (piece[0], piece[-1]))
            if turns and len(piece) >= 6:
                found.append(("bigeminy", first, last, len(piece)))
            elif not turns and classes[piece[0]] == "V" and len(piece) > 1:
                found.append(("couplet" if len(piece) == 2 else "run", first, last, len(piece)))
    found += [("pause", int(sample), int(sample), 1) for sample in batch.r_peak_sample[batch.rr_previous_s >= 2]]
    return sorted(found)


def check(urls: DatabaseUrls, key: tuple[int, int], classes: str, batch: LabelBatch) -> None:
    """Compare all summaries of a scoring with what its beats say."""
    where = "WHERE revision_id = %s AND model_version_id = %s"
    found = rows(
        urls.superuser, f"SELECT kind, first_sample, last_sample, n_beats FROM heartwave.scoring_episodes {where}", key
    )
    expected = episodes(classes, batch)
    assert sorted(found) == expected

    hours = np.floor(batch.time_s / 3600).astype(int)
    found = rows(
        urls.superuser, f"SELECT hour, n_n, n_s, n_v, n_f, n_q FROM heartwave.scoring_hours {where} ORDER BY hour", key
    )
    by_hour = {
        int(hour): Counter(name for name, of in zip(classes, hours, strict=True) if of == hour) for hour in hours
    }
    assert found == [(hour, *(by_hour[hour][name] for name in CLASSES)) for hour in sorted(by_hour)]

    ((*counts, n_intervals, mean, slow, fast, n_pauses, n_couplets, n_runs, longest),) = rows(
        urls.superuser,
        "SELECT n_n, n_s, n_v, n_f, n_q, n_intervals, mean_rr_s, slow_heart_rate_bpm, fast_heart_rate_bpm, n_pauses, "
        f"n_couplets, n_runs, longest_run_beats FROM heartwave.scoring_summaries {where}",
        key,
    )
    intervals = batch.rr_previous_s[batch.rr_previous_s > 0].astype(np.float64)
    runs = [n for kind, _, _, n in expected if kind == "run"]
    assert counts == [classes.count(name) for name in CLASSES]
    assert (n_intervals, n_pauses) == (len(intervals), int((intervals >= 3).sum()))
    assert (n_couplets, n_runs, longest) == (sum(kind == "couplet" for kind, *_ in expected), len(runs), max(runs))
    assert mean == pytest.approx(intervals.mean())
    assert [slow, fast] == pytest.approx(np.percentile(60 / intervals, [1, 99]))


@pytest.mark.parametrize("seed", range(4))
def test_summaries_are_what_the_labels_say(plant: Planter, database: DatabaseUrls, seed: int) -> None:
    """Counts, hours, rates and episodes equal those found by walking along the beats; so does the confusion matrix."""
    batch = eventful_labels(900, seed)
    key = (plant.recording("clinic/a", 900), plant.model(1, promoted=True))
    plant.score(*key, batch)

    classes = "".join(CLASSES[class_id] for class_id in batch.class_ids)
    check(database, key, classes, batch)
    known = batch.reference_ids != NO_CLASS
    pairs = Counter(
        (CLASSES[reference], CLASSES[label])
        for reference, label in zip(batch.reference_ids[known], batch.class_ids[known], strict=True)
    )
    found = rows(database.reader, "SELECT reference, class, n_beats FROM reference_agreement")
    assert {(reference, label): n for reference, label, n in found} == pairs


def test_summaries_follow_reviews(plant: Planter, database: DatabaseUrls) -> None:
    """A review changes the summaries of every version's labels of the beat; taken back, they are as before."""
    batch = eventful_labels(300, 7)
    revision_id = plant.recording("clinic/a", 300)
    keys = [(revision_id, plant.model(version, promoted=True)) for version in (1, 2)]
    for key in keys:
        plant.score(*key, batch)
    before = snapshot(database)
    classes = [CLASSES[class_id] for class_id in batch.class_ids]
    changed = [beat for beat, name in enumerate(classes) if name == "V"][:40:3]
    for beat in changed:
        classes[beat] = "N"
        review(database, int(batch.r_peak_sample[beat]), "N")

    for key in keys:
        check(database, key, "".join(classes), batch)
    current = rows(database.reader, "SELECT class, count(*)::int FROM current_labels GROUP BY class")
    ((*burden, n_reviewed, n_unsure),) = rows(
        database.reader,
        "SELECT n_normal, n_supraventricular, n_ventricular, n_fusion, n_unknown_or_paced, n_reviewed, n_unsure "
        "FROM recording_burden",
    )
    assert dict(zip(CLASSES, burden, strict=True)) == {**dict.fromkeys(CLASSES, 0), **dict(current)}
    assert (n_reviewed, n_unsure) == (len(changed), 300 - len(changed))
    assert rows(database.reader, "SELECT count(*)::int FROM review_queue") == [(n_unsure,)]

    for beat in changed:
        review(database, int(batch.r_peak_sample[beat]), None)
    assert snapshot(database) == before


def test_a_review_counts_for_versions_to_come(plant: Planter, database: DatabaseUrls) -> None:
    """Labels of a new version are summarised with the reviews that are there already."""
    batch = eventful_labels(300, 3)
    revision_id = plant.recording("clinic/a", 300)
    plant.score(revision_id, plant.model(1, promoted=True), batch)
    classes = [CLASSES[class_id] for class_id in batch.class_ids]
    beat = classes.index("V")
    review(database, int(batch.r_peak_sample[beat]), "S")
    classes[beat] = "S"

    key = (revision_id, plant.model(2, promoted=True))
    plant.score(*key, batch)

    check(database, key, "".join(classes), batch)


def test_labelling_again_changes_no_summary(plant: Planter, database: DatabaseUrls) -> None:
    """A repeated scoring, and deriving everything once more, leave every summary as it is."""
    revision_id = plant.recording("clinic/a", 200)
    keys = [(revision_id, plant.model(version)) for version in (1, 2)]
    for seed, key in enumerate(keys):
        plant.score(*key, eventful_labels(200, seed))
    before = snapshot(database)

    plant.score(*keys[0], eventful_labels(200, 0))
    for key in keys:
        rows(database.writer, "SELECT heartwave.finish_scoring(%s, %s)", key)

    assert snapshot(database) == before
    assert all(before[table] for table in SUMMARIES)


def test_two_versions_at_once_are_compared(plant: Planter, database: DatabaseUrls) -> None:
    """Whichever of two simultaneous scorings commits last compares itself with the other, as if one had come later."""
    batches = [eventful_labels(4_000, seed) for seed in (1, 2)]
    batches[1].r_peak_sample[:], batches[1].time_s[:] = batches[0].r_peak_sample, batches[0].time_s
    batches[1].reference_ids[:] = batches[0].reference_ids
    revision_ids = [plant.recording(f"clinic/{name}", 4_000) for name in range(5)]
    versions = [plant.model(1), plant.model(2)]

    def label(place: int) -> None:
        with PredictionStore(database.writer) as store:
            for revision_id in revision_ids:
                barrier.wait(30)
                store.save_labels(scoring_row(revision_id, versions[place]), batches[place])

    barrier = threading.Barrier(2)
    threads = [threading.Thread(target=label, args=(place,)) for place in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    first, second, reference = batches[0].class_ids, batches[1].class_ids, batches[0].reference_ids
    differ = first != second
    expected = (
        4_000,
        int((~differ).sum()),
        int((differ & (first == reference)).sum()),
        int((differ & (second == reference)).sum()),
    )
    found = rows(database.reader, "SELECT n_beats, n_agreeing, n_only_a_right, n_only_b_right FROM model_agreement")
    assert found == [expected] * 5


def test_summaries_outlive_the_labels(plant: Planter, database: DatabaseUrls) -> None:
    """Retention drops labels, and the burden, hours and episodes of the recording stay."""
    plant.score(
        plant.recording("clinic/a", 300), plant.model(1, promoted=True), eventful_labels(300, 1), date(2024, 5, 31)
    )
    before = snapshot(database)

    with PredictionStore(database.owner) as owner:
        owner.drop_labels_before(date(2024, 7, 1))

    assert snapshot(database) == before
    assert rows(database.reader, "SELECT count(*)::int FROM current_labels") == [(0,)]
    assert rows(database.reader, "SELECT n_beats FROM recording_burden") == [(300,)]


# Held scorings ------------------------------------------------------------------------------------------------------


def test_held_labels_wait_for_somebody(plant: Planter, database: DatabaseUrls) -> None:
    """Held labels are written once and in the ledger, but the version before speaks until they are released."""
    old, new = plant.model(1, promoted=True), plant.model(2)
    revision_id = plant.recording("clinic/a", 3)
    plant.score(revision_id, old, labels_of("NNN", [1, 2, 3]))
    plant.store.promote(new, "test", "it is newer")
    held = ["100 % of the beats are V."]
    assert plant.store.save_labels(scoring_row(revision_id, new), labels_of("VVV", [1, 2, 3]), held)
    assert not plant.store.save_labels(scoring_row(revision_id, new), labels_of("VVV", [1, 2, 3]), held)

    assert plant.store.unscored(new) == []
    assert rows(database.reader, "SELECT DISTINCT class, model_version FROM current_labels") == [("N", 1)]
    ((held_id, reasons),) = rows(database.reader, "SELECT held_id, reasons FROM current_held")
    assert reasons == held

    assert [row.held_id for row in plant.store.held_scorings()] == [held_id]
    assert plant.store.release([held_id], "dr. b") == 1
    assert plant.store.release([held_id], "dr. c") == 0
    assert rows(database.reader, "SELECT DISTINCT class, model_version FROM current_labels") == [("V", 2)]
    assert rows(database.superuser, "SELECT released_by FROM heartwave.held_scorings") == [("dr. b",)]


def test_nobody_but_the_writer_releases(plant: Planter, database: DatabaseUrls) -> None:
    """The analyst's and the reviewer's role see what is held, and cannot release it."""
    plant.store.save_labels(
        scoring_row(plant.recording("clinic/a", 1), plant.model(1)), labels_of("V", [1]), ["100 % of the beats are V."]
    )
    for url in (database.reader, database.reviewer):
        assert len(rows(url, "SELECT * FROM current_held")) == 1
        with pytest.raises(psycopg2.errors.InsufficientPrivilege):
            rows(url, "UPDATE heartwave.held_scorings SET released_at = now(), released_by = 'me'")


def review(urls: DatabaseUrls, sample: int, said: str | None) -> None:
    """Say what a beat of clinic/a is, as the page does; None takes it back."""
    rows(
        urls.reviewer, "SELECT heartwave.review_beat('clinic/a', %s, %s::heartwave.beat_class, 'dr. b')", (sample, said)
    )


def snapshot(urls: DatabaseUrls) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every summary."""
    return {table: sorted(rows(urls.superuser, f"SELECT s::text FROM heartwave.{table} AS s")) for table in SUMMARIES}


def test_what_cannot_be_classified_counts_as_nothing(database: DatabaseUrls, plant: Planter) -> None:
    """Beats without a class are listed by none, and in no burden, run or pause; a review gives them one."""
    model = plant.model(1, promoted=True)
    classes = "NNVVNNVVNN"
    batch = labels_of(classes, [1, 2, 3, 4, 5, 9, 10, 11, 12, 13], reference=classes)
    batch.class_ids[[3, 4, 7]] = NO_CLASS
    assert plant.score(plant.recording("ward/noise", len(classes)), model, batch)

    found = rows(database.reader, "SELECT class, class_name FROM current_labels ORDER BY r_peak_sample")
    assert [name for name, _ in found] == ["N", "N", "V", None, None, "N", "V", None, "N", "N"]
    assert found[3][1] == "unclassifiable"
    figures = "n_beats, n_normal, n_ventricular, n_unclassifiable, ventricular_percent, n_pauses"
    burden = f"SELECT {figures} FROM recording_burden"
    assert rows(database.reader, burden) == [(10, 5, 2, 3, pytest.approx(100 * 2 / 7), 0)]
    assert rows(database.reader, "SELECT kind FROM recording_episodes") == []

    review = "SELECT review_beat('ward/noise', %s, 'V', 'nurse')"
    rows(database.reviewer, review, (int(batch.r_peak_sample[3]),))

    assert rows(database.reader, burden) == [(10, 5, 3, 2, pytest.approx(100 * 3 / 8), 0)]
    assert rows(database.reader, "SELECT kind, n_beats FROM recording_episodes") == [("couplet", 2)]
