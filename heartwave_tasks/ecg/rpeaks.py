"""R peaks of recordings that nobody annotated, by all leads that are analysed.

Every lead votes with the weight its clarity gives it, moment by moment: a lead in which beats hardly stand out of
noise is not asked, and comes back when it is clear again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
from scipy import ndimage

from heartwave_tasks.ecg.envelopes import EVERY, LOWEST_LEVEL_MV, RATE, WINDOW, spread
from heartwave_tasks.ecg.signals import SAMPLING_FREQUENCY

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from heartwave_tasks.ecg.envelopes import Envelope
    from heartwave_tasks.ecg.stretches import Stretch

DETECTOR: Final = "heartwave-envelope 1"
"""Name and version of the detector, stored with every recording it was used on."""

CLARITY_POWER: Final = 3.0
"""A lead with twice the noise has an eighth of the weight."""

CLEANEST_FLOOR: Final = 0.03
"""Below this, less noise makes a lead no clearer."""

TALLEST: Final = 1.5
"""Of a higher envelope no more than this counts: one lead's artefact does not outvote the other."""

THRESHOLD: Final = (0.2, 1.1)
"""A peak is a beat from 0.2 + 1.1 x noise on, in units of the level of the beats around ..."""

THRESHOLD_LIMITS: Final = (0.25, 0.5)
"""... between these."""

LOWEST_PEAK: Final = 0.12
"""Peaks below are never looked at."""

REFRACTORY_S: Final = 0.2
"""No two beats are closer (EC57 allows for 300 beats per minute)."""

LONG_RR: Final = 1.66
"""An interval this many times the usual one is searched again, after Pan and Tompkins 1985 ..."""

SEARCHED_AGAIN: Final = 0.6
"""... with this share of the threshold."""

USUAL_RR_BEATS: Final = 9
"""Intervals whose median is the usual one, centred."""

LEAST_SAY: Final = 0.05
"""Weight of the analysis lead below which another lead's R peaks are taken."""

_NEAR_S: Final = (0.36, 0.3)  # of the beats before and after: no place for one that was missed
_PEAK_S: Final = 0.08  # an R peak lies this near to the middle of its QRS complex's energy
_FEWEST: Final = 4


def detect_r_peaks(stretch: Stretch, envelope: Envelope, leads: tuple[int, ...]) -> NDArray[np.int64]:
    """Find the R peaks in a stretch: int64 (k,), rising samples of the recording at 360 Hz.

    `leads` are those that vote; the peaks are the first one's, where it shows any.
    """
    from scipy import signal  # noqa: PLC0415 - half a second that annotated recordings save

    columns = list(leads)
    weight = _weigh(envelope, columns)
    height = (np.minimum(envelope.height[:, columns], TALLEST) * weight).sum(axis=1)
    noise = (spread(envelope.floor[:, columns], RATE, len(weight)) * weight).sum(axis=1)
    peaks, _ = signal.find_peaks(height, distance=int(REFRACTORY_S * RATE), height=LOWEST_PEAK)
    threshold = np.clip(THRESHOLD[0] + THRESHOLD[1] * noise[peaks], *THRESHOLD_LIMITS)
    beats = _search_again(peaks, height[peaks], threshold)
    places = envelope.start + EVERY * beats
    beats = beats[(places >= stretch.first) & (places < stretch.last)]
    places = envelope.start + EVERY * beats - stretch.start
    moved = _move_to_peak(stretch.filtered[:, columns[0]], places)
    for voter, column in enumerate(columns[1:], start=1):
        # Where the first lead has no say, its largest deflection is noise.
        stands_in = (weight[beats, 0] < LEAST_SAY) & (weight[beats].argmax(axis=1) == voter)
        moved[stands_in] = _move_to_peak(stretch.filtered[:, column], places[stands_in])
    recorded = ~stretch.missing[moved][:, columns].all(axis=1)
    return np.unique(moved[recorded]) + stretch.start


def _weigh(envelope: Envelope, columns: list[int]) -> NDArray[np.float64]:
    """Weigh every lead's vote, moment by moment: (m, len(columns)), 1 in all, or 0 where no lead shows a heart."""
    length = len(envelope.height)
    floor = spread(envelope.floor[:, columns], RATE, length)
    weight = np.maximum(floor, CLEANEST_FLOOR) ** -CLARITY_POWER
    weight[spread(envelope.level[:, columns], WINDOW, length) < LOWEST_LEVEL_MV] = 0.0
    total = weight.sum(axis=1)
    weight /= np.where(total > 0.0, total, 1.0)[:, None]
    return weight


def _search_again(
    peaks: NDArray[np.int64], height: NDArray[np.float64], threshold: NDArray[np.float64]
) -> NDArray[np.int64]:
    """Return the peaks above their threshold, and the highest in an interval that is too long for there being none."""
    found = height >= threshold
    beats = peaks[found]
    if len(beats) < _FEWEST:
        return beats
    intervals = np.diff(beats)
    usual = ndimage.median_filter(intervals, USUAL_RR_BEATS, mode="nearest")
    possible = ~found & (height > SEARCHED_AGAIN * threshold)
    missed = []
    for gap in np.flatnonzero(intervals > LONG_RR * usual):
        within = (peaks > beats[gap] + _NEAR_S[0] * RATE) & (peaks < beats[gap + 1] - _NEAR_S[1] * RATE) & possible
        candidates = np.flatnonzero(within)
        if len(candidates):
            missed.append(peaks[candidates[height[candidates].argmax()]])
    return np.sort(np.concatenate([beats, np.array(missed, dtype=np.int64)]))


def _move_to_peak(lead: NDArray[np.float32], places: NDArray[np.int64]) -> NDArray[np.int64]:
    """Move (k,) places to the largest deflection near them."""
    reach = int(_PEAK_S * SAMPLING_FREQUENCY)
    near = np.clip(places[:, None] + np.arange(-reach, reach + 1), 0, len(lead) - 1)
    moved: NDArray[np.int64] = (
        near[np.arange(len(places)), np.abs(lead[near]).argmax(axis=1)] if len(places) else places
    )
    return moved
