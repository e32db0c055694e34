"""Signals: which leads to read, at which rate, and without baseline wander and noise."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

SAMPLING_FREQUENCY: Final = 360.0
"""Rate every recording is analysed at, in Hz (MIT-BIH's own)."""

PASS_BAND_HZ: Final = (0.5, 40.0)
"""Below lies baseline wander, above lies muscle noise and mains hum."""

LEAD_PREFERENCE: Final = ("MLII", "II", "ML2", "MLI", "I", "MLIII", "III", "V5", "V4", "V6", "V2", "V3", "V1", "AVF")
"""Leads the analysis prefers, best first; the R wave is upright and tall in the first ones."""

_NAME_PREFIXES: Final = ("ECG ", "EKG ", "LEAD ")


def choose_leads(lead_names: Sequence[str]) -> tuple[int, ...]:
    """Choose the analysis lead, and a second one where there is one, by name; columns in that order.

    Names are compared without case and without a prefix such as ``ECG``; unknown names come last, in file order.
    """
    ranks = {name: rank for rank, name in enumerate(LEAD_PREFERENCE)}
    order = sorted(range(len(lead_names)), key=lambda column: ranks.get(_plain(lead_names[column]), len(ranks)))
    return tuple(order[:2])


def fill_gaps(samples: NDArray[np.floating]) -> NDArray[np.float32]:
    """Bridge missing samples (NaN, infinite) of (n_samples, n_leads) by straight lines; empty leads become zero."""
    filled = np.asarray(samples, dtype=np.float32)
    finite = np.isfinite(filled)
    if finite.all():
        return filled
    filled = filled.copy()
    index = np.arange(len(filled))
    for lead in range(filled.shape[1]):
        known = finite[:, lead]
        filled[~known, lead] = np.interp(index[~known], index[known], filled[known, lead]) if known.any() else 0.0
    return filled


def resample(samples: NDArray[np.floating], sampling_frequency: float) -> NDArray[np.float32]:
    """Bring signals (n_samples, n_leads) to 360 Hz behind a zero-phase anti-alias filter, gaps bridged.

    Sample i of the answer lies at exactly ``i / 360`` seconds, so a time maps to the same time.
    """
    from scipy import signal  # noqa: PLC0415 - half a second that scoring saves

    filled = fill_gaps(samples)
    ratio = Fraction(SAMPLING_FREQUENCY / sampling_frequency).limit_denominator(10_000)
    if ratio == 1:
        return filled
    up_down = ratio.numerator, ratio.denominator
    return signal.resample_poly(filled, *up_down, axis=0, padtype="line").astype(np.float32)


def filter_signals(samples: NDArray[np.floating]) -> NDArray[np.float32]:
    """Take baseline wander and noise out of whole signals (n_samples, n_leads) in mV at 360 Hz, without delay.

    A Butterworth band-pass run forwards and backwards in double precision: second-order sections at 0.5 Hz lose
    their baseline in single precision.
    """
    from scipy import signal  # noqa: PLC0415 - half a second that scoring saves

    sections = signal.butter(2, PASS_BAND_HZ, btype="bandpass", fs=SAMPLING_FREQUENCY, output="sos")
    padding = min(len(samples) - 1, int(2 * SAMPLING_FREQUENCY))
    filtered = signal.sosfiltfilt(sections, np.asarray(samples, dtype=np.float64), axis=0, padlen=padding)
    return filtered.astype(np.float32)


def _plain(lead_name: str) -> str:
    name = lead_name.strip().upper()
    for prefix in _NAME_PREFIXES:
        name = name.removeprefix(prefix)
    return name
