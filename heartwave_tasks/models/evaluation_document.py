"""Evaluation documents: an `Evaluation` as JSON, kept with a model version and compared years later.

A document comes back from a store that others can write to, so it is checked against a schema and against itself:
counts that do not add up are refused, not averaged.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, ValidationError, model_validator

from heartwave_tasks.ecg.labels import CLASSES
from heartwave_tasks.models.confidence import LeastConfident, PrecisionRecall
from heartwave_tasks.models.evaluation import Evaluation
from heartwave_tasks.models.metrics import CALIBRATION_BINS, Reliability

FORMAT: Final = "heartwave-evaluation-1"
"""Changes whenever documents of the old form can no longer be read."""

_K: Final = len(CLASSES)
_Share = Annotated[FiniteFloat, Field(ge=0, le=1)]
_Count = Annotated[int, Field(ge=0, lt=2**53)]
_Name = Annotated[str, Field(min_length=1, max_length=500)]
_Row = Annotated[tuple[_Count, ...], Field(min_length=_K, max_length=_K)]
_Confusion = Annotated[tuple[_Row, ...], Field(min_length=_K, max_length=_K)]
_Bins = Field(min_length=CALIBRATION_BINS, max_length=CALIBRATION_BINS)


class EvaluationDocumentError(ValueError):
    """A stored evaluation cannot be trusted; the message says what is wrong with it."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Recording(_Part):
    recording_id: _Name
    patient: _Name
    rows_sha256: Annotated[str, Field(pattern=r"\A[0-9a-f]{64}\z")]
    confusion: _Confusion


class _Reliability(_Part):
    n_beats: Annotated[tuple[_Count, ...], _Bins]
    n_right: Annotated[tuple[_Count, ...], _Bins]
    confidence_sum: Annotated[tuple[Annotated[FiniteFloat, Field(ge=0)], ...], _Bins]


class _LeastConfident(_Part):
    share: _Share
    n_beats: _Count
    n_wrong: _Count
    n_wrong_overall: _Count
    confidence_below: Annotated[FiniteFloat, Field(ge=0, le=1 + 1e-3)]


class _Curve(_Part):
    class_index: Annotated[int, Field(ge=0, lt=_K)]
    sensitivity: Annotated[tuple[_Share, ...], Field(max_length=10_000)]
    positive_predictivity: Annotated[tuple[_Share, ...], Field(max_length=10_000)]
    average_precision: Annotated[FiniteFloat, Field(ge=0, le=1 + 1e-9)]


class _Document(_Part):
    format: Literal["heartwave-evaluation-1"]
    protocol: _Name
    scheme: Literal["aami", "heartwave5"]
    classes: tuple[str, ...]
    recordings: Annotated[tuple[_Recording, ...], Field(min_length=1)]
    reliability: _Reliability
    brier: Annotated[FiniteFloat, Field(ge=0, le=2)]
    least_confident: tuple[_LeastConfident, ...]
    curves: tuple[_Curve, ...]

    @model_validator(mode="after")
    def _adds_up(self) -> Self:
        names = [recording.recording_id for recording in self.recordings]
        confusion = np.array([recording.confusion for recording in self.recordings]).sum(axis=0)
        n_beats, n_right = int(confusion.sum()), int(confusion.trace())
        problems = {
            f"classes are {', '.join(self.classes)}, expected {', '.join(CLASSES)}": self.classes != CLASSES,
            "recordings are not sorted or not unique": names != sorted(set(names)),
            "there is no beat": n_beats == 0,
            "reliability counts other beats than the confusion matrices": (
                (sum(self.reliability.n_beats), sum(self.reliability.n_right)) != (n_beats, n_right)
            ),
            "least confident beats count other errors than the confusion matrices": any(
                part.n_wrong_overall != n_beats - n_right or part.n_wrong > part.n_beats
                for part in self.least_confident
            ),
            "a curve has unequal axes": any(
                len(curve.sensitivity) != len(curve.positive_predictivity) for curve in self.curves
            ),
        }
        found = [problem for problem, there in problems.items() if there]
        if found:
            raise ValueError("; ".join(found))
        return self


def to_json(evaluation: Evaluation) -> str:
    """Write an evaluation as a JSON document; the same evaluation always gives the same text."""
    document = _Document(
        format=FORMAT,
        protocol=evaluation.protocol,
        scheme=evaluation.scheme,  # checked by the model
        classes=CLASSES,
        recordings=tuple(
            _Recording(recording_id=name, patient=patient, rows_sha256=digest, confusion=confusion.tolist())
            for name, patient, digest, confusion in zip(
                evaluation.recordings,
                evaluation.patients,
                evaluation.row_digests,
                evaluation.confusions,
                strict=True,
            )
        ),
        reliability=_Reliability(**vars(evaluation.reliability)),
        brier=evaluation.brier,
        least_confident=tuple(_LeastConfident(**vars(part)) for part in evaluation.least_confident),
        curves=tuple(_Curve(**vars(curve)) for curve in evaluation.curves),
    )
    return document.model_dump_json()


def from_json(text: str | bytes) -> Evaluation:
    """Read an evaluation back.

    Raises
    ------
    EvaluationDocumentError
        If the text is no evaluation document, or its counts contradict each other.
    """
    try:
        document = _Document.model_validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"])) or "the document"
        msg = f"This is not an evaluation HeartWave wrote: {where}: {first['msg']} ({error.error_count()} problem(s))."
        raise EvaluationDocumentError(msg) from None
    recordings = document.recordings
    return Evaluation(
        protocol=document.protocol,
        scheme=document.scheme,
        recordings=tuple(recording.recording_id for recording in recordings),
        patients=tuple(recording.patient for recording in recordings),
        row_digests=tuple(recording.rows_sha256 for recording in recordings),
        confusions=np.array([recording.confusion for recording in recordings], dtype=np.int64),
        reliability=Reliability(**document.reliability.model_dump()),
        brier=document.brier,
        least_confident=tuple(LeastConfident(**part.model_dump()) for part in document.least_confident),
        curves=tuple(PrecisionRecall(**curve.model_dump()) for curve in document.curves),
    )
