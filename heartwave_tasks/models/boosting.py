"""Boosting: gradient-boosted trees over all classes a sample holds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from heartwave_tasks.ecg.labels import CLASSES
from heartwave_tasks.models.boosters import xgboost as xgb
from heartwave_tasks.models.search_space import Real, Whole

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from heartwave_tasks.models.architectures import Params
    from heartwave_tasks.models.balancing import Sample
    from heartwave_tasks.models.search_space import SearchSpace

TREE_BOUNDS: Final[SearchSpace] = {
    "rounds": Whole(40, 300),
    "depth": Whole(3, 8),
    "learning_rate": Real(0.05, 0.3, log=True),
    "row_share": Real(0.5, 1.0),
    "column_share": Real(0.1, 0.6),
    "l2": Real(0.5, 30.0, log=True),
    "smallest_leaf_weight": Real(0.5, 30.0, log=True),
}
"""What is tuned of a booster."""

BEYOND: Final = np.float32(1e30)
"""Stands for an undefined value while trees are grown: greater than any that is defined."""


def boost(sample: Sample, params: Params, *, seed: int) -> xgb.Booster:
    """Train one multi-class booster; it answers for the classes the sample holds, in their order.

    The sample's table is used up: what is undefined in it is overwritten. A single NaN makes XGBoost keep four bytes
    instead of one for every value, and takes a quarter longer to grow trees over. Where nothing is missing it sends
    what will be missing to the right, with the greatest values; so a booster answers a NaN as it was taught.
    """
    known, target = np.unique(sample.classes, return_inverse=True)
    sample.table[np.isnan(sample.table)] = BEYOND
    bins, threads = int(params["bins"]), int(params["threads"])
    data = xgb.QuantileDMatrix(sample.table, target, weight=sample.weights, max_bin=bins, nthread=threads)
    settings = {
        "objective": "multi:softprob",
        "num_class": len(known),
        "tree_method": "hist",
        "max_depth": params["depth"],
        "eta": params["learning_rate"],
        "subsample": params["row_share"],
        "colsample_bytree": params["column_share"],
        "lambda": params["l2"],
        "min_child_weight": params["smallest_leaf_weight"],
        "max_bin": bins,
        "nthread": threads,
        "seed": seed,
    }
    return xgb.train(settings, data, int(params["rounds"]))


def spread_classes(probabilities: NDArray[np.floating], known: Sequence[int]) -> NDArray[np.float32]:
    """Probabilities (n, len(known)) of some classes as those of all, float32 (n, 5); the others get zero."""
    spread = np.zeros((len(probabilities), len(CLASSES)), dtype=np.float32)
    spread[:, list(known)] = probabilities
    return spread
