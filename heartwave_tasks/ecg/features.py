"""Context features: every beat described relative to its own recording.

Nothing here is in seconds or millivolts: RR intervals are compared with the recording's own, shapes with its own
beats. That is what carries over to patients nobody has seen, and leaves every row self-contained.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from heartwave_tasks.ecg.likeness import LIKENESS_FEATURES, describe_likeness
from heartwave_tasks.ecg.pacing import PACING_FEATURES, describe_pacing
from heartwave_tasks.ecg.rhythm import TIMING_FEATURES, Sequence, Timing, describe_timing, running_mean
from heartwave_tasks.ecg.shapes import (
    COMPARISON_FEATURES,
    QRS_FEATURES,
    ZONES,
    Shapes,
    compare,
    compare_qrs,
    correlation,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

NEARBY_BEATS: Final = 31
"""Beats over which the usual P wave and T wave around a beat are taken, centred."""

DOMINANT_FEATURES: Final = (*COMPARISON_FEATURES, *QRS_FEATURES)
SLOW_FEATURES: Final = tuple(f"slow_{name}" for name in COMPARISON_FEATURES)
SECOND_LEAD_FEATURES: Final = tuple(f"second_{name}" for name in DOMINANT_FEATURES)
NEARBY_FEATURES: Final = (
    "shift",
    "nearby_p_correlation",
    "nearby_p_consistency",
    "nearby_p_clarity",
    "nearby_p_clarity_mean",
    "nearby_p_unlike",
    "nearby_slow_p_mean",
    "nearby_slow_p_unlike",
    "nearby_slow_t_mean",
    "nearby_slow_t_unlike",
    "before_slow_qrs_correlation",
    "after_slow_qrs_correlation",
    "before_slow_p_correlation",
    "after_slow_p_correlation",
    "before_nearby_p_correlation",
    "after_nearby_p_correlation",
    "before_slow_t_correlation",
    "after_slow_t_correlation",
)

CONTEXT_FEATURES: Final = (
    *TIMING_FEATURES,
    *DOMINANT_FEATURES,
    *SLOW_FEATURES,
    *SECOND_LEAD_FEATURES,
    *NEARBY_FEATURES,
    *LIKENESS_FEATURES,
    *PACING_FEATURES,
)
"""Names of the columns of `context`, in order.

Timing, then the analysis lead against the dominant beat and against the recording's slow beats (``slow_``), the
second lead against the dominant beat (``second_``, NaN without one), the beats around (``nearby_``, ``before_``,
``after_``), the beats of the recording that look alike (``alike_``), and what a pacemaker leaves (``spike_``).
"""

_TINY: Final = 1e-9


def context(
    samples: NDArray[np.floating],
    filtered: NDArray[np.floating],
    positions: NDArray[np.int64],
    sequence: Sequence,
) -> NDArray[np.float32]:
    """Describe every row relative to the recording; float32 (n, len(CONTEXT_FEATURES)), NaN where undefined.

    Parameters
    ----------
    samples, filtered
        (n_samples, 1 or 2) signals at 360 Hz before and after filtering: analysis lead, second lead.
    positions
        int64 (n,) R peaks in `filtered`.
    sequence
        Which rows are beats, at least one, and when they come; marks are described but influence no beat.
    """
    timing = Timing.of(sequence)
    cut = Shapes.of(filtered, positions, sequence.beat, timing)
    dominant = compare(cut.cuts[0], cut.dominant[0])
    slow = {f"slow_{name}": values for name, values in compare(cut.cuts[0], cut.slow[0]).items()}
    columns = {
        **describe_timing(sequence, timing),
        **dominant,
        **compare_qrs(cut.cuts[0], cut.dominant[0]),
        **slow,
        **_describe_second_lead(cut),
        **_describe_nearby(sequence, cut, slow),
        **describe_likeness(sequence, timing, cut, dominant["p_correlation"], dominant["qrs_correlation"]),
        **describe_pacing(samples, filtered, positions, sequence.beat),
    }
    return np.column_stack([columns[name] for name in CONTEXT_FEATURES]).astype(np.float32)


def _describe_second_lead(cut: Shapes) -> dict[str, NDArray[np.floating]]:
    if len(cut.cuts) == 1:
        return dict.fromkeys(SECOND_LEAD_FEATURES, np.full(len(cut.shift), np.nan))
    found = {**compare(cut.cuts[1], cut.dominant[1]), **compare_qrs(cut.cuts[1], cut.dominant[1])}
    return {f"second_{name}": values for name, values in found.items()}


def _describe_nearby(
    sequence: Sequence, cut: Shapes, slow: dict[str, NDArray[np.floating]]
) -> dict[str, NDArray[np.floating]]:
    """P and T waves against those of the beats around, which tell fibrillation from sinus rhythm."""
    own = sequence.own
    waves = cut.cuts[0].samples[:, ZONES["p"]]
    waves = waves - waves.mean(axis=1, keepdims=True)
    of_beats = waves[sequence.beat]
    around = running_mean(of_beats, NEARBY_BEATS)[own]
    # Each beat is compared with the mean of the others: its own share is taken out again.
    index = np.arange(len(of_beats))
    half = NEARBY_BEATS // 2
    members = (np.minimum(index + half + 1, len(index)) - np.maximum(index - half, 0))[own][:, None]
    around = (around * members - of_beats[own]) / np.maximum(members - 1, 1)
    match = correlation(waves, around)
    clarity = np.ptp(around, axis=1) / np.sqrt(((waves - around) ** 2).mean(axis=1) + _TINY)
    mean_of = {
        name: running_mean(values[sequence.beat], NEARBY_BEATS)[own]
        for name, values in (
            ("match", match),
            ("clarity", np.log(clarity + _TINY)),
            ("p", slow["slow_p_correlation"]),
            ("t", slow["slow_t_correlation"]),
        )
    }
    columns = [
        np.abs(cut.shift),
        match,
        mean_of["match"],
        clarity,
        mean_of["clarity"],
        match - mean_of["match"],
        mean_of["p"],
        slow["slow_p_correlation"] - mean_of["p"],
        mean_of["t"],
        slow["slow_t_correlation"] - mean_of["t"],
    ]
    for values in (slow["slow_qrs_correlation"], slow["slow_p_correlation"], match, slow["slow_t_correlation"]):
        columns += sequence.neighbours(values[sequence.beat])
    return dict(zip(NEARBY_FEATURES, columns, strict=True))
