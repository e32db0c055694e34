"""WFDB records in a directory, read with suspicion: plain ones, and those made of segments."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from heartwave_tasks.ecg.recordings import Recording
from heartwave_tasks.stores.composed_signals import FrameSignals, JoinedSignals, Piece, keep_short
from heartwave_tasks.stores.recording_names import SAFE_NAME
from heartwave_tasks.stores.wfdb_annotations import read_annotations
from heartwave_tasks.stores.wfdb_headers import (
    Claim,
    Lead,
    check_files,
    check_frequency,
    check_leads,
    read_claim,
    segment_lines,
    signal_lines,
)
from heartwave_tasks.stores.wfdb_signals import WfdbFrames

if TYPE_CHECKING:
    from heartwave_tasks.ecg.recordings import Signals
    from heartwave_tasks.settings import Settings
    from heartwave_tasks.stores.arrivals import Arrival

_NOTHING: Final = "~"


@dataclass(frozen=True, slots=True)
class _Plain:
    """A record that is not made of segments, opened."""

    leads: tuple[Lead, ...]
    frame_frequency: float
    signals: FrameSignals


def read(arrival: Arrival, settings: Settings) -> Recording:
    """Read a WFDB record, of one piece or of segments.

    Raises
    ------
    RecordingProblem
        If a file is missing, truncated or damaged, or a header claims what cannot be or is over the limits.
    """
    claim = read_claim(arrival, arrival.record, settings)
    signals: Signals
    if claim.n_segments:
        names, frequency, signals = _join(arrival, claim, settings)
    else:
        plain = _open(arrival, arrival.record, claim, settings, keep=True)
        names, signals = tuple(lead.name for lead in plain.leads), plain.signals
        frequency = claim.frame_frequency * plain.signals.per_frame
    samples, symbols = read_annotations(arrival, signals.n_samples, frequency, claim.frame_frequency) or (None, None)
    return Recording(arrival.recording_id, frequency, keep_short(signals), names, samples, symbols)


def _open(arrival: Arrival, name: str, claim: Claim, settings: Settings, *, keep: bool) -> _Plain:
    described = signal_lines(arrival, name)
    leads = check_leads(arrival, described, claim, settings)
    check_files(arrival, described, claim)
    frames = WfdbFrames(arrival, name, described, claim, leads, keep=keep)
    return _Plain(leads, claim.frame_frequency, FrameSignals(frames))


def _join(arrival: Arrival, claim: Claim, settings: Settings) -> tuple[tuple[str, ...], float, JoinedSignals]:
    """Open a record's segments and put them in their places; gaps between them are missing samples.

    Segments are plain records: one that is made of segments, be it of itself, is refused. Where a layout gives all
    leads there are, a segment may have some of them; else all have those of the first.
    """
    places = _segments(arrival, claim)
    opened: dict[str, _Plain] = {}
    for name, n_frames in places:
        if name == _NOTHING or not n_frames:
            continue
        if name not in opened:
            own = _plain_claim(arrival, name, settings)
            if own.frame_frequency != claim.frame_frequency:
                raise arrival.refuse("bad_header", "its segments have several sampling frequencies.")
            opened[name] = _open(arrival, name, own, settings, keep=False)
        if opened[name].signals.frames.n_frames != n_frames:
            raise arrival.refuse("bad_header", "a segment is longer or shorter than the record says.")
    if not opened:
        raise arrival.refuse("bad_header", "none of its segments has a sample.")
    rates = {plain.signals.per_frame for plain in opened.values()}
    if len(rates) > 1:
        raise arrival.refuse(
            "unsupported", "its segments have several rates.", "Convert it to one rate, with xform, and upload again."
        )
    (per_frame,) = rates
    frequency = claim.frame_frequency * per_frame
    check_frequency(arrival, frequency)
    names = _lead_names(arrival, places, opened, settings)
    if claim.n_frames * per_frame * len(names) > settings.max_samples:
        raise arrival.refuse(
            "too_large",
            f"its segments have more than {settings.max_samples} samples.",
            "Split the recording, or raise HEARTWAVE_MAX_SAMPLES if it is genuine.",
        )
    pieces, at = [], 0
    for name, n_frames in places:
        if name in opened and n_frames:
            plain = opened[name]
            columns = tuple(names.index(lead.name) for lead in plain.leads)
            pieces.append(Piece(at * per_frame, plain.signals, columns))
        at += n_frames
    return names, frequency, JoinedSignals(pieces, claim.n_frames * per_frame, len(names))


def _segments(arrival: Arrival, claim: Claim) -> list[tuple[str, int]]:
    """Return name and frames of every segment, layouts included, which have none."""
    segments = segment_lines(arrival, arrival.record)
    if len(segments) != claim.n_segments:
        raise arrival.refuse(
            "bad_header", f"the header announces {claim.n_segments} segments and describes {len(segments)}."
        )
    if sum(length for _, length in segments) != claim.n_frames:
        raise arrival.refuse("bad_header", "its segments are together longer or shorter than the record says.")
    for name, _ in segments:
        if name == arrival.record:
            raise arrival.refuse("bad_header", "the record is said to be a segment of itself.")
        if name != _NOTHING and not SAFE_NAME.fullmatch(name):
            raise arrival.refuse(
                "unsafe_name", "a segment's name is not safe.", "Segments lie beside the header, plainly named."
            )
    return list(segments)


def _plain_claim(arrival: Arrival, name: str, settings: Settings, *, empty: bool = False) -> Claim:
    claim = read_claim(arrival, name, settings, empty=empty)
    if claim.n_segments:
        raise arrival.refuse("bad_header", "one of its segments is made of segments itself.")
    return claim


def _lead_names(
    arrival: Arrival, places: list[tuple[str, int]], opened: dict[str, _Plain], settings: Settings
) -> tuple[str, ...]:
    """Return the leads of the whole: those of the layout, or, without one, of every segment."""
    found = [tuple(lead.name for lead in plain.leads) for plain in opened.values()]
    if any(len(set(names)) < len(names) for names in found):
        raise arrival.refuse("bad_header", "two leads of a segment have one name.")
    layout, n_frames = places[0]
    if n_frames or layout == _NOTHING:
        if len(set(found)) > 1:
            raise arrival.refuse("bad_header", "its segments have different leads, and it has no layout.")
        return found[0]
    _plain_claim(arrival, layout, settings, empty=True)
    there = set().union(*found)
    described = [signal.name for signal in signal_lines(arrival, layout)]
    names = tuple(dict.fromkeys(name for name in described if name in there))
    if there - set(names):
        raise arrival.refuse("bad_header", "a segment has leads that the layout does not name.")
    return names
