"""Envelopes: how much of what a lead holds, moment by moment, is fast enough to be a QRS complex.

Both the search for R peaks and the judgement of noise start here, so both agree on what a heartbeat stands out from.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from scipy import ndimage

from heartwave_tasks.ecg.recursive_filters import RecursiveFilter
from heartwave_tasks.ecg.signals import SAMPLING_FREQUENCY

if TYPE_CHECKING:
    from typing import Self

    from numpy.typing import NDArray

    from heartwave_tasks.ecg.stretches import Stretch

EVERY: Final = 3
"""Of the filtered samples at 360 Hz every third is taken: nothing above 40 Hz is left in them."""

RATE: Final = int(SAMPLING_FREQUENCY) // EVERY
"""Rate of an envelope in Hz."""

QRS_BAND: Final = RecursiveFilter.of(
    (0.1802164825067537, 0.3604329650135074, 0.1802164825067537, -0.2882862210010506, 0.3129583876647635),
    (1.0, -2.0, 1.0, -1.5833228902493788, 0.6872667156147719),
)
"""Butterworth band-pass of order 2, 6 to 28 Hz at 120 Hz, as `scipy.signal.butter` designs it: it holds most of a QRS
complex, narrow or wide, and little of P and T waves."""

WIDTH: Final = 13
"""Samples (0.1 s) of a QRS complex whose energy is summed, then smoothed over half of that."""

WINDOW: Final = 3 * RATE // 2
"""Samples (1.5 s) among which there is a heartbeat, as a rule: the highest of each shows how high beats are."""

WINDOWS_AROUND: Final = 13
"""Windows whose median is the level of a lead's beats, centred: 20 s, in which a few ectopic beats do not count."""

SECONDS_AROUND: Final = 9
"""Seconds over which noise is averaged, centred."""

LOWEST_LEVEL_MV: Final = 0.015
"""Level below which a lead shows no heart: the QRS complexes of a healthy one have ten times that."""

_GRID: Final = 3 * int(SAMPLING_FREQUENCY)  # seconds and windows begin together every 3 s


@dataclass(frozen=True)
class Envelope:
    """Envelopes of all leads of a stretch and its surroundings.

    Attributes
    ----------
    start
        The recording's sample at 360 Hz that the arrays begin with.
    height
        float64 (m, n_leads) at `RATE`: the envelope, in units of the level of the beats around.
    highest, level
        float64 (n_windows, n_leads) in mV: highest moment of every window, and level of the beats around it.
    floor
        float64 (n_seconds, n_leads): usual height between beats around every second; near 0.05 in a clean lead, and
        ever nearer to 1 as beats sink into noise.
    """

    start: int
    height: NDArray[np.float64]
    highest: NDArray[np.float64]
    level: NDArray[np.float64]
    floor: NDArray[np.float64]

    @classmethod
    def of(cls, stretch: Stretch) -> Self:
        """Take the envelopes of a stretch."""
        start = -(-stretch.start // _GRID) * _GRID
        thinned = np.ascontiguousarray(stretch.filtered[start - stretch.start :: EVERY], dtype=np.float64)
        band = np.ascontiguousarray(QRS_BAND.run(thinned, RATE).T)
        energy = ndimage.uniform_filter1d(band * band, WIDTH)
        energy = ndimage.uniform_filter1d(energy, WIDTH // 2 | 1)
        height = np.sqrt(np.maximum(energy, 0.0))
        highest = _pieces(height, WINDOW).max(axis=2).T
        level = ndimage.median_filter(highest, (WINDOWS_AROUND, 1), mode="nearest")
        height /= np.maximum(spread(level, WINDOW, height.shape[1]), LOWEST_LEVEL_MV).T
        # As `numpy.median`: sorting short rows is quicker.
        ranked = np.sort(_pieces(height, RATE), axis=2)
        between = ranked[:, :, RATE // 2 - 1 : RATE // 2 + 1].mean(axis=2).T
        floor = ndimage.uniform_filter1d(between, SECONDS_AROUND, axis=0, mode="nearest")
        return cls(start, height.T, highest, level, floor)


def spread(values: NDArray[np.float64], width: int, length: int) -> NDArray[np.float64]:
    """Draw lines through values (k, n_leads) in the middle of pieces of `width` samples, (length, n_leads)."""
    centres = (np.arange(len(values)) + 0.5) * width
    index = np.arange(length)
    return np.column_stack([np.interp(index, centres, lead) for lead in values.T])


def _pieces(leads: NDArray[np.float64], width: int) -> NDArray[np.float64]:
    """Cut (n_leads, m) into pieces (n_leads, k, width); the last sample goes on to the end of the last."""
    count = -(-leads.shape[1] // width)
    padded = np.pad(leads, ((0, 0), (0, count * width - leads.shape[1])), mode="edge")
    return padded.reshape(len(leads), count, width)
