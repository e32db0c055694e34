"""What is parsed here of WFDB's headers and signal files is what wfdb makes of them."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import wfdb
from hypothesis import given, settings
from hypothesis import strategies as st

from heartwave_tasks.stores.wfdb_header_lines import parse_segment_lines, parse_signal_lines
from heartwave_tasks.stores.wfdb_samples import read_frames

NUMBER = st.one_of(st.just(""), st.integers(-70_000, 70_000).map(str), st.sampled_from(["0", "-", "1e3", "nan"]))
WHOLE = st.one_of(st.just(""), st.integers(0, 99_999).map(str))


@st.composite
def signal_lines(draw: st.DrawFn) -> str:
    """Return a signal's line as headers have them, some with a slip."""
    frame = f"{draw(st.sampled_from(['', 'x', 'x0', 'x1', 'x4']))}{draw(st.sampled_from(['', ':3']))}"
    gain = draw(
        st.sampled_from(["", "200", "200.0", "-13.5", "0", "1e3", "1e999", ".", "200(-12)", "200(5)/uV", "/mV"])
    )
    name = draw(st.one_of(st.sampled_from(["", "MLII", "V 5", "été", "#"]), st.text(max_size=6)))
    file, offset = draw(st.sampled_from(["r.dat", "~", "two words", "r"])), draw(st.sampled_from(["", "+24"]))
    begins = f"{file} {draw(WHOLE)}{frame}{offset}"
    return " ".join([begins, gain, draw(WHOLE), draw(NUMBER), draw(NUMBER), draw(NUMBER), draw(WHOLE), name])


def by_wfdb(stem: Path) -> wfdb.Record | wfdb.MultiRecord | None:
    """Let wfdb read a header; None when it cannot."""
    try:
        return wfdb.rdheader(str(stem))
    except ValueError:
        return None


def expected_of(record: Any, place: int) -> tuple[Any, ...]:
    """Lay a signal of wfdb's out like a `SignalLine`."""
    return (
        record.file_name[place],
        record.fmt[place],
        record.samps_per_frame[place] or 1,
        record.skew[place] or 0,
        record.byte_offset[place] or 0,
        record.adc_gain[place],
        record.baseline[place],
        record.units[place],
        record.init_value[place],
        record.checksum[place],
        record.sig_name[place] or "",
    )


@settings(max_examples=300, deadline=None)
@given(lines=st.lists(signal_lines(), min_size=1, max_size=3))
def test_signal_lines_are_parsed_as_wfdb_does(lines: list[str]) -> None:
    """Every field, its default and its type; what wfdb cannot understand is not understood here either."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "r.hea"
        path.write_text("\n# a comment\n".join([f"r {len(lines)} 360 100", *lines]), "utf-8", errors="replace")
        record = by_wfdb(path.with_suffix(""))
        if record is None:
            with pytest.raises(ValueError, match=r".*"):
                parse_signal_lines(path)
            return
        found = parse_signal_lines(path)
    assert len(found) == len(record.file_name)
    for place, line in enumerate(found):
        assert [getattr(line, name) for name in line.__slots__] == list(expected_of(record, place))


def test_segment_lines_are_parsed_as_wfdb_does(tmp_path: Path) -> None:
    """Names and lengths, gaps among them; a segment without a length is not understood."""
    (tmp_path / "r.hea").write_text("r/3 2 360 1500\na 600\n~ 500\n  b_1 400 \n#\n")
    record = by_wfdb(tmp_path / "r")
    assert record is not None
    assert parse_segment_lines(tmp_path / "r.hea") == tuple(zip(record.seg_name, record.seg_len, strict=True))
    (tmp_path / "r.hea").write_text("r/1 2 360 1500\na\n")
    with pytest.raises(ValueError, match=r".*"):
        parse_segment_lines(tmp_path / "r.hea")


@settings(max_examples=100, deadline=None)
@given(
    counts=st.lists(st.integers(1, 3), min_size=1, max_size=3),
    n_frames=st.integers(1, 40),
    storage=st.sampled_from(["16", "212"]),
    offset=st.sampled_from([0, 5]),
    seed=st.integers(0, 9),
    data=st.data(),
)
def test_samples_are_read_as_wfdb_does(
    counts: list[int], n_frames: int, storage: str, offset: int, seed: int, data: st.DataObject
) -> None:
    """Any stretch of a file of any number of signals and samples per frame, some bytes into it."""
    first = data.draw(st.integers(0, n_frames - 1))
    last = data.draw(st.integers(first + 1, n_frames))
    n_bytes = offset + -(-n_frames * sum(counts) * (4 if storage == "16" else 3) // 2)
    content = np.random.default_rng(seed).integers(0, 256, n_bytes, dtype=np.uint8)
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "r.dat"
        content.tofile(path)
        lines = [f"r.dat {storage}x{count}+{offset} 200" for count in counts]
        path.with_suffix(".hea").write_text("\n".join([f"r {len(counts)} 360 {n_frames}", *lines]))
        found = read_frames(path, storage, offset, counts, first, last)
        record = wfdb.rdrecord(
            str(path.with_suffix("")), sampfrom=first, sampto=last, physical=False, smooth_frames=False
        )
    for signal, expected in zip(found, record.e_d_signal, strict=True):
        assert signal.dtype == np.int16
        np.testing.assert_array_equal(signal, expected)


@pytest.mark.parametrize("storage", ["16", "212"])
def test_a_file_that_ends_early_gives_fewer_samples(tmp_path: Path, storage: str) -> None:
    """Nothing is made up of bytes that are not there."""
    (tmp_path / "r.dat").write_bytes(bytes(30))
    assert all(len(signal) < 15 for signal in read_frames(tmp_path / "r.dat", storage, 0, [1, 1], 0, 15))
    (tmp_path / "r.dat").write_bytes(bytes(4))  # 212: the third sample lacks half of its bits
    assert len(read_frames(tmp_path / "r.dat", storage, 0, [1], 0, 3)[0]) < 3
