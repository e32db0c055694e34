"""The synthetic recordings: real WFDB files, every kind of beat, the same ones every time."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import numpy as np
import pytest
import wfdb

from heartwave_tasks.ecg.labels import CLASSES, NO_CLASS, aami_classes
from heartwave_tasks.ecg.mitbih import RECORDS
from heartwave_tasks.synthetic import LEADS, SAMPLING_FREQUENCY, write_recordings

if TYPE_CHECKING:
    from pathlib import Path

DURATION_S = 60


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """Write five short recordings; the fourth is paced."""
    directory = tmp_path_factory.mktemp("synthetic")
    return directory, write_recordings(directory, count=5, duration_s=DURATION_S, seed=7)


def test_wfdb_reads_what_was_written(written: tuple[Path, list[str]]) -> None:
    """Each record has MIT-BIH's rate, leads and format, and samples that match the header's checksums."""
    directory, names = written
    for name in names:
        record = wfdb.rdrecord(str(directory / name), physical=False)
        assert (record.fs, record.sig_name, record.fmt) == (SAMPLING_FREQUENCY, list(LEADS), ["212", "212"])
        assert record.sig_len == DURATION_S * SAMPLING_FREQUENCY
        assert record.checksum == record.calc_checksum()
        assert np.abs(record.d_signal).max() < 2047, "nothing is clipped"


def test_header_says_synthetic(written: tuple[Path, list[str]]) -> None:
    """Nobody who opens a header can take the recording for one of a person."""
    directory, names = written
    for name in names:
        assert wfdb.rdheader(str(directory / name)).comments[0].startswith("SYNTHETIC")


def test_names_are_no_real_records(written: tuple[Path, list[str]]) -> None:
    """Names are syn001 and so on, none of them a record of MIT-BIH."""
    _, names = written
    assert names == ["syn001", "syn002", "syn003", "syn004", "syn005"]
    assert not set(names) & set(RECORDS)


def test_every_class_occurs(written: tuple[Path, list[str]]) -> None:
    """A handful of recordings holds N, S, V, F and paced beats, and a mark that is no beat."""
    directory, names = written
    symbols: Counter[str] = Counter()
    for name in names:
        symbols.update(wfdb.rdann(str(directory / name), "atr").symbol)
    found = set(aami_classes(np.array(sorted(symbols))).tolist()) - {NO_CLASS}
    assert found == set(range(len(CLASSES)))
    assert symbols["~"]
    assert symbols["N"] > symbols["/"] > symbols["V"] > symbols["F"] > 0


def test_rhythm_is_plausible(written: tuple[Path, list[str]]) -> None:
    """Beats come at 40 to 120 a minute; premature ones come early, and V is followed by a compensatory pause."""
    directory, names = written
    for name in names:
        annotations = wfdb.rdann(str(directory / name), "atr")
        is_beat = np.isin(annotations.symbol, list("NAVF/"))
        symbols = np.array(annotations.symbol)[is_beat]
        rr_s = np.diff(annotations.sample[is_beat]) / SAMPLING_FREQUENCY
        usual_s = np.median(rr_s)
        assert 0.5 < usual_s < 1.5
        premature = np.flatnonzero(np.isin(symbols[1:-1], ["A", "V"])) + 1
        assert (rr_s[premature - 1] < 0.85 * usual_s).all()
        ventricular = np.flatnonzero(symbols[1:-1] == "V") + 1
        np.testing.assert_allclose(rr_s[ventricular - 1] + rr_s[ventricular], 2 * usual_s, rtol=0.2)


def test_annotations_lie_on_r_peaks(written: tuple[Path, list[str]]) -> None:
    """Around each normal beat's annotation, MLII is highest within 10 ms of it."""
    directory, names = written
    signal = wfdb.rdrecord(str(directory / names[0])).p_signal[:, 0]
    annotations = wfdb.rdann(str(directory / names[0]), "atr")
    normal = annotations.sample[np.array(annotations.symbol) == "N"]
    windows = signal[normal[:, None] + np.arange(-36, 37)]
    assert np.abs(windows.argmax(axis=1) - 36).max() <= 0.010 * SAMPLING_FREQUENCY


def test_patients_differ_in_shape(written: tuple[Path, list[str]]) -> None:
    """The mean normal beat differs between recordings by more than noise: each has a patient of its own."""
    directory, names = written
    means = []
    for name in (names[0], names[2]):
        signal = wfdb.rdrecord(str(directory / name)).p_signal[:, 0]
        annotations = wfdb.rdann(str(directory / name), "atr")
        normal = annotations.sample[np.array(annotations.symbol) == "N"]
        means.append(signal[normal[1:-1, None] + np.arange(-93, 94)].mean(axis=0))
    assert np.abs(means[0] - means[1]).max() > 0.1


def test_same_seed_same_bytes(written: tuple[Path, list[str]], tmp_path: Path) -> None:
    """The seed decides every byte, and how many recordings are asked for changes none of those that both have."""
    directory, _ = written
    for name in write_recordings(tmp_path, count=2, duration_s=DURATION_S, seed=7):
        for suffix in (".hea", ".dat", ".atr"):
            assert (tmp_path / name).with_suffix(suffix).read_bytes() == (directory / name).with_suffix(
                suffix
            ).read_bytes()


def test_other_seed_other_recordings(written: tuple[Path, list[str]], tmp_path: Path) -> None:
    """Another seed draws other patients."""
    directory, names = written
    write_recordings(tmp_path, count=1, duration_s=DURATION_S, seed=8)
    assert (tmp_path / "syn001.dat").read_bytes() != (directory / f"{names[0]}.dat").read_bytes()


def test_too_short_is_refused(tmp_path: Path) -> None:
    """A recording too short to hold a rhythm is refused with the least length, and nothing is written."""
    with pytest.raises(ValueError, match="at least 10 s; asked for 3 s"):
        write_recordings(tmp_path, duration_s=3)
    assert not list(tmp_path.iterdir())


def test_shortest_recording_is_readable(tmp_path: Path) -> None:
    """Ten seconds, the least that is allowed, make a readable recording, whatever the rhythm drawn."""
    for name in write_recordings(tmp_path, count=13, duration_s=10, seed=1):
        assert wfdb.rdrecord(str(tmp_path / name)).sig_len == 10 * SAMPLING_FREQUENCY
        assert len(wfdb.rdann(str(tmp_path / name), "atr").sample) > 7
