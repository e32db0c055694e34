"""Whatever the bytes, reading ends in a recording or a refusal; whatever the stretch, it is part of the whole."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from heartwave_tasks.ecg.recordings import SignalsInMemory
from heartwave_tasks.stores.arrivals import RecordingProblem
from heartwave_tasks.stores.composed_signals import FrameSignals, JoinedSignals, Piece
from tests.unit.wfdb_files import read_record

WORD = st.one_of(
    st.sampled_from(["r", "r.dat", "r.hea", "16", "212", "0", "-1", "1", "2", "360", "200/mV", "nan", "1e999", "~"]),
    st.integers(-(10**13), 10**13).map(str),
    st.text(max_size=8),
)  # fmt: skip
LINES = st.lists(st.lists(WORD, max_size=9).map(" ".join), max_size=6).map("\n".join)
LIMITS = {"max_samples": 10_000, "max_header_bytes": 10_000, "max_segments": 5, "max_leads": 5}


def read_or_refuse(files: dict[str, bytes]) -> None:
    """Read files; anything but a recording within its limits or a refusal of it fails."""
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        for file, content in files.items():
            (directory / file).write_bytes(content)
        try:
            signals = read_record(directory, "test/r", **LIMITS).signals
            assert signals.read(0, signals.n_samples).shape == (signals.n_samples, signals.n_leads)
            assert signals.n_samples * signals.n_leads <= LIMITS["max_samples"]
        except RecordingProblem as problem:
            refusal = problem
        else:
            return
    assert refusal.reason.startswith("test/r: ")
    assert refusal.remedy


@settings(max_examples=60, deadline=None)
@given(header=st.one_of(LINES, LINES.map(lambda lines: f"r 1 360 100\n{lines}")))
def test_any_header(header: str) -> None:
    """Any text may be a WFDB header."""
    read_or_refuse({"r.hea": header.encode("utf-8", "replace"), "r.dat": bytes(200)})


@settings(max_examples=60, deadline=None)
@given(
    fixed=st.lists(st.one_of(st.binary(max_size=8), st.integers(-2, 999).map(lambda n: str(n).encode())), max_size=8),
    fields=st.lists(st.tuples(st.integers(0, 767), st.binary(max_size=8)), max_size=6),
    body=st.binary(max_size=600),
)
def test_any_edf(fixed: list[bytes], fields: list[tuple[int, bytes]], body: bytes) -> None:
    """Any bytes may be an EDF file, and any of a sound one's fields may be another."""
    content = bytearray(b" " * 768)
    told = {
        0: b"0",
        184: b"768",
        192: b"EDF+D",
        236: b"2",
        244: b"1",
        252: b"2",
        256: b"ECG II",
        272: b"EDF Annotations",
    }
    told |= {448: b"mV", 464: b"-1", 472: b"-1", 480: b"1", 488: b"1", 496: b"-9", 504: b"-9", 512: b"9", 520: b"9"}
    told |= {688: b"100", 696: b"20"}
    told |= dict(zip((184, 192, 236, 244, 252, 688, 696, 448), fixed, strict=False))
    for place, field in [*told.items(), *fields]:
        content[place : place + len(field)] = field
    read_or_refuse({"r.edf": bytes(content[:768]) + body})


@settings(max_examples=60, deadline=None)
@given(
    table=st.one_of(st.text(max_size=200), LINES.map(lambda lines: "II\n" + lines.replace(" ", "\n"))),
    sidecar=st.one_of(
        st.text(max_size=40).map(json.dumps),
        st.fixed_dictionaries(
            {"sampling_frequency": st.floats(), "leads": st.dictionaries(st.sampled_from(["II", ""]), WORD, max_size=2)}
        ).map(json.dumps),
        st.just('{"sampling_frequency": 250, "leads": {"II": "mV"}}'),
    ),
)
def test_any_table(table: str, sidecar: str) -> None:
    """Any text may be a CSV file, and any JSON its sidecar."""
    read_or_refuse({"r.csv": table.encode("utf-8", "replace"), "r.json": sidecar.encode("utf-8", "replace")})


class DrawnFrames:
    """Frames of some leads, each drawn at its own number of samples per frame."""

    def __init__(self, n_frames: int, samples_per_frame: tuple[int, ...]) -> None:
        rng = np.random.default_rng(n_frames)
        self.n_frames, self.samples_per_frame = n_frames, samples_per_frame
        self._leads = [rng.standard_normal(n_frames * count).astype(np.float32) for count in samples_per_frame]

    def read_frames(self, first: int, last: int) -> list[np.ndarray]:
        """Read frames."""
        return [
            lead[first * count : last * count] for lead, count in zip(self._leads, self.samples_per_frame, strict=True)
        ]


@given(st.integers(1, 30), st.lists(st.integers(1, 7), min_size=1, max_size=3), st.data())
def test_a_stretch_of_frames_is_part_of_the_whole(n_frames: int, counts: list[int], data: st.DataObject) -> None:
    """Leads of any rates give the same numbers, bit for bit, in any stretch."""
    signals = FrameSignals(DrawnFrames(n_frames, tuple(counts)))
    first = data.draw(st.integers(0, signals.n_samples))
    last = data.draw(st.integers(first, signals.n_samples))

    np.testing.assert_array_equal(signals.read(first, last), signals.read(0, signals.n_samples)[first:last])


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=5), st.data())
def test_a_stretch_of_pieces_is_part_of_the_whole(pieces: list[tuple[int, int]], data: st.DataObject) -> None:
    """Pieces with gaps between them are found wherever a stretch begins and ends."""
    whole = np.full((100, 1), np.nan, dtype=np.float32)
    joined, at = [], 0
    for gap, length in pieces:
        samples = np.arange(at, at + length, dtype=np.float32)[:, None]
        joined.append(Piece(at + gap, SignalsInMemory(samples), (0,)))
        whole[at + gap : at + gap + length] = samples
        at += gap + length
    first = data.draw(st.integers(0, 100))
    last = data.draw(st.integers(first, 100))

    np.testing.assert_array_equal(JoinedSignals(joined, 100, 1).read(first, last), whole[first:last])
