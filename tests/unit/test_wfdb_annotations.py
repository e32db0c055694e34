"""Annotation files: what is parsed here is what wfdb reads."""

from __future__ import annotations

import contextlib
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
import wfdb
from hypothesis import given
from hypothesis import strategies as st

from heartwave_tasks.stores.arrivals import Arrival, RecordingProblem
from heartwave_tasks.stores.wfdb_annotations import parse_defining, parse_plain, read_annotations


def test_plain_files_are_parsed_as_wfdb_does(tmp_path: Path) -> None:
    """Notes, subtypes, channels, numbers and long pauses change nothing of samples and symbols."""
    samples = np.array([10, 300, 700, 700, 5_000, 400_000, 40_000_000])
    wfdb.wrann(
        "r1",
        "atr",
        samples,
        symbol=["+", "N", "V", "~", "A", "/", "N"],
        subtype=np.array([0, 0, 1, -1, 0, 0, 2]),
        chan=np.array([0, 0, 0, 1, 1, 0, 0]),
        num=np.array([0, 3, 0, 0, 0, 7, 0]),
        aux_note=["(N", "", "odd", "", "even", "", "a much longer note"],
        write_dir=str(tmp_path),
    )
    found, expected = parse_plain((tmp_path / "r1.atr").read_bytes()), wfdb.rdann(str(tmp_path / "r1"), "atr")
    assert found is not None
    assert found[0].tolist() == expected.sample.tolist() == samples.tolist()
    assert found[1].tolist() == expected.symbol


def test_what_a_file_defines_itself_is_not_plain(tmp_path: Path) -> None:
    """A rate or a symbol of the file's own, and a file without an end, are for `parse_defining`."""
    wfdb.wrann("r1", "atr", np.array([10, 300]), symbol=["N", "N"], fs=250, write_dir=str(tmp_path))
    assert parse_plain((tmp_path / "r1.atr").read_bytes()) is None
    wfdb.wrann("r2", "atr", np.array([10, 300]), symbol=["N", "N"], write_dir=str(tmp_path))
    whole = (tmp_path / "r2.atr").read_bytes()
    assert parse_plain(whole) is not None
    assert parse_plain(whole[:-2]) is None
    assert parse_plain(b"") is None


def test_definitions_are_read_as_wfdb_does(tmp_path: Path) -> None:
    """A file's own rate and symbols are those wfdb finds; a word for a symbol is no beat."""
    own = [(45, "X", "a beat of ours"), (46, "Y", "not a beat")]
    wfdb.wrann(
        "r1", "atr", np.array([0, 10, 300, 700]), symbol=["+", "N", "X", "Y"], custom_labels=own, fs=250.5,
        write_dir=str(tmp_path),
    )  # fmt: skip
    content, expected = (tmp_path / "r1.atr").read_bytes(), wfdb.rdann(str(tmp_path / "r1"), "atr")
    samples, symbols, rate = parse_defining(content)
    assert samples.tolist() == expected.sample.tolist()
    assert symbols.tolist() == expected.symbol
    assert rate == expected.fs == 250.5
    assert parse_defining(content.replace(b"46 Y not", b"46 Nxt t"))[1].tolist() == ["+", "N", "X", '"']


@pytest.mark.parametrize("damage", [b"## time resolutioo: 250", b"## time resolution: 25x", b"## an odd comment here "])
def test_a_definition_that_is_none_keeps_nobody_busy(tmp_path: Path, damage: bytes) -> None:
    """A note that begins like a definition, and is none, is a note; wfdb looks at it for ever."""
    wfdb.wrann("r1", "atr", np.array([10, 300]), symbol=["N", "V"], fs=250, write_dir=str(tmp_path))
    sound = (tmp_path / "r1.atr").read_bytes()
    assert sound.count(b"## time resolution: 250") == 1
    samples, symbols, _ = parse_defining(sound.replace(b"## time resolution: 250", damage))
    assert samples.tolist() == [10, 300]
    assert symbols.tolist() == ["N", "V"]


def test_a_code_that_nobody_defined_refuses_the_recording(tmp_path: Path) -> None:
    """What an annotation of an unknown code means, nobody can say: wfdb's nan must not become a normal beat, n."""
    words = np.array([(1 << 10) | 100, (45 << 10) | 50, 0], dtype="<u2")
    (tmp_path / "r1.atr").write_bytes(words.tobytes())
    with pytest.raises(RecordingProblem, match="neither WFDB nor the file defines"):
        read_annotations(Arrival.of(tmp_path, "ward/r1"), 1_000, 360.0, 360.0)


@given(content=st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(content: bytes) -> None:
    """Whatever a file holds, it is read or refused, and soon."""
    with TemporaryDirectory() as directory:
        Path(directory, "r1.atr").write_bytes(content)
        with contextlib.suppress(RecordingProblem):
            read = read_annotations(Arrival.of(Path(directory), "ward/r1"), 1_000, 360.0, 360.0)
            assert read is not None
            assert (read[0] >= 0).all()
            assert "" not in read[1]


@given(content=st.binary(max_size=200))
def test_any_bytes_are_parsed_or_left(content: bytes) -> None:
    """No file makes the parser stumble, and every annotation has its symbol."""
    found = parse_plain(content)
    assert found is None or (len(found[0]) == len(found[1]) > 0 and "" not in found[1])


def test_all_of_mitbih_is_plain(mitdb: Path) -> None:
    """The annotations of all 48 records are parsed here, to the sample and symbol."""
    for path in sorted(mitdb.glob("*.atr"))[::6]:
        found, expected = parse_plain(path.read_bytes()), wfdb.rdann(str(path.with_suffix("")), "atr")
        assert found is not None
        assert found[0].tolist() == expected.sample.tolist()
        assert found[1].tolist() == expected.symbol
