"""Likeness: how common a beat's shape is in its recording, and how the beats that look like it behave.

A premature beat among beats of its shape that all are premature is another thing than a premature beat that looks
like the beats on time: the recording itself tells ectopic foci from chance, without a label.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from heartwave_tasks.ecg import shapes

if TYPE_CHECKING:
    from typing import Self

    from numpy.typing import NDArray

    from heartwave_tasks.ecg.rhythm import Sequence, Timing
    from heartwave_tasks.ecg.shapes import Cuts

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
"""Names of the columns of `Relatives.describe`."""


@dataclass(frozen=True)
class Relatives:
    """The reference beats, k of them, and how each behaves.

    Attributes
    ----------
    rows
        int64 (k,) rows of the recording.
    outlines, behaviour
        float32 (k, 112 x leads) and (k, 8).
    """

    rows: NDArray[np.int64]
    outlines: NDArray[np.float32]
    behaviour: NDArray[np.float32]

    @classmethod
    def of(
        cls,
        sequence: Sequence,
        timing: Timing,
        rows: NDArray[np.int64],
        cuts: Cuts,
        dominant: dict[str, NDArray[np.floating]],
    ) -> Self:
        """Describe the `rows` that `choose_relatives` has chosen, given their cuts and comparison with the dominant."""
        of_beats = timing.of_beats
        chosen = sequence.own[rows]
        log_previous = np.log(of_beats / timing.running_median)[chosen]
        rank = np.argsort(np.argsort(of_beats, kind="stable"), kind="stable") / max(len(of_beats) - 1, 1)
        behaviour = [
            log_previous,
            np.log(timing.following[rows] / timing.running_median[chosen]),
            np.log(of_beats / of_beats.mean())[chosen],
            rank[chosen],
            log_previous**2,
            log_previous < np.log(EARLY),
            dominant["p_correlation"],
            dominant["qrs_correlation"],
        ]
        return cls(rows, _outlines(cuts), np.column_stack(behaviour).astype(np.float32))

    def describe(self, first: int, cuts: Cuts) -> dict[str, NDArray[np.floating]]:
        """Compare rows with the reference beats, by name in `LIKENESS_FEATURES`, (n,) each.

        `first` is the recording's row that `cuts` begin with.
        """
        outlines = _outlines(cuts)
        own_column = np.full(len(outlines), -1)
        inside = (self.rows >= first) & (self.rows < first + len(outlines))
        own_column[self.rows[inside] - first] = np.flatnonzero(inside)
        described = np.concatenate(
            [
                _describe(outlines[start : start + ROWS_AT_ONCE], self.outlines, self.behaviour, own_column[start:])
                for start in range(0, len(outlines), ROWS_AT_ONCE)
            ]
        )
        return dict(zip(LIKENESS_FEATURES, described.T, strict=True))


def choose_relatives(beat: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Choose the rows (k,) of the reference beats, among rows of which `beat` (n,) are beats."""
    rows = np.flatnonzero(beat)
    return rows[np.unique(np.linspace(0, len(rows) - 1, min(len(rows), REFERENCE_BEATS)).astype(np.int64))]


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


def _outlines(cuts: Cuts) -> NDArray[np.float32]:
    """All leads of a beat's QRS and ST as one vector of length 1, (n, 112 x leads), whose products are correlations."""
    parts = [cut.samples[:, QRS_T] - cut.samples[:, QRS_T].mean(axis=1, keepdims=True) for cut in cuts.leads]
    outlines = np.concatenate(parts, axis=1).astype(np.float32)
    outlines /= np.linalg.norm(outlines, axis=1, keepdims=True) + np.float32(1e-9)
    return outlines
