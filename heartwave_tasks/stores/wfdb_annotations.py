"""Reference annotations beside a recording of any format: a WFDB annotation file ``<record>.atr``."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

import numpy as np
import wfdb

from heartwave_tasks.ecg.labels import is_beat

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from heartwave_tasks.stores.arrivals import Arrival

SUFFIX: Final = ".atr"


def read_annotations(
    arrival: Arrival, n_samples: int, frequency: float, counting_frequency: float
) -> tuple[NDArray[np.int64], NDArray[np.str_]] | None:
    """Read samples and symbols of the reference annotations, None where there are none.

    Samples are at ``frequency`` (Hz), the recording's; the file counts at a rate it gives, else at
    ``counting_frequency``.
    """
    if not arrival.file(SUFFIX).is_file():
        return None
    try:
        annotations = wfdb.rdann(str(arrival.file("")), SUFFIX.removeprefix("."))
        samples = np.asarray(annotations.sample, dtype=np.int64)
        symbols = np.asarray(annotations.symbol, dtype="<U1")
        counted = float(annotations.fs or counting_frequency)
    except Exception as error:
        raise arrival.refuse("bad_annotations", f"the annotations cannot be read ({type(error).__name__}).") from error
    if not math.isfinite(counted) or counted <= 0:
        raise arrival.refuse("bad_annotations", "the annotations are counted at a rate that cannot be.")
    if counted != frequency:
        times = samples * (frequency / counted)
        if not np.isfinite(times).all() or (np.abs(times) > np.iinfo(np.int32).max).any():
            raise arrival.refuse("bad_annotations", f"annotations lie outside the recording's {n_samples} samples.")
        samples = np.rint(times).astype(np.int64)
    if len(samples) and (samples[0] < 0 or samples[-1] >= n_samples or (np.diff(samples) < 0).any()):
        raise arrival.refuse(
            "bad_annotations", f"annotations lie outside the recording's {n_samples} samples, or out of order."
        )
    beats = samples[is_beat(symbols)]
    doubled = np.diff(beats) == 0
    if doubled.any():
        raise arrival.refuse(
            "bad_annotations",
            f"two heartbeats are annotated at sample {beats[:-1][doubled][0]}.",
            "Leave one annotation per heartbeat and upload again.",
        )
    return samples, symbols
