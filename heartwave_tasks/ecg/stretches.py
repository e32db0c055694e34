"""Stretches: a recording of any length, ten minutes at a time, as if it had been filtered in one piece.

Every stretch is read with so much before and after it that neither the filters nor the search for R peaks can tell
where it was cut: what is found does not depend on how long stretches are, and memory does not on how long recordings.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING, Final

import numpy as np

from heartwave_tasks.ecg import signals

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from heartwave_tasks.ecg.recordings import Recording

STRETCH_S: Final = 600.0
"""Length of a stretch; divides into the seconds and windows that levels and noise are taken over."""

MARGIN_S: Final = 40.0
"""Read on either side of a stretch: levels look 10 s ahead, RR intervals a few beats, the filters 5 s."""

MOST_VALUES: Final = 30_000_000
"""Samples of all leads that a stretch is made of at most; where rates and leads are many, it is shorter."""

_SHORTEST_S: Final = 30.0


@dataclass(frozen=True)
class Stretch:
    """Part of a recording at 360 Hz, with its surroundings.

    Attributes
    ----------
    first, last
        The stretch itself, in samples of the whole recording at 360 Hz: ``[first, last)``.
    start
        The recording's sample that the arrays begin with.
    samples, filtered
        float64 and float32 (m, n_leads) in mV: gaps bridged, before and after the analysis filter.
    missing
        bool (m, n_leads): nothing was recorded.
    """

    first: int
    last: int
    start: int
    samples: NDArray[np.float64]
    filtered: NDArray[np.float32]
    missing: NDArray[np.bool_]

    @property
    def inner(self) -> slice:
        """The stretch itself, without its surroundings, in the arrays."""
        return slice(self.first - self.start, self.last - self.start)


def count_samples(recording: Recording) -> int:
    """Count the samples a recording has at 360 Hz."""
    return ceil(recording.signals.n_samples * signals.steps(recording.sampling_frequency))


def read_stretches(recording: Recording, stretch_s: float = STRETCH_S) -> Iterator[Stretch]:
    """Read a recording from its beginning to its end, `stretch_s` seconds at a time."""
    most_s = MOST_VALUES / (recording.sampling_frequency * recording.signals.n_leads)
    # Whole multiples of the 3 s after which seconds and windows begin together.
    length = int(max(min(stretch_s, most_s), _SHORTEST_S)) // 3 * 3 * int(signals.SAMPLING_FREQUENCY)
    n_samples = count_samples(recording)
    for first in range(0, n_samples, length):
        yield read_stretch(recording, first, min(first + length, n_samples))


def read_stretch(recording: Recording, first: int, last: int) -> Stretch:
    """Read samples ``[first, last)`` at 360 Hz, filtered, with their surroundings."""
    ratio = signals.steps(recording.sampling_frequency)
    margin = int(MARGIN_S * signals.SAMPLING_FREQUENCY)
    # The sample at 360 Hz that the answer begins with lies exactly on one of the recording's own.
    whole = max(first - margin, 0) // ratio.numerator
    until = min(ceil((last + margin) / ratio), recording.signals.n_samples)
    read = recording.signals.read(whole * ratio.denominator, until)
    return _filtered(read, recording.sampling_frequency, first, last, whole * ratio.numerator)


def read_side_by_side(recording: Recording, places: NDArray[np.int64], length: int) -> Stretch:
    """Read `length` samples at 360 Hz from each of some places on, as if all leads of all places were one recording's.

    Filtering many short pieces at once takes a fraction of the time. The arrays are (m, n_places x n_leads), the leads
    of the first place first; where the rates do not meet, a piece begins up to half a sample beside its place.
    """
    ratio = signals.steps(recording.sampling_frequency)
    begins = [round(int(place) / ratio) for place in places]
    n_samples = min(ceil(length / ratio), recording.signals.n_samples - max(begins))
    read = np.hstack([recording.signals.read(begin, begin + n_samples) for begin in begins])
    return _filtered(read, recording.sampling_frequency, 0, length, 0)


def _filtered(read: NDArray[np.floating], sampling_frequency: float, first: int, last: int, start: int) -> Stretch:
    samples = signals.resample(signals.fill_gaps(read, sampling_frequency), sampling_frequency)
    absent = ~np.isfinite(read)
    missing = np.zeros(samples.shape, dtype=np.bool_)
    if absent.any():
        ratio = signals.steps(sampling_frequency)
        nearest = np.minimum(np.rint(np.arange(len(samples)) / float(ratio)).astype(np.int64), len(read) - 1)
        missing = absent[nearest]
    return Stretch(first, last, start, samples, signals.filter_signals(samples), missing)
