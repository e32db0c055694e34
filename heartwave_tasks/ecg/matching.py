"""Matching: which detected R peaks are which annotated ones, as ANSI/AAMI EC57 compares detectors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

TOLERANCE_S: Final = 0.15
"""Furthest an R peak may lie from the annotation it belongs to (EC57, 4.3.2)."""

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


def outside_flutter(
    samples: NDArray[np.int64], annotation_samples: NDArray[np.int64], annotation_symbols: NDArray[np.str_]
) -> NDArray[np.bool_]:
    """Tell which samples (n,) lie outside ventricular flutter, as an expert marked it."""
    begins = annotation_samples[annotation_symbols == FLUTTER_BEGINS]
    ends = annotation_samples[annotation_symbols == FLUTTER_ENDS]
    outside = np.ones(len(samples), dtype=np.bool_)
    for first, last in zip(begins, ends, strict=False):
        outside &= (samples < first) | (samples > last)
    return outside
