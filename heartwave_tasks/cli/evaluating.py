"""`heartwave evaluate`: how good a model version is, as tables or JSON."""

from __future__ import annotations

import json
import math
import sys
from typing import TYPE_CHECKING, Any, Final

from rich.console import Console

from heartwave_tasks.cli import detected_figures
from heartwave_tasks.cli.errors import CommandError, need
from heartwave_tasks.cli.figures import bounds, number, percent, print_figures, with_interval
from heartwave_tasks.cli.logs import tell_progress
from heartwave_tasks.cli.names import ReportFormat, RPeaks
from heartwave_tasks.jobs import detected_evaluation, evaluation
from heartwave_tasks.settings import Settings

if TYPE_CHECKING:
    from heartwave_tasks.jobs.evaluation import EvaluatedModel, FoundEvaluation

_PROTOCOL_COLUMNS: Final = (
    "protocol",
    "figures",
    "beats",
    "recordings",
    "patients",
    "accuracy",
    "macro F1",
    "N/S/V mean F1",
    "κ",
    "jκ",
    "ECE",
)


def evaluate(model: str, protocol: str | None, source: str | None, peaks: RPeaks, output: ReportFormat) -> None:
    """Find the figures and print them."""
    settings = Settings.load()
    need(settings, "database_url", "mlflow_tracking_uri")
    name, version = split_name(model, settings.model_name)
    settings = settings.model_copy(update={"model_name": name})
    tell_progress()
    console = Console(soft_wrap=False)
    if peaks is RPeaks.DETECTED:
        detected = detected_evaluation.evaluate_detected(settings, version=version, protocol=protocol, source=source)
        if output is ReportFormat.JSON:
            _write(detected_figures.as_document(detected))
        else:
            detected_figures.print_tables(detected, console)
        return
    evaluated = evaluation.evaluate(settings, version=version, protocol=protocol, source=source)
    if output is ReportFormat.JSON:
        _write(as_document(evaluated))
    else:
        print_tables(evaluated, console)


def print_tables(evaluated: EvaluatedModel, console: Console) -> None:
    """Print figures by protocol and by class, and S with and without the records that distort it."""
    model, found = evaluated.model, evaluated.found
    console.print(
        f"[bold]{model.model_name} version {model.version}[/] · {model.architecture} · percent; "
        "in brackets 95 % intervals over patients",
        highlight=False,
        soft_wrap=True,
    )
    print_figures(
        console,
        _PROTOCOL_COLUMNS,
        (
            (
                each.evaluation.protocol,
                each.origin,
                f"{each.evaluation.n_beats}",
                f"{len(each.evaluation.recordings)}",
                f"{each.evaluation.n_patients}",
                percent(each.evaluation.accuracy, 2),
                percent(each.evaluation.macro_f1, 2),
                with_interval(each.evaluation.nsv_mean_f1, each.evaluation.nsv_mean_f1_interval, 2),
                _figure(each.evaluation.cohen_kappa),
                _figure(each.evaluation.j_kappa),
                _figure(each.evaluation.expected_calibration_error),
            )
            for each in found
        ),
    )
    print_figures(
        console,
        ("protocol", "class", "beats", "patients", "sensitivity", "positive predictivity", "F1"),
        (
            (
                each.evaluation.protocol,
                figures.beat_class,
                f"{figures.n_beats}",
                f"{figures.n_patients}",
                with_interval(figures.sensitivity, figures.sensitivity_interval),
                with_interval(figures.positive_predictivity, figures.positive_predictivity_interval),
                with_interval(figures.f1, figures.f1_interval),
            )
            for each in found
            for figures in each.evaluation.class_figures
            if figures.n_beats or not math.isnan(figures.f1)
        ),
    )
    subsets = [
        (each.evaluation.protocol, f"without {', '.join(subset.left_out)}" if subset.left_out else "all", subset)
        for each in found
        if len(each.evaluation.supraventricular_subsets) > 1
        for subset in each.evaluation.supraventricular_subsets
    ]
    if subsets:
        print_figures(
            console,
            ("protocol", "S of", "beats", "sensitivity", "positive predictivity"),
            (
                (
                    name,
                    told,
                    f"{subset.n_beats}",
                    percent(subset.sensitivity),
                    percent(subset.positive_predictivity),
                )
                for name, told, subset in subsets
            ),
        )


def as_document(evaluated: EvaluatedModel) -> dict[str, Any]:
    """Lay everything out for JSON: shares as fractions of 1, null where undefined."""
    model = evaluated.model
    return {
        "model": model.model_name,
        "version": model.version,
        "architecture": model.architecture,
        "evaluations": [_document(each) for each in evaluated.found],
    }


def split_name(model: str, usual: str) -> tuple[str, str]:
    """Split ``NAME@ALIAS`` or ``NAME@VERSION`` in two; an alias or version alone is one of the `usual` model."""
    name, at, version = model.partition("@")
    if "@" in version:
        raise CommandError(f"--model {model!r} is not NAME, NAME@ALIAS or NAME@VERSION.")
    if not at and name != usual:
        return usual, name
    return name or usual, version


def _document(found: FoundEvaluation) -> dict[str, Any]:
    evaluation = found.evaluation
    return {
        "protocol": evaluation.protocol,
        "figures": found.origin,
        "scheme": evaluation.scheme,
        "n_recordings": len(evaluation.recordings),
        "n_patients": evaluation.n_patients,
        **evaluation.summary(),
        "n_beats": evaluation.n_beats,
        "nsv_mean_f1_interval": bounds(evaluation.nsv_mean_f1_interval),
        "confusion": evaluation.confusion.tolist(),
        "classes": [
            {
                "class": figures.beat_class,
                "n_beats": figures.n_beats,
                "n_patients": figures.n_patients,
                "sensitivity": number(figures.sensitivity),
                "sensitivity_interval": bounds(figures.sensitivity_interval),
                "positive_predictivity": number(figures.positive_predictivity),
                "positive_predictivity_interval": bounds(figures.positive_predictivity_interval),
                "f1": number(figures.f1),
                "f1_interval": bounds(figures.f1_interval),
            }
            for figures in evaluation.class_figures
        ],
        "supraventricular": [
            {
                "without": list(subset.left_out),
                "n_beats": subset.n_beats,
                "sensitivity": number(subset.sensitivity),
                "positive_predictivity": number(subset.positive_predictivity),
            }
            for subset in evaluation.supraventricular_subsets
        ],
        "recordings": [
            {
                "recording_id": counts.recording_id,
                "class": counts.beat_class,
                "n_beats": counts.n_beats,
                "n_found": counts.n_found,
                "n_called": counts.n_called,
            }
            for counts in evaluation.recording_counts
        ],
    }


def _write(document: dict[str, Any]) -> None:
    json.dump(document, sys.stdout, indent=1, ensure_ascii=False, allow_nan=False)
    sys.stdout.write("\n")


def _figure(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.3f}"
