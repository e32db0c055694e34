"""Matching: which detected R peaks are which annotated ones, as ANSI/AAMI EC57 compares detectors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from heartwave_tasks.ecg.labels import is_beat

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

TOLERANCE_S: Final = 0.15
"""Furthest an R peak may lie from the annotation it belongs to (EC57, 4.3.2)."""

LEARNING_S: Final = 300.0
"""How long EC57 lets a detector learn before it counts (4.3.1)."""

_TIE_S: Final = 1e-6  # what is as near is not nearer, whatever the last bits say

FLUTTER_BEGINS, FLUTTER_ENDS = "[", "]"
"""Annotation symbols of ventricular flutter, which EC57 leaves out: nobody can say where its beats are."""


@dataclass(frozen=True)
class Matching:
    """Pairs of the same heartbeat, k of them: int64 (k,) places among the annotated, and among the detected."""

    reference: NDArray[np.int64]
    detected: NDArray[np.int64]


def match_beats(reference_s: NDArray[np.float64], detected_s: NDArray[np.float64]) -> Matching:
    """Pair annotated with detected R peaks, (n,) and (m,) rising seconds: each with its nearest, at most once."""
    pairs: list[tuple[int, int]] = []
    reference, detected = reference_s.tolist(), detected_s.tolist()
    at_reference = at_detected = 0
    while at_reference < len(reference) and at_detected < len(detected):
        gap = detected[at_detected] - reference[at_reference]
        if abs(gap) > TOLERANCE_S:
            at_reference, at_detected = at_reference + (gap > 0), at_detected + (gap < 0)
            continue
        here, there = reference[at_reference], detected[at_detected]
        next_detected = detected[at_detected + 1] if at_detected + 1 < len(detected) else np.inf
        next_reference = reference[at_reference + 1] if at_reference + 1 < len(reference) else np.inf
        # A neighbour that lies nearer, and nearer to this one than to any other, takes its place.
        if abs(next_detected - here) + _TIE_S < min(abs(gap), abs(next_detected - next_reference)):
            at_detected += 1
        elif abs(there - next_reference) + _TIE_S < min(abs(gap), abs(next_detected - next_reference)):
            at_reference += 1
        else:
            pairs.append((at_reference, at_detected))
            at_reference, at_detected = at_reference + 1, at_detected + 1
    found = np.array(pairs, dtype=np.int64).reshape(-1, 2)
    return Matching(found[:, 0], found[:, 1])


@dataclass(frozen=True, slots=True)
class Detection:
    """How many annotated beats were found and missed, and how many detected R peaks are none of them (`extra`)."""

    found: int = 0
    missed: int = 0
    extra: int = 0

    def __add__(self, other: Detection) -> Detection:
        """Count two recordings as one."""
        return Detection(self.found + other.found, self.missed + other.missed, self.extra + other.extra)

    @property
    def annotated(self) -> int:
        """Count the annotated beats."""
        return self.found + self.missed

    @property
    def sensitivity(self) -> float:
        """Share of the annotated beats that were found; NaN where there is none."""
        return self.found / self.annotated if self.annotated else float("nan")

    @property
    def positive_predictivity(self) -> float:
        """Share of the detected R peaks that are annotated beats; NaN where nothing was detected."""
        detected = self.found + self.extra
        return self.found / detected if detected else float("nan")


def compare_detection(
    annotation_samples: NDArray[np.int64],
    annotation_symbols: NDArray[np.str_],
    detected_samples: NDArray[np.int64],
    sampling_frequency: float,
    *,
    learning_s: float = 0.0,
) -> Detection:
    """Hold detected R peaks (m,) against annotations (n,) of a recording, rising samples at a sampling frequency in Hz.

    Ventricular flutter is left out, and so are the first `learning_s` seconds.
    """
    spans = flutter(annotation_samples, annotation_symbols)
    reference, detected = (
        samples[outside(samples, spans) & (samples >= learning_s * sampling_frequency)] / sampling_frequency
        for samples in (annotation_samples[is_beat(annotation_symbols)], detected_samples)
    )
    found = len(match_beats(reference, detected).reference)
    return Detection(found, len(reference) - found, len(detected) - found)


def flutter(annotation_samples: NDArray[np.int64], annotation_symbols: NDArray[np.str_]) -> list[tuple[int, int]]:
    """Return first and last sample of every stretch of ventricular flutter an expert marked."""
    begins = annotation_samples[annotation_symbols == FLUTTER_BEGINS].tolist()
    ends = annotation_samples[annotation_symbols == FLUTTER_ENDS].tolist()
    return list(zip(begins, ends, strict=False))


def outside(samples: NDArray[np.int64], spans: Iterable[tuple[int, int]]) -> NDArray[np.bool_]:
    """Tell which samples (n,) lie outside all spans, whose ends belong to them."""
    kept = np.ones(len(samples), dtype=np.bool_)
    for first, last in spans:
        kept &= (samples < first) | (samples > last)
    return kept
