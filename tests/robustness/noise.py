"""Noise as electrodes pick it up, drawn: what MIT-BIH's noise stress test recorded, for machines without it.

After Moody, Muldrow and Mark, "A noise stress test for arrhythmia detectors", Computers in Cardiology 1984: signals are
clean for five minutes, then noisy and clean for two minutes in turn.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
from scipy import signal

if TYPE_CHECKING:
    from numpy.typing import NDArray

RATE: Final = 360
KINDS: Final = ("baseline wander", "muscle", "electrode motion")
_CLEAN_S, _TURN_S = 300, 120


def is_noisy(n_samples: int) -> NDArray[np.bool_]:
    """Tell which samples (n,) noise is added to."""
    seconds = np.arange(n_samples) / RATE - _CLEAN_S
    noisy: NDArray[np.bool_] = (seconds >= 0) & (seconds // _TURN_S % 2 == 0)
    return noisy


def draw_noise(kind: str, shape: tuple[int, int], seed: int) -> NDArray[np.float64]:
    """Draw noise (n_samples, n_leads) of mean square 1, each lead's its own."""
    random = np.random.default_rng(seed)
    if kind == "baseline wander":
        noise = _band(random.standard_normal(shape), 0.05, 0.6)
    elif kind == "muscle":
        swell = np.exp(_band(random.standard_normal(shape), 0.02, 0.5) * 0.6)
        noise = _band(random.standard_normal(shape), 8.0, 120.0) * swell
    else:
        # Steps that wear off, as an electrode is pulled and settles, and what is like QRS complexes in it.
        pulls = random.standard_normal(shape) * (random.random(shape) < 1.2 / RATE)
        settling = np.exp(-np.arange(2 * RATE) / (0.15 * RATE)) - np.exp(-np.arange(2 * RATE) / (0.02 * RATE))
        noise = signal.fftconvolve(pulls, settling[:, None], axes=0)[: shape[0]]
        noise = noise / noise.std(axis=0) + 0.5 * _band(random.standard_normal(shape), 1.0, 10.0)
    return noise / np.sqrt((noise * noise).mean(axis=0))


def add_noise(
    samples: NDArray[np.floating], r_peaks: NDArray[np.int64], kind: str, snr_db: float, seed: int
) -> NDArray[np.float32]:
    """Add noise to signals (n_samples, n_leads) in mV so loud that QRS complexes stand out by `snr_db`.

    Signal power is that of QRS complexes, an eighth of the square of their usual peak-to-peak amplitude, as in the
    stress test.
    """
    inner = r_peaks[(r_peaks > RATE // 10) & (r_peaks < len(samples) - RATE // 10)]
    around = samples[inner[:, None] + np.arange(-18, 19)]
    power = np.median(np.ptp(around, axis=1), axis=0) ** 2 / 8
    noise = draw_noise(kind, samples.shape, seed) * np.sqrt(power * 10 ** (-snr_db / 10))
    return (samples + noise * is_noisy(len(samples))[:, None]).astype(np.float32)


def _band(noise: NDArray[np.float64], low: float, high: float) -> NDArray[np.float64]:
    sections = signal.butter(2, (low, high), btype="bandpass", fs=RATE, output="sos")
    banded = signal.sosfilt(sections, noise, axis=0)
    return banded / banded.std(axis=0)
