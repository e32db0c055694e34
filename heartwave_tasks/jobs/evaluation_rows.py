"""From an evaluation to the rows Postgres keeps of it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from heartwave_tasks.models.intervals import NO_INTERVAL
from heartwave_tasks.stores.predictions import (
    ClassEvaluation,
    EvaluationRows,
    FigureEvaluation,
    RecordingEvaluation,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from heartwave_tasks.models.evaluation import ClassFigures, Evaluation


def to_rows(model_version_id: int, evaluation: Evaluation) -> EvaluationRows:
    """Lay an evaluation out as rows; undefined figures (NaN) become NULL in the store."""
    return EvaluationRows(
        model_version_id=model_version_id,
        protocol=evaluation.protocol,
        n_beats=evaluation.n_beats,
        n_recordings=len(evaluation.recordings),
        accuracy=evaluation.accuracy,
        macro_f1=evaluation.macro_f1,
        weighted_f1=evaluation.weighted_f1,
        nsv_mean_f1=evaluation.nsv_mean_f1,
        cohen_kappa=evaluation.cohen_kappa,
        j_kappa=evaluation.j_kappa,
        ece=evaluation.expected_calibration_error,
        confusion=evaluation.confusion.tolist(),
        classes=[_class(figures) for figures in evaluation.class_figures],
        recordings=[
            RecordingEvaluation(
                recording_id=counts.recording_id,
                beat_class=counts.beat_class,
                n_beats=counts.n_beats,
                n_found=counts.n_found,
                n_called=counts.n_called,
            )
            for counts in evaluation.recording_counts
        ],
        figures=list(_figures(evaluation)),
    )


def _figures(evaluation: Evaluation) -> Iterator[FigureEvaluation]:
    """Name every figure: those MLflow gets, S without the records that distort it, and what review queues hold."""
    for name, value in evaluation.summary().items():
        interval = evaluation.intervals.get(name, NO_INTERVAL)
        yield FigureEvaluation(figure=name, value=value, low=interval.low, high=interval.high)
    for subset in evaluation.supraventricular_subsets:
        if subset.left_out and subset.n_beats:
            without = f"S_without_{subset.left_out[0].rpartition('/')[2]}"
            yield FigureEvaluation(figure=f"sensitivity_{without}", value=subset.sensitivity)
            if not math.isnan(subset.positive_predictivity):
                yield FigureEvaluation(figure=f"positive_predictivity_{without}", value=subset.positive_predictivity)
    for queue in evaluation.least_confident:
        if queue.n_wrong_overall:
            name = f"share_of_errors_in_least_confident_{100 * queue.share:.0f}_percent"
            yield FigureEvaluation(figure=name, value=queue.share_of_errors)


def _class(figures: ClassFigures) -> ClassEvaluation:
    return ClassEvaluation(
        beat_class=figures.beat_class,
        n_beats=figures.n_beats,
        sensitivity=figures.sensitivity,
        positive_predictivity=figures.positive_predictivity,
        f1=figures.f1,
        sensitivity_low=figures.sensitivity_interval.low,
        sensitivity_high=figures.sensitivity_interval.high,
        positive_predictivity_low=figures.positive_predictivity_interval.low,
        positive_predictivity_high=figures.positive_predictivity_interval.high,
        f1_low=figures.f1_interval.low,
        f1_high=figures.f1_interval.high,
    )
