"""Weaknesses: what an evaluation says a model is bad at, in plain language."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from heartwave_tasks.ecg.labels import CLASS_NAMES, CLASSES
from heartwave_tasks.models import metrics

if TYPE_CHECKING:
    from collections.abc import Iterator

    from heartwave_tasks.models.evaluation import ClassFigures, Evaluation

WEAK: Final = 0.8
"""Sensitivity, positive predictivity or a recording's accuracy below which it is worth a sentence."""

FEW_BEATS: Final = 100
FEW_PATIENTS: Final = 5
CONCENTRATED: Final = 0.5
"""Share of a class's beats, or of all errors, in a single recording that makes it worth a sentence."""

MISCALIBRATED: Final = 0.03
"""Expected calibration error above which confidences should not be read as probabilities."""


def describe(evaluation: Evaluation) -> tuple[str, ...]:
    """Say in sentences what to beware of, the gravest first; a model without weaknesses gets one sentence, too."""
    found = (
        *_missed(evaluation),
        *_false_alarms(evaluation),
        *_concentrated(evaluation),
        *_thin_evidence(evaluation),
        *_bad_recordings(evaluation),
        *_calibration(evaluation),
    )
    none = (
        f"No figure falls below the marks this page looks at ({WEAK:.0%} sensitivity, positive predictivity and "
        f"accuracy per recording); other patients and other electrodes may still show weaknesses."
    )
    return found or (none,)


def _tested(evaluation: Evaluation) -> Iterator[tuple[int, str, ClassFigures]]:
    """Classes with test beats, those a heart's rhythm is judged by first."""
    for index in (metrics.V, metrics.S, metrics.F, metrics.N, metrics.Q):
        if evaluation.class_figures[index].n_beats:
            yield index, CLASS_NAMES[index], evaluation.class_figures[index]


def _missed(evaluation: Evaluation) -> Iterator[str]:
    for index, name, figures in _tested(evaluation):
        if figures.sensitivity < WEAK:
            calls = evaluation.confusion[index].copy()
            missed = figures.n_beats - int(calls[index])
            calls[index] = 0
            mostly = int(calls.argmax())
            yield (
                f"It misses {missed:,} of {figures.n_beats:,} {name} beats ({1 - figures.sensitivity:.0%}), "
                f"most often calling them {CLASS_NAMES[mostly]} ({int(calls[mostly]):,})."
            )


def _false_alarms(evaluation: Evaluation) -> Iterator[str]:
    for index, name, figures in _tested(evaluation):
        if figures.positive_predictivity < WEAK:
            truths = evaluation.confusion[:, index].copy()
            truths[index] = 0
            mostly = int(truths.argmax())
            yield (
                f"Of 100 beats it calls {name}, {100 * (1 - figures.positive_predictivity):.0f} are not: "
                f"most often they are {CLASS_NAMES[mostly]} ({int(truths[mostly]):,})."
            )


def _concentrated(evaluation: Evaluation) -> Iterator[str]:
    if len(evaluation.recordings) == 1:
        return
    for index, name, figures in _tested(evaluation):
        beats = evaluation.confusions[:, index].sum(axis=1)
        largest = int(beats.argmax())
        share = beats[largest] / figures.n_beats
        if share > CONCENTRATED:
            rest = evaluation.confusion - evaluation.confusions[largest]
            without = float(metrics.sensitivity(rest)[index])
            outside = "there is none outside it" if np.isnan(without) else f"without it {without:.0%} are found"
            yield (
                f"{share:.0%} of the {name} beats are from recording {evaluation.recordings[largest]}, so the "
                f"figures of {CLASSES[index]} are largely its own ({figures.sensitivity:.0%} found; {outside})."
            )
    errors = evaluation.confusions.sum(axis=(1, 2)) - np.trace(evaluation.confusions, axis1=1, axis2=2)
    worst = int(errors.argmax())
    if errors.sum() and errors[worst] / errors.sum() > CONCENTRATED / 2:
        yield (
            f"One recording, {evaluation.recordings[worst]}, holds {errors[worst] / errors.sum():.0%} of all errors "
            f"({int(errors[worst]):,} of {int(errors.sum()):,})."
        )


def _thin_evidence(evaluation: Evaluation) -> Iterator[str]:
    for _, name, figures in _tested(evaluation):
        if figures.n_beats < FEW_BEATS or figures.n_patients < FEW_PATIENTS:
            beats = "beat" if figures.n_beats == 1 else "beats"
            patients = "patient" if figures.n_patients == 1 else "patients"
            yield (
                f"There are only {figures.n_beats:,} {name} {beats} of {figures.n_patients} {patients} in the test, "
                f"too few to trust the figures of {figures.beat_class}."
            )
    for name in (CLASS_NAMES[index] for index in range(len(CLASSES)) if not evaluation.class_figures[index].n_beats):
        yield f"There is no {name} beat in the test: nothing is known about these."


def _bad_recordings(evaluation: Evaluation) -> Iterator[str]:
    accuracy = metrics.accuracy(evaluation.confusions)
    bad = np.flatnonzero(accuracy < WEAK)
    if bad.size:
        named = bad[np.argsort(accuracy[bad], kind="stable")][:5]
        listed = ", ".join(f"{evaluation.recordings[index]} ({accuracy[index]:.0%})" for index in named)
        yield (
            f"In {bad.size} of {len(evaluation.recordings)} recordings fewer than {WEAK:.0%} of the beats are labelled "
            f"right: {listed}{'' if bad.size <= len(named) else ' and others'}."
        )


def _calibration(evaluation: Evaluation) -> Iterator[str]:
    error = evaluation.expected_calibration_error
    if error > MISCALIBRATED:
        surer = evaluation.reliability.overconfidence > 0
        yield (
            f"Its confidence is off by {100 * error:.1f} points on average, and it is "
            f"{'surer than it is right' if surer else 'right more often than it is sure'}: "
            f"sort by it, but do not read it as a probability."
        )
