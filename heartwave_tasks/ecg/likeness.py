"""Likeness: how common a beat's shape is in its recording, and how the beats that look like it behave.

A premature beat among beats of its shape that all are premature is another thing than a premature beat that looks
like the beats on time: the recording itself tells ectopic foci from chance, without a label.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from heartwave_tasks.ecg import shapes

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from heartwave_tasks.ecg.rhythm import Sequence, Timing
    from heartwave_tasks.ecg.shapes import Shapes

REFERENCE_BEATS: Final = 600
"""Beats of the recording, evenly spread, that every beat is compared with."""

SHARES: Final = (0.8, 0.9, 0.95)
"""Correlations from which two beats look alike, from loosely to closely."""

FOCUS: Final = 30.0
"""Weight of a reference beat is exp(FOCUS x correlation): beats 0.03 less alike weigh e times less."""

EARLY: Final = 0.88
"""A beat that comes before this share of the running median RR is early."""

ROWS_AT_ONCE: Final = 256
"""Bounds the memory of the correlation matrix: 600 kB stay in a processor's cache."""

QRS_T: Final = slice(shapes.BEFORE_R - 40, shapes.BEFORE_R + 72)
"""Part of a cut beat that is compared, in all leads: QRS complex and ST segment."""

LIKENESS_FEATURES: Final = (
    *(f"alike_share{round(100 * share)}" for share in SHARES),
    "alike_closest",
    "alike_rr_previous",
    "alike_rr_next",
    "alike_rr_over_mean",
    "alike_rr_rank",
    "alike_rr_spread",
    "alike_early_share",
    "alike_p_correlation",
    "alike_qrs_correlation",
)
"""Names of the columns of `describe_likeness`."""


def describe_likeness(
    sequence: Sequence,
    timing: Timing,
    beats_of: Shapes,
    p_correlation: NDArray[np.floating],
    qrs_correlation: NDArray[np.floating],
) -> dict[str, NDArray[np.floating]]:
    """Compare every row with beats of its recording, by name in `LIKENESS_FEATURES`, (n,) each.

    `p_correlation` and `qrs_correlation` (n,) are those with the dominant beat.
    """
    rows = np.flatnonzero(sequence.beat)
    chosen = np.unique(np.linspace(0, len(rows) - 1, min(len(rows), REFERENCE_BEATS)).astype(np.int64))
    reference = rows[chosen]
    outlines = _outlines(beats_of)
    log_previous = np.log(timing.of_beats / timing.running_median)[chosen]
    behaviour = np.column_stack(
        [
            log_previous,
            np.log(timing.following[reference] / timing.running_median[chosen]),
            np.log(timing.of_beats / timing.of_beats.mean())[chosen],
            (np.argsort(np.argsort(timing.of_beats, kind="stable"), kind="stable") / max(len(rows) - 1, 1))[chosen],
            log_previous**2,
            log_previous < np.log(EARLY),
            p_correlation[reference],
            qrs_correlation[reference],
        ]
    ).astype(np.float32)
    own_column = np.full(len(outlines), -1)
    own_column[reference] = np.arange(len(reference))
    described = np.concatenate(
        [
            _describe(outlines[start : start + ROWS_AT_ONCE], outlines[reference], behaviour, own_column[start:])
            for start in range(0, len(outlines), ROWS_AT_ONCE)
        ]
    )
    return dict(zip(LIKENESS_FEATURES, described.T, strict=True))


def _describe(
    outlines: NDArray[np.float32],
    reference: NDArray[np.float32],
    behaviour: NDArray[np.float32],
    own_column: NDArray[np.int64],
) -> NDArray[np.float32]:
    """Shares alike and weighted behaviour of those alike, (rows, 12)."""
    alike = outlines @ reference.T
    own = np.flatnonzero(own_column[: len(outlines)] >= 0)
    alike[own, own_column[own]] = -1.0  # a beat says nothing about itself
    closest = alike.max(axis=1)
    # Counted as sums of a product of matrices, which is quicker than counting.
    one = np.ones(len(reference), dtype=np.float32)
    shares = [(alike > share).astype(np.float32) @ one / np.float32(len(reference)) for share in SHARES]
    weights = alike
    weights -= closest[:, None]
    weights *= np.float32(FOCUS)
    np.exp(weights, out=weights)
    found = weights @ np.column_stack([behaviour, one])
    previous, following, over_mean, rank, square, early, p_wave, qrs = (found[:, :-1] / found[:, -1:]).T
    spread = np.sqrt(np.maximum(square - previous**2, 0.0))
    columns = [*shares, closest, previous, following, over_mean, rank, spread, early, p_wave, qrs]
    return np.column_stack(columns).astype(np.float32)


def _outlines(beats_of: Shapes) -> NDArray[np.float32]:
    """All leads of a beat's QRS and ST as one vector of length 1, (n, 112 x leads), whose products are correlations."""
    parts = [cut.samples[:, QRS_T] - cut.samples[:, QRS_T].mean(axis=1, keepdims=True) for cut in beats_of.cuts]
    outlines = np.concatenate(parts, axis=1).astype(np.float32)
    outlines /= np.linalg.norm(outlines, axis=1, keepdims=True) + np.float32(1e-9)
    return outlines
