"""Sound recordings to begin with: short ones, of every format, with a planted patient wherever one can stand."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
import wfdb

from heartwave_tasks.synthetic import write_recordings
from tests.unit.signal_files import BY_HAND, BY_WFDB, interrupt, write_csv, write_edf, write_wfdb

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

PLANTED: Final = ("Zaphiel Quandt", "1931-07-19", "Digoxinum-Xq")
"""Words of a patient's that no reason, table, log or file of ours may ever hold."""

_EIGHT_BITS: Final = frozenset({"8", "80", "508"})

Files = dict[str, bytes]


def draw_seeds(duration_s: float = 15.0) -> dict[str, Files]:
    """Return the files of sound recordings by what is special about them; every record is called ``r``."""
    with tempfile.TemporaryDirectory() as directory:
        (name,) = write_recordings(Path(directory), count=1, duration_s=duration_s, seed=7)
        path = str(Path(directory, name))
        millivolts = wfdb.rdrecord(path).p_signal
        marks = wfdb.rdann(path, "atr")
        writers: dict[str, Callable[[Path, NDArray[np.float64]], None]] = {
            **{f"format {storage}": _plain(storage) for storage in (*BY_WFDB, *BY_HAND)},
            "segments": _segments,
            "frames": _frames,
            "EDF+": _edf,
            "EDF+D": _interrupted_edf,
            "CSV": _csv,
        }
        seeds = {}
        for kind, write in writers.items():
            target = Path(directory, kind)
            target.mkdir()
            write(target, millivolts)
            if kind not in {"format 16", "CSV", "EDF+D"}:  # some that nobody annotated
                wfdb.wrann(
                    "r", "atr", marks.sample, marks.symbol, aux_note=marks.aux_note, fs=360, write_dir=str(target)
                )
            seeds[kind] = {file.name: file.read_bytes() for file in sorted(target.iterdir())}
    return seeds


def _plain(storage: str) -> Callable[[Path, NDArray[np.float64]], None]:
    gain = 25.0 if storage in _EIGHT_BITS else 100.0

    def write(target: Path, millivolts: NDArray[np.float64]) -> None:
        write_wfdb(target, "r", _digital(millivolts, gain), storage, gain=gain, comments=PLANTED)

    return write


def _segments(target: Path, millivolts: NDArray[np.float64]) -> None:
    digital, half = _digital(millivolts, 100.0), len(millivolts) // 2
    write_wfdb(target, "a", digital[:half], "212", comments=PLANTED)
    write_wfdb(target, "b", digital[half:, :1], "16", comments=PLANTED)
    (target / "l.hea").write_text("l 2 360 0\n~ 0 200 0 0 0 0 0 V1\n~ 0 200 0 0 0 0 0 V2\n")
    n_samples, gap = len(digital), 360
    lines = [f"r/4 2 360 {n_samples + gap}", "l 0", f"a {half}", f"~ {gap}", f"b {n_samples - half}"]
    (target / "r.hea").write_text("\n".join([*lines, *(f"# {words}" for words in PLANTED)]) + "\n")


def _frames(target: Path, millivolts: NDArray[np.float64]) -> None:
    digital = _digital(millivolts, 100.0)
    fast, slow = digital[: len(digital) // 4 * 4, 0], digital[: len(digital) // 4 * 4 : 4, 1]
    (target / "r.dat").write_bytes(np.column_stack([fast.reshape(-1, 4), slow]).astype("<i2").tobytes())
    lines = [
        f"r 2 90 {len(slow)}",
        f"r.dat 16x4 100(0)/mV 12 0 0 {fast.sum() % 65_536} 0 V1",
        f"r.dat 16 100(0)/mV 12 0 0 {slow.sum() % 65_536} 0 V2",
    ]
    (target / "r.hea").write_text("\n".join([*lines, *(f"# {words}" for words in PLANTED)]) + "\n")


def _edf(target: Path, millivolts: NDArray[np.float64]) -> None:
    write_edf(target / "r.edf", millivolts, frequency=360, patient=PLANTED)


def _interrupted_edf(target: Path, millivolts: NDArray[np.float64]) -> None:
    _edf(target, millivolts)
    interrupt(target / "r.edf", [*range(8), *(second + 2.5 for second in range(8, len(millivolts) // 360))])


def _csv(target: Path, millivolts: NDArray[np.float64]) -> None:
    columns: dict[str, list[object]] = {"V1": [f"{value:.3f}" for value in millivolts[:, 0]]}
    columns[PLANTED[0]] = [PLANTED[1]] * len(millivolts)
    write_csv(target, columns, {"V1": "mV"}, 360)
    sidecar = json.loads((target / "r.json").read_text()) | {"patient": PLANTED}
    (target / "r.json").write_text(json.dumps(sidecar))


def _digital(millivolts: NDArray[np.float64], gain: float) -> NDArray[np.int64]:
    limit = 120 if gain < 100 else 500
    return np.clip(np.rint(millivolts * gain), -limit, limit).astype(np.int64)
