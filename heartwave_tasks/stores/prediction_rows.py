"""What goes into and comes out of the predictions store: frozen rows, named like the columns they fill."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date, datetime


class ContradictionError(RuntimeError):
    """What is to be stored contradicts what is stored already; nothing was written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RevisionRow:
    """One content of a recording, as ingest publishes it. Durations in s, rates in Hz, hashes in lower-case hex."""

    recording_id: str
    source: str
    content_sha256: str
    segmenter_version: str
    listing_fingerprint: str
    sampling_frequency: float
    n_samples: int
    duration_s: float
    leads: Sequence[str]
    analysis_lead: str
    second_lead: str | None
    r_peak_source: str
    annotated: bool
    beats_key: str
    n_windows: int
    n_beats: int
    n_marks: int
    n_unclassifiable: int = 0
    minute_quality: Sequence[Sequence[int]] = ()
    noisy_minutes: Sequence[int] = ()
    beats_sha256: str | None = None
    strip_sha256: str | None = None


@dataclass(frozen=True, slots=True)
class BeatReview:
    """What a person says a heartbeat is, and where the beat is to be found."""

    recording_id: str
    beats_key: str
    content_sha256: str
    r_peak_sample: int
    beat_class: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RevisionRef:
    """What a task needs to know of a revision to read its beats."""

    revision_id: int
    recording_id: str
    beats_key: str
    n_beats: int
    n_windows: int
    content_sha256: str
    beats_sha256: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class QuarantineRow:
    """Why a recording was refused, and what to do about it."""

    recording_id: str
    listing_fingerprint: str
    code: str
    reason: str
    remedy: str
    kept_prefix: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Quarantined(QuarantineRow):
    """A recording in quarantine, as people look at it."""

    quarantine_id: int
    n_attempts: int
    first_seen_at: datetime
    last_seen_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceIngest:
    """How much of what a source brought was refused in one run; the usual share is of the 30 days before."""

    source: str
    n_recordings: int
    n_quarantined: int
    usual_share: float | None
    is_alarming: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelVersionRow:
    """A registered model version."""

    model_name: str
    version: int
    mlflow_run_id: str
    architecture: str
    label_scheme: str
    manifest_sha256: str
    training_digest: str
    n_training_beats: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisteredModel(ModelVersionRow):
    """A model version with the key its labels carry."""

    model_version_id: int
    registered_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelPromotion:
    """A change of champion; the last one made it."""

    promotion_id: int
    model_version_id: int
    promoted_at: datetime
    promoted_by: str
    reason: str
    is_rollback: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class FigureComparison:
    """One figure of challenger and champion, as fractions of 1; NaN where undefined."""

    place: int
    figure: str
    decides: bool
    challenger: float
    champion: float
    difference_low: float
    difference_high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparisonRow:
    """A challenger beside the champion, with the gate's verdict."""

    model_version_id: int
    champion_id: int | None
    protocol: str
    dag_run_id: str
    n_beats: int
    n_patients: int
    passed: bool
    reasons: str
    figures: Sequence[FigureComparison] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassEvaluation:
    """Figures of one class, as fractions of 1; None or NaN where undefined or not computed."""

    beat_class: str
    n_beats: int
    sensitivity: float | None
    positive_predictivity: float | None
    f1: float | None
    sensitivity_low: float | None = None
    sensitivity_high: float | None = None
    positive_predictivity_low: float | None = None
    positive_predictivity_high: float | None = None
    f1_low: float | None = None
    f1_high: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingEvaluation:
    """Counts of one class in one test recording."""

    recording_id: str
    beat_class: str
    n_beats: int
    n_found: int
    n_called: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FigureEvaluation:
    """One figure by name, with its interval where one was computed."""

    figure: str
    value: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationRows:
    """A model version's evaluation under one protocol; ``confusion`` is anything JSON can hold."""

    model_version_id: int
    protocol: str
    n_beats: int
    n_recordings: int
    accuracy: float | None
    macro_f1: float | None
    weighted_f1: float | None
    nsv_mean_f1: float | None
    cohen_kappa: float | None
    j_kappa: float | None
    ece: float | None
    confusion: object
    classes: Sequence[ClassEvaluation] = ()
    recordings: Sequence[RecordingEvaluation] = ()
    figures: Sequence[FigureEvaluation] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoringRow:
    """One labelling of one recording revision; counts and hash of the labels come from the labels themselves."""

    revision_id: int
    model_version_id: int
    night: date
    dag_run_id: str
    code_version: str
    started_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class CommittedScoring:
    """A line of the ledger."""

    revision_id: int
    model_version_id: int
    night: date
    n_labels: int
    labels_sha256: str
    labels_dropped_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldScoring:
    """Labels that look implausible, as people look at them."""

    held_id: int
    recording_id: str
    model_name: str
    model_version: int
    n_labels: int
    reasons: Sequence[str]
    held_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedScoring:
    """A scoring whose labels belong into the lake, and what their key is made of."""

    revision_id: int
    model_version_id: int
    model_name: str
    model_version: int
    night: date
    recording_id: str
    content_sha256: str
    segmenter_version: str
