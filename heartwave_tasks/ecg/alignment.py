"""Alignment: the rows of a recording moved so that they lie on its dominant beat, once for all that looks at shapes.

Everything is in units of the recording's own QRS height.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from heartwave_tasks.ecg.shapes import AFTER_R, BEFORE_R, ZONES, Cut, Cuts

if TYPE_CHECKING:
    from typing import Self

    from numpy.typing import NDArray

    from heartwave_tasks.ecg.filtered_leads import FilteredLeads
    from heartwave_tasks.ecg.rhythm import Timing

LARGEST_SHIFT: Final = 8
"""Samples (22 ms) a beat may be moved to lie on the dominant beat, as fiducials differ by that much."""

SHIFT_PENALTY: Final = 0.01
"""Correlation a sample of shift must gain."""

NORMAL_PREVIOUS_RR: Final = 0.9
"""A beat of the dominant rhythm comes no earlier than this share of the running median RR."""

NORMAL_NEXT_RR: Final = (0.85, 1.12)
"""... and neither is premature nor pauses after it."""

SLOW_PERCENTILES: Final = (75, 97)
"""RR intervals that end in a slow beat; ectopic beats come early, so these are the recording's normal beats even
where ectopic ones are the majority. The longest pauses are left out, as escape beats end them."""

TEMPLATE_BEATS: Final = 4000
"""Most beats a template is the median of, evenly spread over the recording."""

ROWS_AT_ONCE: Final = 4096
"""Bounds the memory of what rows are aligned and described by, whatever the length of the recording."""

_TINY: Final = 1e-9
_FEWEST_TEMPLATE_BEATS: Final = 5
_FEWEST_NORMAL_SHARE: Final = 0.1
_BEST_LOOKING_QUANTILE: Final = 0.3


@dataclass(frozen=True)
class AlignedRows:
    """All rows of a recording, n of them, on its dominant beat.

    Attributes
    ----------
    leads
        The filtered leads.
    scale
        Factor from µV for each lead: of one whose dominant QRS complex points down it is negative, so that a lead that
        was put on upside down gives the same shapes.
    positions, shift
        int64 (n,) R peaks in `leads` once they are moved, and by how many samples they were.
    dominant, slow
        For each lead (252,): median beat of the dominant rhythm, of those that look it, and of the slowest beats.
    """

    leads: FilteredLeads
    scale: tuple[np.float32, ...]
    positions: NDArray[np.int64]
    shift: NDArray[np.int64]
    dominant: tuple[NDArray[np.float32], ...]
    slow: tuple[NDArray[np.float32], ...]

    @classmethod
    def of(cls, leads: FilteredLeads, positions: NDArray[np.int64], beat: NDArray[np.bool_], timing: Timing) -> Self:
        """Align rows at `positions` (n,) with what the beats among them usually look like."""
        rows = np.flatnonzero(beat)
        normal = _spread(rows[_normal(timing, beat)])
        slow = _spread(rows[_slow(timing.of_beats)])
        medians = [_median_of(leads, lead, positions[normal], np.float32(1.0)) for lead in range(leads.n_leads)]
        scale = tuple(_scale(median) for median in medians)
        usual = [median * factor for median, factor in zip(medians, scale, strict=True)]
        pieces = [
            _best_shift(leads, positions[first : first + ROWS_AT_ONCE], scale, usual)
            for first in range(0, len(positions), ROWS_AT_ONCE)
        ]
        shift, likeness = (np.concatenate(parts) for parts in zip(*pieces, strict=True))
        aligned = positions + shift
        typical = normal[likeness[normal] >= np.quantile(likeness[normal], _BEST_LOOKING_QUANTILE)]
        dominant, slowest = (
            tuple(_median_of(leads, lead, aligned[chosen], factor) for lead, factor in enumerate(scale))
            for chosen in (typical, slow)
        )
        return cls(leads, scale, aligned, shift, dominant, slowest)

    def cut(self, rows: slice | NDArray[np.int64]) -> Cuts:
        """Cut and scale some rows."""
        cuts = [
            self.leads.cut(lead, self.positions[rows], BEFORE_R, AFTER_R) * factor
            for lead, factor in enumerate(self.scale)
        ]
        return Cuts(tuple(Cut.of(cut) for cut in cuts), self.shift[rows])


def median_beat(cut: NDArray[np.int16], factor: np.float32) -> NDArray[np.float32]:
    """Median (k,) of beats (n, k) times a factor, at least one of them: as `numpy.median`, many times as fast."""
    # Columns in one piece each, whole numbers of two bytes, and a partition by one place instead of numpy's three.
    columns = np.ascontiguousarray(cut.T)
    half = columns.shape[1] // 2
    columns.partition(half, axis=1)
    upper = columns[:, half] * factor
    if columns.shape[1] % 2:
        return upper
    median: NDArray[np.float32] = (columns[:, :half].max(axis=1) * factor + upper) / 2
    return median


def _median_of(
    leads: FilteredLeads, lead: int, positions: NDArray[np.int64], factor: np.float32
) -> NDArray[np.float32]:
    return median_beat(leads.cut(lead, positions, BEFORE_R, AFTER_R), factor)


def _scale(median: NDArray[np.floating]) -> np.float32:
    """Factor that makes the QRS complex of a median beat (252,) in µV one high, and upright."""
    qrs = median[ZONES["qrs"]]
    upright = qrs.max() + qrs.min() - 2 * np.median(median) >= 0
    return np.float32((1.0 if upright else -1.0) / (np.ptp(qrs) or 1.0))


def _best_shift(
    leads: FilteredLeads,
    positions: NDArray[np.int64],
    scale: tuple[np.float32, ...],
    templates: list[NDArray[np.float32]],
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Shift (n,) at which QRS complexes are most like the templates over all leads, and how much they are (n,)."""
    qrs = ZONES["qrs"]
    length = qrs.stop - qrs.start
    shifts = np.arange(-LARGEST_SHIFT, LARGEST_SHIFT + 1)
    members = np.zeros((length + 2 * LARGEST_SHIFT, len(shifts)))
    for column in range(len(shifts)):
        members[column : column + length, column] = 1.0
    likeness = np.zeros((len(positions), len(shifts)))
    for lead, (factor, template) in enumerate(zip(scale, templates, strict=True)):
        own = template[qrs].astype(np.float64)
        own -= own.mean()
        shapes = np.zeros_like(members)
        for column in range(len(shifts)):
            shapes[column : column + length, column] = own
        before, after = BEFORE_R - qrs.start + LARGEST_SHIFT, qrs.stop - BEFORE_R + LARGEST_SHIFT
        part = (leads.cut(lead, positions, before, after) * factor).astype(np.float64)
        energy = np.maximum((part * part) @ members - (part @ members) ** 2 / length, 0.0)
        likeness += part @ shapes / np.sqrt(energy * (own @ own) + _TINY**2)
    best = (likeness - SHIFT_PENALTY * np.abs(shifts)).argmax(axis=1)
    found: NDArray[np.int64] = shifts[best]
    return found, likeness[np.arange(len(best)), best]


def _normal(timing: Timing, beat: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Beats (m,) of the dominant rhythm by their timing; all where hardly any is regular."""
    previous = timing.of_beats / timing.running_median
    following = timing.following[beat] / timing.running_median
    normal: NDArray[np.bool_] = previous > NORMAL_PREVIOUS_RR
    normal &= (following > NORMAL_NEXT_RR[0]) & (following < NORMAL_NEXT_RR[1])
    few = normal.sum() < max(_FEWEST_NORMAL_SHARE * len(normal), _FEWEST_TEMPLATE_BEATS)
    return np.ones_like(normal) if few else normal


def _slow(of_beats: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Beats (m,) that come after the longest RR intervals but the very longest; all where there are too few."""
    low, high = np.percentile(of_beats, SLOW_PERCENTILES)
    slow: NDArray[np.bool_] = (of_beats >= low) & (of_beats <= high)
    return np.ones_like(slow) if slow.sum() < _FEWEST_TEMPLATE_BEATS else slow


def _spread(rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """At most `TEMPLATE_BEATS` of the rows, evenly spread."""
    if len(rows) <= TEMPLATE_BEATS:
        return rows
    return rows[np.linspace(0, len(rows) - 1, TEMPLATE_BEATS).astype(np.int64)]
