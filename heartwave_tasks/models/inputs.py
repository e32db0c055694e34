"""Inputs: what the three architectures of the original project see of a beat, besides its window's 36 features.

They see its shape in millivolts and its timing in seconds, so they recognise patients they were trained on: they are
there for the comparison with the original. For patients never seen there is `relative`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from heartwave_tasks.ecg.beats import R_PEAK_INDEX, WINDOW_SAMPLES
from heartwave_tasks.ecg.features import CONTEXT_FEATURES
from heartwave_tasks.ecg.filtered_leads import MICROVOLTS_PER_MILLIVOLT
from heartwave_tasks.ecg.morphology import MORPHOLOGY_FEATURES, describe_windows

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from heartwave_tasks.ecg.beats import Beats

STEP: Final = 3
"""Every third sample is kept, R peak included: at 120 Hz nothing is lost of a signal that was filtered at 40 Hz."""

WINDOW_SHAPE: Final = (len(range(R_PEAK_INDEX % STEP, WINDOW_SAMPLES, STEP)), 2)
"""Samples and leads of a thinned window."""

TIMED_FEATURES: Final = (*CONTEXT_FEATURES, "rr_previous_s", "rr_next_s")
"""Names of the columns of `time_beats`."""

ENGINEERED_FEATURES: Final = (*MORPHOLOGY_FEATURES, *TIMED_FEATURES)
"""Names of the columns of `engineer_features`."""

_ROWS_AT_ONCE: Final = 8192
"""Bounds what is held on the way to a part's inputs and answers: about 50 MB."""


def thin_windows(beats: Beats) -> NDArray[np.float32]:
    """Windows of both leads in mV at 120 Hz, float32 (n, 63, 2); a second lead that is missing is zero."""
    kept = slice(R_PEAK_INDEX % STEP, None, STEP)
    both = np.stack([beats.window[:, kept], beats.second_window[:, kept]], axis=2)
    return both.astype(np.float32) / np.float32(MICROVOLTS_PER_MILLIVOLT)


def time_beats(beats: Beats) -> NDArray[np.float32]:
    """Context features and RR intervals in seconds, float32 (n, 168); NaN where undefined."""
    return np.column_stack([beats.context, beats.rr_previous_s, beats.rr_next_s]).astype(np.float32)


def engineer_features(beats: Beats) -> NDArray[np.float32]:
    """Compute the 36 features of the analysis lead's window, then those of `time_beats`, float32 (n, 204)."""
    millivolts = beats.window / np.float32(MICROVOLTS_PER_MILLIVOLT)
    return np.column_stack([describe_windows(millivolts, R_PEAK_INDEX), time_beats(beats)])


def join_window(window: NDArray[np.float32], features: NDArray[np.float32]) -> NDArray[np.float32]:
    """Put windows (n, 63, 2) and features (n, k) side by side, float32 (n, 126 + k): synthetic beats need both."""
    return np.column_stack([window.reshape(len(window), -1), features])


def split_window(table: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Undo `join_window`."""
    width = WINDOW_SHAPE[0] * WINDOW_SHAPE[1]
    return table[:, :width].reshape(-1, *WINDOW_SHAPE), table[:, width:]


def in_parts(
    answer: Callable[[Beats], NDArray[np.float32]], beats: Beats, rows: NDArray[np.integer]
) -> NDArray[np.float32]:
    """Answer some rows of some beats, at least one, a few thousand at a time: float32 (len(rows), k).

    Each row's answer must hang on nothing but the row. What is computed on the way takes several times the memory of
    the answers.
    """
    first = answer(beats.take(rows[:_ROWS_AT_ONCE]))
    answers = np.empty((len(rows), first.shape[1]), dtype=np.float32)
    answers[: len(first)] = first
    for start in range(_ROWS_AT_ONCE, len(rows), _ROWS_AT_ONCE):
        part = slice(start, start + _ROWS_AT_ONCE)
        answers[part] = answer(beats.take(rows[part]))
    return answers
