"""The lines of a WFDB header after its first, taken apart by wfdb's own grammar.

`wfdb.rdheader` looks up every field's type in a table of pandas: of two signals, that takes longer than decoding an
hour of them.
See https://wfdb.io/spec/header-files.html.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from wfdb.io.header import HeaderSyntaxError, parse_header_content, rx_segment, rx_signal

if TYPE_CHECKING:
    from pathlib import Path

_USUAL_GAIN: Final = 200.0
_USUAL_UNITS: Final = "mV"
_LARGEST: Final = 2**63


@dataclass(frozen=True, slots=True)
class SignalLine:
    """What a header says of a signal, with WFDB's defaults where it says nothing.

    Attributes
    ----------
    file_name, storage
        Where its samples lie, and in which of WFDB's formats.
    samples_per_frame, skew, byte_offset
        Samples of every frame; frames it is shifted by; bytes before its file's first sample.
    gain, baseline, units
        Units stored for one physical unit, the value stored for none, and that unit.
    first_value, checksum
        First value stored, and the sum of all of them, modulo 2**16; None where the header does not say.
    name
        Of the lead; may be anything, and empty.
    """

    file_name: str
    storage: str
    samples_per_frame: int
    skew: int
    byte_offset: int
    gain: float
    baseline: int
    units: str
    first_value: int | None
    checksum: int | None
    name: str


def parse_signal_lines(path: Path) -> tuple[SignalLine, ...]:
    """Parse a header's signals, in order; raises `ValueError` for what cannot be understood."""
    return tuple(_signal(line) for line in _lines(path))


def parse_segment_lines(path: Path) -> tuple[tuple[str, int], ...]:
    """Parse name and frames of every segment, in order; raises `ValueError` for what cannot be understood."""
    found = []
    for line in _lines(path):
        match = rx_segment.match(line)
        if match is None:
            raise HeaderSyntaxError
        found.append((match["seg_name"], _whole(match["seg_len"])))
    return tuple(found)


def _lines(path: Path) -> list[str]:
    lines: list[str]
    lines, _ = parse_header_content(path.read_bytes().decode("ascii", errors="ignore"))
    return lines[1:]


def _signal(line: str) -> SignalLine:
    match = rx_signal.match(line)
    if match is None:
        raise HeaderSyntaxError
    said = match.groupdict()
    middle = _whole(said["adc_zero"] or "0")  # a converter gives it for the middle of its range: no volts, as a rule
    return SignalLine(
        file_name=said["file_name"],
        storage=said["fmt"],
        samples_per_frame=_whole(said["samps_per_frame"] or "1") or 1,
        skew=_whole(said["skew"] or "0"),
        byte_offset=_whole(said["byte_offset"] or "0"),
        gain=float(said["adc_gain"] or _USUAL_GAIN) or _USUAL_GAIN,
        baseline=_whole(said["baseline"]) if said["baseline"] else middle,
        units=said["units"] or _USUAL_UNITS,
        first_value=_whole(said["init_value"]) if said["init_value"] else None,
        checksum=_whole(said["checksum"]) if said["checksum"] else None,
        name=said["sig_name"],
    )


def _whole(text: str) -> int:
    number = int(text)
    if abs(number) >= _LARGEST:
        raise HeaderSyntaxError
    return number
