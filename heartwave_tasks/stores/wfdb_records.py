"""WFDB records in a directory, read with suspicion: every claim of the header is checked before it is believed.

No reason quotes a header: where a name or a number is expected, a damaged one may hold what a patient is called.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import wfdb

from heartwave_tasks.ecg.labels import is_beat
from heartwave_tasks.ecg.recordings import Recording, SignalsInMemory
from heartwave_tasks.stores.recordings import HEADER_SUFFIX, SAFE_FILE_NAME, RecordingProblem

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from heartwave_tasks.settings import Settings

BYTES_PER_SAMPLE: Final = {
    "8": 1.0, "16": 2.0, "24": 3.0, "32": 4.0, "61": 2.0, "80": 1.0, "160": 2.0, "212": 1.5, "310": 4 / 3, "311": 4 / 3,
}  # fmt: skip
"""Of WFDB's storage formats whose size is known beforehand (FLAC's is not)."""

MILLIVOLTS: Final = {"mv": 1.0, "uv": 1e-3, "µv": 1e-3, "nv": 1e-6, "v": 1e3}
"""Factor to mV of the units signals come in."""

_RECORD_LINE: Final = re.compile(
    r"(?P<name>\S+?)(?P<segments>/\d{1,9})?\s+(?P<signals>\d{1,9})\s+(?P<frequency>[^\s/(]+)\S*\s+(?P<samples>\d{1,30})\b"
)
_ANNOTATIONS: Final = ".atr"
_REPAIR: Final = "Export the record again from its source and upload all of its files."
_HIGHEST_FREQUENCY: Final = 100_000.0


@dataclass(frozen=True, slots=True)
class _Claim:
    """What the header's first line says, checked against the limits."""

    n_leads: int
    sampling_frequency: float
    n_samples: int


def read_record(directory: Path, recording_id: str, settings: Settings) -> Recording:
    """Read a record whose files lie in a directory.

    Raises
    ------
    RecordingProblem
        If a file is missing, truncated or damaged, or the header claims what cannot be or is over the limits.
    """
    record = recording_id.rpartition("/")[2]
    claim = _check_header(directory / f"{record}{HEADER_SUFFIX}", recording_id, record, settings)
    path = str(directory / record)
    try:
        header = wfdb.rdheader(path)
    except Exception as error:
        reason = f"{recording_id}: the header cannot be understood ({type(error).__name__})."
        raise RecordingProblem("bad_header", reason, _REPAIR) from error
    _check_files(directory, recording_id, header, claim)
    try:
        stored = wfdb.rdrecord(path, physical=False)
    except Exception as error:
        reason = f"{recording_id}: the signals cannot be read ({type(error).__name__})."
        raise RecordingProblem("unreadable", reason, _REPAIR) from error
    _check_checksums(recording_id, stored)
    samples, symbols = _read_annotations(directory, recording_id, record, claim) or (None, None)
    return Recording(
        recording_id=recording_id,
        sampling_frequency=claim.sampling_frequency,
        signals=SignalsInMemory(_to_millivolts(recording_id, stored)),
        lead_names=tuple(str(name) for name in stored.sig_name),
        annotation_samples=samples,
        annotation_symbols=symbols,
    )


def _check_header(path: Path, recording_id: str, record: str, settings: Settings) -> _Claim:
    """Judge the first line before a parser sees the file: it decides how much memory and time a parser takes."""
    if path.stat().st_size > settings.max_header_bytes:
        reason = f"{recording_id}: the header has {path.stat().st_size} bytes; at most {settings.max_header_bytes}."
        raise RecordingProblem("too_large", reason, "Raise HEARTWAVE_MAX_HEADER_BYTES if this header is genuine.")
    text = path.read_text("utf-8", errors="replace")
    line = next((line for line in text.splitlines() if line.strip() and not line.startswith("#")), "")
    found = _RECORD_LINE.match(line)
    if not found:
        reason = f"{recording_id}: the header's first line is not 'name signals frequency samples'."
        raise RecordingProblem("bad_header", reason, _REPAIR)
    if found["name"] != record:
        reason = f"{recording_id}: the header gives the record another name than {record!r}, its file's."
        raise RecordingProblem("unsafe_name", reason, "Give header and files the same plain name and upload again.")
    if found["segments"] and int(found["segments"][1:]) > settings.max_segments:
        reason = f"{recording_id}: the header claims more than {settings.max_segments} segments."
        raise RecordingProblem("too_large", reason, "Raise HEARTWAVE_MAX_SEGMENTS if this is genuine.")
    if found["segments"]:
        reason = f"{recording_id}: the record is made of several segments, which are not read yet."
        raise RecordingProblem("unsupported", reason, "Join the segments into one record and upload again.")
    n_leads, n_samples = int(found["signals"]), int(found["samples"])
    if not 1 <= n_leads <= settings.max_leads:
        reason = f"{recording_id}: the header claims {n_leads} signals; 1 to {settings.max_leads} are read."
        raise RecordingProblem("too_large", reason, "Raise HEARTWAVE_MAX_LEADS if this is genuine.")
    if n_samples < 1 or n_samples * n_leads > settings.max_samples:
        reason = (
            f"{recording_id}: the header claims {n_samples} samples of {n_leads} signals; "
            f"1 to {settings.max_samples} in all are read."
        )
        raise RecordingProblem("too_large", reason, "Mend the header, or raise HEARTWAVE_MAX_SAMPLES if it is genuine.")
    try:
        frequency = float(found["frequency"])
    except ValueError:
        frequency = math.nan
    if not 1 <= frequency <= _HIGHEST_FREQUENCY:
        reason = f"{recording_id}: its sampling frequency is not one of 1 to {_HIGHEST_FREQUENCY:.0f} Hz."
        raise RecordingProblem("bad_header", reason, "Write the sampling frequency in Hz into the header's first line.")
    return _Claim(n_leads, frequency, n_samples)


def _check_files(directory: Path, recording_id: str, header: wfdb.Record, claim: _Claim) -> None:
    """Hold the header's claims against the files that arrived."""
    if len(header.file_name or ()) != claim.n_leads:
        described = len(header.file_name or ())
        reason = f"{recording_id}: the header announces {claim.n_leads} signals and describes {described}."
        raise RecordingProblem("bad_header", reason, _REPAIR)
    expected: dict[str, float] = {}
    for lead in range(claim.n_leads):
        name, storage = header.file_name[lead], header.fmt[lead]
        if not SAFE_FILE_NAME.fullmatch(name):
            reason = f"{recording_id}: signal {lead} lies in a file whose name is not safe."
            raise RecordingProblem("unsafe_name", reason, "Signal files lie beside the header, plainly named.")
        if name.endswith((HEADER_SUFFIX, _ANNOTATIONS)):
            reason = f"{recording_id}: signal {lead} is said to lie in a header or among annotations, so in itself."
            raise RecordingProblem("bad_header", reason, _REPAIR)
        frames = claim.n_samples * (header.samps_per_frame[lead] or 1)
        if frames > claim.n_samples:
            reason = f"{recording_id}: signal {lead} has several samples per frame, which is not read yet."
            raise RecordingProblem("unsupported", reason, "Store all leads at one rate and upload again.")
        skipped = (header.byte_offset[lead] or 0) if lead == header.file_name.index(name) else 0
        expected[name] = expected.get(name, 0.0) + frames * BYTES_PER_SAMPLE.get(storage, 0.0) + skipped
        if not header.adc_gain[lead] or not math.isfinite(header.adc_gain[lead]):
            reason = f"{recording_id}: signal {lead} has a gain of {header.adc_gain[lead]}, so millivolts are unknown."
            raise RecordingProblem("bad_header", reason, "Write the gain in units per mV into the header.")
    for name, least in expected.items():
        if not (directory / name).is_file():
            reason = f"{recording_id}: the signal file {name} has not arrived; the header names it."
            remedy = f"Upload {name}; the recording is taken up as soon as it is there."
            raise RecordingProblem("incomplete", reason, remedy)
        size = (directory / name).stat().st_size
        if size < math.floor(least):
            reason = (
                f"{recording_id}: {name} is cut off: {claim.n_samples} samples take {math.ceil(least)} bytes, "
                f"it has {size}."
            )
            raise RecordingProblem("truncated", reason, _REPAIR)


def _check_checksums(recording_id: str, stored: wfdb.Record) -> None:
    """Compare each signal's 16-bit sum with the header's; only a header without any checksum is believed."""
    written_sums = stored.checksum or ()
    if None in written_sums and any(written is not None for written in written_sums):
        reason = (
            f"{recording_id}: the header has a checksum for some signals and none, or an unreadable one, for others."
        )
        raise RecordingProblem("bad_header", reason, _REPAIR)
    found = stored.d_signal.astype(np.int64).sum(axis=0)
    for lead, (actual, written) in enumerate(zip(found.tolist(), written_sums, strict=False)):
        if written is not None and (actual - int(written)) % 65_536:
            reason = (
                f"{recording_id}: signal {lead} is damaged: its checksum is "
                f"{actual % 65_536}, the header says {int(written) % 65_536}."
            )
            raise RecordingProblem("checksum", reason, _REPAIR)


def _to_millivolts(recording_id: str, stored: wfdb.Record) -> NDArray[np.float32]:
    """Physical signals float32 (n_samples, n_leads) in mV; WFDB's "no sample" value becomes NaN."""
    signals: NDArray[np.float32] = stored.dac(return_res=32)
    for lead, unit in enumerate(stored.units):
        factor = MILLIVOLTS.get(str(unit).strip().lower())
        if factor is None:
            reason = f"{recording_id}: signal {lead} is in a unit that is no voltage."
            raise RecordingProblem("bad_header", reason, "Leave signals that are no ECG out, or mend the units.")
        if factor != 1.0:
            signals[:, lead] *= factor
    return signals


def _read_annotations(
    directory: Path, recording_id: str, record: str, claim: _Claim
) -> tuple[NDArray[np.int64], NDArray[np.str_]] | None:
    """Read samples and symbols of the reference annotations, None where there are none."""
    path = directory / f"{record}{_ANNOTATIONS}"
    if not path.is_file():
        return None
    try:
        annotations = wfdb.rdann(str(directory / record), "atr")
        samples = np.asarray(annotations.sample, dtype=np.int64)
        symbols = np.asarray(annotations.symbol, dtype="<U1")
    except Exception as error:
        reason = f"{recording_id}: the annotations cannot be read ({type(error).__name__})."
        raise RecordingProblem("bad_annotations", reason, _REPAIR) from error
    if len(samples) and (samples[0] < 0 or samples[-1] >= claim.n_samples or (np.diff(samples) < 0).any()):
        reason = f"{recording_id}: annotations lie outside the recording's {claim.n_samples} samples, or out of order."
        raise RecordingProblem("bad_annotations", reason, _REPAIR)
    beats = samples[is_beat(symbols)]
    if (np.diff(beats) == 0).any():
        reason = f"{recording_id}: two heartbeats are annotated at sample {beats[:-1][np.diff(beats) == 0][0]}."
        raise RecordingProblem("bad_annotations", reason, "Leave one annotation per heartbeat and upload again.")
    return samples, symbols
