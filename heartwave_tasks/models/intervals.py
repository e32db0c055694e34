"""Intervals: how far figures would move with other patients.

Beats of one patient resemble each other, so resampling beats would give intervals that are far too narrow. Patients
are resampled instead, and a resample of patients is a sum of their confusion matrices: thousands take milliseconds.

References
----------
Efron B, Tibshirani R. An Introduction to the Bootstrap. 1993, chapters 8 and 13 (clusters, percentile intervals).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from heartwave_tasks.models.metrics import Counts, Figures

RESAMPLES: Final = 2000
LEVEL: Final = 0.95
SEED: Final = 20_040_607
"""Fixed, so that the same evaluation always shows the same interval."""


@dataclass(frozen=True)
class Interval:
    """Bounds between which a figure lies for 95 % of resampled groups of patients; NaN where there is none."""

    low: float
    high: float


NO_INTERVAL: Final = Interval(float("nan"), float("nan"))
"""Where too few patients say anything."""


def by_patient(confusions: NDArray[np.int64], patients: tuple[str, ...]) -> NDArray[np.int64]:
    """Add up the confusion matrices (r, k, k) of recordings of one patient; (p, k, k), patients sorted by name."""
    names, index = np.unique(np.array(patients), return_inverse=True)
    summed = np.zeros((len(names), *confusions.shape[1:]), dtype=np.int64)
    np.add.at(summed, index, confusions)
    return summed


def resample(confusions: NDArray[np.int64]) -> NDArray[np.int64]:
    """Draw as many patients as there are, with replacement, again and again; (RESAMPLES, k, k) from (p, k, k).

    The same number of patients is always drawn in the same way, so two models' figures can be compared in pairs.
    """
    n_patients = len(confusions)
    generator = np.random.default_rng(SEED)
    times_drawn = generator.multinomial(n_patients, np.full(n_patients, 1 / n_patients), size=RESAMPLES)
    summed = times_drawn @ confusions.reshape(n_patients, -1)
    return summed.reshape(RESAMPLES, *confusions.shape[1:])


def interval(figures: Figures) -> Interval:
    """Percentile interval of a figure's resamples (b,), leaving out those where it is undefined."""
    defined = figures[~np.isnan(figures)]
    if not defined.size:
        return NO_INTERVAL
    low, high = np.quantile(defined, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(float(low), float(high))


def class_intervals(confusions: NDArray[np.int64], metric: Callable[[Counts], Figures]) -> tuple[Interval, ...]:
    """Interval of a metric for every class from patients' confusion matrices (p, k, k).

    A class with beats in fewer than two patients has none: one patient says nothing about the next.
    """
    resamples = metric(resample(confusions))
    patients_with_class = (confusions.sum(axis=-1) > 0).sum(axis=0)
    return tuple(
        interval(resamples[:, index]) if count > 1 else NO_INTERVAL for index, count in enumerate(patients_with_class)
    )
