"""R peaks of recordings that nobody annotated."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from heartwave_tasks.ecg import signals

if TYPE_CHECKING:
    from numpy.typing import NDArray

DETECTOR: Final = "gqrs"
"""Name of the detector, stored with every recording it was used on."""

SEARCH_S: Final = (-0.02, 0.12)
"""Where an R peak is looked for around GQRS's mark, which lies at the onset of the QRS complex; in seconds."""


def detect_r_peaks(samples: NDArray[np.floating], sampling_frequency: float) -> NDArray[np.int64]:
    """Find the R peaks of one lead.

    Parameters
    ----------
    samples
        (n_samples,) in mV at `sampling_frequency` (Hz), unfiltered; NaN where missing.

    Returns
    -------
    int64 (k,) rising sample indices at `sampling_frequency`.

    Notes
    -----
    PhysioNet's GQRS as wfdb offers it; its marks lie early in the QRS complex, so each is moved to the largest
    deflection near it.
    """
    from wfdb.processing import gqrs_detect  # noqa: PLC0415 - wfdb takes a second that annotated recordings save

    filled = signals.fill_gaps(samples[:, None])[:, 0].astype(np.float64)
    if np.ptp(filled) == 0:
        return np.empty(0, dtype=np.int64)
    marks = np.asarray(gqrs_detect(sig=filled, fs=sampling_frequency), dtype=np.int64)
    first, last = (round(edge * sampling_frequency) for edge in SEARCH_S)
    near = np.clip(marks[:, None] + np.arange(first, last + 1), 0, len(filled) - 1)
    level = np.median(filled[near], axis=1, keepdims=True)
    peaks = near[np.arange(len(marks)), np.abs(filled[near] - level).argmax(axis=1)] if len(marks) else marks
    return np.unique(peaks)
