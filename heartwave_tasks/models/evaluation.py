"""Evaluation: what a model got right and wrong on test beats, in counts from which every figure follows.

Counts are kept by recording, so an evaluation that was stored years ago still yields intervals by patient, figures
without a certain record, and a paired comparison with another model on the same rows.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING, Final

import numpy as np

from heartwave_tasks.ecg import mitbih
from heartwave_tasks.ecg.labels import CLASSES
from heartwave_tasks.models import intervals, metrics
from heartwave_tasks.models.confidence import curves, least_confident

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from heartwave_tasks.models.confidence import LeastConfident, PrecisionRecall
    from heartwave_tasks.models.intervals import Interval
    from heartwave_tasks.models.metrics import Reliability

_PROBABILITY_TOLERANCE: Final = 1e-3


@dataclass(frozen=True)
class ClassFigures:
    """The figures of one class, with 95 % intervals over patients; NaN where undefined."""

    beat_class: str
    n_beats: int
    n_patients: int
    sensitivity: float
    positive_predictivity: float
    f1: float
    sensitivity_interval: Interval
    positive_predictivity_interval: Interval
    f1_interval: Interval


@dataclass(frozen=True)
class RecordingCounts:
    """Beats of one class in one test recording: how many there are, were found, and were called."""

    recording_id: str
    beat_class: str
    n_beats: int
    n_found: int
    n_called: int


@dataclass(frozen=True)
class SubsetFigures:
    """S in the test set, or in the test set without certain recordings."""

    left_out: tuple[str, ...]
    n_beats: int
    sensitivity: float
    positive_predictivity: float


@dataclass(frozen=True, eq=False)
class Evaluation:
    """A model's answers on test beats, under one protocol.

    Attributes
    ----------
    protocol, scheme
        How the test beats were chosen (`protocols`), and whether classes are ``aami`` or ``heartwave5``.
    recordings
        The r test recordings, sorted.
    patients
        Patient of each recording.
    row_digests
        Of each recording, a hash over the test rows' R peaks and reference classes: the same hash, the same rows.
    confusions
        int64 (r, 5, 5): recording, reference class, called class.
    reliability, brier
        How good the probabilities are.
    least_confident
        What the review queues of `LEAST_CONFIDENT_SHARES` hold.
    curves
        One precision-recall curve for each class that has beats.
    """

    protocol: str
    scheme: str
    recordings: tuple[str, ...]
    patients: tuple[str, ...]
    row_digests: tuple[str, ...]
    confusions: NDArray[np.int64]
    reliability: Reliability
    brier: float
    least_confident: tuple[LeastConfident, ...]
    curves: tuple[PrecisionRecall, ...]

    @cached_property
    def confusion(self) -> NDArray[np.int64]:
        """All recordings together, int64 (5, 5)."""
        total: NDArray[np.int64] = self.confusions.sum(axis=0)
        return total

    @property
    def n_beats(self) -> int:
        """Count the test beats."""
        return int(self.confusion.sum())

    @property
    def n_patients(self) -> int:
        """Count the test patients."""
        return len(set(self.patients))

    @property
    def accuracy(self) -> float:
        """Share of all beats called right."""
        return float(metrics.accuracy(self.confusion))

    @property
    def macro_f1(self) -> float:
        """Mean F1 over the classes that have test beats."""
        return float(metrics.macro_f1(self.confusion))

    @property
    def weighted_f1(self) -> float:
        """Mean F1 weighted by each class's beats."""
        return float(metrics.weighted_f1(self.confusion))

    @property
    def nsv_mean_f1(self) -> float:
        """Mean F1 of N, S and V: the figure models are promoted by."""
        return float(metrics.mean_f1(self.confusion, metrics.RHYTHM_CLASSES))

    @property
    def nsvf_mean_f1(self) -> float:
        """Mean F1 of N, S, V and F."""
        return float(metrics.mean_f1(self.confusion, (*metrics.RHYTHM_CLASSES, metrics.F)))

    @property
    def cohen_kappa(self) -> float:
        """Agreement with the reference beyond chance."""
        return float(metrics.cohen_kappa(self.confusion))

    @property
    def j_kappa(self) -> float:
        """The index of Mar et al. that joins κ with the figures of S and V."""
        return float(metrics.j_kappa(self.confusion))

    @property
    def expected_calibration_error(self) -> float:
        """Mean gap between confidence and share of right labels."""
        return self.reliability.expected_calibration_error

    @property
    def nsv_mean_f1_interval(self) -> Interval:
        """95 % interval over patients of the mean F1 of N, S and V."""
        return self.intervals["nsv_mean_f1"]

    @cached_property
    def intervals(self) -> dict[str, Interval]:
        """95 % intervals over patients of the figures that are not of one class, by name."""
        resamples = intervals.resample(intervals.by_patient(self.confusions, self.patients))
        return {
            "accuracy": intervals.interval(metrics.accuracy(resamples)),
            "macro_f1": intervals.interval(metrics.macro_f1(resamples)),
            "weighted_f1": intervals.interval(metrics.weighted_f1(resamples)),
            "nsv_mean_f1": intervals.interval(metrics.mean_f1(resamples, metrics.RHYTHM_CLASSES)),
            "nsvf_mean_f1": intervals.interval(metrics.mean_f1(resamples, (*metrics.RHYTHM_CLASSES, metrics.F))),
            "cohen_kappa": intervals.interval(metrics.cohen_kappa(resamples)),
            "j_kappa": intervals.interval(metrics.j_kappa(resamples)),
        }

    @cached_property
    def class_figures(self) -> tuple[ClassFigures, ...]:
        """Sensitivity, positive predictivity and F1 of every class, with intervals."""
        patients = intervals.by_patient(self.confusions, self.patients)
        n_patients = (patients.sum(axis=-1) > 0).sum(axis=0)
        found, predictive, f1 = metrics.sensitivity, metrics.positive_predictivity, metrics.f1
        return tuple(
            ClassFigures(
                beat_class=name,
                n_beats=int(self.confusion[index].sum()),
                n_patients=int(n_patients[index]),
                sensitivity=float(found(self.confusion)[index]),
                positive_predictivity=float(predictive(self.confusion)[index]),
                f1=float(f1(self.confusion)[index]),
                sensitivity_interval=found_interval,
                positive_predictivity_interval=predictive_interval,
                f1_interval=f1_interval,
            )
            for index, (name, found_interval, predictive_interval, f1_interval) in enumerate(
                zip(
                    CLASSES,
                    intervals.class_intervals(patients, found),
                    intervals.class_intervals(patients, predictive),
                    intervals.class_intervals(patients, f1),
                    strict=True,
                )
            )
        )

    @property
    def recording_counts(self) -> tuple[RecordingCounts, ...]:
        """Counts by recording and class, leaving out classes a recording neither has nor is said to have."""
        return tuple(
            RecordingCounts(recording_id, name, n_beats, n_found, n_called)
            for recording_id, confusion in zip(self.recordings, self.confusions, strict=True)
            for name, n_beats, n_found, n_called in zip(
                CLASSES,
                confusion.sum(axis=1).tolist(),
                confusion.diagonal().tolist(),
                confusion.sum(axis=0).tolist(),
                strict=True,
            )
            if n_beats or n_called
        )

    @property
    def supraventricular_subsets(self) -> tuple[SubsetFigures, ...]:
        """S gross, and without the MIT-BIH records that distort it: 232 holds most of DS2's, 202 is 201's patient."""
        records = (mitbih.SUPRAVENTRICULAR_OUTLIER, "202")
        distorting = [name for name in (f"{mitbih.SOURCE}/{record}" for record in records) if name in self.recordings]
        return tuple(self._supraventricular_without(left_out) for left_out in ((), *((name,) for name in distorting)))

    def confusions_of(self, recordings: Iterable[str]) -> NDArray[np.int64]:
        """Confusion matrices of some of the recordings, in the order asked for; int64 (n, 5, 5)."""
        position = {name: index for index, name in enumerate(self.recordings)}
        return self.confusions[[position[name] for name in recordings]]

    def of_recordings(self, recordings: Sequence[str]) -> Evaluation:
        """Count only some of the recordings; what confidences would be needed for is undefined, as none were kept."""
        at = [self.recordings.index(name) for name in sorted(recordings)]
        return replace(
            self,
            recordings=tuple(self.recordings[place] for place in at),
            patients=tuple(self.patients[place] for place in at),
            row_digests=tuple(self.row_digests[place] for place in at),
            confusions=self.confusions[at],
            reliability=metrics.NO_RELIABILITY,
            brier=float("nan"),
            least_confident=(),
            curves=(),
        )

    def summary(self) -> dict[str, float]:
        """Every figure under a short name, as MLflow's metrics want them; undefined ones are left out."""
        figures = {
            "accuracy": self.accuracy,
            "macro_f1": self.macro_f1,
            "weighted_f1": self.weighted_f1,
            "nsv_mean_f1": self.nsv_mean_f1,
            "nsvf_mean_f1": self.nsvf_mean_f1,
            "cohen_kappa": self.cohen_kappa,
            "j_kappa": self.j_kappa,
            "ece": self.expected_calibration_error,
            "brier": self.brier,
            "n_beats": float(self.n_beats),
        }
        for figure in self.class_figures:
            figures[f"sensitivity_{figure.beat_class}"] = figure.sensitivity
            figures[f"positive_predictivity_{figure.beat_class}"] = figure.positive_predictivity
            figures[f"f1_{figure.beat_class}"] = figure.f1
        return {name: value for name, value in figures.items() if not np.isnan(value)}

    def _supraventricular_without(self, left_out: tuple[str, ...]) -> SubsetFigures:
        kept = self.confusions_of(name for name in self.recordings if name not in left_out).sum(axis=0)
        return SubsetFigures(
            left_out,
            int(kept[metrics.S].sum()),
            float(metrics.sensitivity(kept)[metrics.S]),
            float(metrics.positive_predictivity(kept)[metrics.S]),
        )


def evaluate(
    *,
    protocol: str,
    scheme: str,
    reference: NDArray[np.integer],
    probabilities: NDArray[np.floating],
    recording_id: NDArray[np.str_],
    patient: NDArray[np.str_],
    r_peak_sample: NDArray[np.integer],
) -> Evaluation:
    """Compare a model's probabilities with the reference.

    Parameters
    ----------
    protocol, scheme
        As in `Evaluation`.
    reference
        (n,) class index of every test beat, n at least 1.
    probabilities
        (n, 5), rows summing to 1.
    recording_id, patient, r_peak_sample
        (n,) which beat each row is.

    Raises
    ------
    ValueError
        If there is no test beat, or shapes, classes or probabilities are not as said.
    """
    _check(protocol, reference, probabilities, (recording_id, patient, r_peak_sample))
    called = probabilities.argmax(axis=1)
    right = called == reference
    confidence = probabilities.max(axis=1)
    recordings, index = np.unique(recording_id, return_inverse=True)
    return Evaluation(
        protocol=protocol,
        scheme=scheme,
        recordings=tuple(recordings.tolist()),
        patients=tuple(patient[np.unique(index, return_index=True)[1]].tolist()),
        row_digests=_row_digests(index, len(recordings), r_peak_sample, reference),
        confusions=metrics.confusion_matrices(index, reference, called, len(recordings)),
        reliability=metrics.reliability(confidence, right),
        brier=metrics.brier_score(reference, probabilities),
        least_confident=least_confident(confidence, right),
        curves=curves(reference, probabilities),
    )


def _check(
    protocol: str,
    reference: NDArray[np.integer],
    probabilities: NDArray[np.floating],
    columns: tuple[NDArray[np.generic], ...],
) -> None:
    n = len(reference)
    if n == 0:
        msg = f"{protocol}: there is no test beat to evaluate."
        raise ValueError(msg)
    if probabilities.shape != (n, len(CLASSES)) or any(column.shape != (n,) for column in columns):
        shapes = ", ".join(str(column.shape) for column in columns)
        msg = (
            f"{protocol}: {n} references need ({n}, {len(CLASSES)}) probabilities, got {probabilities.shape}; {shapes}."
        )
        raise ValueError(msg)
    if reference.min() < 0 or reference.max() >= len(CLASSES):
        msg = f"{protocol}: classes run from 0 to {len(CLASSES) - 1}, got {reference.min()} to {reference.max()}."
        raise ValueError(msg)
    sums = probabilities.sum(axis=1)
    if not (np.abs(sums - 1) <= _PROBABILITY_TOLERANCE).all() or probabilities.min() < 0:
        msg = f"{protocol}: every row of probabilities must be non-negative and sum to 1."
        raise ValueError(msg)


def _row_digests(
    index: NDArray[np.intp], n_recordings: int, r_peak_sample: NDArray[np.integer], reference: NDArray[np.integer]
) -> tuple[str, ...]:
    """Hash which beats were tested and against which reference, whatever order they came in."""
    order = np.lexsort((r_peak_sample, index))
    rows = np.column_stack([r_peak_sample, reference]).astype("<i8")[order]
    edges = np.searchsorted(index[order], np.arange(n_recordings + 1))
    return tuple(hashlib.sha256(rows[first:last].tobytes()).hexdigest() for first, last in pairwise(edges))
