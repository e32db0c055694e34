"""Sound recordings to begin with: short ones, of several storage formats, with a planted patient in every comment."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Final

import wfdb

from heartwave_tasks.synthetic import write_recordings

PLANTED: Final = ("Zaphiel Quandt", "1931-07-19", "Digoxinum-Xq")
"""Words of a patient's that no reason, table, log or file of ours may ever hold."""

FORMATS: Final = ("212", "16", "80", "24", "32")

Files = dict[str, bytes]


def draw_seeds(duration_s: float = 15.0) -> dict[str, Files]:
    """Return the files of sound recordings by what is special about them; every record is called ``r``."""
    with tempfile.TemporaryDirectory() as directory:
        (name,) = write_recordings(Path(directory), count=1, duration_s=duration_s, seed=7)
        path = str(Path(directory, name))
        stored, marks = wfdb.rdrecord(path, physical=False), wfdb.rdann(path, "atr")
        seeds = {}
        for storage in FORMATS:
            signals = stored.d_signal >> 3 if storage == "80" else stored.d_signal
            target = Path(directory, f"format {storage}")
            target.mkdir()
            wfdb.wrsamp(
                "r", fs=stored.fs, units=stored.units, sig_name=stored.sig_name, d_signal=signals,
                fmt=[storage] * 2, adc_gain=[25.0 if storage == "80" else 200.0] * 2, baseline=[0, 0],
                comments=list(PLANTED), write_dir=str(target),
            )  # fmt: skip
            if storage != "16":  # one that nobody annotated
                wfdb.wrann("r", "atr", marks.sample, marks.symbol, aux_note=marks.aux_note, write_dir=str(target))
            seeds[target.name] = {file.name: file.read_bytes() for file in sorted(target.iterdir())}
    return seeds
