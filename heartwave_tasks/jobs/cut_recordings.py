"""What is known of a recording once it is cut into beats, as it comes back from the process that did it."""

from __future__ import annotations

from typing import Annotated, Any, Final, Self, TypeVar

from pydantic import Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from heartwave_tasks.ecg.matching import Detection  # noqa: TC001 - pydantic looks it up

BEATS_FILE: Final = "beats.parquet"
"""Name of the file with the beats, in the directory a reader writes to."""

STRIP_FILE: Final = "recording.strip"
"""Name of the file with the signals as they are drawn, beside it."""

_Count = Annotated[int, Field(ge=0, le=2**31 - 1)]
_Sample = Annotated[int, Field(ge=0)]
_Facts = TypeVar("_Facts")
_Name = Annotated[str, Field(min_length=1, max_length=64)]


@dataclass(frozen=True, slots=True, kw_only=True)
class CutRecording:
    """A recording that was cut into beats. Rates in Hz, samples per lead at the recording's own rate.

    ``minute_quality`` is each lead's mean quality in every minute, in percent; ``noisy_minutes`` are those in which the
    analysis lead shows mostly noise, counted from 0.
    """

    sampling_frequency: Annotated[float, Field(gt=0, allow_inf_nan=False)]
    n_samples: Annotated[int, Field(ge=1)]
    leads: Annotated[tuple[_Name, ...], Field(min_length=1)]
    analysis_lead: _Name
    second_lead: _Name | None
    r_peak_source: _Name
    annotated: bool
    n_windows: _Count
    n_beats: _Count
    n_marks: _Count
    n_unclassifiable: _Count
    minute_quality: list[list[Annotated[int, Field(ge=0, le=100)]]]
    noisy_minutes: list[_Count]

    @classmethod
    def from_facts(cls, facts: dict[str, Any]) -> Self:
        """Check what a reader answered; raises `ValueError` when it cannot be."""
        return _checked(cls, facts)


@dataclass(frozen=True, slots=True, kw_only=True)
class DetectedRecording:
    """An annotated recording whose R peaks were looked for all the same, and how they compare with the annotations.

    ``detection`` is of the whole recording, ``after_learning`` without EC57's learning period; ``flutter`` holds first
    and last sample, at the recording's own rate, of what neither counts. ``detector`` is its name and version.
    """

    detector: _Name
    detection: Detection
    after_learning: Detection
    flutter: list[tuple[_Sample, _Sample]]

    @classmethod
    def from_facts(cls, facts: dict[str, Any]) -> Self:
        """Check what a reader answered; raises `ValueError` when it cannot be."""
        return _checked(cls, facts)


def _checked(kind: type[_Facts], facts: dict[str, Any]) -> _Facts:
    try:
        return TypeAdapter(kind).validate_python(facts)
    except ValidationError as error:
        msg = f"A reader's answer makes no sense: {error.error_count()} of its fields are not what they should be."
        raise ValueError(msg) from error
