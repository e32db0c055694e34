"""The relative architecture and the interface all architectures share."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from heartwave_tasks.ecg import mitbih
from heartwave_tasks.ecg.beats import Beats, segment
from heartwave_tasks.ecg.features import CONTEXT_FEATURES
from heartwave_tasks.models.architectures import ARCHITECTURES, TrainingError
from heartwave_tasks.models.calibration import Calibration
from heartwave_tasks.models.model_files import ModelFileError
from heartwave_tasks.models.relative import (
    DEFAULT_PARAMS,
    HEAD_FEATURES,
    deal_patients,
    train_heads,
)
from tests.unit.recordings import draw_recording

if TYPE_CHECKING:
    from collections.abc import Callable

    from heartwave_tasks.models.architectures import BeatModel

RELATIVE = ARCHITECTURES["relative"]
QUICK = {"form_rounds": 20, "rhythm_rounds": 20, "calibration_folds": 2, "normal_share": 1.0, "threads": 1}


@pytest.fixture(scope="module")
def lake() -> Beats:
    """Return four drawn patients with normal, supraventricular and ventricular beats, and marks."""
    return Beats.concatenate(
        segment(draw_recording("NNNANNNNVNNN~NN" * 12, seed=seed, recording_id=f"drawn/{seed}")) for seed in range(4)
    )


@pytest.fixture(scope="module")
def model(lake: Beats) -> BeatModel:
    """Return a model trained on the first three patients."""
    known = lake.take(lake.recording_id != "drawn/3")
    return RELATIVE.train(known, groups=known.recording_id, seed=1, params=QUICK)


def test_unseen_patient_is_labelled(lake: Beats, model: BeatModel) -> None:
    """Drawn beats of a patient left out are nearly all labelled right; probabilities sum to 1."""
    unseen = lake.take(lake.recording_id == "drawn/3")
    probabilities = model.predict_proba(unseen)
    assert probabilities.shape == (len(unseen), 5)
    assert probabilities.dtype == np.float32
    np.testing.assert_allclose(probabilities.sum(axis=1), 1.0, atol=1e-5)
    right = probabilities.argmax(axis=1)[unseen.is_beat] == unseen.reference[unseen.is_beat]
    assert right.mean() > 0.97


def test_files_give_the_same_model(lake: Beats, model: BeatModel) -> None:
    """A model read from its files answers bit for bit alike, and writes the same files."""
    again = RELATIVE.load(model.files())
    np.testing.assert_array_equal(again.predict_proba(lake), model.predict_proba(lake))
    assert again.files() == model.files()


def test_recordings_are_answered_by_themselves(lake: Beats, model: BeatModel) -> None:
    """A recording gets the same probabilities alone as among others, in whatever order rows come; no rows get none."""
    rows = np.flatnonzero(lake.recording_id == "drawn/2")
    among = model.predict_proba(lake)[rows]
    np.testing.assert_allclose(model.predict_proba(lake.take(rows)), among, atol=1e-6)
    np.testing.assert_allclose(model.predict_proba(lake.take(rows[::-1])), among[::-1], atol=1e-6)
    assert model.predict_proba(lake.take(slice(0, 0))).shape == (0, 5)


def test_one_lead_is_labelled_like_two(model: BeatModel) -> None:
    """Without its second lead an unseen patient gets the same labels; that does not depend on its shape."""
    both, alone = (
        segment(draw_recording("NNNANNNNVNNN" * 12, seed=3, lead_names=names)) for names in (("MLII", "V1"), ("MLII",))
    )
    probabilities = model.predict_proba(alone)
    agreeing = probabilities.argmax(axis=1) == model.predict_proba(both).argmax(axis=1)
    assert agreeing.mean() > 0.99
    second = np.array([name.startswith("second_") and "spike" not in name for name in CONTEXT_FEATURES])
    unknown = replace(alone, context=np.where(second, np.float32(np.nan), alone.context))
    np.testing.assert_array_equal(model.predict_proba(unknown), probabilities)
    doubled = Beats.concatenate([both, replace(alone, recording_id=np.full(len(alone), "drawn/alone"))])
    np.testing.assert_allclose(model.predict_proba(doubled)[len(both) :], probabilities, atol=1e-6)


def test_same_seed_gives_the_same_model(lake: Beats) -> None:
    """Training twice gives the same bytes; another seed gives others."""
    first, second, other = (
        RELATIVE.train(lake, groups=lake.recording_id, seed=seed, params=QUICK).files() for seed in (5, 5, 6)
    )
    assert first == second
    assert first != other


def test_marks_and_unannotated_beats_teach_nothing(lake: Beats, model: BeatModel) -> None:
    """Rows that are no beats or have no reference may be left out without changing the model."""
    known = lake.take(lake.recording_id != "drawn/3")
    hidden = replace(lake, reference=np.where(lake.recording_id == "drawn/3", -1, lake.reference).astype(np.int8))
    taught = RELATIVE.train(hidden, groups=hidden.recording_id, seed=1, params=QUICK)
    assert taught.files() == model.files()
    only_beats = known.take(known.is_beat)
    assert RELATIVE.train(only_beats, groups=only_beats.recording_id, seed=1, params=QUICK).files() == model.files()


def test_earlier_is_never_less_supraventricular(lake: Beats) -> None:
    """Shortening the interval before a beat, all else equal, never makes the rhythm head call it less S."""
    rows = lake.is_beat
    known = (lake.context[rows], lake.reference[rows].astype(np.int64), lake.recording_id[rows])
    heads = train_heads(*known, 0, {**DEFAULT_PARAMS, **QUICK})
    head, names = heads["rhythm"], HEAD_FEATURES["rhythm"]
    context = lake.context[rows][:, [CONTEXT_FEATURES.index(name) for name in names]]
    earlier = context.copy()
    earlier[:, [name.startswith("rr_previous_over_mean") for name in names]] *= 0.7
    assert (head.inplace_predict(earlier) >= head.inplace_predict(context)).all()


def test_progress_is_told(lake: Beats) -> None:
    """Progress rises to 1, with a sentence each time."""
    told: list[tuple[float, str]] = []
    RELATIVE.train(
        lake, groups=lake.recording_id, seed=0, params=QUICK, progress=lambda share, text: told.append((share, text))
    )
    shares = [share for share, _ in told]
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
    assert all(text for _, text in told)


def test_impossible_trainings_are_refused_in_words(lake: Beats) -> None:
    """Unknown parameters, one class, one patient and groups of another length are told, not trained."""
    groups = lake.recording_id
    with pytest.raises(TrainingError, match="no parameter dept"):
        RELATIVE.train(lake, groups=groups, seed=0, params={"dept": 3})
    normal = lake.take(lake.symbol == "N")
    with pytest.raises(TrainingError, match=r"two classes.*found: N"):
        RELATIVE.train(normal, groups=normal.recording_id, seed=0)
    with pytest.raises(TrainingError, match="two patients"):
        RELATIVE.train(lake, groups=np.full(len(lake), "one"), seed=0)
    with pytest.raises(TrainingError, match="shape"):
        RELATIVE.train(lake, groups=groups[1:], seed=0)


def test_missing_classes_are_no_obstacle(lake: Beats) -> None:
    """Without any supraventricular beats a model still tells N from V, and never answers S."""
    rows = lake.take(lake.reference != 1)
    probabilities = RELATIVE.train(rows, groups=rows.recording_id, seed=0, params=QUICK).predict_proba(rows)
    assert (probabilities.argmax(axis=1)[rows.is_beat] == rows.reference[rows.is_beat]).all()


def test_files_of_other_versions_are_refused(model: BeatModel) -> None:
    """A missing file or other features are said in a sentence, before anything is predicted."""
    files = model.files()
    with pytest.raises(ModelFileError, match=r"lacks form\.ubj"):
        RELATIVE.load({name: content for name, content in files.items() if name != "form.ubj"})
    card = json.loads(files["relative.json"])
    card["features"]["form"] = card["features"]["form"][1:]
    with pytest.raises(ModelFileError, match="features"):
        RELATIVE.load({**files, "relative.json": json.dumps(card).encode()})


def test_patients_stay_whole_in_calibration_folds() -> None:
    """Every patient is in one fold, and those with most S beats are spread out."""
    patients = np.repeat(["a", "b", "c", "d", "e"], 10)
    reference = np.repeat([0, 1, 0, 1, 0], 10)
    folds = deal_patients(patients, reference, 2)
    assert [len(set(folds[patients == name])) for name in "abcde"] == [1] * 5
    assert folds[patients == "b"][0] != folds[patients == "d"][0]


def test_calibration_mends_overconfidence() -> None:
    """Probabilities that are too sure by a factor of two in log odds are brought back."""
    random = np.random.default_rng(0)
    scores = random.standard_normal((20_000, 3))
    honest = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    reference = (random.random(len(honest))[:, None] > honest.cumsum(axis=1)).sum(axis=1)
    sure = honest**2 / (honest**2).sum(axis=1, keepdims=True)
    mended = Calibration.fit(sure, reference).apply(sure)
    assert np.abs(mended - honest).max() < 0.05


def test_floor_on_patients_not_trained_on(segmented: Callable[[str], Beats]) -> None:
    """Trained on ten records of MIT-BIH, four others keep a floor of accuracy and of S and V beats found."""
    known = Beats.concatenate(
        segmented(record) for record in ("106", "118", "201", "203", "207", "209", "215", "223", "232", "233")
    )
    model = RELATIVE.train(
        known,
        groups=np.array([mitbih.patient_of(str(name)) for name in known.recording_id]),
        seed=0,
        params={"calibration_folds": 2, "threads": 1},
    )
    unseen = Beats.concatenate(segmented(record) for record in ("100", "119", "220", "228"))
    unseen = unseen.take(unseen.is_beat)
    called = model.predict_proba(unseen).argmax(axis=1)
    assert (called == unseen.reference).mean() > 0.97
    assert (called == 2)[unseen.reference == 2].mean() > 0.9
    assert (called == 1)[unseen.reference == 1].mean() > 0.8


def test_a_model_is_loaded_without_scikit_learn_and_pandas() -> None:
    """Loading an architecture that scores takes neither scikit-learn nor pandas along, and leaves both importable."""
    code = """
import sys
import heartwave_tasks.jobs.score
import heartwave_tasks.models.relative
print(sorted({"keras", "mlflow", "pandas", "scipy.signal", "sklearn", "tensorflow"} & set(sys.modules)))
import sklearn
"""
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
