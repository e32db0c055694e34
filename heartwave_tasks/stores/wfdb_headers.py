"""WFDB headers, judged before they are believed: the first line before a parser sees it, the rest against the files.

No reason quotes a header: where a name or a number is expected, a damaged one may hold what a patient is called.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeVar

from heartwave_tasks.stores.lead_units import to_millivolts
from heartwave_tasks.stores.recording_names import HEADER_SUFFIX, SAFE_FILE_NAME
from heartwave_tasks.stores.wfdb_header_lines import parse_segment_lines, parse_signal_lines

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from heartwave_tasks.settings import Settings
    from heartwave_tasks.stores.arrivals import Arrival, RecordingProblem
    from heartwave_tasks.stores.wfdb_header_lines import SignalLine

BYTES_PER_SAMPLE: Final = {
    "8": 1.0, "16": 2.0, "24": 3.0, "32": 4.0, "61": 2.0, "80": 1.0, "160": 2.0, "212": 1.5, "310": 4 / 3, "311": 4 / 3,
}  # fmt: skip
"""Of WFDB's storage formats whose size is known beforehand."""

COMPRESSED: Final = frozenset({"508", "516", "524"})
"""Those whose size is not: FLAC."""

HIGHEST_FREQUENCY: Final = 100_000.0
"""In Hz; no ECG is sampled faster."""

_RECORD_LINE: Final = re.compile(
    r"(?P<name>\S+?)(?P<segments>/\d{1,9})?\s+(?P<signals>\d{1,9})\s+(?P<frequency>[\d.eE+-]+)(?:[/(]\S*)?\s+"
    r"(?P<samples>\d{1,30})(?!\S)",
    re.ASCII,
)
_ANNOTATIONS: Final = ".atr"
_BIG_ENDIAN: Final = "61"
_MOST_SKEW: Final = 10_000  # frames; a recorder's leads lie a few samples apart
_MOST_PER_FRAME: Final = 10_000
_LOWEST_GAIN: Final = 1e-9  # units for a millivolt
_Line = TypeVar("_Line")


@dataclass(frozen=True, slots=True)
class Claim:
    """What a header's first line says, checked against the limits; ``n_segments`` is 0 for a plain record."""

    n_leads: int
    frame_frequency: float
    n_frames: int
    n_segments: int


@dataclass(frozen=True, slots=True)
class Lead:
    """A signal that is a voltage: its place among the record's signals, its name, and its factor to mV."""

    place: int
    name: str
    millivolts: float
    samples_per_frame: int
    skew: int


def read_claim(arrival: Arrival, name: str, settings: Settings, *, empty: bool = False) -> Claim:
    """Judge the first line of a record's header: it decides how much memory and time a parser takes.

    ``empty`` headers, of a layout, may have no samples.
    """
    path = arrival.directory / f"{name}{HEADER_SUFFIX}"
    if not path.is_file():
        raise arrival.refuse(
            "incomplete",
            f"the header {arrival.shown(path.name)} has not arrived.",
            "Upload all of its files; the recording is taken up as soon as they are there.",
        )
    if path.stat().st_size > settings.max_header_bytes:
        raise arrival.refuse(
            "too_large",
            f"the header has {path.stat().st_size} bytes; at most {settings.max_header_bytes}.",
            "Raise HEARTWAVE_MAX_HEADER_BYTES if this header is genuine.",
        )
    text = path.read_text("utf-8", errors="replace")
    line = next((line for line in text.splitlines() if line.strip() and not line.startswith("#")), "")
    found = _RECORD_LINE.match(line)
    if not found:
        raise arrival.refuse("bad_header", "the header's first line is not 'name signals frequency samples'.")
    if found["name"] != name:
        raise arrival.refuse(
            "unsafe_name",
            "the header gives the record another name than its file has.",
            "Give header and files the same plain name and upload again.",
        )
    n_segments = int(found["segments"][1:]) if found["segments"] else 0
    if n_segments > settings.max_segments:
        raise arrival.refuse(
            "too_large",
            f"the header claims more than {settings.max_segments} segments.",
            "Raise HEARTWAVE_MAX_SEGMENTS if this is genuine.",
        )
    if found["segments"] and not n_segments:
        raise arrival.refuse("bad_header", "the header claims to be made of no segments.")
    n_leads, n_frames = int(found["signals"]), int(found["samples"])
    if not 1 <= n_leads <= settings.max_leads:
        raise arrival.refuse(
            "too_large",
            f"the header claims {n_leads} signals; 1 to {settings.max_leads} are read.",
            "Raise HEARTWAVE_MAX_LEADS if this is genuine.",
        )
    _check_samples(arrival, n_frames, n_leads, settings, least=0 if empty else 1)
    try:
        frequency = float(found["frequency"])
    except ValueError:
        frequency = math.nan
    if not 0 < frequency <= HIGHEST_FREQUENCY:
        raise _bad_frequency(arrival)
    return Claim(n_leads, frequency, n_frames, n_segments)


def signal_lines(arrival: Arrival, name: str) -> tuple[SignalLine, ...]:
    """Return what a header, whose first line has been judged, says of its signals."""
    return _parsed(arrival, name, parse_signal_lines)


def segment_lines(arrival: Arrival, name: str) -> tuple[tuple[str, int], ...]:
    """Return name and frames of every segment, by a header whose first line has been judged."""
    return _parsed(arrival, name, parse_segment_lines)


def _parsed(arrival: Arrival, name: str, parse: Callable[[Path], tuple[_Line, ...]]) -> tuple[_Line, ...]:
    try:
        return parse(arrival.directory / f"{name}{HEADER_SUFFIX}")
    except ValueError as error:
        raise arrival.refuse("bad_header", f"the header cannot be understood ({type(error).__name__}).") from error


def check_leads(
    arrival: Arrival, described: Sequence[SignalLine], claim: Claim, settings: Settings
) -> tuple[Lead, ...]:
    """Return the voltages among a record's signals, each line of its header judged; others are left out."""
    if len(described) != claim.n_leads:
        raise arrival.refuse(
            "bad_header", f"the header announces {claim.n_leads} signals and describes {len(described)}."
        )
    leads = []
    for place, signal in enumerate(described):
        if signal.samples_per_frame > _MOST_PER_FRAME:
            raise arrival.refuse(
                "too_large",
                f"signal {place} has {signal.samples_per_frame} samples per frame; at most {_MOST_PER_FRAME} are read.",
            )
        if signal.skew > _MOST_SKEW:
            raise arrival.refuse("bad_header", f"signal {place} is shifted by {signal.skew} frames.")
        try:
            millivolts = to_millivolts(signal.units)
        except KeyError:
            raise arrival.refuse(
                "bad_header",
                f"signal {place} is in a unit that is not known.",
                "Write mV, uV, nV or V into the header, or leave signals that are no ECG out.",
            ) from None
        if millivolts is None:
            continue
        if not _LOWEST_GAIN <= abs(signal.gain) < math.inf:
            raise arrival.refuse(
                "bad_header",
                f"signal {place} has a gain of {signal.gain}, so millivolts are unknown.",
                "Write the gain in units per mV into the header.",
            )
        leads.append(Lead(place, signal.name, millivolts, signal.samples_per_frame, signal.skew))
    if not leads:
        raise arrival.refuse(
            "bad_header", "none of its signals is a voltage.", "Upload recordings that have an ECG among their signals."
        )
    per_frame = sum(signal.samples_per_frame for signal in described)
    _check_samples(arrival, claim.n_frames, per_frame, settings, least=0)
    check_frequency(arrival, claim.frame_frequency * max(lead.samples_per_frame for lead in leads))
    return tuple(leads)


def check_files(arrival: Arrival, described: Sequence[SignalLine], claim: Claim) -> None:
    """Hold a header's claims against the signal files that arrived."""
    expected: dict[str, float] = {}
    for place, signal in enumerate(described):
        name, storage = signal.file_name, signal.storage
        if not SAFE_FILE_NAME.fullmatch(name):
            raise arrival.refuse(
                "unsafe_name",
                f"signal {place} lies in a file whose name is not safe.",
                "Signal files lie beside the header, plainly named.",
            )
        if name.endswith((HEADER_SUFFIX, _ANNOTATIONS)):
            raise arrival.refuse(
                "bad_header", f"signal {place} is said to lie in a header or among annotations, so in itself."
            )
        if storage not in BYTES_PER_SAMPLE and storage not in COMPRESSED:
            raise arrival.refuse(
                "unsupported",
                f"signal {place} is stored in a format that is none of WFDB's.",
                f"Convert it, with xform, to one of {', '.join([*BYTES_PER_SAMPLE, *sorted(COMPRESSED)])}.",
            )
        samples = claim.n_frames * signal.samples_per_frame
        if storage == _BIG_ENDIAN and signal.samples_per_frame > 1:
            raise arrival.refuse(
                "unsupported",
                f"signal {place} is stored in format 61 with several samples per frame.",
                "Convert it, with xform, to format 16.",
            )
        least = samples * BYTES_PER_SAMPLE.get(storage, 0.0)
        before = described[place - 1] if place else signal
        if name not in expected:
            expected[name] = float(signal.byte_offset) if storage in BYTES_PER_SAMPLE else 0.0
        elif (name, storage, signal.byte_offset) != (before.file_name, before.storage, before.byte_offset):
            raise arrival.refuse(
                "bad_header",
                f"signal {place} shares a file with signals that are stored otherwise, or not beside it in the header.",
            )
        expected[name] += least
    for name, size in expected.items():
        check_size(arrival, name, size, claim.n_frames)


def check_size(arrival: Arrival, name: str, least: float, n_samples: int) -> None:
    """Refuse a file that has not arrived, or is shorter than its header says."""
    path, shown = arrival.directory / name, arrival.shown(name)
    if not path.is_file():
        raise arrival.refuse(
            "incomplete",
            f"a signal file, {shown}, has not arrived; the header names it.",
            f"Upload {shown} as well; the recording is taken up as soon as it is there. It lies in the recording's own "
            "folder, or is called like the recording.",
        )
    size = path.stat().st_size
    if size < math.floor(least):
        raise arrival.refuse(
            "truncated", f"{shown} is cut off: {n_samples} samples take {math.ceil(least)} bytes, it has {size}."
        )


def check_frequency(arrival: Arrival, frequency: float) -> None:
    """Refuse a sampling frequency, in Hz, that no ECG has."""
    if not 1 <= frequency <= HIGHEST_FREQUENCY:
        raise _bad_frequency(arrival)


def _bad_frequency(arrival: Arrival) -> RecordingProblem:
    return arrival.refuse(
        "bad_header",
        f"its sampling frequency is not one of 1 to {HIGHEST_FREQUENCY:.0f} Hz.",
        "Write the sampling frequency in Hz into the header.",
    )


def _check_samples(arrival: Arrival, n_frames: int, per_frame: int, settings: Settings, *, least: int) -> None:
    if n_frames < least or n_frames * per_frame > settings.max_samples:
        raise arrival.refuse(
            "too_large",
            f"the header claims {n_frames} samples of {per_frame} signals; {least} to {settings.max_samples} in all "
            "are read.",
            "Mend the header, or raise HEARTWAVE_MAX_SAMPLES if it is genuine.",
        )
