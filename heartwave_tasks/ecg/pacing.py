"""Pacing: the spike a pacemaker leaves before the beat it starts.

In a paced recording the dominant beat is a paced one, so nothing relative to it tells that it is paced. The spike
does: it is sharper than any heartbeat, and a paced QRS complex is slow. Below 100 Hz only a remnant of it is left.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Final

import numpy as np

from heartwave_tasks.ecg.shapes import windows_of
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

REACH: Final = 64
"""Samples on either side that the filter's answer to a sample extends to; beyond it is less than 1e-8 of it."""

PIECE: Final = 30
"""Samples that are filtered at a time; divides both stretches."""

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
    columns: list[NDArray[np.floating]] = []
    for lead in range(samples.shape[1]):
        near, calm = (_sharp(samples[:, lead], positions, edges) for edges in (SPIKE_SEARCH, QUIET))
        peak = near.max(axis=1)
        steps = np.diff(_around(filtered[:, lead], positions, SPIKE_SEARCH), axis=1)
        slope = np.maximum(steps.max(axis=1), -steps.min(axis=1))
        qrs = _around(filtered[:, lead], positions[beat], QRS)
        height = float(np.median(qrs.max(axis=1) - qrs.min(axis=1))) or 1.0
        quiet = np.sqrt(np.vecdot(calm, calm) / calm.shape[1])
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


def _sharp(lead: NDArray[np.floating], positions: NDArray[np.int64], edges: tuple[int, int]) -> NDArray[np.float64]:
    """Size of what is above `SPIKE_HZ`, (n, edges[1] - edges[0]), around positions (n,) of an unfiltered lead.

    A zero-phase Butterworth filter hardly reaches further than 0.2 s, so only stretches around the beats are filtered
    instead of the whole recording: a product of matrices, `PIECE` samples at a time, as larger ones are mostly zeros.
    """
    around = _around(lead, positions, (edges[0] - REACH, edges[1] + REACH)).astype(np.float64)
    sharp = np.empty((len(positions), edges[1] - edges[0]))
    for first in range(0, sharp.shape[1], PIECE):
        np.matmul(around[:, first : first + PIECE + 2 * REACH], _response(), out=sharp[:, first : first + PIECE])
    return np.abs(sharp, out=sharp)


@cache
def _response() -> NDArray[np.float64]:
    """Return what a stretch (PIECE + 2 REACH,) is multiplied with to filter the samples in its middle (PIECE,)."""
    from scipy import signal  # noqa: PLC0415 - half a second that scoring saves

    sections = signal.butter(4, SPIKE_HZ, btype="highpass", fs=SAMPLING_FREQUENCY, output="sos")
    response = signal.sosfiltfilt(sections, np.eye(1, 8 * REACH + 1, 4 * REACH)[0], padlen=0)
    response = response[3 * REACH : 5 * REACH + 1]
    matrix = np.zeros((PIECE + 2 * REACH, PIECE))
    for sample in range(PIECE):
        matrix[sample : sample + len(response), sample] = response
    return matrix


def _around(lead: NDArray[np.floating], positions: NDArray[np.int64], edges: tuple[int, int]) -> NDArray[np.floating]:
    """Cut (n, edges[1] - edges[0]) around positions (n,); beyond the recording its first and last samples go on."""
    return windows_of(lead, max(-edges[0], 0), max(edges[1], 0))[positions][:, max(edges[0], 0) :]
