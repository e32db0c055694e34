"""Context features: every beat described relative to its own recording."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

CONTEXT_FEATURES: Final = ("rr_previous_over_mean", "rr_next_over_mean")
"""Names of the columns of `context`."""


def rr_intervals(
    time_s: NDArray[np.float64], beat: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Seconds to the beat before and to the beat after each row, float64 (n,) each; NaN where there is none.

    Rows that are not beats get intervals to the beats around them and are never anyone's neighbour.
    """
    times = time_s[beat]
    before = np.searchsorted(times, time_s, side="left") - 1
    after = np.searchsorted(times, time_s, side="right")
    padded = np.concatenate([[np.nan], times, [np.nan]])
    return time_s - padded[before + 1], padded[after + 1] - time_s


def context(
    filtered: NDArray[np.floating],
    positions: NDArray[np.int64],
    beat: NDArray[np.bool_],
    time_s: NDArray[np.float64],
) -> NDArray[np.float32]:
    """Describe every row relative to the recording; float32 (n, len(CONTEXT_FEATURES)).

    Parameters
    ----------
    filtered
        (n_samples, 1 or 2) signals at 360 Hz: analysis lead, second lead.
    positions
        int64 (n,) R peaks in `filtered`.
    beat
        bool (n,), False for marks, which never influence the features of beats.
    time_s
        float64 (n,) exact times of the R peaks.
    """
    del filtered, positions
    previous, following = rr_intervals(time_s, beat)
    mean = np.nanmean(previous[beat])
    return np.column_stack([previous / mean, following / mean]).astype(np.float32)
