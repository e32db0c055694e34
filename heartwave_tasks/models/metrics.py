"""Metrics: figures of merit from confusion matrices and from probabilities.

Every function of confusion matrices takes any number of them at once, shape (..., k, k) with the reference class in
rows and the called class in columns, so that thousands of bootstrap resamples cost one call. A figure that is not
defined (a class nobody has) is NaN, never a silent zero.

References
----------
ANSI/AAMI EC57:2012 (sensitivity, positive predictivity, what counts against S and V).
Cohen J. A coefficient of agreement for nominal scales. Educ Psychol Meas 1960.
Mar T et al. Optimization of ECG classification by means of feature selection. IEEE Trans Biomed Eng 2011 (jκ);
Mondéjar-Guerra V et al. Heartbeat classification fusing temporal and morphological information of ECGs via ensemble
of classifiers. Biomed Signal Process Control 2019 (the published values `j_kappa` reproduces).
Naeini MP et al. Obtaining well calibrated probabilities using Bayesian binning. AAAI 2015 (ECE).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias

import numpy as np

from heartwave_tasks.ecg.labels import CLASSES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Figures: TypeAlias = NDArray[np.float64]
    Counts: TypeAlias = NDArray[np.number]

N, S, V, F, Q = range(len(CLASSES))

RHYTHM_CLASSES: Final = (N, S, V)
"""The classes of the mean F1 that models are compared and promoted by; F rests on too few patients."""

CALIBRATION_BINS: Final = 15
"""Equal bins of confidence, as in the literature on ECE."""


def confusion_matrices(
    group: NDArray[np.integer], reference: NDArray[np.integer], called: NDArray[np.integer], n_groups: int
) -> NDArray[np.int64]:
    """Count beats by group, reference class and called class, int64 (n_groups, 5, 5), of three (n,) index arrays."""
    k = len(CLASSES)
    cells = (group.astype(np.int64) * k + reference) * k + called
    return np.bincount(cells, minlength=n_groups * k * k).reshape(n_groups, k, k)


def sensitivity(confusion: Counts) -> Figures:
    """Share of each class's beats that were found, (..., k); NaN for a class without beats."""
    return _ratio(_diagonal(confusion), confusion.sum(axis=-1))


def positive_predictivity(confusion: Counts) -> Figures:
    """Share of the beats called a class that are of it, (..., k); NaN for a class that was never called."""
    return _ratio(_diagonal(confusion), confusion.sum(axis=-2))


def ec57_positive_predictivity(confusion: Counts) -> Figures:
    """Positive predictivity (..., 5) as EC57 and de Chazal 2004 count it.

    Fusion and unknown beats called V do not count against V, and unknown beats called S not against S; N, F and Q are
    counted as in `positive_predictivity`, which is the stricter figure and the one shown everywhere else.
    """
    called = confusion.sum(axis=-2).astype(np.float64)
    called[..., S] -= confusion[..., Q, S]
    called[..., V] -= confusion[..., F, V] + confusion[..., Q, V]
    return _ratio(_diagonal(confusion), called)


def f1(confusion: Counts) -> Figures:
    """Harmonic mean of sensitivity and positive predictivity, (..., k).

    NaN where a class was neither there nor called, and 0 where it was there and never found.
    """
    return _ratio(2 * _diagonal(confusion), confusion.sum(axis=-1) + confusion.sum(axis=-2))


def accuracy(confusion: Counts) -> Figures:
    """Share of all beats called right, (...)."""
    return _ratio(_diagonal(confusion).sum(axis=-1), confusion.sum(axis=(-2, -1)))


def macro_f1(confusion: Counts) -> Figures:
    """Mean F1 over the classes that have beats, each counting the same, (...)."""
    return mean_f1(confusion, range(confusion.shape[-1]))


def mean_f1(confusion: Counts, classes: Sequence[int]) -> Figures:
    """Mean F1 over those of some classes that have beats, (...); NaN where none has."""
    chosen = list(classes)
    present = confusion.sum(axis=-1)[..., chosen] > 0
    found = np.where(present, f1(confusion)[..., chosen], 0.0)
    return _ratio(found.sum(axis=-1), present.sum(axis=-1))


def weighted_f1(confusion: Counts) -> Figures:
    """Mean F1 weighted by each class's beats, (...)."""
    beats = confusion.sum(axis=-1)
    found = np.where(beats > 0, f1(confusion), 0.0)
    return _ratio((found * beats).sum(axis=-1), beats.sum(axis=-1))


def cohen_kappa(confusion: Counts) -> Figures:
    """Agreement beyond what chance gives, (...), 1 is perfect; NaN where only one class occurs at all."""
    total = confusion.sum(axis=(-2, -1)).astype(np.float64)
    by_chance = _ratio((confusion.sum(axis=-1).astype(np.float64) * confusion.sum(axis=-2)).sum(axis=-1), total**2)
    return _ratio(accuracy(confusion) - by_chance, 1 - by_chance)


def j_kappa(confusion: Counts) -> Figures:
    """Cohen's κ and the figures of S and V in one number, (...): κ/2 + (Se_S + Se_V + +P_S + +P_V)/8.

    Positive predictivities are EC57's (`ec57_positive_predictivity`): with them the published confusion matrices give
    the published 0.612 (de Chazal) and 0.640 (Mondéjar-Guerra's single SVM). A class that is never called has +P 0.
    """
    found = sensitivity(confusion)
    predictive = np.nan_to_num(ec57_positive_predictivity(confusion), nan=0.0)
    j_index = found[..., S] + found[..., V] + predictive[..., S] + predictive[..., V]
    return cohen_kappa(confusion) / 2 + j_index / 8


@dataclass(frozen=True)
class Reliability:
    """How often labels are right, by how sure the model was of them.

    Attributes
    ----------
    n_beats, n_right
        By bin of confidence, `CALIBRATION_BINS` equal bins from 0 to 1, each without its lower edge.
    confidence_sum
        Sum of the confidences in each bin.
    """

    n_beats: tuple[int, ...]
    n_right: tuple[int, ...]
    confidence_sum: tuple[float, ...]

    @property
    def expected_calibration_error(self) -> float:
        """Mean gap between confidence and share of right labels, weighted by beats; NaN without beats."""
        total = sum(self.n_beats)
        gaps = np.abs(np.subtract(self.n_right, self.confidence_sum))
        return float(gaps.sum() / total) if total else float("nan")

    @property
    def overconfidence(self) -> float:
        """Mean confidence minus share of right labels: above 0 the model is surer than it should be."""
        total = sum(self.n_beats)
        return (sum(self.confidence_sum) - sum(self.n_right)) / total if total else float("nan")


NO_RELIABILITY: Final = Reliability((0,) * CALIBRATION_BINS, (0,) * CALIBRATION_BINS, (0.0,) * CALIBRATION_BINS)
"""That of no beats."""


def reliability(confidence: NDArray[np.floating], right: NDArray[np.bool_]) -> Reliability:
    """Bin (n,) confidences in [0, 1] of the called class and whether each call was right."""
    exact = confidence.astype(np.float64)
    bins = np.clip(np.ceil(exact * CALIBRATION_BINS).astype(np.int64) - 1, 0, CALIBRATION_BINS - 1)
    return Reliability(
        n_beats=tuple(np.bincount(bins, minlength=CALIBRATION_BINS).tolist()),
        n_right=tuple(np.bincount(bins[right], minlength=CALIBRATION_BINS).tolist()),
        confidence_sum=tuple(np.bincount(bins, weights=exact, minlength=CALIBRATION_BINS).tolist()),
    )


def brier_score(reference: NDArray[np.integer], probabilities: NDArray[np.floating]) -> float:
    """Mean squared distance of probabilities (n, k) from the truth, summed over classes: 0 is perfect, 2 the worst."""
    truth = np.eye(probabilities.shape[1])[reference]
    return float(((probabilities - truth) ** 2).sum(axis=1).mean())


def precision_recall(positive: NDArray[np.bool_], score: NDArray[np.floating]) -> tuple[Figures, Figures, float]:
    """Sensitivity and positive predictivity at every threshold, and their average precision.

    Parameters
    ----------
    positive
        bool (n,), at least one of them True.
    score
        (n,) the higher, the likelier positive.

    Returns
    -------
    Sensitivity (m,) rising, positive predictivity (m,), and the area under their steps (Davis and Goadrich 2006).
    """
    order = np.argsort(-score, kind="stable")
    last_of_tie = np.append(np.flatnonzero(np.diff(score[order])), len(score) - 1)
    found = np.cumsum(positive[order])[last_of_tie]
    recall = found / found[-1]
    precision = found / (last_of_tie + 1)
    return recall, precision, float((np.diff(recall, prepend=0.0) * precision).sum())


def _diagonal(confusion: Counts) -> Counts:
    diagonal: Counts = np.diagonal(confusion, axis1=-2, axis2=-1)
    return diagonal


def _ratio(numerator: Counts, denominator: Counts) -> Figures:
    """Quotient in double precision, NaN where the denominator is zero."""
    top, bottom = np.broadcast_arrays(np.asarray(numerator, np.float64), np.asarray(denominator, np.float64))
    quotient: Figures = np.divide(top, bottom, out=np.full(top.shape, np.nan), where=bottom != 0)
    return quotient
