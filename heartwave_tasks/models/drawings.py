"""Drawings: the numbers an SVG needs (paths, positions, sizes in px), computed here and drawn by the template.

Only numbers and our own class letters leave this module, so no name from outside can reach a drawing's markup.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from heartwave_tasks.ecg.labels import CLASSES
from heartwave_tasks.models.metrics import CALIBRATION_BINS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from heartwave_tasks.models.evaluation import Evaluation
    from heartwave_tasks.models.strips import Strip, Trace

PLOT: Final = 300
"""Side of a square plot's unit axes, in px."""

PIXELS_PER_MM: Final = 4
MM_PER_S: Final = 25
MM_PER_MV: Final = 10
"""Speed and gain of ECG paper everywhere."""

BOX_MV: Final = 0.5
"""A large box of ECG paper: 5 mm."""

_HALF_WIDTH_S: Final = 1.4
_LEAST_MV: Final = 1.0
_MOST_MV: Final = 3.0


@dataclass(frozen=True)
class ConfusionCell:
    """A cell of the confusion matrix: beats, share of the reference class (NaN without beats), and depth of colour."""

    count: int
    share: float
    depth: float
    right: bool


@dataclass(frozen=True)
class CurveDrawing:
    """A precision-recall curve: class letter, path, area under it."""

    letter: str
    path: str
    average_precision: float


@dataclass(frozen=True)
class ReliabilityBar:
    """A bin of confidence: position and height of its bar, radius of its dot by beats, and its figures."""

    x: float
    y: float
    width: float
    height: float
    dot_x: float
    radius: float
    confidence: float
    share_right: float
    n_beats: int


@dataclass(frozen=True)
class StripDrawing:
    """An ECG strip on millimetre paper."""

    strip: Strip
    letter: str
    called: str
    clock: str
    width: int
    height: int
    r_peak_x: float
    beat: str
    neighbours: tuple[str, ...]


def confusion_cells(evaluation: Evaluation) -> tuple[tuple[ConfusionCell, ...], ...]:
    """Lay out the confusion matrix; depth is the root of the share, so that small errors can be seen."""
    totals = evaluation.confusion.sum(axis=1, keepdims=True)
    shares = np.divide(evaluation.confusion, totals, out=np.full((5, 5), np.nan), where=totals > 0)
    return tuple(
        tuple(
            ConfusionCell(int(count), float(share), float(np.sqrt(np.nan_to_num(share))), row == column)
            for column, (count, share) in enumerate(zip(counts, row_shares, strict=True))
        )
        for row, (counts, row_shares) in enumerate(zip(evaluation.confusion, shares, strict=True))
    )


def precision_recall_curves(evaluation: Evaluation) -> tuple[CurveDrawing, ...]:
    """Lay out the precision-recall curves on a square, origin at the lower left."""
    return tuple(
        CurveDrawing(
            CLASSES[curve.class_index],
            _path(PLOT * np.array(curve.sensitivity), PLOT * (1 - np.array(curve.positive_predictivity))),
            curve.average_precision,
        )
        for curve in evaluation.curves
    )


def reliability_bars(evaluation: Evaluation) -> tuple[ReliabilityBar, ...]:
    """Lay out the reliability diagram; bins without beats are left out."""
    found = evaluation.reliability
    width = PLOT / CALIBRATION_BINS
    most = max(found.n_beats)
    bars = []
    for index, (n_beats, n_right, confidence_sum) in enumerate(
        zip(found.n_beats, found.n_right, found.confidence_sum, strict=True)
    ):
        if n_beats:
            share, confidence = n_right / n_beats, confidence_sum / n_beats
            bars.append(
                ReliabilityBar(
                    x=round(index * width + 1, 2),
                    y=round(PLOT * (1 - share), 2),
                    width=round(width - 2, 2),
                    height=round(PLOT * share, 2),
                    dot_x=round(PLOT * confidence, 2),
                    radius=round(2 + 5 * float(np.sqrt(n_beats / most)), 2),
                    confidence=confidence,
                    share_right=share,
                    n_beats=n_beats,
                )
            )
    return tuple(bars)


def strip_drawings(strips: Sequence[Strip]) -> tuple[StripDrawing, ...]:
    """Lay out strips at 25 mm/s and 10 mm/mV, from 1.4 s before the beat to 1.4 s after it."""
    return tuple(_strip_drawing(strip) for strip in strips)


def _strip_drawing(strip: Strip) -> StripDrawing:
    per_second, per_millivolt = PIXELS_PER_MM * MM_PER_S, PIXELS_PER_MM * MM_PER_MV
    traces = (strip.beat, *strip.neighbours)
    visible = np.concatenate([trace.millivolt[np.abs(trace.time_s) <= _HALF_WIDTH_S] for trace in traces])
    # Whole boxes above and below the baseline; what is taller than 3 mV is cut off by the drawing's edge.
    top = _whole_boxes(float(visible.max()))
    bottom = _whole_boxes(-float(visible.min()))

    def draw(trace: Trace) -> str:
        shown = np.abs(trace.time_s) <= _HALF_WIDTH_S
        return _path((trace.time_s[shown] + _HALF_WIDTH_S) * per_second, (top - trace.millivolt[shown]) * per_millivolt)

    minutes, seconds = divmod(strip.time_s, 60)
    return StripDrawing(
        strip=strip,
        letter=CLASSES[strip.reference],
        called=CLASSES[strip.called],
        clock=f"{int(minutes)}:{seconds:04.1f}",
        width=round(2 * _HALF_WIDTH_S * per_second),
        height=round((top + bottom) * per_millivolt),
        r_peak_x=_HALF_WIDTH_S * per_second,
        beat=draw(strip.beat),
        neighbours=tuple(drawn for drawn in map(draw, strip.neighbours) if drawn),
    )


def _whole_boxes(millivolt: float) -> float:
    return float(np.clip(np.ceil(millivolt / BOX_MV + 0.2) * BOX_MV, _LEAST_MV, _MOST_MV))


def _path(x: NDArray[np.float64], y: NDArray[np.float64]) -> str:
    """Join points (k,) by lines; '' for fewer than two."""
    if len(x) < 2:  # noqa: PLR2004 - a line has two ends
        return ""
    return "M" + "L".join(f"{horizontal:.1f} {vertical:.1f}" for horizontal, vertical in zip(x, y, strict=True))
