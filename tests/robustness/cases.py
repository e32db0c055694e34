"""One recording, as other devices would have delivered it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

import numpy as np
import pyedflib
import wfdb
from scipy import signal

from heartwave_tasks.ecg.recordings import SignalsInMemory
from heartwave_tasks.ecg.signals import order_leads
from heartwave_tasks.settings import Settings
from heartwave_tasks.stores.arrivals import Arrival
from heartwave_tasks.stores.record_formats import read_recording

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from heartwave_tasks.ecg.recordings import Recording

RATES_HZ: Final = (128, 250, 500, 1000)
STORAGES: Final = ("16", "24", "516")
"""WFDB's formats 16 and 24, and FLAC; MIT-BIH's own is 212."""

CASES: Final = (
    "as it is",
    *(f"{rate} Hz" for rate in RATES_HZ),
    "EDF+",
    *(f"WFDB format {storage}" for storage in STORAGES),
    "one lead",
    "inverted",
)


def make_case(case: str, recording: Recording, directory: Path) -> Recording:
    """Return a recording as `case` says; files are written to a directory."""
    samples = recording.signals.read(0, recording.signals.n_samples)
    if case.endswith(" Hz"):
        return _at_rate(recording, samples, int(case.removesuffix(" Hz")))
    if case.startswith("WFDB"):
        _write_wfdb(recording, samples, case.rpartition(" ")[2], directory)
        return _read(recording, directory)
    if case == "EDF+":
        _write_edf(recording, samples, directory)
        return _read(recording, directory)
    if case == "one lead":
        first = order_leads(recording.lead_names)[0]
        return replace(
            recording,
            signals=SignalsInMemory(samples[:, [first]]),
            lead_names=(recording.lead_names[first],),
        )
    return replace(recording, signals=SignalsInMemory(-samples)) if case == "inverted" else recording


def _at_rate(recording: Recording, samples: NDArray[np.float32], rate: int) -> Recording:
    common = np.gcd(rate, 360)
    resampled = signal.resample_poly(samples.astype(np.float64), rate // common, 360 // common, padtype="line")
    resampled = np.rint(resampled * 200) / 200  # 5 µV a step, as before
    assert recording.annotation_samples is not None
    return replace(
        recording,
        sampling_frequency=float(rate),
        signals=SignalsInMemory(resampled.astype(np.float32)),
        annotation_samples=np.minimum(np.rint(recording.annotation_samples * (rate / 360)), len(resampled) - 1).astype(
            np.int64
        ),
    )


def _read(recording: Recording, directory: Path) -> Recording:
    """Read what was written as ingest does; the annotations are the original's."""
    found = read_recording(Arrival.of(directory, recording.recording_id), Settings())
    return replace(
        found,
        annotation_samples=recording.annotation_samples,
        annotation_symbols=recording.annotation_symbols,
    )


def _write_wfdb(recording: Recording, samples: NDArray[np.float32], storage: str, directory: Path) -> None:
    n_leads = samples.shape[1]
    wfdb.wrsamp(
        recording.recording_id.rpartition("/")[2], fs=360, units=["mV"] * n_leads, sig_name=list(recording.lead_names),
        d_signal=np.rint(samples * 200).astype(np.int64), fmt=[storage] * n_leads, adc_gain=[200.0] * n_leads,
        baseline=[0] * n_leads, write_dir=str(directory),
    )  # fmt: skip


def _write_edf(recording: Recording, samples: NDArray[np.float32], directory: Path) -> None:
    path = directory / f"{recording.recording_id.rpartition('/')[2]}.edf"
    with pyedflib.EdfWriter(str(path), samples.shape[1], file_type=pyedflib.FILETYPE_EDFPLUS) as writer:
        writer.setSignalHeaders(
            [
                {
                    "label": name, "dimension": "mV", "sample_frequency": 360, "physical_min": -10.24,
                    "physical_max": 10.235, "digital_min": -2048, "digital_max": 2047,
                }
                for name in recording.lead_names
            ]
        )  # fmt: skip
        writer.writeSamples([np.ascontiguousarray(lead, dtype=np.float64) for lead in samples.T])
