"""Signals: which leads to read, at which rate, and without baseline wander and noise."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Final

import numpy as np

from heartwave_tasks.ecg.recursive_filters import RecursiveFilter

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

SAMPLING_FREQUENCY: Final = 360.0
"""Rate every recording is analysed at, in Hz (MIT-BIH's own)."""

PASS_BAND: Final = RecursiveFilter.of(
    (0.0787623532949336, 0.1575247065898672, 0.0787623532949336, -1.0670924286357562, 0.3842342474414504),
    (1.0, -2.0, 1.0, -1.9876642211058113, 0.9877417210094565),
)
"""Butterworth band-pass of order 2, 0.5 to 40 Hz at 360 Hz, as `scipy.signal.butter` designs it: below lies baseline
wander, above lie muscle noise and mains hum."""

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
    ratio = steps(sampling_frequency)
    if ratio == 1:
        return samples
    from scipy import signal  # noqa: PLC0415 - half a second that recordings at 360 Hz save

    up, down = ratio.numerator, ratio.denominator
    # Ends that go on as they are: other ways of padding make every sample depend on where the signal was cut.
    resampled: NDArray[np.float64] = signal.resample_poly(samples, up, down, axis=0, padtype="edge")
    return resampled


def filter_signals(samples: NDArray[np.floating]) -> NDArray[np.float32]:
    """Take baseline wander and noise out of signals (n_samples, n_leads) in mV at 360 Hz, without delay.

    Forwards and backwards in double precision: at 0.5 Hz, single precision loses the baseline.
    """
    exact = np.ascontiguousarray(samples, dtype=np.float64)
    return PASS_BAND.run(exact, int(2 * SAMPLING_FREQUENCY)).astype(np.float32)


def _plain(lead_name: str) -> str:
    name = lead_name.strip().upper()
    for prefix in _NAME_PREFIXES:
        name = name.removeprefix(prefix)
    return name
