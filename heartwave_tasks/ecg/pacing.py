"""Pacing: the spike a pacemaker leaves before the beat it starts.

In a paced recording the dominant beat is a paced one, so nothing relative to it tells that it is paced. The spike
does: it is sharper than any heartbeat, and a paced QRS complex is slow. Below 100 Hz only a remnant of it is left.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
from scipy import signal

from heartwave_tasks.ecg.signals import SAMPLING_FREQUENCY

if TYPE_CHECKING:
    from numpy.typing import NDArray

SPIKE_HZ: Final = 45.0
"""Above it lies what the analysis filter takes out and a spike mostly consists of."""

SPIKE_SEARCH: Final = (-60, 30)
"""Samples from the R peak in which the sharpest moment is looked for."""

QUIET: Final = (60, 120)
"""Samples from the R peak in which nothing sharp is expected."""

QRS: Final = (-30, 36)
"""Samples from the R peak that hold the QRS complex."""

SPIKE_MEASURES: Final = ("spike_over_slope", "spike_over_height", "spike_over_quiet", "spike_lag")
PACING_FEATURES: Final = (*SPIKE_MEASURES, *(f"second_{name}" for name in SPIKE_MEASURES))
"""Names of the columns of `describe_pacing`: log ratios without a unit, and where the spike lies, for both leads."""

_TINY: Final = 1e-9


def describe_pacing(
    samples: NDArray[np.floating],
    filtered: NDArray[np.floating],
    positions: NDArray[np.int64],
    beat: NDArray[np.bool_],
) -> dict[str, NDArray[np.floating]]:
    """Describe the sharpest moment of every row, by name in `PACING_FEATURES`, (n,) each; NaN without a second lead.

    Parameters
    ----------
    samples, filtered
        (n_samples, 1 or 2) signals at 360 Hz before and after the analysis filter.
    positions, beat
        int64 (n,) R peaks, bool (n,) which of them are beats.
    """
    sections = signal.butter(4, SPIKE_HZ, btype="highpass", fs=SAMPLING_FREQUENCY, output="sos")
    padding = min(len(samples) - 1, int(SAMPLING_FREQUENCY))
    columns: list[NDArray[np.floating]] = []
    for lead in range(samples.shape[1]):
        sharp = np.abs(signal.sosfiltfilt(sections, samples[:, lead].astype(np.float64), padlen=padding))
        near = _around(sharp, positions, SPIKE_SEARCH)
        peak = near.max(axis=1)
        slope = np.abs(np.diff(_around(filtered[:, lead], positions, SPIKE_SEARCH), axis=1)).max(axis=1)
        height = float(np.median(np.ptp(_around(filtered[:, lead], positions[beat], QRS), axis=1))) or 1.0
        quiet = np.sqrt((_around(sharp, positions, QUIET) ** 2).mean(axis=1))
        floor = _TINY * height
        columns += [
            np.log((peak + floor) / (slope + floor)),
            np.log((peak + floor) / height),
            np.log((peak + floor) / (quiet + floor)),
            near.argmax(axis=1) + float(SPIKE_SEARCH[0]),
        ]
    absent = np.full(len(positions), np.nan)
    columns += [absent] * (len(PACING_FEATURES) - len(columns))
    return dict(zip(PACING_FEATURES, columns, strict=True))


def _around(lead: NDArray[np.floating], positions: NDArray[np.int64], edges: tuple[int, int]) -> NDArray[np.floating]:
    """Cut (n, edges[1] - edges[0]) around positions (n,); beyond the recording its last sample goes on."""
    cut: NDArray[np.floating] = lead[np.clip(positions[:, None] + np.arange(*edges), 0, len(lead) - 1)]
    return cut
