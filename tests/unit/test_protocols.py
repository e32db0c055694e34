"""Protocols share no patient, hide what is tested, and say what they lack."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.model_selection import train_test_split

from heartwave_tasks.ecg import mitbih
from heartwave_tasks.ecg.beats import Beats, segment
from heartwave_tasks.ecg.recordings import Recording, SignalsInMemory
from heartwave_tasks.models import protocols
from heartwave_tasks.models.assessment import Assessment, assess, training_view
from heartwave_tasks.models.protocols import ProtocolError, get
from tests.unit.evaluations import NearestWindow, beats_of

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

NORMAL = "N" * 30 + "A" * 5 + "V" * 8
LAKE = {
    **{f"mitdb/{record}": NORMAL + "~|x" for record in ("101", "106", "201", "202", "100", "103", "200", "232")},
    "mitdb/213": "N" * 30 + "F" * 12,
    "mitdb/102": "/" * 40 + "N" * 5 + "f" * 3,
    "svdb/800": NORMAL,
    "svdb/801": "N" * 30 + "/" * 3,
    "inbox/7": " " * 20,
}


@pytest.fixture(scope="module")
def lake() -> Beats:
    """Return recordings of three sources: annotated, paced, and one that nobody annotated."""
    return beats_of(LAKE)


def _train(beats: Beats, _groups: NDArray[np.str_], _progress: object) -> NearestWindow:
    return NearestWindow.train(beats)


def _names(beats: Beats, rows: NDArray[np.int64]) -> set[str]:
    return set(np.unique(beats.recording_id[rows]).tolist())


@pytest.mark.parametrize("name", ["inter_patient", "patient_folds", "external:svdb", "external:mitdb"])
def test_no_patient_is_on_both_sides(lake: Beats, name: str) -> None:
    """Nobody is trained on and tested, 201 and 202 included, and no row is in both sets."""
    for split in get(name).splits(lake):
        assert protocols.shared_patients(lake, split) == ()
        assert not np.intersect1d(split.train, split.test).size
        sides = [{mitbih.patient_of(name) for name in _names(lake, rows)} for rows in (split.train, split.test)]
        assert not sides[0] & sides[1]


def test_random_beats_has_every_patient_on_both_sides(lake: Beats) -> None:
    """The check for shared patients sees them where they are: in the original project's random split."""
    (split,) = get("random_beats").splits(lake)
    assert {"mitdb/100", "mitdb/201", "mitdb/213"} <= set(protocols.shared_patients(lake, split))


@given(
    st.dictionaries(
        st.sampled_from([f"mitdb/{record}" for record in mitbih.RECORDS] + ["svdb/1", "svdb/2", "inbox/x/3"]),
        st.text("NAVF/~ ", min_size=1, max_size=12),
        min_size=1,
        max_size=14,
    ),
    st.integers(0, 1000),
)
@settings(max_examples=60, deadline=None)
def test_no_lake_makes_a_protocol_leak(symbols: dict[str, str], seed: int) -> None:
    """Whatever recordings there are, a protocol of unseen patients gives disjoint patients or says what is missing."""
    beats = beats_of(symbols)
    for name in ("inter_patient", "patient_folds", "external:svdb", "external:inbox/x"):
        try:
            splits = get(name).splits(beats, seed=seed)
        except ProtocolError:
            continue
        for split in splits:
            assert split.train.size
            assert split.test.size
            assert protocols.shared_patients(beats, split) == ()
            assert (beats.reference[np.concatenate([split.train, split.test])] >= 0).all()


def test_the_same_file_under_two_names_is_one_patient(lake: Beats) -> None:
    """A copy of a test recording under another source is not trained on."""
    copy = lake.take(lake.recording_id == "mitdb/100")
    copied = type(lake).concatenate([lake, _renamed(copy, "inbox/copy-of-100")])
    (split,) = get("external:mitdb").splits(copied)
    assert _names(copied, split.train) == {"svdb/800", "svdb/801"}
    for fold in get("patient_folds").splits(copied):
        tested = _names(copied, fold.test)
        assert ("mitdb/100" in tested) == ("inbox/copy-of-100" in tested)


def _renamed(beats: Beats, name: str) -> Beats:
    return replace(beats, recording_id=np.full(len(beats), name))


def test_inter_patient_tests_all_of_ds2_without_its_patients_in_training(lake: Beats) -> None:
    """All of DS2 is tested by DS1, but 202 by a model without 201, who is the same patient; paced records are out."""
    most, same_patient = get("inter_patient").splits(lake)
    assert _names(lake, most.train) == {"mitdb/101", "mitdb/106", "mitdb/201"}
    assert _names(lake, most.test) == {f"mitdb/{record}" for record in ("100", "103", "200", "213", "232")}
    assert _names(lake, same_patient.train) == {"mitdb/101", "mitdb/106"}
    assert _names(lake, same_patient.test) == {"mitdb/202"}
    assert lake.is_beat[most.test].all()


def test_inter_patient_is_one_split_where_202_is_not_tested(lake: Beats) -> None:
    """Record 201 is only left out for the sake of 202."""
    (split,) = get("inter_patient").splits(lake.take(lake.recording_id != "mitdb/202"))
    assert "mitdb/201" in _names(lake.take(lake.recording_id != "mitdb/202"), split.train)


def test_inter_patient_runs_on_one_record_of_each_side() -> None:
    """A demonstration with a single record of DS1 and a single one of DS2 still gets its figure."""
    beats = beats_of({"mitdb/101": NORMAL, "mitdb/100": NORMAL})
    (split,) = get("inter_patient").splits(beats)
    assert (len(split.train), len(split.test)) == (len(NORMAL), len(NORMAL))


def test_random_beats_is_the_original_split(lake: Beats) -> None:
    """All MIT-BIH windows, marks included, are split 80/10/10 by class, as scikit-learn does with seed 42."""
    (split,) = get("random_beats").splits(lake)
    rows = np.flatnonzero((lake.source == "mitdb") & (lake.heartwave5 >= 0))
    order = rows[np.lexsort((lake.r_peak_sample[rows], lake.recording_id[rows]))]
    classes = lake.heartwave5[order]
    train, rest = train_test_split(order, test_size=0.2, stratify=classes, random_state=42)
    _, test = train_test_split(rest, test_size=0.5, stratify=lake.heartwave5[rest], random_state=42)
    np.testing.assert_array_equal(split.train, np.sort(train))
    np.testing.assert_array_equal(split.test, np.sort(test))
    assert len(split.train) == round(0.8 * len(rows))
    assert np.isin(["~", "|", "x"], lake.symbol[split.train]).all()
    assert protocols.relabel(lake, "heartwave5").reference[lake.symbol == "~"].tolist() == [4] * 8


def test_rare_classes_are_trained_on_where_they_cannot_be_shared_out() -> None:
    """A handful of recordings with two fusion beats is split all the same; those two are not tested."""
    beats = beats_of({"mitdb/100": "N" * 80 + "A" * 20 + "FF"})
    (split,) = get("random_beats").splits(beats)
    assert np.bincount(beats.reference[split.train], minlength=5).tolist() == [64, 16, 0, 2, 0]
    assert np.bincount(beats.reference[split.test], minlength=5).tolist() == [8, 2, 0, 0, 0]


@pytest.mark.parametrize("n_rare", [9, 10, 11, 14, 15])
def test_classes_around_the_smallest_size_can_be_split(n_rare: int) -> None:
    """Whatever the size of a rare class, two stratified splits go through."""
    beats = beats_of({"mitdb/100": "N" * 97 + "A" * n_rare + "V" * 13})
    (split,) = get("random_beats").splits(beats)
    tested = np.bincount(beats.reference[split.test], minlength=5)
    assert (tested[1] > 0) == (n_rare >= 10)


def test_every_annotated_patient_is_tested_once_in_folds(lake: Beats) -> None:
    """The folds' test rows are all annotated beats, each once, paced ones too; what nobody annotated is in none."""
    splits = get("patient_folds").splits(lake)
    assert len(splits) == 11
    tested = np.sort(np.concatenate([split.test for split in splits]))
    np.testing.assert_array_equal(tested, np.flatnonzero(lake.reference >= 0))
    for split in splits:
        np.testing.assert_array_equal(np.union1d(split.train, split.test), tested)
    assert any("mitdb/102" in _names(lake, split.train) for split in splits)


def test_splits_do_not_depend_on_the_order_of_rows(lake: Beats) -> None:
    """The same recordings in another order are split in the same way, and the seed decides between folds."""
    order = np.concatenate([np.flatnonzero(lake.recording_id == name) for name in sorted(set(lake.recording_id))[::-1]])
    turned = lake.take(order)
    for name in ("random_beats", "inter_patient", "patient_folds"):
        for first, second in zip(get(name).splits(lake), get(name).splits(turned), strict=True):
            np.testing.assert_array_equal(first.test, np.sort(order[second.test]))
            np.testing.assert_array_equal(first.train, np.sort(order[second.train]))
    again, other = get("patient_folds").splits(lake, seed=42), get("patient_folds").splits(lake, seed=43)
    assert any(not np.array_equal(a.test, b.test) for a, b in zip(again, other, strict=True))


def test_folds_share_out_every_class() -> None:
    """With as many holders of a rare class as folds, every fold tests one of them, and the folds are of a size."""
    symbols = {f"a/{index:02d}": "N" * 60 + ("A" * 20 if index < 11 else "") for index in range(44)}
    symbols |= {f"b/{index:02d}": "N" * 60 + "V" * 20 for index in range(11)}
    beats = beats_of(symbols)
    for split in get("patient_folds").splits(beats):
        counts = np.bincount(beats.reference[split.test], minlength=5)
        assert counts.tolist() == [300, 20, 20, 0, 0]


def test_few_patients_make_fewer_folds() -> None:
    """Four patients are tested in four folds; two cannot be."""
    few = {f"a/{index}": NORMAL for index in range(4)}
    assert len(get("patient_folds").splits(beats_of(few))) == 4
    with pytest.raises(ProtocolError, match="3 patients or more; the lake has 2"):
        get("patient_folds").splits(beats_of({"a/1": NORMAL, "a/2": NORMAL}))


@pytest.mark.parametrize(
    ("name", "symbols", "sentence"),
    [
        (
            "random_beats",
            {"svdb/1": NORMAL},
            "windows of the source 'mitdb' 80/10/10 and needs at least 10 of a class; the lake has none",
        ),
        ("random_beats", {"mitdb/100": "NNNA"}, "the lake has N 3, S 1. Upload MIT-BIH"),
        ("inter_patient", {"mitdb/100": NORMAL}, "no annotated record of DS1"),
        ("inter_patient", {"mitdb/101": NORMAL}, "no annotated record of DS2"),
        ("inter_patient", {"mitdb/201": NORMAL, "mitdb/202": NORMAL}, "no annotated record of DS1"),
        ("inter_patient", {"svdb/1": NORMAL}, "no annotated record of DS1"),
        ("patient_folds", {"a/1": " " * 9}, "the lake has 0"),
        ("external:svdb", {"mitdb/100": NORMAL}, "source 'svdb' and the lake has none; annotated sources are: mitdb"),
        ("external:svdb", {"svdb/1": NORMAL}, "trains on the other sources"),
        ("external:", {}, "There is no protocol 'external:'"),
        ("leave_one_out", {}, "There is no protocol 'leave_one_out'; there are random_beats"),
    ],
)
def test_missing_recordings_are_named(name: str, symbols: dict[str, str], sentence: str) -> None:
    """A protocol that cannot run says which recordings it needs and what to do."""
    with pytest.raises(ProtocolError, match=sentence):
        get(name).splits(beats_of(symbols or {"a/1": NORMAL}))


def test_an_empty_lake_gets_a_sentence(lake: Beats) -> None:
    """No recording at all is a missing recording, not a crash."""
    for name in ("random_beats", "inter_patient", "patient_folds", "external:svdb"):
        with pytest.raises(ProtocolError):
            get(name).splits(lake.take(slice(0, 0)))


def test_paced_recordings_are_reported_apart(lake: Beats) -> None:
    """Recordings with paced beats are tested, but the published figures are over the others."""
    found = assess(get("patient_folds"), lake, _train)
    assert found.paced is not None
    assert found.paced.recordings == ("mitdb/102", "svdb/801")
    assert found.paced.protocol == "patient_folds_paced"
    assert not set(found.evaluation.recordings) & set(found.paced.recordings)
    assert found.evaluation.n_beats + found.paced.n_beats == len(found.rows)
    random = assess(get("random_beats"), lake, _train)
    assert random.paced is None
    assert "mitdb/102" in random.evaluation.recordings


def test_a_lake_of_paced_recordings_has_no_published_figure() -> None:
    """Where only paced recordings are tested, a sentence says so instead of a figure over none."""
    beats = beats_of({f"a/{index}": "/" * 9 + "N" * 9 for index in range(4)})
    with pytest.raises(ProtocolError, match="every test recording has paced beats"):
        assess(get("patient_folds"), beats, _train)


@pytest.mark.parametrize("name", ["random_beats", "inter_patient", "patient_folds", "external:svdb"])
def test_answers_do_not_depend_on_what_the_expert_said_of_test_beats(lake: Beats, name: str) -> None:
    """With every test beat's reference changed, models answer as before: nothing was fitted on test data."""
    before = assess(get(name), lake, _train)
    (split, *_) = get(name).splits(lake)
    reference, heartwave5 = lake.reference.copy(), lake.heartwave5.copy()
    rest = np.setdiff1d(np.arange(len(lake)), split.train)
    known = rest[reference[rest] >= 0]
    reference[known] = (reference[known] + 1) % 5
    heartwave5[known] = (heartwave5[known] + 1) % 5
    altered = replace(lake, reference=reference, heartwave5=heartwave5)

    protocol = replace(get(name), split=lambda _beats, _seed: (split,))
    after = assess(protocol, altered, _train)
    answers = dict(zip(before.rows, before.probabilities, strict=True))
    for row, answer in zip(after.rows, after.probabilities, strict=True):
        np.testing.assert_array_equal(answer, answers[row])
    assert after.evaluation.accuracy < before.evaluation.accuracy


def test_training_sees_whole_recordings_with_only_training_references(lake: Beats) -> None:
    """A model is handed whole recordings, and of the expert's answers those of the training rows alone."""
    seen: list[tuple[Beats, NDArray[np.str_]]] = []

    def spy(beats: Beats, groups: NDArray[np.str_], _progress: object) -> NearestWindow:
        seen.append((beats, groups))
        return NearestWindow.train(beats)

    assess(get("random_beats"), lake, spy)
    (split,) = get("random_beats").splits(lake)
    beats, groups = seen[0]
    assert (beats.reference >= 0).sum() == len(split.train)
    assert (beats.symbol != "").sum() == len(split.train)
    assert len(beats) == np.isin(lake.recording_id, lake.recording_id[split.train]).sum()
    assert set(groups[beats.recording_id == "mitdb/202"]) == {"mitdb/201"}


def test_windows_are_not_copied_where_every_recording_takes_part() -> None:
    """Hiding references leaves the lake as it was, and its windows, the greater part of memory, where they are."""
    lake = beats_of({name: symbols for name, symbols in LAKE.items() if name.startswith("mitdb/")})
    before = lake.reference.copy()
    (split,) = get("random_beats").splits(lake)
    view, _ = training_view(protocols.relabel(lake, "heartwave5"), protocols.patients(lake), split)
    assert (view.reference < 0).any()
    assert np.shares_memory(view.window, lake.window)
    np.testing.assert_array_equal(lake.reference, before)


def test_every_tested_row_gets_its_own_answer(lake: Beats) -> None:
    """The answer kept for a row is the one the model gives for that very row, so a separable lake is labelled right."""
    found = assess(get("random_beats"), lake, _train)
    (split,) = get("random_beats").splits(lake)
    training = protocols.relabel(lake, "heartwave5").take(split.train)
    blind = protocols.hide_reference(lake.take(split.test), np.zeros(len(split.test), np.bool_))
    np.testing.assert_array_equal(found.rows, split.test)
    np.testing.assert_allclose(found.probabilities, NearestWindow.train(training).predict_proba(blind), rtol=1e-5)
    assert assess(get("patient_folds"), lake, _train).evaluation.accuracy > 0.95


def test_assessing_twice_gives_the_same(lake: Beats) -> None:
    """The same lake, architecture and seed give the same rows, answers and figures, and progress ends at 1."""
    shares: list[float] = []
    runs: list[Assessment] = [
        assess(get("patient_folds"), lake, _train, progress=lambda share, _sentence: shares.append(share))
        for _ in range(2)
    ]
    np.testing.assert_array_equal(runs[0].probabilities, runs[1].probabilities)
    assert runs[0].evaluation.summary() == runs[1].evaluation.summary()
    assert shares[-1] == 1.0


def test_mit_bih_is_split_as_in_the_literature(mitdb: Path) -> None:
    """On the real database: 88 325 / 11 041 windows, DS2's published counts, and four paced records."""
    beats = _mit_bih(mitdb)
    paced = np.unique(beats.recording_id[protocols.of_paced_recordings(beats)])
    assert paced.tolist() == [f"mitdb/{record}" for record in mitbih.PACED]
    (random,) = get("random_beats").splits(beats)
    assert (len(random.train), len(random.test)) == (88325, 11041)
    tested = np.concatenate([split.test for split in get("inter_patient").splits(beats)])
    # Seven beats of class Q are in DS2; windows at the edges of recordings are not cut.
    assert np.bincount(beats.reference[tested]).tolist() == [44246, 1837, 3220, 388, 7]
    folds = get("patient_folds").splits(beats)
    counts = np.array([np.bincount(beats.reference[fold.test], minlength=5) for fold in folds])
    assert counts.sum() == 109468
    assert counts[:, 0].max() < 1.6 * counts[:, 0].min()
    assert (counts[:, 2] > 0).all()


def _mit_bih(directory: Path) -> Beats:
    import wfdb

    parts = []
    for name in mitbih.RECORDS:
        record = wfdb.rdrecord(str(directory / name))
        annotation = wfdb.rdann(str(directory / name), "atr")
        parts.append(
            segment(
                Recording(
                    f"mitdb/{name}",
                    float(record.fs),
                    SignalsInMemory(record.p_signal),
                    tuple(record.sig_name),
                    annotation.sample.astype(np.int64),
                    np.array(annotation.symbol),
                )
            )
        )
    return Beats.concatenate(parts)
