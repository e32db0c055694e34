"""Recordings in every format, written by other means than those that read them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pyedflib
import wfdb

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

GAIN = 100.0

BY_HAND = ("8", "61", "160", "310", "311")
"""Storage formats that wfdb reads and does not write."""

BY_WFDB = ("16", "24", "32", "80", "212", "508", "516", "524")


def draw(n_samples: int, n_leads: int = 2, *, most: int = 100) -> NDArray[np.int64]:
    """Draw leads as whole numbers (n_samples, n_leads) in ``[-most, most]``, whose steps a byte can hold."""
    time = np.arange(n_samples)[:, None] / 360
    shapes = np.sin(2 * np.pi * time * (1 + np.arange(n_leads))) + 0.2 * np.sin(2 * np.pi * 11 * time)
    drawn: NDArray[np.int64] = np.rint(most * shapes / 1.2).astype(np.int64)
    return drawn


def write_wfdb(
    directory: Path,
    name: str,
    digital: NDArray[np.int64],
    storage: str,
    *,
    gain: float = GAIN,
    comments: Sequence[str] = (),
) -> None:
    """Write a record of leads `V1`, `V2`, … at 360 Hz in any storage format."""
    n_leads = digital.shape[1]
    leads = [f"V{place + 1}" for place in range(n_leads)]
    if storage in BY_WFDB:
        wfdb.wrsamp(
            name, fs=360, units=["mV"] * n_leads, sig_name=leads, d_signal=digital, fmt=[storage] * n_leads,
            adc_gain=[gain] * n_leads, baseline=[0] * n_leads, comments=list(comments), write_dir=str(directory),
        )  # fmt: skip
        return
    (directory / f"{name}.dat").write_bytes(_encode(digital, storage))
    sums = digital.sum(axis=0) % 65_536
    lines = [f"{name} {n_leads} 360 {len(digital)}"]
    lines += [
        f"{name}.dat {storage} {gain}(0)/mV 12 0 {digital[0, place]} {sums[place]} 0 {lead}"
        for place, lead in enumerate(leads)
    ]
    (directory / f"{name}.hea").write_text("\n".join([*lines, *(f"# {comment}" for comment in comments)]) + "\n")


def _encode(digital: NDArray[np.int64], storage: str) -> bytes:
    """Write samples as https://wfdb.io/spec/signal-files.html says."""
    if storage == "8":
        return np.diff(digital, axis=0, prepend=digital[:1]).astype(np.int8).tobytes()
    flat = digital.reshape(-1)
    if storage == "61":
        return flat.astype(">i2").tobytes()
    if storage == "160":
        return (flat + 32_768).astype("<u2").tobytes()
    padded = np.concatenate([flat, np.zeros(-len(flat) % 3, dtype=np.int64)]) & 0x3FF
    first, second, third = padded[0::3], padded[1::3], padded[2::3]
    if storage == "311":
        words = first | second << 10 | third << 20
    else:
        words = (first << 1 | (third & 0x1F) << 11) | (second << 1 | (third >> 5) << 11) << 16
    return words.astype("<u4").tobytes()


def write_edf(
    path: Path,
    millivolts: NDArray[np.float64],
    unit: str = "uV",
    *,
    frequency: float = 250,
    patient: Sequence[str] = ("Zaphiel Quandt", "1931"),
) -> None:
    """Write an EDF+ file with pyedflib, a patient in every field for one as `ECG V1`, …."""
    factor = {"uV": 1000.0, "mV": 1.0}[unit]
    writer = pyedflib.EdfWriter(str(path), millivolts.shape[1], file_type=pyedflib.FILETYPE_EDFPLUS)
    writer.setPatientName(patient[0].replace(" ", "_"))
    writer.setPatientCode(patient[1])
    writer.setRecordingAdditional(patient[-1])
    for lead in range(millivolts.shape[1]):
        writer.setSignalHeader(
            lead,
            {
                "label": f"ECG V{lead + 1}", "dimension": unit, "sample_frequency": frequency,
                "physical_min": -5 * factor,
                "physical_max": 5 * factor, "digital_min": -32768, "digital_max": 32767, "transducer": "",
                "prefilter": "",
            },
        )  # fmt: skip
    writer.writeSamples([np.ascontiguousarray(lead * factor) for lead in millivolts.T])
    writer.writeAnnotation(1.0, -1, f"{patient[0]} fainted")
    writer.close()


def write_csv(directory: Path, columns: dict[str, list[object]], leads: dict[str, str], frequency: float = 250) -> None:
    """Write a CSV file and its sidecar."""
    lines = [",".join(columns), *(",".join(map(str, row)) for row in zip(*columns.values(), strict=True))]
    (directory / "r.csv").write_text("\n".join(lines) + "\n")
    (directory / "r.json").write_text(json.dumps({"sampling_frequency": frequency, "leads": leads, "patient": "Hans"}))


def interrupt(path: Path, onsets: list[float]) -> None:
    """Make an EDF+ file an interrupted one whose data records begin when told."""
    content = bytearray(path.read_bytes())
    content[192:197] = b"EDF+D"
    n_signals = int(content[252:256])
    header = 256 * (n_signals + 1)
    per_record = [
        int(content[256 + n_signals * 216 + 8 * k : 256 + n_signals * 216 + 8 * (k + 1)]) for k in range(n_signals)
    ]
    size = 2 * sum(per_record)
    for place, onset in enumerate(onsets):
        channel = header + place * size + 2 * sum(per_record[:-1])
        begins = f"+{onset:g}\x14\x14\x00".encode()
        content[channel : channel + 2 * per_record[-1]] = begins.ljust(2 * per_record[-1], b"\0")
    path.write_bytes(content)
