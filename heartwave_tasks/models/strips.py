"""Strips: the worst beats of an evaluation, with their neighbours, ready to be drawn as an ECG."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from heartwave_tasks.ecg.beats import R_PEAK_INDEX, WINDOW_SAMPLES
from heartwave_tasks.ecg.filtered_leads import MICROVOLTS_PER_MILLIVOLT
from heartwave_tasks.ecg.signals import SAMPLING_FREQUENCY

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from heartwave_tasks.ecg.beats import Beats

STRIPS: Final = 12
STRIPS_PER_RECORDING: Final = 2
"""More of one recording would show one weakness again and again."""

REACH_S: Final = 1.5
"""Seconds shown before and after the R peak: with its neighbours one sees whether a beat is early."""


@dataclass(frozen=True, eq=False)
class Trace:
    """A piece of ECG: seconds from the R peak of the strip's beat, and mV; float64 (k,) each."""

    time_s: NDArray[np.float64]
    millivolt: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Strip:
    """A beat that was called wrong with confidence, and the windows of the beats around it.

    Attributes
    ----------
    recording_id, time_s
        Which beat: its recording, and seconds from the recording's start.
    reference, called
        Class indices by the expert and by the model.
    confidence
        Probability of the called class.
    beat
        The beat's own window.
    neighbours
        Windows of other beats and marks within `REACH_S`; between windows nothing is kept, so nothing is drawn.
    """

    recording_id: str
    time_s: float
    reference: int
    called: int
    confidence: float
    beat: Trace
    neighbours: tuple[Trace, ...]


def worst(
    beats: Beats, rows: NDArray[np.integer], reference: NDArray[np.integer], probabilities: NDArray[np.floating]
) -> tuple[Strip, ...]:
    """Pick the most confident errors, at most `STRIPS` and `STRIPS_PER_RECORDING` of a recording.

    Parameters
    ----------
    beats
        Whole recordings.
    rows, reference, probabilities
        (m,) tested rows of `beats`, (m,) their reference class and (m, 5) the model's answers.
    """
    called = probabilities.argmax(axis=1)
    confidence = probabilities.max(axis=1)
    wrong = np.flatnonzero(called != reference)
    chosen: list[int] = []
    taken: dict[str, int] = {}
    for candidate in wrong[np.lexsort((rows[wrong], -confidence[wrong]))]:
        name = str(beats.recording_id[rows[candidate]])
        if taken.get(name, 0) < STRIPS_PER_RECORDING:
            taken[name] = taken.get(name, 0) + 1
            chosen.append(int(candidate))
            if len(chosen) == STRIPS:
                break
    return tuple(
        _strip(beats, int(rows[index]), int(reference[index]), int(called[index]), float(confidence[index]))
        for index in chosen
    )


def _strip(beats: Beats, row: int, reference: int, called: int, confidence: float) -> Strip:
    name, time = str(beats.recording_id[row]), float(beats.time_s[row])
    near = (beats.recording_id == name) & (np.abs(beats.time_s - time) < REACH_S)
    near[row] = False
    return Strip(
        recording_id=name,
        time_s=time,
        reference=reference,
        called=called,
        confidence=confidence,
        beat=_trace(beats, row, time),
        neighbours=tuple(_trace(beats, int(neighbour), time) for neighbour in np.flatnonzero(near)),
    )


def _trace(beats: Beats, row: int, origin_s: float) -> Trace:
    seconds = beats.time_s[row] - origin_s + (np.arange(WINDOW_SAMPLES) - R_PEAK_INDEX) / SAMPLING_FREQUENCY
    return Trace(seconds, beats.window[row] / MICROVOLTS_PER_MILLIVOLT)
