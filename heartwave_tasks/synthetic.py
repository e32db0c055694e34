"""Synthetic WFDB recordings for machines without real ones: plausible enough to run everything, evidence of nothing.

Each heartbeat is a sum of Gaussian waves, after McSharry et al., "A dynamical model for generating synthetic
electrocardiogram signals", IEEE Trans. Biomed. Eng. 50(3), 2003; its RR intervals swing with respiration (0.25 Hz) and
Mayer waves (0.1 Hz) as theirs do. Ectopic beats, pacing and noise are added by rules of thumb.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import wfdb

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

SAMPLING_FREQUENCY: Final = 360  # Hz, that of MIT-BIH
LEADS: Final = ("MLII", "V1")

_GAIN: Final = 200.0  # adu per mV, as in MIT-BIH
_PACED_EVERY, _FIRST_PACED = 12, 3  # recordings; even a handful of them holds a paced one
_NOISY_EVERY: Final = 3  # recordings with an episode of noise, marked `~`
_SHORTEST_S, _LONGEST_RR_S = 10.0, 2.5
_BEFORE_R_S, _AFTER_R_S = 0.4, 0.7  # reach of a beat's waves
_MAYER_HZ: Final = 0.1

# Waves: amplitude in MLII (mV), amplitude in V1 (mV), centre after the R peak (s), standard deviation (s).
_P: Final = (0.15, 0.08, -0.170, 0.022)
_Q_WAVE: Final = (-0.10, 0.00, -0.026, 0.009)
_R: Final = (1.20, 0.28, 0.000, 0.011)
_S_WAVE: Final = (-0.22, -0.95, 0.030, 0.011)
_T: Final = (0.28, 0.12, 0.290, 0.048)
_ECTOPIC_P: Final = (-0.09, 0.10, -0.115, 0.016)  # from another place in the atrium: inverted, close to the QRS
_WIDE_R: Final = (1.50, 0.90, 0.000, 0.034)
_WIDE_S: Final = (-0.55, 0.35, 0.075, 0.030)
_DISCORDANT_T: Final = (-0.45, -0.35, 0.330, 0.062)
_SPIKE: Final = (1.10, 0.70, -0.062, 0.0022)  # the pacemaker's own pulse
_PACED_R: Final = (1.05, -1.20, 0.000, 0.028)
_PACED_S: Final = (-0.35, 0.20, 0.068, 0.026)
_PACED_T: Final = (-0.30, 0.30, 0.320, 0.060)

_NORMAL: Final = (_P, _Q_WAVE, _R, _S_WAVE, _T)
_VENTRICULAR: Final = (_WIDE_R, _WIDE_S, _DISCORDANT_T)
_WAVES: Final = {
    "N": _NORMAL,
    "A": (_ECTOPIC_P, _Q_WAVE, _R, _S_WAVE, _T),
    "V": _VENTRICULAR,
    # The ventricle is reached from both sides at once: half of each.
    "F": tuple((0.5 * a, 0.5 * b, *rest) for a, b, *rest in (*_NORMAL, *_VENTRICULAR)),
    "/": (_SPIKE, _PACED_R, _PACED_S, _PACED_T),
}
_REPOLARISATION_S: Final = 0.2  # waves after this move with the RR interval, as QT does (Bazett)

# Share of beats per symbol: least and most over patients.
_ECTOPY: Final = {"A": (0.02, 0.10), "V": (0.03, 0.12), "F": (0.01, 0.03)}
_ECTOPY_PACED: Final = {"N": (0.02, 0.06), "V": (0.02, 0.05)}
# RR interval before an ectopic beat, in those of its neighbours.
_PREMATURITY: Final = {"A": 0.68, "V": 0.64, "F": 0.95, "N": 0.90}


def write_recordings(directory: Path, *, count: int = 12, duration_s: float = 300, seed: int = 0) -> list[str]:
    """Write synthetic two-lead WFDB recordings (`.hea`, `.dat` in format 212, `.atr`) and return their names.

    Names are `syn001`, `syn002`, … Beats are annotated N, A, V and F, in every twelfth recording `/` (paced) with N and
    V; `+` opens the rhythm and `~` an episode of noise. The same seed and duration write the same bytes, and a larger
    count leaves the first recordings as they were.

    Raises `ValueError` when a recording would be shorter than 10 s.
    """
    if duration_s < _SHORTEST_S:
        raise ValueError(f"A synthetic recording lasts at least {_SHORTEST_S:.0f} s; asked for {duration_s:g} s.")
    directory.mkdir(parents=True, exist_ok=True)
    names = [f"syn{index + 1:03d}" for index in range(count)]
    for index, name in enumerate(names):
        _write(directory, name, index, duration_s, seed)
    return names


def _write(directory: Path, name: str, index: int, duration_s: float, seed: int) -> None:
    """Draw one patient and write the recording."""
    rng = np.random.default_rng([seed, index])
    n_samples = round(duration_s * SAMPLING_FREQUENCY)
    paced = index % _PACED_EVERY == _FIRST_PACED
    respiration_hz = rng.uniform(0.2, 0.3)
    symbols, r_peaks, rr_s = _rhythm(rng, duration_s, respiration_hz, paced=paced)
    signal = _beats(rng, symbols, r_peaks, rr_s, n_samples)
    signal += _disturbances(rng, n_samples, respiration_hz)

    samples, marks, notes = r_peaks, symbols, np.full(len(symbols), "", dtype="<U8")
    if index % _NOISY_EVERY == 1:
        start, stop = (round(share * n_samples) for share in (0.6, 0.63))
        signal[start:stop] += _noise_episode(rng, stop - start)
        position = int(np.searchsorted(samples, start))
        samples, marks, notes = (
            np.insert(column, position, value) for column, value in ((samples, start), (marks, "~"), (notes, ""))
        )
    wfdb.wrsamp(
        name,
        fs=SAMPLING_FREQUENCY,
        units=["mV"] * len(LEADS),
        sig_name=list(LEADS),
        d_signal=np.clip(np.rint(signal * _GAIN), -2047, 2047).astype(np.int64),  # -2048 means "no sample" in 212
        fmt=["212"] * len(LEADS),
        adc_gain=[_GAIN] * len(LEADS),
        baseline=[0] * len(LEADS),
        comments=[
            "SYNTHETIC: drawn by a program, no recording of a person, not fit to judge a method by",
            f"HeartWave synthetic ECG after McSharry et al. 2003, seed {seed}, recording {index + 1}",
        ],
        write_dir=str(directory),
    )
    wfdb.wrann(
        name,
        "atr",
        sample=np.concatenate([[max(int(samples[0]) - SAMPLING_FREQUENCY // 5, 0)], samples]).astype(np.int64),
        symbol=["+", *marks.tolist()],
        aux_note=["(P" if paced else "(N", *notes.tolist()],
        write_dir=str(directory),
    )


def _rhythm(
    rng: np.random.Generator, duration_s: float, respiration_hz: float, *, paced: bool
) -> tuple[NDArray[np.str_], NDArray[np.int64], NDArray[np.float64]]:
    """Draw the beats' symbols, R peaks (samples) and the RR intervals before them (s)."""
    mean_rr_s = 60.0 / rng.uniform(58, 92)
    n_drawn = int(duration_s / mean_rr_s * 1.5) + 10
    time_s = mean_rr_s * np.arange(n_drawn)
    swing = 0.0 if paced else rng.uniform(0.02, 0.05)  # a pacemaker does not breathe
    rr_s = mean_rr_s * (
        1.0
        + swing * np.sin(2 * np.pi * respiration_hz * time_s)
        + 0.6 * swing * np.sin(2 * np.pi * _MAYER_HZ * time_s + rng.uniform(0, 2 * np.pi))
        + rng.normal(0.0, 0.002 if paced else 0.008, n_drawn)
    )
    ectopy = _ECTOPY_PACED if paced else _ECTOPY
    symbols = _symbols(rng, int(duration_s / mean_rr_s), n_drawn, ectopy, dominant="/" if paced else "N")
    for symbol in ectopy:
        places = np.flatnonzero(symbols == symbol)
        early = _PREMATURITY[symbol] * rng.uniform(0.92, 1.08, len(places))
        rr_s[places] *= early
        if symbol == "V":
            # The compensatory pause is full: the sinus node's next impulse comes when it would have come anyway.
            rr_s[places + 1] *= 2.0 - early
    rr_s = np.clip(rr_s, 0.3, _LONGEST_RR_S)
    r_peaks = np.rint((np.cumsum(rr_s) - rr_s[0] + rng.uniform(0.3, 0.6)) * SAMPLING_FREQUENCY).astype(np.int64)
    inside = r_peaks < round((duration_s - 0.3) * SAMPLING_FREQUENCY)
    return symbols[inside], r_peaks[inside], rr_s[inside]


def _symbols(
    rng: np.random.Generator,
    n_expected: int,
    n_drawn: int,
    ectopy: Mapping[str, tuple[float, float]],
    *,
    dominant: str,
) -> NDArray[np.str_]:
    """Spread ectopic beats over the dominant rhythm, never two in a row."""
    symbols = np.full(n_drawn, dominant, dtype="<U1")
    # Places for ectopic beats lie three apart, the first and last beats are left alone.
    places = rng.permutation(np.arange(3, n_expected - 3, 3))
    wanted = [max(2, round(rng.uniform(least, most) * n_expected)) for least, most in ectopy.values()]
    for symbol, chosen in zip(ectopy, np.split(places, np.cumsum(wanted)), strict=False):
        symbols[chosen] = symbol
    return symbols


def _beats(
    rng: np.random.Generator,
    symbols: NDArray[np.str_],
    r_peaks: NDArray[np.int64],
    rr_s: NDArray[np.float64],
    n_samples: int,
) -> NDArray[np.float64]:
    """Draw every beat's waves in both leads: shape (n_samples, 2), mV."""
    offsets = np.arange(-round(_BEFORE_R_S * SAMPLING_FREQUENCY), round(_AFTER_R_S * SAMPLING_FREQUENCY) + 1)
    time_s = offsets / SAMPLING_FREQUENCY
    signal = np.zeros((n_samples, len(LEADS)))
    # The patient's own heart: how tall and how wide its waves are, in which lead.
    habitus = rng.lognormal(0.0, 0.15, len(LEADS))
    for symbol, waves in _WAVES.items():
        tall = np.array([wave[:2] for wave in waves]) * habitus * rng.lognormal(0.0, 0.12, (len(waves), len(LEADS)))
        centre_s = np.array([wave[2] for wave in waves]) * rng.normal(1.0, 0.05, len(waves))
        width_s = np.array([wave[3] for wave in waves]) * rng.lognormal(0.0, 0.08, len(waves))
        mine = symbols == symbol
        stretch = np.sqrt(np.clip(rr_s[mine], 0.4, 1.2))
        pulses = np.zeros((len(LEADS), int(mine.sum()), len(offsets)))
        for wave in range(len(waves)):
            late = centre_s[wave] > _REPOLARISATION_S
            centres = centre_s[wave] * stretch if late else np.full(len(stretch), centre_s[wave])
            centres = centres + rng.normal(0.0, 0.003, len(centres)) * (centre_s[wave] != 0)
            shape = np.exp(-0.5 * ((time_s - centres[:, None]) / width_s[wave]) ** 2)
            pulses += tall[wave][:, None, None] * shape
        pulses *= rng.normal(1.0, 0.04, int(mine.sum()))[:, None]
        where = r_peaks[mine][:, None] + offsets
        inside = (where >= 0) & (where < n_samples)
        for lead in range(len(LEADS)):
            signal[:, lead] += np.bincount(where[inside], weights=pulses[lead][inside], minlength=n_samples)
    return signal


def _disturbances(rng: np.random.Generator, n_samples: int, respiration_hz: float) -> NDArray[np.float64]:
    """Draw baseline wander, mains hum and the amplifier's noise: shape (n_samples, 2), mV."""
    time_s = np.arange(n_samples) / SAMPLING_FREQUENCY
    columns = []
    for _ in LEADS:
        breathing = rng.uniform(0.03, 0.12) * np.sin(2 * np.pi * respiration_hz * time_s + rng.uniform(0, 2 * np.pi))
        drift = rng.uniform(0.05, 0.15) * np.sin(2 * np.pi * rng.uniform(0.02, 0.06) * time_s + rng.uniform(0, 6))
        hum = rng.uniform(0.002, 0.010) * np.sin(2 * np.pi * 60.0 * time_s)
        columns.append(breathing + drift + hum + rng.normal(0.0, rng.uniform(0.008, 0.025), n_samples))
    return np.column_stack(columns)


def _noise_episode(rng: np.random.Generator, n_samples: int) -> NDArray[np.float64]:
    """Draw muscle noise that swells and fades: shape (n_samples, 2), mV."""
    return rng.normal(0.0, 0.18, (n_samples, len(LEADS))) * np.hanning(n_samples)[:, None]
