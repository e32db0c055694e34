"""The `cnn_mlp` architecture of the original project: convolutions on the window, dense layers on features, joined."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from heartwave_tasks.ecg.labels import CLASSES
from heartwave_tasks.models.balancing import draw_sample
from heartwave_tasks.models.boosting import spread_classes
from heartwave_tasks.models.inputs import (
    ENGINEERED_FEATURES,
    WINDOW_SHAPE,
    engineer_features,
    in_parts,
    join_window,
    split_window,
    thin_windows,
)
from heartwave_tasks.models.model_files import read_card, write_card
from heartwave_tasks.models.network_training import train_network
from heartwave_tasks.models.onnx_network import TRAINING_BOUNDS, OnnxNetwork
from heartwave_tasks.models.search_space import Real

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Self

    from numpy.typing import NDArray

    from heartwave_tasks.ecg.beats import Beats
    from heartwave_tasks.models.architectures import Params, Progress
    from heartwave_tasks.models.search_space import SearchSpace

NAME: Final = "cnn_mlp"

DEFAULT_PARAMS: Params = {
    "balancing": "smote",
    "normal_share": 0.5,
    "epochs": 6,
    "batch_beats": 256,
    "network_learning_rate": 0.003,
}
"""How rare classes are balanced; share of normal beats that is trained on; epochs, beats per step, first learning
rate."""

SEARCH_SPACE: SearchSpace = {"normal_share": Real(0.2, 1.0), **TRAINING_BOUNDS}

FARTHEST: Final = 6.0
"""Scaled features are kept within this distance of zero: ratios of residuals to nearly nothing have long tails."""

_PERCENTILES: Final = (2, 98)
_CARD_FILE: Final = "cnn_mlp.json"
_EXPECTED: Final = {"format": 1, "features": list(ENGINEERED_FEATURES), "window_shape": list(WINDOW_SHAPE)}


@dataclass(frozen=True)
class Scaling:
    """How features are brought to one size: their median, and a divisor for each, float32 (k,)."""

    median: NDArray[np.float32]
    divisor: NDArray[np.float32]

    @classmethod
    def fit(cls, features: NDArray[np.float32]) -> Self:
        """Read medians and spreads off training rows (n, k); a column without spread or value is left alone."""
        low, median, high = np.zeros((3, features.shape[1]))
        for column, values in enumerate(features.T):  # one by one, as a copy of all is fifty megabytes
            defined = values[~np.isnan(values)]
            if len(defined):
                low[column], median[column], high[column] = np.percentile(
                    defined, [_PERCENTILES[0], 50, _PERCENTILES[1]]
                )
        spread = (high - low) / 4  # about a standard deviation, where there are no tails
        return cls(median.astype(np.float32), np.where(spread > 0, spread, 1).astype(np.float32))

    def apply(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """Scale features (n, k); what is undefined becomes the training median."""
        scaled: NDArray[np.float32] = (features - self.median).astype(np.float32, copy=False)
        scaled /= self.divisor
        np.clip(scaled, -FARTHEST, FARTHEST, out=scaled)
        return np.nan_to_num(scaled, copy=False, nan=0.0)


@dataclass(frozen=True)
class CnnMlpModel:
    """A trained model: the network, the scaling of its features, and the class indices it knows."""

    network: OnnxNetwork
    scaling: Scaling
    known: tuple[int, ...]
    architecture: str = NAME
    classes: tuple[str, ...] = CLASSES

    def predict_proba(self, beats: Beats) -> NDArray[np.float32]:
        """Probabilities float32 (n, 5) of `classes`; every row is answered by itself."""
        if not len(beats):
            return np.empty((0, len(CLASSES)), dtype=np.float32)
        return in_parts(self._answer, beats, np.arange(len(beats)))

    def _answer(self, beats: Beats) -> NDArray[np.float32]:
        answers = self.network.run(thin_windows(beats), self.scaling.apply(engineer_features(beats)))
        return spread_classes(answers, self.known)

    def files(self) -> dict[str, bytes]:
        """Return the network as ONNX, and a JSON card with its inputs, their scaling and classes."""
        card = {
            **_EXPECTED,
            "architecture": NAME,
            "classes": self.classes,
            "known": self.known,
            "median": self.scaling.median.tolist(),
            "divisor": self.scaling.divisor.tolist(),
        }
        return {"network.onnx": self.network.content, _CARD_FILE: write_card(card)}


def load(files: Mapping[str, bytes]) -> CnnMlpModel:
    """Rebuild a model from `CnnMlpModel.files`.

    Raises
    ------
    ModelFileError
        If a file is missing, or the model was trained on other inputs than this version computes.
    """
    card = read_card(files, _CARD_FILE, ["network.onnx"], _EXPECTED)
    scaling = Scaling(*(np.array(card[name], dtype=np.float32) for name in ("median", "divisor")))
    return CnnMlpModel(OnnxNetwork(files["network.onnx"]), scaling, tuple(card["known"]))


def train(
    beats: Beats,
    *,
    groups: NDArray[np.str_],  # noqa: ARG001 - nothing is calibrated, so nothing hangs on who a beat is from
    seed: int,
    params: Params,
    progress: Progress,
) -> CnnMlpModel:
    """Train on the annotated beats.

    Raises
    ------
    TrainingError
        If there is no such way of balancing.
    """
    progress(0.0, "drawing beats")
    sample = draw_sample(beats, _see, params, seed=seed)
    window, features = split_window(sample.table)
    scaling = Scaling.fit(features)
    inputs = {"window": window, "features": scaling.apply(features)}
    weights = sample.weights
    known, target = np.unique(sample.classes, return_inverse=True)
    del sample, features  # eighty megabytes that nobody looks at again
    network = train_network("joined", inputs, target, weights, seed=seed, params=params, progress=progress)
    # What is kept is what loading gives, so that a model answers alike before and after it was stored.
    return load(CnnMlpModel(OnnxNetwork(network), scaling, tuple(known.tolist())).files())


def _see(beats: Beats) -> NDArray[np.float32]:
    return join_window(thin_windows(beats), engineer_features(beats))
