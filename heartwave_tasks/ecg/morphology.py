"""Morphology: the original project's 36 engineered features of a beat's window, for all beats at once.

Two of them are mended: `n_peaks` was the same for every beat, and the R peak was the greatest sample of the window,
which a tall T wave or a negative QRS complex is not.

References
----------
HeartWaveML, the project HeartWave grows from (the list of features).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from heartwave_tasks.ecg.signals import SAMPLING_FREQUENCY

if TYPE_CHECKING:
    from numpy.typing import NDArray

SEGMENTS: Final = 5
"""Equal parts a window is cut into."""

R_SEARCH_SAMPLES: Final = 18
"""Samples (50 ms at 360 Hz) on either side of the R peak's place in which its amplitude is looked for."""

PEAK_HEIGHT: Final = 0.5
"""Standard deviations above the mean from which a local maximum is a peak and not noise."""

SEGMENT_MEASURES: Final = ("mean", "std", "area")

MORPHOLOGY_FEATURES: Final = (
    "mean",
    "std",
    "variance",
    "median",
    "median_deviation",
    "skewness",
    "kurtosis",
    "maximum",
    "minimum",
    "range",
    "peak_to_peak",
    "energy",
    "power",
    "rms",
    "zero_crossings",
    "mean_crossings",
    "r_over_std",
    "n_peaks",
    "r_amplitude",
    "r_position",
    "area",
    *(f"segment{number}_{measure}" for number in range(1, SEGMENTS + 1) for measure in SEGMENT_MEASURES),
)
"""Names of the columns of `describe_windows`, in order."""

_TINY: Final = 1e-9
_ROWS_AT_ONCE: Final = 8192


def describe_windows(windows: NDArray[np.floating], r_peak_index: int) -> NDArray[np.float32]:
    """Describe windows (n, k) in mV at 360 Hz, R peaks near `r_peak_index`; float32 (n, 36), `MORPHOLOGY_FEATURES`.

    Areas are those under the absolute signal, in mV s; `r_position` is in samples from the window's start;
    `range` lies between the 5th and 95th percentile, `peak_to_peak` between the extremes. A flat window gives zeros
    where a quotient by its deviation is asked for.
    """
    parts = [
        _describe(windows[start : start + _ROWS_AT_ONCE].astype(np.float32), r_peak_index)
        for start in range(0, len(windows), _ROWS_AT_ONCE)
    ]
    return np.concatenate(parts) if parts else np.empty((0, len(MORPHOLOGY_FEATURES)), dtype=np.float32)


def _describe(windows: NDArray[np.float32], r_peak_index: int) -> NDArray[np.float32]:
    n_samples = windows.shape[1]
    mean = windows.mean(axis=1)
    centred = windows - mean[:, None]
    squares = centred * centred
    variance = squares.mean(axis=1)
    std = np.sqrt(variance)
    scale = np.maximum(std, _TINY)
    ordered = np.sort(windows, axis=1)
    median = ordered[:, n_samples // 2]
    deviation = np.partition(np.abs(windows - median[:, None]), n_samples // 2, axis=1)[:, n_samples // 2]
    low, high = (ordered[:, round(share * (n_samples - 1))] for share in (0.05, 0.95))
    energy = (windows * windows).sum(axis=1)
    power = energy / n_samples
    amplitude, position = _r_peak(windows, centred, r_peak_index)
    columns = [
        mean,
        std,
        variance,
        median,
        deviation,
        (squares * centred).mean(axis=1) / scale**3,
        np.where(std > _TINY, (squares * squares).mean(axis=1) / scale**4 - 3, 0),
        ordered[:, -1],
        ordered[:, 0],
        high - low,
        ordered[:, -1] - ordered[:, 0],
        energy,
        power,
        np.sqrt(power),
        _crossings(windows),
        _crossings(centred),
        np.where(std > _TINY, amplitude / scale, 0),
        _count_peaks(windows, mean + np.float32(PEAK_HEIGHT) * std),
        amplitude,
        position,
        _area(windows),
    ]
    for part in np.array_split(windows, SEGMENTS, axis=1):
        columns += [part.mean(axis=1), part.std(axis=1), _area(part)]
    return np.column_stack(columns).astype(np.float32)


def _r_peak(
    windows: NDArray[np.float32], centred: NDArray[np.float32], r_peak_index: int
) -> tuple[NDArray[np.floating], NDArray[np.integer]]:
    """Amplitude (n,) in mV and place (n,) of the sample farthest from the mean around the R peak's place."""
    start = max(0, r_peak_index - R_SEARCH_SAMPLES)
    near = np.abs(centred[:, start : r_peak_index + R_SEARCH_SAMPLES + 1])
    position = start + near.argmax(axis=1)
    return windows[np.arange(len(windows)), position], position


def _crossings(windows: NDArray[np.float32]) -> NDArray[np.int64]:
    above = windows > 0
    crossings: NDArray[np.int64] = (above[:, 1:] != above[:, :-1]).sum(axis=1)
    return crossings


def _count_peaks(windows: NDArray[np.float32], height: NDArray[np.float32]) -> NDArray[np.int64]:
    inner = windows[:, 1:-1]
    peaks: NDArray[np.int64] = ((inner > windows[:, :-2]) & (inner >= windows[:, 2:]) & (inner > height[:, None])).sum(
        axis=1
    )
    return peaks


def _area(windows: NDArray[np.float32]) -> NDArray[np.floating]:
    area: NDArray[np.floating] = np.abs(windows).sum(axis=1) / np.float32(SAMPLING_FREQUENCY)
    return area
