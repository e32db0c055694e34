"""Confidence: what a model's probabilities are worth to those who review its labels or move its thresholds."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING, Final

import numpy as np

from heartwave_tasks.models import metrics

if TYPE_CHECKING:
    from numpy.typing import NDArray

LEAST_CONFIDENT_SHARES: Final = (0.01, 0.05, 0.10)
"""Sizes of the review queues whose content is reported."""

CURVE_POINTS: Final = 200
"""Points kept of a precision-recall curve: more cannot be seen."""


@dataclass(frozen=True)
class LeastConfident:
    """What a person finds who reviews the least confident share of the beats.

    Attributes
    ----------
    share, n_beats
        How much is reviewed, as a fraction of all test beats and in beats.
    n_wrong, n_wrong_overall
        Wrong labels among those, and among all test beats.
    confidence_below
        Confidence of the most confident beat of the share.
    """

    share: float
    n_beats: int
    n_wrong: int
    n_wrong_overall: int
    confidence_below: float

    @property
    def share_of_errors(self) -> float:
        """Fraction of all errors that lie in the share; NaN where there are none."""
        return self.n_wrong / self.n_wrong_overall if self.n_wrong_overall else float("nan")


@dataclass(frozen=True)
class PrecisionRecall:
    """One class against the rest at every threshold, thinned to `CURVE_POINTS`."""

    class_index: int
    sensitivity: tuple[float, ...]
    positive_predictivity: tuple[float, ...]
    average_precision: float


def least_confident(confidence: NDArray[np.floating], right: NDArray[np.bool_]) -> tuple[LeastConfident, ...]:
    """Count what the review queues hold, given confidences (n,) and whether each call was right (n,)."""
    order = np.argsort(confidence, kind="stable")
    wrong = np.cumsum(~right[order])
    counts = [(share, ceil(share * len(order))) for share in LEAST_CONFIDENT_SHARES]
    return tuple(
        LeastConfident(share, n, int(wrong[n - 1]), int(wrong[-1]), float(confidence[order[n - 1]]))
        for share, n in counts
    )


def curves(reference: NDArray[np.integer], probabilities: NDArray[np.floating]) -> tuple[PrecisionRecall, ...]:
    """Draw one curve for each class with beats, given references (n,) and probabilities (n, 5)."""
    return tuple(_curve(index, reference == index, probabilities[:, index]) for index in np.unique(reference).tolist())


def _curve(index: int, positive: NDArray[np.bool_], score: NDArray[np.floating]) -> PrecisionRecall:
    recall, precision, average = metrics.precision_recall(positive, score)
    # Evenly along sensitivity, where the eye looks, and always the ends.
    wanted = np.searchsorted(recall, np.linspace(recall[0], 1.0, CURVE_POINTS))
    kept = np.unique(np.concatenate([[0], np.minimum(wanted, len(recall) - 1)]))
    return PrecisionRecall(
        index,
        tuple(np.round(recall[kept], 5).tolist()),
        tuple(np.round(precision[kept], 5).tolist()),
        average,
    )
