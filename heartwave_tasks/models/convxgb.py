"""The `convxgb` architecture of the original project: a convolutional network's values and timing, told by XGBoost.

The network (16, 32 and 64 filters, averaged to 64 values) learns to tell the classes from both leads' windows; then
its last layer is taken off. XGBoost is trained on what the exported network answers, so training sees what scoring
sees.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from heartwave_tasks.ecg.labels import CLASSES
from heartwave_tasks.models.balancing import Sample, draw_sample
from heartwave_tasks.models.boosters import load_booster
from heartwave_tasks.models.boosting import TREE_BOUNDS, boost, spread_classes
from heartwave_tasks.models.inputs import (
    TIMED_FEATURES,
    WINDOW_SHAPE,
    in_parts,
    join_window,
    split_window,
    thin_windows,
    time_beats,
)
from heartwave_tasks.models.model_files import read_card, write_card
from heartwave_tasks.models.network_training import train_network
from heartwave_tasks.models.onnx_network import TRAINING_BOUNDS, OnnxNetwork
from heartwave_tasks.models.search_space import Real

if TYPE_CHECKING:
    from collections.abc import Mapping

    import xgboost as xgb
    from numpy.typing import NDArray

    from heartwave_tasks.ecg.beats import Beats
    from heartwave_tasks.models.architectures import Params, Progress
    from heartwave_tasks.models.search_space import SearchSpace

NAME: Final = "convxgb"

DEFAULT_PARAMS: Params = {
    "balancing": "smote",
    "normal_share": 0.5,
    "epochs": 3,
    "batch_beats": 256,
    "network_learning_rate": 0.003,
    "rounds": 80,
    "depth": 6,
    "learning_rate": 0.25,
    "row_share": 0.8,
    "column_share": 0.3,
    "l2": 2.0,
    "smallest_leaf_weight": 1.0,
    "bins": 64,
    "threads": 1,
}
"""How rare classes are balanced; share of normal beats that is trained on; the network's epochs, beats per step and
first learning rate; rounds, depth and the rest of XGBoost's settings; its cores."""

SEARCH_SPACE: SearchSpace = {"normal_share": Real(0.2, 1.0), **TRAINING_BOUNDS, **TREE_BOUNDS}

_NETWORK_SHARE: Final = 0.6
"""Of a training's time, for progress."""

_FILES: Final = ("extractor.onnx", "booster.ubj")
_CARD_FILE: Final = "convxgb.json"
_EXPECTED: Final = {"format": 1, "features": list(TIMED_FEATURES), "window_shape": list(WINDOW_SHAPE)}


@dataclass(frozen=True)
class ConvXgbModel:
    """A trained model: the extractor, the booster on its values, and the class indices it knows."""

    extractor: OnnxNetwork
    booster: xgb.Booster
    known: tuple[int, ...]
    architecture: str = NAME
    classes: tuple[str, ...] = CLASSES

    def predict_proba(self, beats: Beats) -> NDArray[np.float32]:
        """Probabilities float32 (n, 5) of `classes`; every row is answered by itself."""
        if not len(beats):
            return np.empty((0, len(CLASSES)), dtype=np.float32)
        return in_parts(self._answer, beats, np.arange(len(beats)))

    def _answer(self, beats: Beats) -> NDArray[np.float32]:
        table = np.column_stack([self.extractor.run(thin_windows(beats)), time_beats(beats)])
        return spread_classes(self.booster.inplace_predict(table), self.known)

    def files(self) -> dict[str, bytes]:
        """Return the extractor as ONNX, the booster as UBJSON, and a JSON card with its inputs and classes."""
        card = {**_EXPECTED, "architecture": NAME, "classes": self.classes, "known": self.known}
        contents = (self.extractor.content, bytes(self.booster.save_raw("ubj")))
        return {**dict(zip(_FILES, contents, strict=True)), _CARD_FILE: write_card(card)}


def load(files: Mapping[str, bytes]) -> ConvXgbModel:
    """Rebuild a model from `ConvXgbModel.files`.

    Raises
    ------
    ModelFileError
        If a file is missing, or the model was trained on other inputs than this version computes.
    """
    card = read_card(files, _CARD_FILE, _FILES, _EXPECTED)
    extractor, booster = (files[name] for name in _FILES)
    return ConvXgbModel(OnnxNetwork(extractor), load_booster(booster), tuple(card["known"]))


def train(
    beats: Beats,
    *,
    groups: NDArray[np.str_],  # noqa: ARG001 - nothing is calibrated, so nothing hangs on who a beat is from
    seed: int,
    params: Params,
    progress: Progress,
) -> ConvXgbModel:
    """Train the network on the annotated beats, then the booster on what it makes of them.

    Raises
    ------
    TrainingError
        If there is no such way of balancing.
    """
    progress(0.0, "drawing beats")
    sample = draw_sample(beats, _see, params, seed=seed)
    window, features = split_window(sample.table)
    known, target = np.unique(sample.classes, return_inverse=True)
    network = train_network(
        "extractor",
        {"window": window},
        target,
        sample.weights,
        seed=seed,
        params=params,
        progress=lambda share, text: progress(share * _NETWORK_SHARE, text),
    )
    extractor = OnnxNetwork(network)
    progress(_NETWORK_SHARE, f"growing {params['rounds']} rounds of trees on {len(target)} beats")
    table = np.column_stack([extractor.run(window), features])
    booster = boost(Sample(table, sample.classes, sample.weights), params, seed=seed)
    progress(1.0, "trained")
    # What is kept is what loading gives, so that a model answers alike before and after it was stored.
    return load(ConvXgbModel(extractor, booster, tuple(known.tolist())).files())


def _see(beats: Beats) -> NDArray[np.float32]:
    return join_window(thin_windows(beats), time_beats(beats))
