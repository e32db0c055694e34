"""`heartwave evaluate --peaks detected`: how well R peaks are detected, and what labels are worth then."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from heartwave_tasks.cli.figures import bounds, number, percent, points, print_figures
from heartwave_tasks.ecg.labels import CLASSES
from heartwave_tasks.ecg.matching import LEARNING_S, TOLERANCE_S, Detection
from heartwave_tasks.models import metrics
from heartwave_tasks.models.end_to_end import NOTHING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from rich.console import Console

    from heartwave_tasks.jobs.detected_evaluation import DetectedEvaluation
    from heartwave_tasks.models.end_to_end import EndToEnd
    from heartwave_tasks.models.metrics import Counts, Figures

_WORST: Final = 8
"""Recordings that are printed one by one; JSON has all of them."""

_OF_CLASSES: Final[dict[str, Callable[[Counts], Figures]]] = {
    "sensitivity": metrics.sensitivity,
    "positive predictivity": metrics.positive_predictivity,
    "F1": metrics.f1,
}


def print_tables(evaluated: DetectedEvaluation, console: Console) -> None:
    """Print detection, the recordings where it is worst, and labels on both kinds of R peaks side by side."""
    model = evaluated.model
    detectors = sorted({found.detector for found in evaluated.recordings.values()})

    def say(sentence: str) -> None:
        console.print(sentence, highlight=False, soft_wrap=True)

    say(f"[bold]{model.model_name} version {model.version}[/] · {model.architecture} · percent")
    say(
        f"R peaks: {', '.join(detectors)}, within {1000 * TOLERANCE_S:.0f} ms of an annotation (EC57); no learning "
        "period is left out but where it says so, ventricular flutter is."
    )
    columns = ("beats", "missed", "extra", "sensitivity", "positive predictivity")
    print_figures(
        console,
        ("R peaks of", "recordings", *columns),
        ((told, f"{n}", *_detection(found)) for told, n, found in _gross(evaluated)),
    )
    worst = sorted(evaluated.recordings.items(), key=lambda item: -(item[1].detection.missed + item[1].detection.extra))
    print_figures(
        console, ("recording", *columns), ((name, *_detection(found.detection)) for name, found in worst[:_WORST])
    )
    print_figures(
        console,
        ("protocol", "figure", "beats", "annotated R peaks", "detected R peaks", "difference"),
        (row for each in evaluated.labels for row in _rows(each)),
    )
    console.print()
    for sentence in _notes(evaluated):
        say(sentence)


def as_document(evaluated: DetectedEvaluation) -> dict[str, Any]:
    """Lay everything out for JSON: shares as fractions of 1, null where undefined.

    Rows of a confusion matrix are the annotated classes, and detections that are no beat; columns the classes called,
    and beats that were not detected.
    """
    model, found = evaluated.model, evaluated.recordings
    return {
        "model": model.model_name,
        "version": model.version,
        "architecture": model.architecture,
        "r_peaks": "detected",
        "detection": {
            "tolerance_s": TOLERANCE_S,
            "learning_period_s": 0.0,
            "gross": _detection_document(each.detection for each in found.values()),
            "after_learning_period": {
                "learning_period_s": LEARNING_S,
                **_detection_document(each.after_learning for each in found.values()),
            },
            "recordings": [
                {"recording_id": name, "detector": each.detector, **_detection_document([each.detection])}
                for name, each in found.items()
            ],
        },
        "left_out": [{"recording_id": name, "reason": why} for name, why in evaluated.left_out.items()],
        "trainings": [{"split": name, "seconds": seconds} for name, seconds in evaluated.trainings.items()],
        "evaluations": [_document(each) for each in evaluated.labels],
    }


def _gross(evaluated: DetectedEvaluation) -> Iterator[tuple[str, int, Detection]]:
    found = evaluated.recordings
    yield "all that could be read", len(found), sum((each.detection for each in found.values()), Detection())
    after = sum((each.after_learning for each in found.values()), Detection())
    yield f"the same after {LEARNING_S / 60:.0f} minutes", len(found), after
    for labels in evaluated.labels:
        of_these = [found[name].detection for name in labels.recordings]
        yield f"those of {labels.protocol}", len(of_these), sum(of_these, Detection())


def _detection(found: Detection) -> tuple[str, ...]:
    shares = percent(found.sensitivity, 2), percent(found.positive_predictivity, 2)
    return (f"{found.annotated}", f"{found.missed}", f"{found.extra}", *shares)


def _rows(labels: EndToEnd) -> Iterator[tuple[str, ...]]:
    """Compare every figure on annotated and on detected R peaks."""
    annotated, detected = labels.annotated.sum(axis=0), labels.detected.sum(axis=0)

    def row(figure: str, n_beats: int, metric: Callable[[Counts], Figures], digits: int) -> tuple[str, ...]:
        both = float(metric(annotated)), float(metric(detected))
        shown = (percent(both[0], digits), percent(both[1], digits), points(both[1] - both[0], digits))
        return (labels.protocol, figure, f"{n_beats}", *shown)

    for place, name in enumerate(CLASSES):
        n_beats = int(annotated[place].sum())
        if not n_beats and not annotated[:, place].any() and not detected[:, place].any():
            continue
        for figure, of_classes in _OF_CLASSES.items():
            yield row(f"{name} {figure}", n_beats, _at(place, of_classes), 1)
    yield row("accuracy", labels.n_beats, metrics.accuracy, 2)
    *whole, difference = row("N/S/V mean F1", labels.n_beats, _nsv, 2)
    interval = labels.nsv_difference
    yield (*whole, f"{difference} ({points(interval.low, 2)} to {points(interval.high, 2)})")


def _at(place: int, of_classes: Callable[[Counts], Figures]) -> Callable[[Counts], Figures]:
    return lambda counts: of_classes(counts)[..., place]


def _notes(evaluated: DetectedEvaluation) -> Iterator[str]:
    yield (
        "Annotated beats that were not detected count as missed, detected ones that are none as false. In brackets the "
        "95 % interval over patients."
    )
    for labels in evaluated.labels:
        n_detected = int(labels.detected[:, :, :NOTHING].sum())
        yield (
            f"{labels.protocol}: {len(labels.recordings)} recordings of {labels.n_patients} patients; "
            f"{percent(labels.n_unclassifiable.sum() / max(n_detected, 1), 2)} % of the detected beats are "
            "unclassifiable, and counted here with the class the model gives."
        )
    if evaluated.trainings:
        told = ", ".join(f"{name} {seconds:.0f} s" for name, seconds in evaluated.trainings.items())
        yield (
            f"Labelled by {len(evaluated.trainings)} models that have not seen the patients, trained now by the "
            f"version's recipe, as it keeps no model of a split: {told}."
        )
    else:
        yield "Labelled by the version itself, which was not trained on these patients."
    for name, why in evaluated.left_out.items():
        yield f"Left out: {name}: {why}."


def _document(labels: EndToEnd) -> dict[str, Any]:
    annotated, detected = labels.annotated.sum(axis=0), labels.detected.sum(axis=0)
    return {
        "protocol": labels.protocol,
        "n_recordings": len(labels.recordings),
        "n_patients": labels.n_patients,
        "n_beats": labels.n_beats,
        "n_missed": int(detected[:, NOTHING].sum()),
        "n_extra": int(detected[NOTHING].sum()),
        "n_unclassifiable": int(labels.n_unclassifiable.sum()),
        "annotated": _figures(annotated),
        "detected": _figures(detected),
        "nsv_mean_f1_difference": number(float(_nsv(detected) - _nsv(annotated))),
        "nsv_mean_f1_difference_interval": bounds(labels.nsv_difference),
        "recordings": [
            {"recording_id": name, "annotated": one.tolist(), "detected": other.tolist(), "n_unclassifiable": int(n)}
            for name, one, other, n in zip(
                labels.recordings, labels.annotated, labels.detected, labels.n_unclassifiable, strict=True
            )
        ],
    }


def _figures(table: Counts) -> dict[str, Any]:
    shares = {name.replace(" ", "_").lower(): metric(table) for name, metric in _OF_CLASSES.items()}
    return {
        "accuracy": number(float(metrics.accuracy(table))),
        "nsv_mean_f1": number(float(_nsv(table))),
        "classes": [
            {
                "class": name,
                "n_beats": int(table[place].sum()),
                **{figure: number(float(of_classes[place])) for figure, of_classes in shares.items()},
            }
            for place, name in enumerate(CLASSES)
        ],
        "confusion": table.tolist(),
    }


def _detection_document(found: Iterable[Detection]) -> dict[str, Any]:
    gross = sum(found, Detection())
    return {
        "n_beats": gross.annotated,
        "n_missed": gross.missed,
        "n_extra": gross.extra,
        "sensitivity": number(gross.sensitivity),
        "positive_predictivity": number(gross.positive_predictivity),
    }


def _nsv(table: Counts) -> Figures:
    return metrics.mean_f1(table, metrics.RHYTHM_CLASSES)
