"""Signals: which leads to read, at which rate, and without baseline wander and noise."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Self

    from numpy.typing import NDArray

SAMPLING_FREQUENCY: Final = 360.0
"""Rate every recording is analysed at, in Hz (MIT-BIH's own)."""

PASS_BAND_HZ: Final = (0.5, 40.0)
"""Below lies baseline wander, above lies muscle noise and mains hum."""

LEAD_PREFERENCE: Final = ("MLII", "II", "ML2", "MLI", "I", "MLIII", "III", "V5", "V4", "V6", "V2", "V3", "V1", "AVF")
"""Leads the analysis prefers, best first; the R wave is upright and tall in the first ones."""

LONGEST_BRIDGE_S: Final = 20.0
"""A gap up to this long is bridged by a straight line. Of a longer one each half-bridge holds its end's level, so that
what is drawn across a gap never depends on samples further away."""

_NAME_PREFIXES: Final = ("ECG ", "EKG ", "LEAD ")
_MOST_STEPS: Final = (
    10_000  # denominators of rates that are no whole numbers: a beat moves by less than 1e-8 of its time
)


def order_leads(lead_names: Sequence[str]) -> tuple[int, ...]:
    """Order all leads by what the analysis prefers; columns, best first.

    Names are compared without case and without a prefix such as ``ECG``; unknown names come last, in file order.
    """
    ranks = {name: rank for rank, name in enumerate(LEAD_PREFERENCE)}
    return tuple(sorted(range(len(lead_names)), key=lambda column: ranks.get(_plain(lead_names[column]), len(ranks))))


def steps(sampling_frequency: float) -> Fraction:
    """Return the samples at 360 Hz for every one at `sampling_frequency`, as a fraction."""
    return Fraction(SAMPLING_FREQUENCY / sampling_frequency).limit_denominator(_MOST_STEPS)


def fill_gaps(samples: NDArray[np.floating], sampling_frequency: float) -> NDArray[np.float64]:
    """Bridge missing samples (NaN, infinite) of (n_samples, n_leads); what is known of no end becomes zero."""
    filled = np.array(samples, dtype=np.float64)
    finite = np.isfinite(filled)
    if finite.all():
        return filled
    longest = int(LONGEST_BRIDGE_S * sampling_frequency)
    index = np.arange(len(filled))
    for lead in np.flatnonzero(~finite.all(axis=0)):
        known = finite[:, lead]
        before = np.maximum.accumulate(np.where(known, index, -1))
        after = np.minimum.accumulate(np.where(known, index, len(index))[::-1])[::-1]
        missing = np.flatnonzero(~known)
        first, last = before[missing], after[missing]
        left = np.where(first >= 0, filled[first, lead], np.nan)
        right = np.where(last < len(index), filled[np.minimum(last, len(index) - 1), lead], np.nan)
        near_left, near_right = missing - first <= longest // 2, last - missing <= longest // 2
        short = (first >= 0) & (last < len(index)) & (last - first <= longest)
        line = left + (right - left) * (missing - first) / (last - first)
        held = np.where(near_left & (first >= 0), left, np.where(near_right & (last < len(index)), right, 0.0))
        filled[missing, lead] = np.where(short, line, held)
    return filled


def resample(samples: NDArray[np.float64], sampling_frequency: float) -> NDArray[np.float64]:
    """Bring signals (n_samples, n_leads) without gaps to 360 Hz behind a zero-phase anti-alias filter.

    Sample i of the answer lies at exactly ``i / 360`` seconds, so a time maps to the same time.
    """
    from scipy import signal  # noqa: PLC0415 - half a second that scoring saves

    ratio = steps(sampling_frequency)
    if ratio == 1:
        return samples
    up, down = ratio.numerator, ratio.denominator
    # Ends that go on as they are: other ways of padding make every sample depend on where the signal was cut.
    resampled: NDArray[np.float64] = signal.resample_poly(samples, up, down, axis=0, padtype="edge")
    return resampled


def filter_signals(samples: NDArray[np.floating]) -> NDArray[np.float32]:
    """Take baseline wander and noise out of signals (n_samples, n_leads) in mV at 360 Hz, without delay.

    A Butterworth band-pass run forwards and backwards in double precision: second-order sections at 0.5 Hz lose
    their baseline in single precision.
    """
    exact = np.ascontiguousarray(samples, dtype=np.float64)
    return BandPass.of(PASS_BAND_HZ, SAMPLING_FREQUENCY).run(exact, int(2 * SAMPLING_FREQUENCY)).astype(np.float32)


@dataclass(frozen=True)
class BandPass:
    """A Butterworth band-pass of order 2 that is run forwards and backwards: without delay.

    Attributes
    ----------
    sections, settled
        float64 (n_sections, 6), and (n_sections, 1, 2): its state when nothing but ones came in for ever.
    """

    sections: NDArray[np.float64]
    settled: NDArray[np.float64]

    @classmethod
    @cache
    def of(cls, edges_hz: tuple[float, float], sampling_frequency: float) -> Self:
        """Design the filter."""
        from scipy import signal  # noqa: PLC0415 - half a second that scoring saves

        sections = signal.butter(2, edges_hz, btype="bandpass", fs=sampling_frequency, output="sos")
        return cls(sections, signal.sosfilt_zi(sections)[:, None, :])

    def run(self, samples: NDArray[np.float64], padding: int) -> NDArray[np.float64]:
        """Filter samples (n_samples, n_leads), mirrored at their ends for `padding` of them, or as many as there are.

        The same to the last bit as SciPy's `sosfiltfilt`, which works out the settled state anew every time: for a few
        seconds of signal that takes longer than filtering them.
        """
        n_samples, n_leads = samples.shape
        padding = min(n_samples - 1, padding)
        before = 2 * samples[:1] - samples[padding:0:-1]
        after = 2 * samples[-1:] - samples[-2 : -(padding + 2) : -1]
        padded = np.concatenate([before, samples, after])
        # Two leads as one of complex numbers: at every step the filter waits for its own answer to the last one, and so
        # takes hardly longer for two. Real coefficients keep them apart, to the last bit.
        paired = n_leads // 2 * 2
        parts = [np.ascontiguousarray(padded[:, :paired]).view(np.complex128), padded[:, paired:]]
        filtered = [
            np.ascontiguousarray(self._there_and_back(part.T).T).view(np.float64) for part in parts if part.size
        ]
        return (filtered[0] if len(filtered) == 1 else np.hstack(filtered))[padding : padding + n_samples]

    def _there_and_back(self, leads: NDArray[Any]) -> NDArray[Any]:
        from scipy import signal  # noqa: PLC0415 - half a second that scoring saves

        there, _ = signal.sosfilt(self.sections, leads, zi=self.settled * leads[:, :1])
        back, _ = signal.sosfilt(self.sections, there[:, ::-1], zi=self.settled * there[:, -1:])
        filtered: NDArray[Any] = back[:, ::-1]
        return filtered


def _plain(lead_name: str) -> str:
    name = lead_name.strip().upper()
    for prefix in _NAME_PREFIXES:
        name = name.removeprefix(prefix)
    return name
