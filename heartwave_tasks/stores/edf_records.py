"""EDF and EDF+ files, read with suspicion, interrupted ones (EDF+D) as well.

An EDF is a header of fixed fields and data records of 16-bit samples, so a stretch is read where it lies. (edflib,
behind pyedflib, refuses interrupted files; tests hold what is read here against what it writes.) Who the patient is,
when it was and what was annotated is not read at all; reference beats come from ``<record>.atr``.

References
----------
Kemp et al. 1992; Kemp and Olivan 2003; https://www.edfplus.info/specs/.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Final

import numpy as np

from heartwave_tasks.ecg.recordings import Recording
from heartwave_tasks.stores.composed_signals import FrameSignals, JoinedSignals, Piece, keep_short
from heartwave_tasks.stores.lead_units import to_millivolts
from heartwave_tasks.stores.recording_names import EDF_SUFFIX
from heartwave_tasks.stores.wfdb_annotations import read_annotations
from heartwave_tasks.stores.wfdb_headers import check_frequency

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from heartwave_tasks.ecg.recordings import Signals
    from heartwave_tasks.settings import Settings
    from heartwave_tasks.stores.arrivals import Arrival

_FIXED_BYTES: Final = 256
_SIGNAL_BYTES: Final = 256
_FIELDS: Final = {
    "label": 16, "transducer": 80, "unit": 8, "physical_min": 8, "physical_max": 8, "digital_min": 8, "digital_max": 8,
    "prefilter": 80, "samples": 8, "reserved": 32,
}  # fmt: skip
"""Widths of what the header tells of every signal, in its order."""

_ANNOTATIONS: Final = "EDF Annotations"
_OTHER_TYPES: Final = re.compile(
    r"(EEG|EOG|EMG|ERG|MEG|MCG|EP|Temp|Resp|SaO2|SpO2|Light|Sound|Event|Status|Trigger)\b", re.IGNORECASE
)
"""Types of signals, first word of a label by the standard, that are no ECG whatever their unit."""

_ONSET: Final = re.compile(rb"([+-]\d{1,12}(?:\.\d{1,12})?)\x14\x14")
_NUMBER: Final = re.compile(r"[+-]?\d{1,9}(\.\d{0,9})?([eE][+-]?\d{1,3})?|[+-]?\.\d{1,9}")
_ROUNDING_S: Final = 1e-3  # writers round the times of data records
_MOST_RECORD_BYTES: Final = 64 << 20
_LOOKED_AT: Final = 4 << 20  # bytes of data records that are looked through at once


@dataclass(frozen=True, slots=True)
class _Lead:
    name: str
    offset: int  # in samples, within a data record
    samples: int  # per data record
    digital_min: float
    physical_min: float  # mV
    step: float  # mV


@dataclass(frozen=True, slots=True)
class _Header:
    n_records: int
    header_bytes: int
    record_samples: int
    duration_s: float
    interrupted: bool
    leads: tuple[_Lead, ...]
    annotations: tuple[int, int] | None  # offset and samples, within a data record


def read(arrival: Arrival, settings: Settings) -> Recording:
    """Read an EDF or EDF+ file; leads at other rates are brought to that of the fastest by straight lines.

    Raises
    ------
    RecordingProblem
        If the file is truncated or damaged, or its header claims what cannot be or is over the limits.
    """
    path = arrival.file(EDF_SUFFIX)
    header = _read_header(arrival, path, settings)
    per_record = max(lead.samples for lead in header.leads)
    frequency = per_record / header.duration_s
    check_frequency(arrival, frequency)
    n_leads = len(header.leads)
    runs = list(_runs(arrival, path, header, settings)) if header.interrupted else [(0, 0, header.n_records)]
    n_samples = max(round(start * frequency) + n_records * per_record for start, _, n_records in runs)
    if n_samples * n_leads > settings.max_samples:
        raise arrival.refuse(
            "too_large",
            f"it has {n_samples} samples of {n_leads} leads, gaps included; at most {settings.max_samples} in all.",
            "Split the recording, or raise HEARTWAVE_MAX_SAMPLES if it is genuine.",
        )
    pieces = [
        Piece(round(start * frequency), FrameSignals(_EdfFrames(path, header, first, n_records)), tuple(range(n_leads)))
        for start, first, n_records in runs
    ]
    if any(after.start < before.end for before, after in pairwise(pieces)):
        raise arrival.refuse("bad_header", "its data records overlap in time.")
    signals: Signals = JoinedSignals(pieces, n_samples, n_leads) if len(pieces) > 1 else pieces[0].signals
    samples, symbols = read_annotations(arrival, n_samples, frequency, frequency) or (None, None)
    names = tuple(lead.name for lead in header.leads)
    return Recording(arrival.recording_id, frequency, keep_short(signals), names, samples, symbols)


class _EdfFrames:
    """Data records ``[first, first + n_frames)`` as `Frames`."""

    def __init__(self, path: Path, header: _Header, first: int, n_frames: int) -> None:
        self._path, self._header, self._first = path, header, first
        self.n_frames = n_frames
        self.samples_per_frame = tuple(lead.samples for lead in header.leads)

    def read_frames(self, first: int, last: int) -> list[NDArray[np.float32]]:
        """Read data records of a run, for each lead float32 in mV."""
        records = _read_records(self._path, self._header, self._first + first, self._first + last)
        leads = []
        for lead in self._header.leads:
            stored = records[:, lead.offset : lead.offset + lead.samples].reshape(-1).astype(np.float32)
            stored -= np.float32(lead.digital_min)
            stored *= np.float32(lead.step)
            stored += np.float32(lead.physical_min)
            leads.append(stored)
        return leads


def _read_records(path: Path, header: _Header, first: int, last: int) -> NDArray[np.int16]:
    """Read data records as int16 (n, samples of a record)."""
    size = header.record_samples
    with path.open("rb") as file:
        file.seek(header.header_bytes + 2 * size * first)
        stored = np.frombuffer(file.read(2 * size * (last - first)), dtype="<i2")
    return stored.reshape(last - first, size)


def _runs(arrival: Arrival, path: Path, header: _Header, settings: Settings) -> Iterator[tuple[float, int, int]]:
    """Yield start (s, of the file's own time), first data record and number of each uninterrupted run."""
    if header.annotations is None:
        raise arrival.refuse("bad_header", "it is interrupted, and has no channel that says where.")
    offset, samples = header.annotations
    begun, first, expected, origin = 0.0, 0, None, 0.0
    n_runs, block = 0, max(1, _LOOKED_AT // (2 * header.record_samples))
    for begin in range(0, header.n_records, block):
        end = min(begin + block, header.n_records)
        channel = np.ascontiguousarray(_read_records(path, header, begin, end)[:, offset : offset + samples])
        for place, row in enumerate(channel, start=begin):
            found = _ONSET.match(row.tobytes())
            if found is None:
                raise arrival.refuse("bad_header", f"data record {place} does not say when it begins.")
            onset = float(found[1])
            if expected is None:
                origin, expected = onset, onset
            if abs(onset - expected) > _ROUNDING_S:
                if onset < expected:
                    raise arrival.refuse("bad_header", f"data record {place} begins before the one before it ends.")
                yield begun, first, place - first
                n_runs += 1
                if n_runs >= settings.max_segments:
                    raise arrival.refuse(
                        "too_large",
                        f"it is interrupted more than {settings.max_segments} times.",
                        "Raise HEARTWAVE_MAX_SEGMENTS if this is genuine.",
                    )
                begun, first = onset - origin, place
            expected = onset + header.duration_s
    yield begun, first, header.n_records - first


def _read_header(arrival: Arrival, path: Path, settings: Settings) -> _Header:
    """Read what is needed of the header's fields; who the patient is, is not among it."""
    size = path.stat().st_size
    with path.open("rb") as file:
        fixed = file.read(_FIXED_BYTES)
        if len(fixed) < _FIXED_BYTES or fixed[:8] != b"0       ":
            raise arrival.refuse(
                "bad_header", "it does not begin like an EDF file.", "Export it as EDF or EDF+ and upload it again."
            )
        n_signals = _whole(arrival, fixed[252:256], "the number of signals", 1, settings.max_leads + 1)
        header_bytes = _whole(arrival, fixed[184:192], "the header's length", 0, 10**8)
        if header_bytes != _FIXED_BYTES + n_signals * _SIGNAL_BYTES:
            raise arrival.refuse("bad_header", f"its header is not as long as {n_signals} signals make it.")
        if header_bytes > settings.max_header_bytes:
            raise arrival.refuse(
                "too_large",
                f"the header has {header_bytes} bytes; at most {settings.max_header_bytes}.",
                "Raise HEARTWAVE_MAX_HEADER_BYTES if this header is genuine.",
            )
        told = file.read(n_signals * _SIGNAL_BYTES)
    if len(told) < n_signals * _SIGNAL_BYTES:
        raise arrival.refuse("truncated", "it ends within the header.")
    n_records = _whole(arrival, fixed[236:244], "the number of data records", 1, settings.max_samples)
    duration_s = _number(arrival, fixed[244:252], "the duration of a data record")
    if not 0 < duration_s <= 86_400:  # noqa: PLR2004 - a day
        raise arrival.refuse("bad_header", "the duration of a data record is not one of more than 0 s, up to a day.")
    plus = fixed[192:197].decode("ascii", "replace")
    leads, annotations, record_samples = _read_signals(
        arrival, _split(told, n_signals), is_plus=plus in {"EDF+C", "EDF+D"}
    )
    if n_records * record_samples > settings.max_samples:
        raise arrival.refuse(
            "too_large",
            f"the header claims {n_records} data records of {record_samples} samples; at most {settings.max_samples} "
            "in all are read.",
            "Mend the header, or raise HEARTWAVE_MAX_SAMPLES if it is genuine.",
        )
    least = header_bytes + 2 * n_records * record_samples
    if size < least:
        raise arrival.refuse("truncated", f"it is cut off: its data records take {least} bytes, it has {size}.")
    return _Header(n_records, header_bytes, record_samples, duration_s, plus == "EDF+D", leads, annotations)


def _split(told: bytes, n_signals: int) -> list[dict[str, bytes]]:
    """Return the fields of every signal: the header gives one field of all signals after the other."""
    signals: list[dict[str, bytes]] = [{} for _ in range(n_signals)]
    at = 0
    for field, width in _FIELDS.items():
        for signal in signals:
            signal[field] = told[at : at + width]
            at += width
    return signals


def _read_signals(
    arrival: Arrival, signals: list[dict[str, bytes]], *, is_plus: bool
) -> tuple[tuple[_Lead, ...], tuple[int, int] | None, int]:
    """Return the leads, where the annotations lie, and the samples of a data record."""
    leads: list[_Lead] = []
    annotations, offset = None, 0
    for place, signal in enumerate(signals):
        label = _text(signal["label"])
        samples = _whole(arrival, signal["samples"], f"signal {place}'s samples", 1, _MOST_RECORD_BYTES // 2)
        if is_plus and label == _ANNOTATIONS:
            annotations = annotations or (offset, samples)
        elif not _OTHER_TYPES.match(label):
            lead = _read_lead(arrival, signal, label, place, (offset, samples))
            leads += [lead] if lead is not None else []
        offset += samples
    if offset * 2 > _MOST_RECORD_BYTES:
        raise arrival.refuse(
            "too_large", f"a data record takes {offset * 2} bytes; at most {_MOST_RECORD_BYTES}. Write shorter ones."
        )
    if not leads:
        raise arrival.refuse(
            "bad_header", "none of its signals is a voltage.", "Upload recordings that have an ECG among their signals."
        )
    return tuple(leads), annotations, offset


def _read_lead(
    arrival: Arrival, signal: dict[str, bytes], label: str, place: int, where: tuple[int, int]
) -> _Lead | None:
    """Return a signal as a lead, None where it measures something else than a voltage."""
    try:
        millivolts = to_millivolts(_text(signal["unit"]))
    except KeyError:
        raise arrival.refuse(
            "bad_header",
            f"signal {place} is in a unit that is not known.",
            "Write mV, uV, nV or V as its physical dimension, or leave signals that are no ECG out.",
        ) from None
    if millivolts is None:
        return None
    low, high, digital_low, digital_high = (
        _number(arrival, signal[field], f"signal {place}'s {field.replace('_', ' ')}imum")
        for field in ("physical_min", "physical_max", "digital_min", "digital_max")
    )
    if digital_high <= digital_low or high == low:
        raise arrival.refuse("bad_header", f"signal {place} has no range, so millivolts are unknown.")
    step = (high - low) / (digital_high - digital_low) * millivolts
    if not math.isfinite(step) or not math.isfinite(low * millivolts):
        raise arrival.refuse("bad_header", f"signal {place} has an endless range.")
    return _Lead(label, *where, digital_low, low * millivolts, step)


def _text(field: bytes) -> str:
    return field.decode("latin-1").strip(" \0")


def _number(arrival: Arrival, field: bytes, what: str) -> float:
    text = _text(field)
    if not _NUMBER.fullmatch(text):
        raise arrival.refuse("bad_header", f"{what} is no number.")
    return float(text)


def _whole(arrival: Arrival, field: bytes, what: str, least: int, most: int) -> int:
    """Read a whole number, refused outside its bounds."""
    text = _text(field)
    number = int(text) if text.isascii() and re.fullmatch(r"[+-]?\d{1,9}", text) else None
    if number is None:
        raise arrival.refuse("bad_header", f"{what} is no whole number.")
    if not least <= number <= most:
        raise arrival.refuse(
            "too_large" if number > most else "bad_header", f"{what} is {number}; {least} to {most} are read."
        )
    return number
