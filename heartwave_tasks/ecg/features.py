"""Context features: every beat described relative to its own recording.

Nothing here is in seconds or millivolts: RR intervals are compared with the recording's own, shapes with its own
beats. That is what carries over to patients nobody has seen, and leaves every row self-contained.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from heartwave_tasks.ecg.alignment import ROWS_AT_ONCE, AlignedRows
from heartwave_tasks.ecg.likeness import LIKENESS_FEATURES, Relatives, choose_relatives
from heartwave_tasks.ecg.pacing import PACING_FEATURES, describe_pacing
from heartwave_tasks.ecg.rhythm import TIMING_FEATURES, Sequence, Timing, describe_timing, running_mean
from heartwave_tasks.ecg.shapes import (
    COMPARISON_FEATURES,
    QRS_FEATURES,
    ZONES,
    compare,
    compare_qrs,
    correlation,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from heartwave_tasks.ecg.filtered_leads import FilteredLeads
    from heartwave_tasks.ecg.shapes import Cut

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
second lead against the dominant beat (``second_``; without one, the analysis lead again), the beats around
(``nearby_``, ``before_``, ``after_``), the beats of the recording that look alike (``alike_``), and what a pacemaker
leaves (``spike_``).
"""

_COLUMNS: Final = {name: column for column, name in enumerate(CONTEXT_FEATURES)}
_TINY: Final = 1e-9


def context(
    leads: FilteredLeads, positions: NDArray[np.int64], sequence: Sequence, spikes: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Describe every row relative to the recording; float32 (n, len(CONTEXT_FEATURES)), NaN where undefined.

    Parameters
    ----------
    leads
        One or two filtered leads at 360 Hz: analysis lead, second lead.
    positions
        int64 (n,) R peaks in `leads`.
    sequence
        Which rows are beats, at least one, and when they come; marks are described but influence no beat.
    spikes
        (n, 4 x leads) as `pacing.measure_spikes` gives them.
    """
    timing = Timing.of(sequence)
    table = _Table.of(len(positions))
    for name, column in describe_timing(sequence, timing):
        table.put(slice(None), {name: column})
    table.put(slice(None), describe_pacing(spikes, leads, positions, sequence.beat))
    aligned = AlignedRows.of(leads, positions, sequence.beat, timing)
    reference = choose_relatives(sequence.beat)
    cuts = aligned.cut(reference)
    relatives = Relatives.of(sequence, timing, reference, cuts, compare(cuts.leads[0], aligned.dominant[0]))
    clarity = np.empty(len(positions))
    for first in range(0, len(positions), ROWS_AT_ONCE):
        rows = slice(first, min(first + ROWS_AT_ONCE, len(positions)))
        clarity[rows] = _describe_shapes(table, rows, aligned, sequence, relatives)
    _describe_neighbours(table, sequence, clarity)
    return table.values


@dataclass(frozen=True)
class _Table:
    """The features, float32 (n, len(CONTEXT_FEATURES)), filled in by name."""

    values: NDArray[np.float32]

    @classmethod
    def of(cls, n_rows: int) -> _Table:
        return cls(np.full((n_rows, len(CONTEXT_FEATURES)), np.nan, dtype=np.float32))

    def put(self, rows: slice, columns: Mapping[str, NDArray[np.floating]]) -> None:
        for name, values in columns.items():
            self.values[rows, _COLUMNS[name]] = values

    def get(self, name: str) -> NDArray[np.float32]:
        column: NDArray[np.float32] = self.values[:, _COLUMNS[name]]
        return column


def _describe_shapes(
    table: _Table, rows: slice, aligned: AlignedRows, sequence: Sequence, relatives: Relatives
) -> NDArray[np.floating]:
    """Describe some rows by their shape, and return the log clarity (k,) of the P waves around them."""
    with_neighbours = _with_neighbours(rows, sequence)
    wide = aligned.cut(with_neighbours)
    inner = slice(rows.start - with_neighbours.start, rows.stop - with_neighbours.start)
    cuts = wide.take(inner)
    table.put(rows, _describe_lead(cuts.leads[0], aligned.dominant[0]))
    slow = compare(cuts.leads[0], aligned.slow[0])
    table.put(rows, {f"slow_{name}": values for name, values in slow.items()})
    # Without a second lead the first stands in for it: models have learnt to ask two, and take silence for noise.
    second = _describe_lead(cuts.leads[-1], aligned.dominant[-1])
    table.put(rows, {f"second_{name}": values for name, values in second.items()})
    table.put(rows, relatives.describe(rows.start, cuts))
    match, clarity = _match_nearby_p(sequence, with_neighbours, inner, wide.leads[0].samples)
    table.put(rows, {"shift": np.abs(cuts.shift), "nearby_p_correlation": match, "nearby_p_clarity": clarity})
    found: NDArray[np.floating] = np.log(clarity + _TINY)
    return found


def _describe_lead(cut: Cut, dominant: NDArray[np.floating]) -> dict[str, NDArray[np.floating]]:
    """Compare rows with the dominant beat in one lead, by name in `DOMINANT_FEATURES`."""
    return {**compare(cut, dominant), **compare_qrs(cut, dominant)}


def _with_neighbours(rows: slice, sequence: Sequence) -> slice:
    """Widen a slice of rows until it holds the beats that the P waves of its first and last are compared with."""
    of_beats = np.flatnonzero(sequence.beat)
    half = NEARBY_BEATS // 2
    first = of_beats[max(sequence.own[rows.start] - half, 0)]
    last = of_beats[min(sequence.own[rows.stop - 1] + half, len(of_beats) - 1)]
    return slice(int(min(first, rows.start)), int(max(last + 1, rows.stop)))


def _match_nearby_p(
    sequence: Sequence, wide: slice, inner: slice, cuts: NDArray[np.floating]
) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
    """P waves against those of the beats around, which tell fibrillation from sinus rhythm: likeness and clarity (k,).

    `cuts` are the rows `wide`, of which the rows `inner`, k of them, are asked about.
    """
    waves = cuts[:, ZONES["p"]]
    waves = waves - waves.mean(axis=1, keepdims=True)
    of_beats = waves[sequence.beat[wide]]
    before = int(sequence.beat[: wide.start].sum())
    own = sequence.own[wide][inner] - before
    around = running_mean(of_beats, NEARBY_BEATS)[own]
    # Each beat is compared with the mean of the others: its own share is taken out again.
    index = np.arange(len(of_beats))
    half = NEARBY_BEATS // 2
    members = (np.minimum(index + half + 1, len(index)) - np.maximum(index - half, 0))[own][:, None]
    around = (around * members - of_beats[own]) / np.maximum(members - 1, 1)
    waves = waves[inner]
    clarity = np.ptp(around, axis=1) / np.sqrt(((waves - around) ** 2).mean(axis=1) + _TINY)
    return correlation(waves, around), clarity


def _describe_neighbours(table: _Table, sequence: Sequence, clarity: NDArray[np.floating]) -> None:
    """Compare rows with the beats before, after and around them, whose shapes have been described."""
    match, slow_p, slow_t, slow_qrs = (
        table.get(name).astype(np.float64)
        for name in ("nearby_p_correlation", "slow_p_correlation", "slow_t_correlation", "slow_qrs_correlation")
    )
    around = {
        name: running_mean(values[sequence.beat], NEARBY_BEATS)[sequence.own]
        for name, values in (("match", match), ("clarity", clarity), ("p", slow_p), ("t", slow_t))
    }
    columns: dict[str, NDArray[np.floating]] = {
        "nearby_p_consistency": around["match"],
        "nearby_p_clarity_mean": around["clarity"],
        "nearby_p_unlike": match - around["match"],
        "nearby_slow_p_mean": around["p"],
        "nearby_slow_p_unlike": slow_p - around["p"],
        "nearby_slow_t_mean": around["t"],
        "nearby_slow_t_unlike": slow_t - around["t"],
    }
    for name, values in (("slow_qrs", slow_qrs), ("slow_p", slow_p), ("nearby_p", match), ("slow_t", slow_t)):
        before, after = sequence.neighbours(values[sequence.beat])
        columns |= {f"before_{name}_correlation": before, f"after_{name}_correlation": after}
    table.put(slice(None), columns)
