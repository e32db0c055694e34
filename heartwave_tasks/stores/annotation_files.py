"""Labels as WFDB annotation files, which `bxb`, `rdann`, WAVE and LightWAVE open beside the recording."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

ANNOTATOR: Final = "hwv"
"""Suffix of the file: the annotator's name. Not ``atr``, which is the reference's and may lie beside it."""

REVIEWED: Final = 1
"""Subtype of a beat whose class is a person's; the model's have 0."""


def write_annotations(
    directory: Path,
    record: str,
    r_peak_sample: NDArray[np.integer],
    symbols: Sequence[str],
    notes: Sequence[str],
    sampling_frequency: float,
) -> Path:
    """Write one annotation per heartbeat, whole or not at all, and return the file.

    Parameters
    ----------
    record
        Name of the record the annotations are of.
    r_peak_sample
        (n,) strictly increasing, samples at the recording's own rate.
    symbols
        (n,) of WFDB's letters for beats; the five classes N, S, V, F and Q are among them.
    notes
        (n,) what is written beside the beat; a beat with a note counts as `REVIEWED`.
    sampling_frequency
        Of the recording, in Hz; kept in the file, so that tools show the right times.
    """
    import wfdb  # noqa: PLC0415 - pandas comes with it

    rate = int(sampling_frequency) if float(sampling_frequency).is_integer() else sampling_frequency
    with tempfile.TemporaryDirectory(dir=directory, prefix=f".{record}-") as unfinished:
        wfdb.wrann(
            record,
            ANNOTATOR,
            np.asarray(r_peak_sample, dtype=np.int64),
            list(symbols),
            subtype=np.array([REVIEWED if note else 0 for note in notes], dtype=np.int64),
            aux_note=list(notes),
            fs=rate,
            write_dir=unfinished,
        )
        written = Path(unfinished, f"{record}.{ANNOTATOR}")
        target = directory / written.name
        written.replace(target)
    return target
