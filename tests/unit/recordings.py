"""Recordings for the unit tests: drawn ones, and MIT-BIH's."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import wfdb

from heartwave_tasks.ecg import mitbih
from heartwave_tasks.ecg.recordings import Recording, SignalsInMemory

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

FREQUENCY = 360.0


def draw_recording(
    symbols: str = "NNNNANNNVNNN" * 10,
    *,
    seed: int = 0,
    frequency: float = FREQUENCY,
    lead_names: tuple[str, ...] = ("MLII", "V1"),
    recording_id: str = "drawn/1",
    start_s: float = 1.0,
) -> Recording:
    """Draw a recording with one beat per symbol: A comes early without its P wave, V early and wide, `~` is a mark."""
    random = np.random.default_rng(seed)
    pace = 0.8 + 0.02 * random.standard_normal(len(symbols))
    early = {"A": 0.65, "V": 0.7, "~": 0.5}
    times = start_s + np.cumsum([rr * early.get(symbol, 1.0) for rr, symbol in zip(pace, symbols, strict=True)])
    samples = np.rint(times * frequency).astype(np.int64)
    seconds = np.arange(int(frequency * (times[-1] + 1.5))) / frequency
    analysis = 0.01 * random.standard_normal(len(seconds))
    for time, symbol in zip(samples / frequency, symbols, strict=True):
        if symbol == "~":
            continue
        near = slice(max(0, int((time - 0.6) * frequency)), int((time + 0.8) * frequency))
        analysis[near] += _draw_beat(seconds[near] - time, symbol)
    signals = np.column_stack([analysis * gain for gain in (1.0, -0.6)[: len(lead_names)]])
    return Recording(recording_id, frequency, SignalsInMemory(signals), lead_names, samples, np.array(list(symbols)))


def _draw_beat(seconds: NDArray[np.float64], symbol: str) -> NDArray[np.float64]:
    def wave(height: float, centre: float, width: float) -> NDArray[np.float64]:
        drawn: NDArray[np.float64] = height * np.exp(-(((seconds - centre) / width) ** 2) / 2)
        return drawn

    if symbol == "V":
        return wave(1.4, 0.0, 0.035) - wave(0.5, 0.25, 0.06)
    p_wave = wave(0.05, -0.13, 0.015) if symbol == "A" else wave(0.15, -0.16, 0.02)
    return p_wave + wave(1.0, 0.0, 0.011) - wave(0.2, 0.03, 0.012) + wave(0.3, 0.26, 0.04)


def samples_of(recording: Recording) -> NDArray[np.float32]:
    """Read all signals of a recording, (n_samples, n_leads) in mV."""
    return recording.signals.read(0, recording.signals.n_samples)


def read_recording(directory: Path, record: str) -> Recording:
    """Read a MIT-BIH record with wfdb."""
    path = str(directory / record)
    signals, annotation = wfdb.rdrecord(path), wfdb.rdann(path, "atr")
    return Recording(
        f"{mitbih.SOURCE}/{record}",
        float(signals.fs),
        SignalsInMemory(signals.p_signal),
        tuple(signals.sig_name),
        annotation.sample.astype(np.int64),
        np.array(annotation.symbol),
    )
