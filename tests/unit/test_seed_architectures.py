"""The three architectures of the original project: what they keep, what they answer, and that they can be repeated."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from heartwave_tasks.ecg.beats import Beats, segment
from heartwave_tasks.ecg.features import CONTEXT_FEATURES
from heartwave_tasks.models import protocols
from heartwave_tasks.models.architectures import ARCHITECTURES, TrainingError
from heartwave_tasks.models.cnn_mlp import Scaling
from heartwave_tasks.models.inputs import join_window, split_window, thin_windows, time_beats
from heartwave_tasks.models.model_files import ModelFileError
from heartwave_tasks.models.onnx_network import OnnxNetwork
from tests.unit.recordings import draw_recording

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from heartwave_tasks.models.architectures import BeatModel, Params

NETWORK: Params = {"epochs": 6, "batch_beats": 32, "normal_share": 1.0}
TREES: Params = {"rounds": 15, "threads": 1, "normal_share": 1.0}
QUICK: dict[str, Params] = {"convxgb": {**NETWORK, **TREES}, "xgb_features": TREES, "cnn_mlp": NETWORK}


@pytest.fixture(scope="module")
def lake() -> Beats:
    """Return four drawn patients with normal, supraventricular and ventricular beats, and marks."""
    return Beats.concatenate(
        segment(draw_recording("NNNANNNNVNNN~NN" * 8, seed=seed, recording_id=f"drawn/{seed}")) for seed in range(4)
    )


@pytest.fixture(scope="module")
def told() -> dict[str, list[tuple[float, str]]]:
    """Keep the progress of every training of `models`."""
    return {name: [] for name in QUICK}


@pytest.fixture(scope="module")
def models(lake: Beats, told: dict[str, list[tuple[float, str]]]) -> dict[str, BeatModel]:
    """Return a model of each architecture, trained on the first three patients."""
    known = lake.take(lake.recording_id != "drawn/3")

    def train(name: str) -> BeatModel:
        def hear(share: float, sentence: str) -> None:
            told[name].append((share, sentence))

        return ARCHITECTURES[name].train(known, groups=known.recording_id, seed=1, params=QUICK[name], progress=hear)

    return {name: train(name) for name in QUICK}


@pytest.mark.parametrize("name", QUICK)
def test_unseen_patient_is_labelled(name: str, lake: Beats, models: dict[str, BeatModel]) -> None:
    """Drawn beats of a patient left out are nearly all labelled right; they sum to 1, absent classes get 0."""
    unseen = lake.take(lake.recording_id == "drawn/3")
    probabilities = models[name].predict_proba(unseen)
    assert models[name].architecture == name
    assert models[name].classes == ("N", "S", "V", "F", "Q")
    assert probabilities.shape == (len(unseen), 5)
    assert probabilities.dtype == np.float32
    np.testing.assert_allclose(probabilities.sum(axis=1), 1.0, atol=1e-5)
    assert not probabilities[:, 3:].any()
    right = probabilities.argmax(axis=1)[unseen.is_beat] == unseen.reference[unseen.is_beat]
    assert right.mean() > 0.95


@pytest.mark.parametrize("name", QUICK)
def test_files_give_the_same_model(name: str, lake: Beats, models: dict[str, BeatModel]) -> None:
    """A model read from its files answers bit for bit alike, and writes the same files."""
    again = ARCHITECTURES[name].load(models[name].files())
    np.testing.assert_array_equal(again.predict_proba(lake), models[name].predict_proba(lake))
    assert again.files() == models[name].files()
    assert models[name].predict_proba(lake.take(slice(0, 0))).shape == (0, 5)


@pytest.mark.parametrize("name", QUICK)
def test_same_seed_gives_the_same_model(name: str, lake: Beats, models: dict[str, BeatModel]) -> None:
    """Training again in the same process, after other models, gives the same bytes."""
    known = lake.take(lake.recording_id != "drawn/3")
    again = ARCHITECTURES[name].train(known, groups=known.recording_id, seed=1, params=QUICK[name])
    assert again.files() == models[name].files()


@pytest.mark.parametrize("name", QUICK)
def test_answers_hang_on_no_other_row(
    name: str, lake: Beats, models: dict[str, BeatModel], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Asked in parts, which bounds memory, a model answers as asked all at once."""
    at_once = models[name].predict_proba(lake)
    monkeypatch.setattr("heartwave_tasks.models.inputs._ROWS_AT_ONCE", 37)
    np.testing.assert_allclose(models[name].predict_proba(lake), at_once, atol=1e-6)


def test_another_seed_gives_another_model(lake: Beats, models: dict[str, BeatModel]) -> None:
    """The seed reaches the training."""
    known = lake.take(lake.recording_id != "drawn/3")
    other = ARCHITECTURES["xgb_features"].train(known, groups=known.recording_id, seed=2, params=TREES)
    assert other.files() != models["xgb_features"].files()


def test_all_five_classes_of_the_original_scheme_are_answered(lake: Beats) -> None:
    """Under heartwave5 signal marks are class 4, and are learned and answered as such."""
    labelled = protocols.relabel(lake, "heartwave5")
    model = ARCHITECTURES["xgb_features"].train(labelled, groups=labelled.recording_id, seed=0, params=TREES)
    called = model.predict_proba(labelled).argmax(axis=1)
    assert set(called[labelled.symbol == "~"].tolist()) == {4}


def test_exported_network_is_the_trained_one(lake: Beats) -> None:
    """A network answers alike in Keras and, exported, in ONNX Runtime."""
    from heartwave_tasks.models import networks

    windows, features = thin_windows(lake), np.nan_to_num(time_beats(lake))
    networks.begin(3)
    for built, inputs in (
        (networks.build_extractor(3), [windows]),
        (networks.build_joined(features.shape[1], 3), [windows, features]),
    ):
        networks.fit(
            built,
            inputs,
            np.arange(len(lake)) % 3,
            np.ones(len(lake), dtype=np.float32),
            {"epochs": 1, "batch_beats": 256, "network_learning_rate": 1e-2},
            lambda _share, _text: None,
        )
        exported = OnnxNetwork(networks.to_onnx(built.kept)).run(*inputs)
        kept = built.kept(inputs[0] if len(inputs) == 1 else inputs, training=False)
        np.testing.assert_allclose(exported, np.asarray(kept), atol=1e-5)


def test_windows_come_back_from_the_table(lake: Beats) -> None:
    """Windows and features are taken apart as they were put together, R peak kept."""
    windows, features = thin_windows(lake), time_beats(lake)
    again, rest = split_window(join_window(windows, features))
    np.testing.assert_array_equal(again, windows)
    np.testing.assert_array_equal(rest, features)
    np.testing.assert_allclose(windows[:, 31, 0], lake.window[:, 93] / 1000, rtol=1e-6)


def test_scoring_loads_no_training_library(lake: Beats, models: dict[str, BeatModel], tmp_path: Path) -> None:
    """Loading and asking models in a fresh process imports neither TensorFlow nor pandas."""
    for name, model in models.items():
        for file, content in model.files().items():
            (tmp_path / f"{name}+{file}").write_bytes(content)
    np.savez(tmp_path / "beats.npz", **vars(lake.take(slice(0, 12))))
    code = """
import sys
from pathlib import Path
import numpy as np
from heartwave_tasks.ecg.beats import Beats
from heartwave_tasks.models.architectures import ARCHITECTURES
beats = Beats(**np.load(sys.argv[1] + "/beats.npz"))
for name in sys.argv[2:]:
    files = {path.name.partition("+")[2]: path.read_bytes() for path in Path(sys.argv[1]).glob(name + "+*")}
    assert ARCHITECTURES[name].load(files).predict_proba(beats).shape == (12, 5)
print(sorted({"tensorflow", "keras", "imblearn", "sklearn", "pandas"} & set(sys.modules)))
"""
    command = [sys.executable, "-c", code, str(tmp_path), *QUICK]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("name", QUICK)
def test_impossible_trainings_are_refused_in_words(name: str, lake: Beats) -> None:
    """An unknown way of balancing and a lake of one class are told, not trained."""
    with pytest.raises(TrainingError, match=r"no balancing 'magic'.*smote"):
        ARCHITECTURES[name].train(lake, groups=lake.recording_id, seed=0, params={"balancing": "magic"})
    normal = lake.take(lake.symbol == "N")
    with pytest.raises(TrainingError, match=r"two classes.*found: N"):
        ARCHITECTURES[name].train(normal, groups=normal.recording_id, seed=0)


def test_recordings_with_one_lead_and_one_rare_beat_train(lake: Beats) -> None:
    """Without any second lead, and with a class of a single beat, training and answering go on without a NaN."""
    rare = np.flatnonzero(lake.reference == 1)
    kept = lake.take(np.setdiff1d(np.arange(len(lake)), rare[1:]))
    second = np.array([feature.startswith("second_") for feature in CONTEXT_FEATURES])
    alone = replace(
        kept,
        second_window=np.zeros_like(kept.second_window),
        has_second_lead=np.zeros_like(kept.has_second_lead),
        context=np.where(second, np.float32(np.nan), kept.context),
    )
    model = ARCHITECTURES["xgb_features"].train(alone, groups=alone.recording_id, seed=0, params=TREES)
    assert np.isfinite(model.predict_proba(alone)).all()


def test_scaling_leaves_no_value_undefined() -> None:
    """Features come to about the same size, tails are cut, and what is undefined becomes the training median."""
    features = np.random.default_rng(0).standard_normal((500, 4)).astype(np.float32) * [1, 1000, 1, 0]
    features[:, 2] = np.nan
    features[0, 1], features[1, 1] = 1e9, np.nan
    scaled = Scaling.fit(features.astype(np.float32)).apply(features.astype(np.float32))
    assert scaled.dtype == np.float32
    assert scaled[:2, 1].tolist() == [6.0, 0.0]
    assert not scaled[:, 2:].any()
    assert scaled[:, :2].std(axis=0) == pytest.approx([1, 1], abs=0.15)


@pytest.mark.parametrize("name", QUICK)
def test_files_of_other_versions_are_refused(name: str, models: dict[str, BeatModel]) -> None:
    """A missing file or other features are said in a sentence, before anything is predicted."""
    files = models[name].files()
    gone = next(file for file in files if not file.endswith(".json"))
    with pytest.raises(ModelFileError, match=f"lacks {gone}"):
        ARCHITECTURES[name].load({file: content for file, content in files.items() if file != gone})
    card = json.loads(files[f"{name}.json"])
    card["features"] = card["features"][1:]
    with pytest.raises(ModelFileError, match="features"):
        ARCHITECTURES[name].load({**files, f"{name}.json": json.dumps(card).encode()})


def test_progress_is_told(models: dict[str, BeatModel], told: dict[str, list[tuple[float, str]]]) -> None:
    """Progress rises to 1, through the network and the trees."""
    for stages in told.values():
        shares = [share for share, _ in stages]
        assert shares == sorted(shares)
        assert shares[-1] == 1.0
    assert any("epoch 6 of 6" in text for _, text in told["cnn_mlp"])
    assert any("epoch 6 of 6" in text for _, text in told["convxgb"])
    assert any("trees" in text for _, text in told["convxgb"])


@pytest.mark.parametrize(("name", "accuracy"), [("convxgb", 0.97), ("xgb_features", 0.97), ("cnn_mlp", 0.97)])
def test_floor_on_beats_of_known_patients(name: str, accuracy: float, segmented: Callable[[str], Beats]) -> None:
    """Trained on every other beat of four records of MIT-BIH, the rest is labelled right but for a few."""
    beats = Beats.concatenate(segmented(record) for record in ("106", "208", "209"))
    taught = np.arange(len(beats)) % 2 == 0
    params = {key: value for key, value in {"epochs": 3, "rounds": 30}.items() if key in QUICK[name]}
    model = ARCHITECTURES[name].train(
        protocols.hide_reference(beats, taught), groups=beats.recording_id, seed=0, params=params
    )
    asked = ~taught & beats.is_beat
    assert (model.predict_proba(beats).argmax(axis=1) == beats.reference)[asked].mean() > accuracy
