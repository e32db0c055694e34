"""Records are read with suspicion: whatever does not fit is refused with a reason a person understands."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np
import pytest
import wfdb

from heartwave_tasks.stores.arrivals import RecordingProblem
from tests.unit.signal_files import GAIN, draw, write_wfdb
from tests.unit.wfdb_files import read_record

if TYPE_CHECKING:
    from pathlib import Path

N_SAMPLES = 3_600


@pytest.fixture
def record(tmp_path: Path) -> Path:
    """A directory with the small two-lead record `r1`, annotated."""
    time_s = np.arange(N_SAMPLES) / 360
    signals = np.column_stack([np.sin(2 * np.pi * time_s), 0.5 * np.cos(2 * np.pi * time_s)])
    wfdb.wrsamp(
        "r1", fs=360, units=["mV", "mV"], sig_name=["MLII", "V1"], p_signal=signals, fmt=["212", "212"],
        adc_gain=[200, 200], baseline=[0, 0], write_dir=str(tmp_path), comments=["69 M", "Aldomet"],
    )  # fmt: skip
    wfdb.wrann("r1", "atr", np.arange(100, N_SAMPLES, 300), symbol=["N"] * 12, write_dir=str(tmp_path))
    return tmp_path


def refusal(directory: Path, **limits: int) -> RecordingProblem:
    """What the reader says of record `r1` in a directory."""
    with pytest.raises(RecordingProblem) as caught:
        read_record(directory, "test/r1", **limits)
    assert "test/r1" in caught.value.reason
    assert caught.value.remedy
    return caught.value


def edit_header(directory: Path, pattern: str, replacement: str) -> None:
    """Rewrite part of the header."""
    header = directory / "r1.hea"
    text, n = re.subn(pattern, replacement, header.read_text(), count=1, flags=re.MULTILINE)
    assert n == 1
    header.write_text(text)


def test_reads_a_sound_record(record: Path) -> None:
    """Signals come in mV with their leads, rate and annotations."""
    recording = read_record(record, "test/r1")

    assert recording.lead_names == ("MLII", "V1")
    assert recording.sampling_frequency == 360
    assert (recording.signals.n_samples, recording.signals.n_leads) == (N_SAMPLES, 2)
    assert recording.signals.read(90, 91)[0, 0] == pytest.approx(1.0, abs=0.01)
    assert recording.annotation_symbols is not None
    assert recording.annotation_symbols.tolist() == ["N"] * 12


def test_reads_without_annotations(record: Path) -> None:
    """A record nobody annotated has no reference."""
    (record / "r1.atr").unlink()

    assert read_record(record, "test/r1").annotation_samples is None


def test_converts_microvolts(record: Path) -> None:
    """Signals in µV are converted to mV."""
    edit_header(record, "/mV", "/uV")

    assert read_record(record, "test/r1").signals.read(90, 91)[0, 0] == pytest.approx(0.001, rel=0.01)


def test_refuses_a_flipped_byte(record: Path) -> None:
    """One flipped byte shows in the header's checksum."""
    content = bytearray((record / "r1.dat").read_bytes())
    content[1_000] ^= 0x10
    (record / "r1.dat").write_bytes(content)

    assert refusal(record).code == "checksum"


def test_refuses_a_checksum_that_cannot_be_read(record: Path) -> None:
    """A damaged header line must not switch the check off."""
    edit_header(record, r"^(r1\.dat 212 200\S* \d+ 0 )-?\d+ ", r"\1x ")

    assert refusal(record).code == "bad_header"


def test_refuses_a_truncated_file(record: Path) -> None:
    """A file that is too short for its header is refused before it is read."""
    content = (record / "r1.dat").read_bytes()
    (record / "r1.dat").write_bytes(content[: len(content) // 2])

    assert refusal(record).code == "truncated"


def test_waits_for_a_missing_signal_file(record: Path) -> None:
    """A record whose signals have not arrived is incomplete, and says which file it waits for."""
    (record / "r1.dat").unlink()

    problem = refusal(record)

    assert problem.code == "incomplete"
    assert "r1.dat" in problem.remedy


def test_refuses_an_absurd_length(record: Path) -> None:
    """A header that claims 10^12 samples is refused without a parser or an array seeing it."""
    edit_header(record, r"^r1 2 360 \d+", "r1 2 360 1000000000000")

    assert refusal(record).code == "too_large"


@pytest.mark.parametrize("name", ["../../x", "/etc/passwd", "http://127.0.0.1/x", "r2"])
def test_refuses_a_header_that_names_another_record(record: Path, name: str) -> None:
    """The record line must name the file it stands in, never a path or URL."""
    edit_header(record, "^r1 ", f"{name} ")

    assert refusal(record).code in {"unsafe_name", "bad_header"}


@pytest.mark.parametrize("name", ["../../../etc/passwd", "http://127.0.0.1/x.dat", "~"])
def test_refuses_a_signal_file_elsewhere(record: Path, name: str) -> None:
    """Signal files lie beside the header; nothing else is opened."""
    edit_header(record, r"^r1\.dat", name)

    assert refusal(record).code in {"unsafe_name", "bad_header"}


def test_refuses_too_many_signals(record: Path) -> None:
    """The number of signals is limited before the lines that describe them are parsed."""
    edit_header(record, "^r1 2 ", "r1 20000 ")

    assert refusal(record).code == "too_large"


def test_refuses_a_header_over_the_limit(record: Path) -> None:
    """A header larger than the setting allows is not parsed."""
    with (record / "r1.hea").open("a") as header:
        header.write("# long\n" * 1_000)

    assert refusal(record, max_header_bytes=4_096).code == "too_large"


@pytest.mark.parametrize("frequency", ["0", "-1", "nan", "1e9"])
def test_refuses_an_impossible_rate(record: Path, frequency: str) -> None:
    """A sampling frequency must be a plausible number of Hz."""
    edit_header(record, "^r1 2 360 ", f"r1 2 {frequency} ")

    assert refusal(record).code == "bad_header"


def test_refuses_a_signal_that_is_no_voltage(record: Path) -> None:
    """A blood pressure is no ECG, and a unit nobody knows might be anything."""
    edit_header(record, "/mV( 12 0 .*)$", r"/furlong\1")
    assert refusal(record).code == "bad_header"

    edit_header(record, "/furlong", "/mmHg")
    edit_header(record, "/mV", "/mmHg")
    assert refusal(record).code == "bad_header"


def test_leaves_a_signal_that_is_no_voltage_out(record: Path) -> None:
    """Beside an ECG, a blood pressure is left out."""
    edit_header(record, "/mV", "/mmHg")

    assert read_record(record, "test/r1").lead_names == ("V1",)


@pytest.mark.parametrize(
    ("header", "code"),
    [
        ("r1/1 2 360 3600\nr1 3600\n", "bad_header"),
        ("r1/2 2 360 3600\nr2 1800\nr2 1800\n", "incomplete"),
        ("r1/1 2 360 3600\n../r2 3600\n", "bad_header"),
        ("r1/1 2 360 3600\nr2.hea 3600\n", "bad_header"),
        ("r1/1 2 360 3600\nr2 -5\n", "bad_header"),
        ("r1/3 2 360 3600\nr2 3600\n", "bad_header"),
        ("r1/0 2 360 3600\n", "bad_header"),
        ("r1/1 2 360 3600\n~ 3600\n", "bad_header"),
        ("r1/99999 2 360 3600\nr2 3600\n", "too_large"),
    ],
)
def test_refuses_segments_that_cannot_be(record: Path, header: str, code: str) -> None:
    """A record of itself, of missing or unsafely named ones, of a wrong number or too many is not followed."""
    (record / "r1.hea").write_text(header)

    assert refusal(record).code == code


def test_refuses_annotations_outside(record: Path) -> None:
    """Annotations past the end belong to another recording."""
    wfdb.wrann("r1", "atr", np.array([100, N_SAMPLES + 5]), symbol=["N", "N"], write_dir=str(record))

    assert refusal(record).code == "bad_annotations"


def test_refuses_two_beats_at_once(record: Path) -> None:
    """One R peak is one heartbeat."""
    wfdb.wrann("r1", "atr", np.array([100, 400, 400]), symbol=["N", "N", "V"], write_dir=str(record))

    assert refusal(record).code == "bad_annotations"


def test_refuses_a_header_that_is_no_text(record: Path) -> None:
    """Random bytes are refused like any other nonsense."""
    (record / "r1.hea").write_bytes(bytes(range(256)) * 8)

    assert refusal(record).code == "bad_header"


def test_keeps_no_comment(record: Path) -> None:
    """Age, sex and drugs in the header's comments do not reach what is handed on."""
    recording = read_record(record, "test/r1")

    assert "Aldomet" not in repr(recording)


@pytest.mark.parametrize(
    ("pattern", "replacement", "told"),
    [
        (r"^r1.dat 212", "r1.dat 16", "shares a file"),  # two formats
        (r"^r1.dat 212", "r1.dat 212+1", "shares a file"),  # two beginnings
        (r"(?s)^r1 2(.*?MLII)$", r"r1 3\1\nother.dat 212 200 12 0 0 0 0 V9", "shares a file"),  # one between two
        (r"^r1.dat 212", "r1.dat 212:10001", "shifted"),
        (r"^r1.dat 212", "r1.dat 212x10001", "samples per frame"),
        (r"200[.0]*\(0\)", f"200({10**30})", "understood"),
        (r"200[.0]*\(0\)", "1e-30(0)", "gain"),
        (r" 360 ", " 3_60 ", "first line"),
        (r" 360 ", " \uff13\uff16\uff10 ", "first line"),
        (r" 3600", " 3600.9", "first line"),
    ],
)
def test_refuses_what_cannot_be_meant(record: Path, pattern: str, replacement: str, told: str) -> None:
    """A header that contradicts itself, or what a signal can be, is refused whatever its signals' format."""
    edit_header(record, pattern, replacement)
    assert told in refusal(record).reason


@pytest.mark.parametrize("storage", ["16", "212"])
def test_reads_signals_of_several_files(tmp_path: Path, storage: str) -> None:
    """Each file's signals come from it, from behind what it begins with; one that is cut off is refused."""
    digital = draw(500, 3)
    write_wfdb(tmp_path, "a", digital[:, :1], storage)
    write_wfdb(tmp_path, "b", digital[:, 1:], storage)
    for name in "ab":
        (tmp_path / f"{name}.dat").write_bytes(b"seven b" + (tmp_path / f"{name}.dat").read_bytes())
    lines = [
        f"{name}.dat {storage}+7 {GAIN}(0)/mV 0 0 0 {sum_} 0 V"
        for name, sum_ in zip("abb", digital.sum(axis=0), strict=True)
    ]
    (tmp_path / "r1.hea").write_text("\n".join(["r1 3 360 500", *lines]))

    signals = read_record(tmp_path, "test/r1").signals

    np.testing.assert_allclose(signals.read(0, 500), digital / GAIN, atol=1e-6)
    (tmp_path / "b.dat").write_bytes((tmp_path / "b.dat").read_bytes()[:-8])
    assert refusal(tmp_path).code == "truncated"
