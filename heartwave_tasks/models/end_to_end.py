"""End to end: what labels are worth where R peaks are detected, beside the labels of the same beats as annotated.

A beat that no detected R peak was matched to (`heartwave_tasks.ecg.matching`) was missed, whatever its class, and a
detected R peak that is no annotated beat is false for the class it was called. So confusion matrices have a sixth row
and a sixth column, `NOTHING`, and every figure of `heartwave_tasks.models.metrics` means what it always does.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from heartwave_tasks.ecg.labels import CLASSES
from heartwave_tasks.ecg.matching import match_beats
from heartwave_tasks.models import intervals, metrics

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Self

    from numpy.typing import NDArray

    from heartwave_tasks.ecg.beats import Beats
    from heartwave_tasks.models.intervals import Interval

NOTHING: Final = len(CLASSES)
"""Row of detected R peaks that are no annotated beat, and column of annotated beats that were not detected."""


@dataclass(frozen=True, eq=False)
class LabelledRecording:
    """One recording of `EndToEnd`: int64 (6, 6) each, and a number of beats."""

    patient: str
    annotated: NDArray[np.int64]
    detected: NDArray[np.int64]
    n_unclassifiable: int


@dataclass(frozen=True, eq=False)
class EndToEnd:
    """The same models' labels of the same recordings, by two kinds of R peaks.

    Attributes
    ----------
    protocol
        How the test recordings were chosen, as in `heartwave_tasks.models.evaluation.Evaluation`.
    recordings, patients
        The r test recordings, sorted, and whose they are.
    annotated, detected
        int64 (r, 6, 6): recording, annotated class or `NOTHING`, called class or `NOTHING`; R peaks as annotated, and
        as detected.
    n_unclassifiable
        int64 (r,) detected beats whose signal shows nothing to classify by. They are counted with the class that the
        model gives all the same, as annotated ones are everywhere.
    """

    protocol: str
    recordings: tuple[str, ...]
    patients: tuple[str, ...]
    annotated: NDArray[np.int64]
    detected: NDArray[np.int64]
    n_unclassifiable: NDArray[np.int64]

    @classmethod
    def of(cls, protocol: str, recordings: Mapping[str, LabelledRecording]) -> Self:
        """Put at least one recording together, in the order they come."""
        found = list(recordings.values())
        return cls(
            protocol=protocol,
            recordings=tuple(recordings),
            patients=tuple(each.patient for each in found),
            annotated=np.array([each.annotated for each in found]),
            detected=np.array([each.detected for each in found]),
            n_unclassifiable=np.array([each.n_unclassifiable for each in found]),
        )

    @property
    def n_beats(self) -> int:
        """Count the annotated beats."""
        return int(self.annotated.sum())

    @property
    def n_patients(self) -> int:
        """Count the patients."""
        return len(set(self.patients))

    @property
    def nsv_difference(self) -> Interval:
        """95 % interval over patients of what detection adds to the mean F1 of N, S and V; of one patient, none."""
        if self.n_patients < 2:  # noqa: PLR2004
            return intervals.NO_INTERVAL
        annotated, detected = (
            metrics.mean_f1(intervals.resample(intervals.by_patient(tables, self.patients)), metrics.RHYTHM_CLASSES)
            for tables in (self.annotated, self.detected)
        )
        return intervals.interval(detected - annotated)


def compare_labels(
    patient: str,
    annotated: Beats,
    annotated_called: NDArray[np.integer],
    detected: Beats,
    detected_called: NDArray[np.integer],
) -> LabelledRecording:
    """Count what a model makes of one recording's annotated heartbeats (n,) and of its detected ones (m,).

    `annotated` have a reference class each; what was `called` are class indices, (n,) and (m,).
    """
    table = np.zeros((NOTHING + 1, NOTHING + 1), dtype=np.int64)
    np.add.at(table, (annotated.reference, annotated_called), 1)
    return LabelledRecording(
        patient=patient,
        annotated=table,
        detected=count_labels(annotated.time_s, annotated.reference, detected.time_s, detected_called),
        n_unclassifiable=int(np.count_nonzero(~detected.is_classifiable)),
    )


def count_labels(
    reference_s: NDArray[np.float64],
    reference: NDArray[np.integer],
    detected_s: NDArray[np.float64],
    called: NDArray[np.integer],
) -> NDArray[np.int64]:
    """Count the labels of a recording's detected R peaks, int64 (6, 6), as in `EndToEnd.detected`.

    Parameters
    ----------
    reference_s, reference
        (n,) rising seconds, and class index of every annotated beat.
    detected_s, called
        (m,) rising seconds of every detected R peak, and class index it was given.
    """
    pairs = match_beats(reference_s, detected_s)
    meant = np.full(len(called), NOTHING)
    meant[pairs.detected] = reference[pairs.reference]
    table = np.zeros((NOTHING + 1, NOTHING + 1), dtype=np.int64)
    np.add.at(table, (meant, called), 1)
    missed = np.delete(reference, pairs.reference)
    np.add.at(table, (missed, np.full(len(missed), NOTHING)), 1)
    return table
