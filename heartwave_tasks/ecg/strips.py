"""Strips: a recording reduced so that any stretch of it can be drawn from few numbers, without losing a spike."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

MISSING: Final = -32_768
"""Stands for a sample that was not recorded, in µV."""

FACTOR: Final = 8
"""Every level of a pyramid holds the extremes of this many entries of the one below."""

SMALLEST_LEVEL: Final = 4_096
"""A level this short needs none above it."""

_MICROVOLTS_PER_MILLIVOLT: Final = 1000.0


def to_microvolts(samples: NDArray[np.floating]) -> NDArray[np.int16]:
    """Round samples in mV to int16 µV of the same shape, clipped to ±32.767 mV; NaN becomes `MISSING`."""
    finite = np.isfinite(samples)
    whole = bool(finite.all())
    scaled = (samples if whole else np.where(finite, samples, 0.0)) * _MICROVOLTS_PER_MILLIVOLT
    np.clip(np.rint(scaled, out=scaled), MISSING + 1, -(MISSING + 1), out=scaled)
    microvolts: NDArray[np.int16] = scaled.astype(np.int16)
    if not whole:
        microvolts[~finite] = MISSING
    return microvolts


def extremes(entries: NDArray[np.int16], n_columns: int, per_column: int) -> NDArray[np.int16]:
    """Reduce samples (n,) or extremes (n, 2) to the lowest and highest (n_columns, 2) of every ``per_column``."""
    low, high = (entries[:, 0], entries[:, 1]) if entries.ndim == 2 else (entries, entries)  # noqa: PLR2004
    if len(low) == n_columns * per_column and low.min(initial=0) != MISSING:
        # Rows are short: looking across all of them at once is several times as fast as along each.
        lows = np.ascontiguousarray(low.reshape(n_columns, per_column).T)
        highs = lows if high is low else np.ascontiguousarray(high.reshape(n_columns, per_column).T)
        return np.column_stack([lows.min(axis=0), highs.max(axis=0)])
    filled = np.full((2, n_columns * per_column), MISSING, dtype=np.int16)
    filled[0, : len(low)], filled[1, : len(high)] = low, high
    lows = np.where(filled[0] == MISSING, -(MISSING + 1), filled[0]).reshape(n_columns, per_column).min(axis=1)
    highs = filled[1].reshape(n_columns, per_column).max(axis=1)
    lows = np.where(highs == MISSING, MISSING, lows)
    return np.column_stack([lows, highs]).astype(np.int16)
