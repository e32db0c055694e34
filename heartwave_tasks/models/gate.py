"""The gate: whether a challenger takes the champion's place, and why, in sentences.

Both are judged on the same test rows, answered by models that had not seen the patients. The challenger must be better
on the mean F1 of N, S and V, and must not find fewer V or S beats than chance between patients explains: a better mean
bought with missed arrhythmias is no progress.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from heartwave_tasks.ecg.labels import CLASS_NAMES, CLASSES
from heartwave_tasks.models import intervals, metrics

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import numpy as np
    from numpy.typing import NDArray

    from heartwave_tasks.models.evaluation import Evaluation
    from heartwave_tasks.models.intervals import Interval
    from heartwave_tasks.models.metrics import Counts, Figures

PROTOCOL: Final = "patient_folds"
"""The protocol promotions are decided by."""

GUARDED_CLASSES: Final = (metrics.V, metrics.S)
"""Classes whose sensitivity must not fall."""

LEAST_SHARED: Final = 0.5
"""Share of the champion's test beats that must be among the challenger's: less is another test, not the same rows."""

_LEAST_PATIENTS: Final = 2


@dataclass(frozen=True)
class ComparedFigure:
    """One figure of both, on the rows both were tested on, as fractions of 1; NaN where undefined.

    Attributes
    ----------
    name
        Of the figure, such as ``V sensitivity``.
    challenger, champion
        Their figures.
    difference
        95 % interval of challenger minus champion, the same patients resampled for both.
    decides
        Whether the verdict hangs on it; the others are for people to look at.
    """

    name: str
    challenger: float
    champion: float
    difference: Interval
    decides: bool


@dataclass(frozen=True)
class Verdict:
    """Whether to promote, and why.

    Attributes
    ----------
    promote, reasons
        The decision, and its reasons in the order they were looked at.
    n_beats, n_patients
        Test beats of both, and whose they are; 0 where there was nothing to compare.
    figures
        What was compared.
    """

    promote: bool
    reasons: tuple[str, ...]
    n_beats: int = 0
    n_patients: int = 0
    figures: tuple[ComparedFigure, ...] = ()


def decide(challenger: Evaluation, champion: Evaluation | None) -> Verdict:
    """Compare a challenger with the champion.

    Parameters
    ----------
    challenger, champion
        Evaluations under `PROTOCOL`; no champion, no contest. Recordings that only one of them was tested on, or that
        were tested on other rows or other reference classes, are left out of the comparison.

    Raises
    ------
    ValueError
        If an evaluation is of another protocol.
    """
    for evaluation in (challenger, champion):
        if evaluation is not None and evaluation.protocol != PROTOCOL:
            msg = f"Promotion is decided on {PROTOCOL}; this evaluation is of {evaluation.protocol}."
            raise ValueError(msg)
    if champion is None:
        return Verdict(
            promote=True,
            reasons=(f"There is no champion yet. Mean F1 of N/S/V: {_percent(challenger.nsv_mean_f1)}.",),
        )
    shared = _same_rows(challenger, champion)
    shared_beats = int(champion.confusions_of(shared).sum())
    if shared_beats < LEAST_SHARED * champion.n_beats:
        reason = (
            f"The two were not tested on the same rows: only {shared_beats} of the champion's {champion.n_beats} "
            f"test beats are among the challenger's. Evaluate the champion's recipe on the present lake, "
            f"then compare again."
        )
        return Verdict(promote=False, reasons=(reason,))
    new, old = (evaluation.confusions_of(shared) for evaluation in (challenger, champion))
    patients = tuple(challenger.patients[challenger.recordings.index(name)] for name in shared)
    better, sentence = _compare_mean_f1(new, old)
    new_patients, old_patients = intervals.by_patient(new, patients), intervals.by_patient(old, patients)
    guards = [_compare_sensitivity(new_patients, old_patients, index) for index in GUARDED_CLASSES]
    same = f"Both were tested on the same {shared_beats} beats of {len(set(patients))} patients neither had seen."
    return Verdict(
        promote=better and all(held for held, _ in guards),
        reasons=(same, sentence, *(reason for _, reason in guards)),
        n_beats=shared_beats,
        n_patients=len(set(patients)),
        figures=tuple(_figures(new_patients, old_patients)),
    )


def _figures(new: NDArray[np.int64], old: NDArray[np.int64]) -> Iterator[ComparedFigure]:
    """Compare figures of patients' confusion matrices (p, 5, 5), those that decide first."""
    resampled_new, resampled_old = intervals.resample(new), intervals.resample(old)

    def compare(name: str, metric: Callable[[Counts], Figures], *, decides: bool = False) -> ComparedFigure:
        return ComparedFigure(
            name=name,
            challenger=float(metric(new.sum(axis=0))),
            champion=float(metric(old.sum(axis=0))),
            difference=intervals.interval(metric(resampled_new) - metric(resampled_old)),
            decides=decides,
        )

    def of_class(metric: Callable[[Counts], Figures], index: int) -> Callable[[Counts], Figures]:
        return lambda counts: metric(counts)[..., index]

    yield compare("N/S/V mean F1", lambda counts: metrics.mean_f1(counts, metrics.RHYTHM_CLASSES), decides=True)
    for index in GUARDED_CLASSES:
        yield compare(f"{CLASSES[index]} sensitivity", of_class(metrics.sensitivity, index), decides=True)
    for index in GUARDED_CLASSES:
        yield compare(f"{CLASSES[index]} positive predictivity", of_class(metrics.positive_predictivity, index))
    yield compare("accuracy", metrics.accuracy)
    yield compare("macro F1", metrics.macro_f1)
    yield compare("kappa", metrics.cohen_kappa)
    yield compare("j kappa", metrics.j_kappa)


def _same_rows(challenger: Evaluation, champion: Evaluation) -> tuple[str, ...]:
    """Find the recordings both were tested on, with the same R peaks and reference classes."""
    rows = dict(zip(champion.recordings, champion.row_digests, strict=True))
    return tuple(
        name
        for name, digest in zip(challenger.recordings, challenger.row_digests, strict=True)
        if rows.get(name) == digest
    )


def _compare_mean_f1(new: NDArray[np.int64], old: NDArray[np.int64]) -> tuple[bool, str]:
    score_new, score_old = (float(metrics.mean_f1(each.sum(axis=0), metrics.RHYTHM_CLASSES)) for each in (new, old))
    classes = [CLASSES[index] for index in metrics.RHYTHM_CLASSES if new[:, index].sum() > 0]
    comparison = f"The mean F1 of {'/'.join(classes)} is {_percent(score_new)}, the champion's {_percent(score_old)}"
    if score_new > score_old:
        return True, f"{comparison}: better."
    # Without a gain there is no reason to relabel every recording.
    return False, f"{comparison}: {'no better' if score_new == score_old else 'worse'}, so the champion stays."


def _compare_sensitivity(new: NDArray[np.int64], old: NDArray[np.int64], index: int) -> tuple[bool, str]:
    """Compare one class's sensitivity by paired resampling of patients (p, 5, 5): the same patients for both."""
    name = f"{CLASSES[index]} ({CLASS_NAMES[index]})"
    patients_with_class = int((new[:, index].sum(axis=-1) > 0).sum())
    if not patients_with_class:
        return True, f"There are no {name} beats among them, so sensitivity to these was not compared."
    found_new, found_old = (float(metrics.sensitivity(each.sum(axis=0))[index]) for each in (new, old))
    comparison = f"Of {name} beats it finds {_percent(found_new)}, the champion {_percent(found_old)}"
    if patients_with_class < _LEAST_PATIENTS:
        held = found_new >= found_old
        return held, f"{comparison}, in a single patient: {_held(held=held)}."
    difference = metrics.sensitivity(intervals.resample(new)) - metrics.sensitivity(intervals.resample(old))
    bounds = intervals.interval(difference[:, index])
    held = bounds.high >= 0
    range_ = f"95 % interval of the difference {_points(bounds.low)} to {_points(bounds.high)} points"
    return held, f"{comparison} ({range_}): {_held(held=held)}."


def _held(*, held: bool) -> str:
    return "not worse" if held else "worse, so the champion stays"


def _percent(share: float) -> str:
    return f"{100 * share:.2f} %"


def _points(share: float) -> str:
    return f"{100 * share:+.1f}"
