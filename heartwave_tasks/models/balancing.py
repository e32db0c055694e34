"""Balancing: rare classes made to count, within the training rows and after everything is filtered.

References
----------
Chawla NV et al. SMOTE: synthetic minority over-sampling technique. J Artif Intell Res 2002.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from heartwave_tasks.ecg.labels import CLASSES
from heartwave_tasks.models.architectures import TrainingError
from heartwave_tasks.models.inputs import in_parts

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from heartwave_tasks.ecg.beats import Beats
    from heartwave_tasks.models.architectures import Params

METHODS: Final = ("smote", "weights", "off")
"""Synthetic beats between real ones of a rare class; real ones that weigh more; neither."""

SMOTE_BEATS: Final = 5000
"""Beats, real and synthetic, that each class of `SMOTE_CLASSES` is raised to (the original project's figure)."""

SMOTE_CLASSES: Final = tuple(CLASSES.index(name) for name in "SF")
"""The original's classes 1 and 3."""

NEIGHBOURS: Final = 5
"""Nearest beats of its class one of which a synthetic beat lies towards (SMOTE's own default)."""

WEIGHT_EXPONENT: Final = 0.5
"""A beat weighs its class's frequency to the minus this exponent; 1 would let ten fusion beats outweigh a patient."""


@dataclass(frozen=True)
class Sample:
    """Rows a model is fitted to.

    Attributes
    ----------
    table
        float32 (n, k), NaN where undefined.
    classes
        int64 (n,) class indices.
    weights
        float32 (n,) of mean 1.
    """

    table: NDArray[np.float32]
    classes: NDArray[np.int64]
    weights: NDArray[np.float32]


def draw_sample(beats: Beats, see: Callable[[Beats], NDArray[np.float32]], params: Params, *, seed: int) -> Sample:
    """Draw the rows to fit a model to from the annotated beats, and balance their classes.

    Parameters
    ----------
    beats
        Rows that are no beats or have no reference class are left out.
    see
        What the model sees of some beats: float32 (m, k).
    params
        `normal_share` of the normal beats are kept, as they are plenty; each then weighs for those left out.
        `balancing` is one of `METHODS`.
    seed
        Draws the normal beats and the synthetic ones.

    Raises
    ------
    TrainingError
        If there is no such way of balancing.
    """
    method, share = str(params["balancing"]), float(params["normal_share"])
    if method not in METHODS:
        msg = f"There is no balancing {method!r}; there are {', '.join(METHODS)}."
        raise TrainingError(msg)
    rows = np.flatnonzero(beats.is_beat & (beats.reference >= 0))
    normal = beats.reference[rows] == CLASSES.index("N")
    kept = ~normal | (np.random.default_rng(seed).random(len(rows)) < share)
    weights = np.where(normal, normal.sum() / max((normal & kept).sum(), 1), 1.0)[kept]
    chosen = rows[kept]
    sample = Sample(
        in_parts(see, beats, chosen),
        beats.reference[chosen].astype(np.int64),
        (weights / weights.mean()).astype(np.float32),
    )
    return balance(sample, method, seed=seed)


def balance(sample: Sample, method: str, *, seed: int) -> Sample:
    """Balance the classes of a sample by one of `METHODS`; the same seed gives the same synthetic beats."""
    if method == "smote":
        return _oversample(sample, seed)
    if method == "weights":
        frequency = np.bincount(sample.classes)[sample.classes] / len(sample.classes)
        weights = sample.weights * frequency**-WEIGHT_EXPONENT
        return Sample(sample.table, sample.classes, (weights / weights.mean()).astype(np.float32))
    return sample


def _oversample(sample: Sample, seed: int) -> Sample:
    """Raise rare classes to `SMOTE_BEATS`, but to no more beats than the commonest class has.

    Neighbours are sought among standardised values, the median in place of what is undefined: a distance has to be a
    number. Real rows keep their NaN, and a column without any value stays without.
    """
    from imblearn.over_sampling import SMOTE  # noqa: PLC0415 - scikit-learn takes two seconds, only in training

    counts = np.bincount(sample.classes, minlength=len(CLASSES))
    target = min(SMOTE_BEATS, int(counts.max()))
    # Between one beat and itself there is nothing to make.
    wanted = {index: target for index in SMOTE_CLASSES if 1 < counts[index] < target}
    if not wanted:
        return sample
    empty, median, scale = _spread(sample.table)
    # Beats are made from their own class alone; SMOTE asks for a row of another one, but does nothing with it.
    rare = np.isin(sample.classes, list(wanted))
    rare[np.argmax(~rare)] = True
    real = sample.table[rare]
    smote = SMOTE(
        sampling_strategy=wanted,
        k_neighbors=min(NEIGHBOURS, min(counts[index] for index in wanted) - 1),
        random_state=seed,
    )
    table, classes = smote.fit_resample((np.where(np.isnan(real), median, real) - median) / scale, sample.classes[rare])
    made = np.asarray(table[len(real) :], dtype=np.float32) * scale + median
    made[:, empty] = np.nan
    # Only normal beats weigh differently, and none of those is made.
    weights = np.full(len(made), sample.weights.min(), dtype=np.float32)
    return Sample(
        np.concatenate([sample.table, made]),
        np.concatenate([sample.classes, classes[len(real) :]]),
        np.concatenate([sample.weights, weights]),
    )


def _spread(table: NDArray[np.float32]) -> tuple[NDArray[np.bool_], NDArray[np.float32], NDArray[np.float32]]:
    """Which columns of a table (n, k) have no value, and every column's median and standard deviation, float32 (k,)."""
    width = table.shape[1]
    empty = np.zeros(width, dtype=np.bool_)
    median, scale = np.zeros(width, dtype=np.float32), np.ones(width, dtype=np.float32)
    for column in range(width):  # one by one, as a copy of the table is a hundred megabytes
        values = table[:, column]
        undefined = np.isnan(values)
        empty[column] = undefined.all()
        if not empty[column]:
            median[column] = np.median(values[~undefined])
            scale[column] = np.where(undefined, median[column], values).std() or 1
    return empty, median, scale
