"""Annotation files: what is parsed here is what wfdb reads."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import wfdb
from hypothesis import given
from hypothesis import strategies as st

from heartwave_tasks.stores.wfdb_annotations import parse_plain

if TYPE_CHECKING:
    from pathlib import Path


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


def test_what_a_file_defines_itself_is_left_to_wfdb(tmp_path: Path) -> None:
    """A rate or a symbol of the file's own, and a file without an end, are not parsed here."""
    wfdb.wrann("r1", "atr", np.array([10, 300]), symbol=["N", "N"], fs=250, write_dir=str(tmp_path))
    assert parse_plain((tmp_path / "r1.atr").read_bytes()) is None
    wfdb.wrann("r2", "atr", np.array([10, 300]), symbol=["N", "N"], write_dir=str(tmp_path))
    whole = (tmp_path / "r2.atr").read_bytes()
    assert parse_plain(whole) is not None
    assert parse_plain(whole[:-2]) is None
    assert parse_plain(b"") is None


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
