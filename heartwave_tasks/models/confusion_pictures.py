"""Confusion pictures: a confusion matrix as a PNG, for MLflow's artifact view."""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING

import numpy as np

from heartwave_tasks.ecg.labels import CLASS_NAMES, CLASSES

if TYPE_CHECKING:
    from heartwave_tasks.models.evaluation import Evaluation

_INK = "#1d2733"
_FAINT = "#6b7785"


def confusion_picture(evaluation: Evaluation) -> bytes:
    """Draw the confusion matrix: beats in numbers, shares of each reference class in colour; PNG, 1200 x 1050 pixels.

    The same evaluation gives the same picture.
    """
    from matplotlib.figure import Figure  # noqa: PLC0415 - half a second that only this picture needs

    confusion = evaluation.confusion
    totals = confusion.sum(axis=1, keepdims=True)
    shares = np.divide(confusion, totals, out=np.zeros(confusion.shape), where=totals > 0)
    figure = Figure(figsize=(8, 7), dpi=150, facecolor="white")
    axes = figure.add_axes((0.24, 0.06, 0.72, 0.72))
    # The root shows small shares, where errors are.
    axes.imshow(np.sqrt(shares), cmap="Blues", vmin=0, vmax=1.15, aspect="auto")
    for (row, column), count in np.ndenumerate(confusion):
        ink = "white" if shares[row, column] > 0.45 else _INK  # noqa: PLR2004 - where white is easier to read
        weight = "bold" if row == column else "normal"
        axes.text(column, row - 0.08, f"{count:,}", ha="center", va="center", color=ink, fontsize=13, fontweight=weight)
        if totals[row, 0]:
            share = f"{100 * shares[row, column]:.1f} %"
            axes.text(column, row + 0.2, share, ha="center", va="center", color=ink, fontsize=9, alpha=0.8)
    axes.set_xticks(range(len(CLASSES)), CLASSES, fontsize=13, color=_INK)
    axes.xaxis.tick_top()
    axes.set_yticks(
        range(len(CLASSES)),
        [f"{name}  {letter}" for letter, name in zip(CLASSES, CLASS_NAMES, strict=True)],
        fontsize=11,
        color=_INK,
    )
    axes.tick_params(length=0)
    axes.set_xticks(np.arange(len(CLASSES) - 1) + 0.5, minor=True)
    axes.set_yticks(np.arange(len(CLASSES) - 1) + 0.5, minor=True)
    axes.grid(which="minor", color="white", linewidth=3)
    axes.tick_params(which="minor", length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)
    figure.text(0.03, 0.945, evaluation.protocol, fontsize=17, fontweight="bold", color=_INK, parse_math=False)
    figure.text(
        0.03,
        0.905,
        f"{evaluation.n_beats:,} beats of {len(evaluation.recordings)} recordings · accuracy "
        f"{100 * evaluation.accuracy:.2f} % · mean F1 of N/S/V {100 * evaluation.nsv_mean_f1:.2f} %",
        fontsize=10.5,
        color=_FAINT,
    )
    figure.text(0.6, 0.835, "called", fontsize=11, color=_FAINT, ha="center")
    figure.text(0.03, 0.795, "reference", fontsize=11, color=_FAINT)
    picture = BytesIO()
    figure.savefig(picture, format="png", metadata={"Software": None})
    return picture.getvalue()
