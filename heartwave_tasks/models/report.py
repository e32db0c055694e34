"""Report: one self-contained HTML page that says how good a model version is, and what it is bad at.

The page loads nothing from anywhere and runs no script, follows the reader's light or dark theme, and prints.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from heartwave_tasks.ecg.labels import CLASS_NAMES, CLASSES
from heartwave_tasks.models import drawings, literature, metrics, protocols, strips, weaknesses

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from heartwave_tasks.ecg.beats import Beats
    from heartwave_tasks.models.architectures import Param
    from heartwave_tasks.models.assessment import Assessment
    from heartwave_tasks.models.evaluation import Evaluation
    from heartwave_tasks.models.intervals import Interval
    from heartwave_tasks.models.protocols import Protocol
    from heartwave_tasks.models.search_space import Search
    from heartwave_tasks.models.strips import Strip

TEMPLATE: Final = "report.html.j2"

RECORDINGS_SHOWN: Final = 100
"""A lake may hold thousands; the page shows those with the most errors."""

HEADLINE_ORDER: Final = ("patient_folds", "inter_patient")
"""Protocols a model is introduced by, the most telling first; a random split never is while there is another."""

_SCHEME_NAMES: Final = {
    "aami": CLASS_NAMES,
    "heartwave5": (*CLASS_NAMES[:-1], "paced, unknown and signal marks"),
}


@dataclass(frozen=True, kw_only=True)
class ModelFacts:
    """What a report says of a model besides its figures.

    Attributes
    ----------
    name, version
        Of the registered model; version None before it is registered.
    architecture, description
        Name and sentence of the architecture.
    n_training_beats, n_training_recordings, training_digest
        What the version itself was trained on.
    training_s, peak_memory_bytes
        What that took; memory None if nobody measured it.
    seed, parameters
        What reproduces it.
    n_reviewed_beats, review_weight
        Beats whose reference is a person's review, and how often each counts in training.
    searches
        What tuning came to, that of the registered model last; none where nothing was tuned.
    """

    name: str
    version: int | None
    architecture: str
    description: str
    n_training_beats: int
    n_training_recordings: int
    training_digest: str
    training_s: float
    peak_memory_bytes: int | None
    seed: int
    parameters: Mapping[str, Param]
    n_reviewed_beats: int = 0
    review_weight: int = 1
    searches: tuple[Search, ...] = ()


@dataclass(frozen=True, eq=False)
class Section:
    """One protocol's part of the page."""

    evaluation: Evaluation
    description: str
    paced: Evaluation | None = None
    strips: tuple[Strip, ...] = ()
    n_models: int = 0
    training_s: float = 0.0
    scoring_s: float = 0.0


def section(protocol: Protocol, beats: Beats, assessment: Assessment) -> Section:
    """Put together a protocol's part from what was tested; `beats` is the table that was assessed."""
    counted = protocol.counted(beats)[assessment.rows]
    rows = assessment.rows[counted]
    reference = protocols.relabel(beats, protocol.scheme).reference[rows]
    return Section(
        evaluation=assessment.evaluation,
        description=protocol.description,
        paced=assessment.paced,
        strips=strips.worst(beats, rows, reference, assessment.probabilities[counted]),
        n_models=assessment.n_models,
        training_s=assessment.training_s,
        scoring_s=assessment.scoring_s,
    )


def render(facts: ModelFacts, sections: Sequence[Section]) -> str:
    """Render the page of a model version, with one or more protocols; the same input gives the same text.

    Raises
    ------
    ValueError
        If there is no section.
    """
    if not sections:
        msg = "A report needs the evaluation of at least one protocol."
        raise ValueError(msg)
    template = _environment().get_template(TEMPLATE)
    return template.render(
        facts=facts,
        headline=headline(sections),
        sections=sections,
        citations=literature.CITATIONS,
        classes=CLASSES,
    )


def headline(sections: Sequence[Section]) -> Section:
    """Choose the protocol a model is introduced by."""
    order = {name: rank for rank, name in enumerate(HEADLINE_ORDER)}

    def rank(candidate: Section) -> int:
        protocol = candidate.evaluation.protocol
        return len(order) + 1 if protocol == "random_beats" else order.get(protocol, len(order))

    return min(sections, key=rank)


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        # Recording names come from whoever uploads: everything is escaped, and nothing is ever marked as safe.
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(percent=_percent, count=_count, range=_range, duration=_duration, figure=_figure)
    environment.globals.update(
        confusion_cells=drawings.confusion_cells,
        precision_recall_curves=drawings.precision_recall_curves,
        reliability_bars=drawings.reliability_bars,
        strip_drawings=drawings.strip_drawings,
        weaknesses=weaknesses.describe,
        published=_published,
        own_figures=_own_figures,
        recording_rows=_recording_rows,
        class_names=_SCHEME_NAMES,
        plot=drawings.PLOT,
        recordings_shown=RECORDINGS_SHOWN,
    )
    return environment


@dataclass(frozen=True)
class _RecordingRow:
    recording_id: str
    n_beats: int
    n_wrong: int
    accuracy: float
    found: tuple[tuple[int, int, int], ...]


def _recording_rows(evaluation: Evaluation) -> tuple[_RecordingRow, ...]:
    """List the recordings with the most errors first; of every class beats, found and called."""
    rows = [
        _RecordingRow(
            name,
            int(confusion.sum()),
            int(confusion.sum() - confusion.trace()),
            float(metrics.accuracy(confusion)),
            tuple(
                zip(
                    confusion.sum(axis=1).tolist(),
                    confusion.diagonal().tolist(),
                    confusion.sum(axis=0).tolist(),
                    strict=True,
                )
            ),
        )
        for name, confusion in zip(evaluation.recordings, evaluation.confusions, strict=True)
    ]
    return tuple(sorted(rows, key=lambda row: (-row.n_wrong, row.recording_id))[:RECORDINGS_SHOWN])


def _published(evaluation: Evaluation) -> tuple[literature.PublishedFigures, ...]:
    return tuple(figures for figures in literature.PUBLISHED if figures.protocol == evaluation.protocol)


def _own_figures(evaluation: Evaluation, name: str) -> literature.PublishedFigures:
    """Put this model's figures in the form of the literature's, positive predictivity counted as EC57 does."""
    found = 100 * metrics.sensitivity(evaluation.confusion)
    predictive = 100 * metrics.ec57_positive_predictivity(evaluation.confusion)
    return literature.PublishedFigures(
        method=name,
        source="this report",
        protocol=evaluation.protocol,
        accuracy=100 * evaluation.accuracy,
        macro_f1=100 * evaluation.macro_f1,
        s_sensitivity=float(found[metrics.S]),
        s_predictivity=float(predictive[metrics.S]),
        v_sensitivity=float(found[metrics.V]),
        v_predictivity=float(predictive[metrics.V]),
        j_kappa=evaluation.j_kappa,
    )


def _percent(share: float, digits: int = 1) -> str:
    """Write a share as percent without the sign; an en dash where it is undefined."""
    return "–" if math.isnan(share) else f"{100 * share:.{digits}f}"  # noqa: RUF001 - a dash, as in printed tables


def _figure(value: float | None, digits: int = 1) -> str:
    return "–" if value is None or math.isnan(value) else f"{value:.{digits}f}"  # noqa: RUF001 - as above


def _range(interval: Interval, digits: int = 1) -> str:
    """Write an interval in percent; '' where there is none."""
    if np.isnan(interval.low):
        return ""
    return f"{100 * interval.low:.{digits}f} to {100 * interval.high:.{digits}f}"


def _count(number: float) -> str:
    return f"{number:,.0f}"


def _duration(seconds: float) -> str:
    if seconds < 60:  # noqa: PLR2004 - a minute
        return f"{seconds:.1f} s"
    return f"{int(seconds // 60)} min {round(seconds % 60):02d} s"
