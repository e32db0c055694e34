"""Every format gives what was written, whole or a stretch at a time, and says no more than it must."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import wfdb

from heartwave_tasks.stores import composed_signals, csv_records, wfdb_signals
from heartwave_tasks.stores.arrivals import RecordingProblem
from tests.unit.signal_files import BY_HAND, BY_WFDB, GAIN, draw, interrupt, write_csv, write_edf, write_wfdb
from tests.unit.wfdb_files import read_record

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from heartwave_tasks.ecg.recordings import Recording, Signals

N_SAMPLES = 2_000
STRETCHES = ((0, N_SAMPLES), (0, 1), (N_SAMPLES - 1, N_SAMPLES), (777, 1_555), (1, 8), (600, 600))


@pytest.fixture
def no_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is short enough to be kept: what is true of days is tested on seconds."""
    monkeypatch.setattr(composed_signals, "IN_MEMORY", 0)
    monkeypatch.setattr(wfdb_signals, "BLOCK", 500)
    monkeypatch.setattr(csv_records, "BLOCK_BYTES", 1_000)


def all_of(signals: Signals) -> NDArray[np.float32]:
    """Read signals whole."""
    return signals.read(0, signals.n_samples)


def refusal(directory: Path, **limits: int) -> RecordingProblem:
    """What the reader says of recording `r` in a directory."""
    with pytest.raises(RecordingProblem) as caught:
        all_of(read_record(directory, "test/r", **limits).signals)
    assert caught.value.reason.startswith("test/r: ")
    assert caught.value.remedy
    return caught.value


@pytest.mark.usefixtures("no_memory")
@pytest.mark.parametrize("storage", [*BY_HAND, *BY_WFDB])
def test_every_storage_format_of_wfdb(tmp_path: Path, storage: str) -> None:
    """Each of WFDB's formats gives the millivolts that were stored, in whatever stretches it is read."""
    digital = draw(N_SAMPLES)
    write_wfdb(tmp_path, "r", digital, storage)

    signals = read_record(tmp_path, "test/r").signals

    for first, last in STRETCHES:
        assert signals.read(first, last).shape == (last - first, 2)
        np.testing.assert_allclose(signals.read(first, last), digital[first:last] / GAIN, atol=1e-6)


def test_short_records_are_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What fits in memory is decoded once, checksums and all."""
    write_wfdb(tmp_path, "r", draw(N_SAMPLES), "212")
    calls = []
    read_frames = wfdb_signals.read_frames
    monkeypatch.setattr(wfdb_signals, "read_frames", lambda *args: calls.append(args) or read_frames(*args))

    all_of(read_record(tmp_path, "test/r").signals)

    assert len(calls) == 1


@pytest.mark.usefixtures("no_memory")
@pytest.mark.parametrize("storage", ["8", "16", "516"])
def test_damage_is_found_in_long_records_too(tmp_path: Path, storage: str) -> None:
    """Checksums are compared before anything is handed on, block by block."""
    write_wfdb(tmp_path, "r", draw(N_SAMPLES), storage)
    header = (tmp_path / "r.hea").read_text().split("\n")
    words = header[2].split(" ")
    words[6] = str(int(words[6]) + 1)
    (tmp_path / "r.hea").write_text("\n".join([*header[:2], " ".join(words), *header[3:]]))

    assert refusal(tmp_path).code == "checksum"


@pytest.mark.usefixtures("no_memory")
def test_shifted_signals_are_brought_back(tmp_path: Path) -> None:
    """A signal that its header shifts against the others lies right, with missing samples at its end."""
    digital = draw(N_SAMPLES)
    write_wfdb(tmp_path, "r", digital, "16")
    header = (tmp_path / "r.hea").read_text()
    first, rest = header.split("r.dat 16 ", 1)
    (tmp_path / "r.hea").write_text(f"{first}r.dat 16:7 {rest}")

    read = read_record(tmp_path, "test/r").signals

    np.testing.assert_allclose(read.read(100, 200)[:, 0], digital[107:207, 0] / GAIN, atol=1e-6)
    assert np.isnan(read.read(N_SAMPLES - 10, N_SAMPLES)[:, 0]).tolist() == [False] * 3 + [True] * 7


@pytest.mark.usefixtures("no_memory")
def test_several_samples_per_frame(tmp_path: Path) -> None:
    """The fastest lead gives the rate; a slower one is drawn through by straight lines, in any stretch alike."""
    fast, slow = draw(N_SAMPLES, 1)[:, 0], draw(N_SAMPLES // 4, 1)[:, 0]
    frames = np.column_stack([fast.reshape(-1, 4), slow[:, None]])
    (tmp_path / "r.dat").write_bytes(frames.astype("<i2").tobytes())
    (tmp_path / "r.hea").write_text(
        f"r 2 90 {len(frames)}\nr.dat 16x4 {GAIN}(0)/mV 12 0 0 {fast.sum() % 65536} 0 II\n"
        f"r.dat 16 {GAIN}(0)/mV 12 0 0 {slow.sum() % 65536} 0 V1\n"
    )
    wfdb.wrann("r", "atr", np.array([10, 400]), symbol=["N", "V"], write_dir=str(tmp_path))

    recording = read_record(tmp_path, "test/r")
    whole = all_of(recording.signals)

    assert recording.sampling_frequency == 360
    assert recording.annotation_samples is not None
    assert recording.annotation_samples.tolist() == [40, 1600]
    np.testing.assert_allclose(whole[:, 0], fast / GAIN, atol=1e-6)
    np.testing.assert_allclose(whole[::4, 1], slow / GAIN, atol=1e-6)
    np.testing.assert_allclose(whole[2, 1], (slow[0] + slow[1]) / 2 / GAIN, atol=1e-6)
    for first, last in STRETCHES:
        np.testing.assert_array_equal(recording.signals.read(first, last), whole[first:last])


@pytest.mark.usefixtures("no_memory")
def test_segments_of_a_fixed_layout(tmp_path: Path) -> None:
    """Segments follow each other, and a gap between them is missing samples."""
    digital = draw(1_000)
    write_wfdb(tmp_path, "a", digital[:600], "16")
    write_wfdb(tmp_path, "b", digital[600:], "212")
    (tmp_path / "r.hea").write_text("r/3 2 360 1500\na 600\n~ 500\nb 400\n")

    signals = read_record(tmp_path, "test/r").signals

    read = signals.read(550, 1_200)
    np.testing.assert_allclose(read[:50], digital[550:600] / GAIN, atol=1e-6)
    assert np.isnan(read[50:550]).all()
    np.testing.assert_allclose(read[550:], digital[600:700] / GAIN, atol=1e-6)


def test_segments_of_a_variable_layout(tmp_path: Path) -> None:
    """Where a layout names all leads, a segment may have some of them, in any order."""
    digital = draw(1_000, 3)
    write_wfdb(tmp_path, "a", digital[:600, :2], "16")  # V1, V2
    write_wfdb(tmp_path, "b", digital[600:, :1], "16")  # V1
    (tmp_path / "layout.hea").write_text(
        "layout 3 360 0\n" + "".join(f"~ 0 200 0 0 0 0 0 V{number}\n" for number in (2, 1, 9))
    )
    (tmp_path / "r.hea").write_text("r/3 3 360 1000\nlayout 0\na 600\nb 400\n")

    recording = read_record(tmp_path, "test/r")

    assert recording.lead_names == ("V2", "V1")
    read = all_of(recording.signals)
    np.testing.assert_allclose(read[:, 1], digital[:, 0] / GAIN, atol=1e-6)
    np.testing.assert_allclose(read[:600, 0], digital[:600, 1] / GAIN, atol=1e-6)
    assert np.isnan(read[600:, 0]).all()


@pytest.mark.usefixtures("no_memory")
@pytest.mark.parametrize("unit", ["uV", "mV"])
def test_edf_plus(tmp_path: Path, unit: str) -> None:
    """An EDF+ file gives what pyedflib wrote, in mV, without its annotation channel."""
    millivolts = draw(N_SAMPLES) / GAIN
    write_edf(tmp_path / "r.edf", millivolts, unit)

    recording = read_record(tmp_path, "test/r")

    assert recording.lead_names == ("ECG V1", "ECG V2")
    assert recording.sampling_frequency == 250
    assert recording.annotation_samples is None
    for first, last in STRETCHES:
        np.testing.assert_allclose(recording.signals.read(first, last), millivolts[first:last], atol=2e-4)
    assert "Quandt" not in repr(recording)


@pytest.mark.usefixtures("no_memory")
def test_interrupted_edf_plus(tmp_path: Path) -> None:
    """Where an EDF+D file was interrupted, samples are missing, and what follows lies where it says."""
    millivolts = draw(N_SAMPLES) / GAIN
    write_edf(tmp_path / "r.edf", millivolts)
    interrupt(tmp_path / "r.edf", [0, 1, 2.5, 3.5, 4.5, 9, 10, 11])

    signals = read_record(tmp_path, "test/r").signals

    assert signals.n_samples == 12 * 250
    np.testing.assert_allclose(signals.read(0, 500), millivolts[:500], atol=2e-4)
    assert np.isnan(signals.read(500, 625)).all()
    np.testing.assert_allclose(signals.read(625, 1_375), millivolts[500:1_250], atol=2e-4)
    assert np.isnan(signals.read(1_375, 2_250)).all()
    np.testing.assert_allclose(signals.read(2_250, 3_000), millivolts[1_250:], atol=2e-4)


@pytest.mark.parametrize("onsets", [[0, 1, 1.5], [5, 0, 1], [0, 1e9, 2e9]])
def test_interrupted_edf_plus_that_cannot_be(tmp_path: Path, onsets: list[float]) -> None:
    """Data records that overlap, run backwards, or lie decades apart are refused before memory is taken."""
    write_edf(tmp_path / "r.edf", draw(750) / GAIN)
    interrupt(tmp_path / "r.edf", onsets)

    assert refusal(tmp_path).code in {"bad_header", "too_large"}


@pytest.mark.parametrize(
    ("place", "field", "code"),
    [
        (0, b"1       ", "bad_header"),
        (184, b"99999999", "bad_header"),
        (236, b"99999999", "too_large"),
        (236, b"4       ", "truncated"),
        (236, b"-1      ", "bad_header"),
        (244, b"0       ", "bad_header"),
        (244, b"1e-30   ", "bad_header"),
        (244, b"nan     ", "bad_header"),
        (252, b"9999", "too_large"),
        (252, b"Hans", "bad_header"),
        (256 + 3 * 96, b"kilogram", "bad_header"),
        (256 + 3 * 104, b"0       " * 6, "bad_header"),
        (256 + 3 * 216, b"0       ", "bad_header"),
        (256 + 3 * 216, b"99999999", "too_large"),
    ],
)  # fmt: skip
def test_edf_headers_made_to_hurt(tmp_path: Path, place: int, field: bytes, code: str) -> None:
    """A field that cannot be is refused, before anything is believed of it."""
    write_edf(tmp_path / "r.edf", draw(750) / GAIN)
    content = bytearray((tmp_path / "r.edf").read_bytes())
    content[place : place + len(field)] = field
    (tmp_path / "r.edf").write_bytes(content)

    assert refusal(tmp_path).code == code


def test_truncated_edf(tmp_path: Path) -> None:
    """A file that ends early is refused by its size."""
    write_edf(tmp_path / "r.edf", draw(750) / GAIN)
    content = (tmp_path / "r.edf").read_bytes()
    for length in (0, 100, 300, len(content) - 1):
        (tmp_path / "r.edf").write_bytes(content[:length])
        assert refusal(tmp_path).code in {"truncated", "bad_header"}


@pytest.mark.usefixtures("no_memory")
def test_csv(tmp_path: Path) -> None:
    """Columns that the sidecar names are leads, in mV; other columns are left unread, and empty cells are missing."""
    millivolts = draw(N_SAMPLES) / GAIN
    first = [f"{value:.3f}" for value in millivolts[:, 0]]
    first[5] = ""
    second = [f"{value * 1000:.0f}" for value in millivolts[:, 1]]
    write_csv(
        tmp_path, {"patient": ["Zaphiel Quandt"] * N_SAMPLES, "II": first, "V1": second}, {"V1": "uV", "II": "mV"}
    )

    recording = read_record(tmp_path, "test/r")
    whole = all_of(recording.signals)

    assert recording.lead_names == ("V1", "II")
    assert np.flatnonzero(np.isnan(whole[:, 1])).tolist() == [5]
    np.testing.assert_allclose(whole[:, 0], millivolts[:, 1], atol=6e-4)
    np.testing.assert_allclose(np.delete(whole[:, 1], 5), np.delete(millivolts[:, 0], 5), atol=6e-4)
    for begin, end in STRETCHES:
        np.testing.assert_array_equal(recording.signals.read(begin, end), whole[begin:end])


@pytest.mark.parametrize(
    ("csv", "sidecar", "code"),
    [
        ("II\n1\n2\n", None, "incomplete"),
        ("II\n1\n2\n", "[]", "bad_header"),
        ("II\n1\n2\n", "{" * 10_000, "bad_header"),
        ("II\n1\n2\n", '{"sampling_frequency": 0, "leads": {"II": "mV"}}', "bad_header"),
        ("II\n1\n2\n", '{"sampling_frequency": 250, "leads": {"V1": "mV"}}', "bad_header"),
        ("II\n1\n2\n", '{"sampling_frequency": 250, "leads": {"II": "kg"}}', "bad_header"),
        ("II,II\n1,1\n", '{"sampling_frequency": 250, "leads": {"II": "mV"}}', "bad_header"),
        ("II\n1\nZaphiel\n", '{"sampling_frequency": 250, "leads": {"II": "mV"}}', "bad_values"),
        ("II\n1,2\n", '{"sampling_frequency": 250, "leads": {"II": "mV"}}', "bad_values"),
        ("II\n", '{"sampling_frequency": 250, "leads": {"II": "mV"}}', "truncated"),
        ("", '{"sampling_frequency": 250, "leads": {"II": "mV"}}', "bad_header"),
    ],
)  # fmt: skip
def test_csv_that_cannot_be_read(tmp_path: Path, csv: str, sidecar: str | None, code: str) -> None:
    """A missing or senseless sidecar, missing leads and words for numbers are refused, unquoted."""
    (tmp_path / "r.csv").write_text(csv)
    if sidecar is not None:
        (tmp_path / "r.json").write_text(sidecar)

    problem = refusal(tmp_path)

    assert problem.code == code
    assert "Zaphiel" not in problem.reason


def test_csv_over_its_limits(tmp_path: Path) -> None:
    """Lines, names and numbers of samples have limits, too."""
    write_csv(tmp_path, {"II": [1] * 1_000}, {"II": "mV"})
    assert refusal(tmp_path, max_samples=999).code == "too_large"

    (tmp_path / "r.csv").write_text("II" + " " * 2_000 + "\n1\n")
    assert refusal(tmp_path, max_header_bytes=1_000).code == "too_large"


def test_one_format_at_a_time(tmp_path: Path) -> None:
    """Which of two files is the recording, nobody can tell."""
    write_csv(tmp_path, {"II": [1] * 10}, {"II": "mV"})
    write_wfdb(tmp_path, "r", draw(10), "16")

    assert refusal(tmp_path).code == "ambiguous"


def test_annotations_beside_any_format(tmp_path: Path) -> None:
    """Reference beats come from a WFDB annotation file beside an EDF file, too."""
    write_edf(tmp_path / "r.edf", draw(750) / GAIN)
    wfdb.wrann("r", "atr", np.array([100, 400]), symbol=["N", "V"], write_dir=str(tmp_path))

    recording: Recording = read_record(tmp_path, "test/r")

    assert recording.annotation_symbols is not None
    assert recording.annotation_symbols.tolist() == ["N", "V"]
