"""The `xgb_features` architecture of the original project: XGBoost on samples and engineered features, now with timing.

Mended: the filter runs over whole recordings and not across feature columns, a beat's rhythm is seen, and SMOTE makes
beats within the training rows only.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from heartwave_tasks.ecg.labels import CLASSES
from heartwave_tasks.models.balancing import draw_sample
from heartwave_tasks.models.boosters import load_booster
from heartwave_tasks.models.boosting import TREE_BOUNDS, boost, spread_classes
from heartwave_tasks.models.inputs import (
    ENGINEERED_FEATURES,
    WINDOW_SHAPE,
    engineer_features,
    in_parts,
    join_window,
    thin_windows,
)
from heartwave_tasks.models.model_files import read_card, write_card
from heartwave_tasks.models.search_space import Real

if TYPE_CHECKING:
    from collections.abc import Mapping

    import xgboost as xgb
    from numpy.typing import NDArray

    from heartwave_tasks.ecg.beats import Beats
    from heartwave_tasks.models.architectures import Params, Progress
    from heartwave_tasks.models.search_space import SearchSpace

NAME: Final = "xgb_features"

DEFAULT_PARAMS: Params = {
    "balancing": "smote",
    "normal_share": 0.5,
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
"""How rare classes are balanced; share of normal beats that is trained on; rounds, depth and the rest of XGBoost's
settings; cores."""

SEARCH_SPACE: SearchSpace = {"normal_share": Real(0.2, 1.0), **TREE_BOUNDS}

_CARD_FILE: Final = "xgb_features.json"
_EXPECTED: Final = {"format": 1, "features": list(ENGINEERED_FEATURES), "window_shape": list(WINDOW_SHAPE)}


@dataclass(frozen=True)
class XgbFeaturesModel:
    """A trained model: one booster, and the class indices it knows."""

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
        return spread_classes(self.booster.inplace_predict(see_beats(beats)), self.known)

    def files(self) -> dict[str, bytes]:
        """Return the booster as UBJSON, and a JSON card with its inputs and classes."""
        card = {**_EXPECTED, "architecture": NAME, "classes": self.classes, "known": self.known}
        return {"booster.ubj": bytes(self.booster.save_raw("ubj")), _CARD_FILE: write_card(card)}


def load(files: Mapping[str, bytes]) -> XgbFeaturesModel:
    """Rebuild a model from `XgbFeaturesModel.files`.

    Raises
    ------
    ModelFileError
        If a file is missing, or the model was trained on other inputs than this version computes.
    """
    card = read_card(files, _CARD_FILE, ["booster.ubj"], _EXPECTED)
    return XgbFeaturesModel(load_booster(files["booster.ubj"]), tuple(card["known"]))


def train(
    beats: Beats,
    *,
    groups: NDArray[np.str_],  # noqa: ARG001 - nothing is calibrated, so nothing hangs on who a beat is from
    seed: int,
    params: Params,
    progress: Progress,
) -> XgbFeaturesModel:
    """Train on the annotated beats.

    Raises
    ------
    TrainingError
        If there is no such way of balancing.
    """
    progress(0.0, "drawing beats")
    sample = draw_sample(beats, see_beats, params, seed=seed)
    progress(0.1, f"growing {params['rounds']} rounds of trees on {len(sample.classes)} beats")
    booster = boost(sample, params, seed=seed)
    progress(1.0, "trained")
    # What is kept is what loading gives, so that a model answers alike before and after it was stored.
    return load(XgbFeaturesModel(booster, tuple(np.unique(sample.classes).tolist())).files())


def see_beats(beats: Beats) -> NDArray[np.float32]:
    """Put samples of both leads and engineered features side by side, float32 (n, 330)."""
    return join_window(thin_windows(beats), engineer_features(beats))
