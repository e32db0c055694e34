"""Shapes: what every beat looks like, relative to the recording's own beats."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

if TYPE_CHECKING:
    from typing import Self

    from numpy.typing import NDArray

    from heartwave_tasks.ecg.filtered_leads import FilteredLeads
    from heartwave_tasks.ecg.rhythm import Timing

BEFORE_R: Final = 108
"""Samples of a cut beat before its R peak: 300 ms at 360 Hz."""

AFTER_R: Final = 144
"""Samples of a cut beat from its R peak on: 400 ms."""

LARGEST_SHIFT: Final = 8
"""Samples (22 ms) a beat may be moved to lie on the dominant beat, as fiducials differ by that much."""

SHIFT_PENALTY: Final = 0.01
"""Correlation a sample of shift must gain."""


def _zone(first: int, last: int) -> slice:
    return slice(BEFORE_R + first, BEFORE_R + last)


ZONES: Final = {
    "p": _zone(-88, -22),
    "qrs": _zone(-26, 34),
    "st": _zone(34, 72),
    "t": _zone(50, 136),
    "beat": _zone(-88, 100),
}
"""Parts of a beat that are compared, as slices of a cut beat."""

LONG_QRS: Final = _zone(-40, 56)
"""Holds a ventricular QRS complex too."""

P_WAVE: Final = _zone(-72, -20)
"""Where a P wave is looked for; it may be found earlier or later."""

P_LAGS: Final = tuple(range(-32, 21, 4))
"""Samples by which a P wave may come earlier (negative) or later."""

NORMAL_PREVIOUS_RR: Final = 0.9
"""A beat of the dominant rhythm comes no earlier than this share of the running median RR."""

NORMAL_NEXT_RR: Final = (0.85, 1.12)
"""... and neither is premature nor pauses after it."""

SLOW_PERCENTILES: Final = (75, 97)
"""RR intervals that end in a slow beat; ectopic beats come early, so these are the recording's normal beats even
where ectopic ones are the majority. The longest pauses are left out, as escape beats end them."""

TEMPLATE_BEATS: Final = 4000
"""Most beats a template is the median of, evenly spread over the recording."""

ZONE_MEASURES: Final = ("correlation", "residual", "size", "offset", "projection")
P_MEASURES: Final = ("p_match", "p_match_lag")
COMPARISON_FEATURES: Final = (
    *(f"{zone}_{measure}" for zone in ZONES for measure in ZONE_MEASURES),
    *P_MEASURES,
)
"""Names of the columns of `compare`."""

QRS_FEATURES: Final = ("qrs_area_width", "qrs_slope_width", "qrs_steepness", "qrs_sharpness", "qrs_polarity")
"""Names of the columns of `compare_qrs`."""

STRETCHES: Final = (*ZONES.values(), *(slice(P_WAVE.start + lag, P_WAVE.stop + lag) for lag in P_LAGS))
"""Parts of a cut beat that are compared with a template: the zones, then the places a P wave is looked for."""

_TEMPLATE_STRETCHES: Final = (*ZONES.values(), *(P_WAVE,) * len(P_LAGS))
"""What of a template each is compared with."""


def _members() -> NDArray[np.float64]:
    """Tell (252, len(STRETCHES)) which samples belong to which stretch."""
    members = np.zeros((BEFORE_R + AFTER_R, len(STRETCHES)))
    for column, stretch in enumerate(STRETCHES):
        members[stretch, column] = 1.0
    return members


_MEMBERS: Final = _members()
_LENGTHS: Final = _MEMBERS.sum(axis=0)

_TINY: Final = 1e-9
_SIZE_FLOOR: Final = 1e-3
_FEWEST_TEMPLATE_BEATS: Final = 5
_FEWEST_NORMAL_SHARE: Final = 0.1
_BEST_LOOKING_QUANTILE: Final = 0.3


@dataclass(frozen=True)
class Cut:
    """Aligned beats of one lead, and what comparing them with any template needs to know of them.

    Attributes
    ----------
    samples
        float32 (n, 252): every row, R peak at index 108.
    level, energy
        float64 (n, len(STRETCHES)): mean of every stretch, and sum of squares about it.
    size
        float32 (n, len(ZONES)): peak to peak in every zone.
    """

    samples: NDArray[np.floating]
    level: NDArray[np.float64]
    energy: NDArray[np.float64]
    size: NDArray[np.floating]

    @classmethod
    def of(cls, samples: NDArray[np.floating]) -> Self:
        """Measure cut beats (n, 252)."""
        # Sums over many stretches at once are products of matrices; in single precision they would lose small waves
        # on high levels.
        exact = samples.astype(np.float64)
        level = exact @ (_MEMBERS / _LENGTHS)
        energy = np.maximum((exact * exact) @ _MEMBERS - level * level * _LENGTHS, 0.0)
        # Looking across all rows at once is quicker than along each.
        across = np.ascontiguousarray(samples.T)
        sizes = [across[zone].max(axis=0) - across[zone].min(axis=0) for zone in ZONES.values()]
        return cls(samples, level, energy, np.column_stack(sizes))

    def take(self, rows: slice) -> Self:
        """Keep a slice of the rows."""
        return replace(
            self, samples=self.samples[rows], level=self.level[rows], energy=self.energy[rows], size=self.size[rows]
        )


@dataclass(frozen=True)
class Cuts:
    """Aligned beats, n rows: one `Cut` for each lead, and int64 (n,) samples each row was moved by."""

    leads: tuple[Cut, ...]
    shift: NDArray[np.int64]

    def take(self, rows: slice) -> Self:
        """Keep a slice of the rows."""
        return replace(self, leads=tuple(cut.take(rows) for cut in self.leads), shift=self.shift[rows])


@dataclass(frozen=True)
class Templates:
    """What the beats of one recording look like, in units of its own QRS height, one entry for each lead.

    Attributes
    ----------
    scale
        Factor from µV: of a lead whose dominant QRS complex points down it is negative, so that a lead that was put
        on upside down gives the same shapes.
    aligning
        (252,) median beat of the dominant rhythm that rows are moved to lie on.
    dominant, slow
        (252,) median beat of the dominant rhythm, of those that look it, and of the slowest beats; both aligned.
    """

    scale: tuple[np.float32, ...]
    aligning: tuple[NDArray[np.floating], ...]
    dominant: tuple[NDArray[np.floating], ...] = ()
    slow: tuple[NDArray[np.floating], ...] = ()

    @classmethod
    def of(cls, leads: FilteredLeads, positions: NDArray[np.int64], beat: NDArray[np.bool_], timing: Timing) -> Self:
        """Take templates from the beats among rows at `positions` (n,)."""
        rows = np.flatnonzero(beat)
        normal = _spread(rows[_normal(timing, beat)])
        slow = _spread(rows[_slow(timing.of_beats)])
        medians = [
            median_beat(leads.cut(lead, positions[normal], BEFORE_R, AFTER_R).astype(np.float32))
            for lead in range(leads.n_leads)
        ]
        scale = tuple(_scale(median) for median in medians)
        aligned = cls(scale, tuple(median * factor for median, factor in zip(medians, scale, strict=True)))
        cuts, _, likeness = aligned._align(leads, positions[normal])
        typical = likeness >= np.quantile(likeness, _BEST_LOOKING_QUANTILE)
        slow_cuts, _, _ = aligned._align(leads, positions[slow])
        return replace(
            aligned,
            dominant=tuple(median_beat(cut[typical]) for cut in cuts),
            slow=tuple(median_beat(cut) for cut in slow_cuts),
        )

    def cut(self, leads: FilteredLeads, positions: NDArray[np.int64]) -> Cuts:
        """Cut, scale and align rows at `positions` (n,)."""
        cuts, shift, _ = self._align(leads, positions)
        return Cuts(tuple(Cut.of(cut) for cut in cuts), shift)

    def _align(
        self, leads: FilteredLeads, positions: NDArray[np.int64]
    ) -> tuple[list[NDArray[np.floating]], NDArray[np.int64], NDArray[np.float64]]:
        """Return every lead's rows (n, 252), their shift (n,), and their likeness to the aligning beats then (n,)."""
        wide = [
            leads.cut(lead, positions, BEFORE_R + LARGEST_SHIFT, AFTER_R + LARGEST_SHIFT) * factor
            for lead, factor in enumerate(self.scale)
        ]
        shift, likeness = _best_shift(wide, self.aligning)
        every = np.arange(len(shift))
        cuts = [sliding_window_view(cut, BEFORE_R + AFTER_R, axis=1)[every, LARGEST_SHIFT + shift] for cut in wide]
        return cuts, shift, likeness


def _scale(median: NDArray[np.floating]) -> np.float32:
    """Factor that makes the QRS complex of a median beat (252,) in µV one high, and upright."""
    qrs = median[ZONES["qrs"]]
    upright = qrs.max() + qrs.min() - 2 * np.median(median) >= 0
    return np.float32((1.0 if upright else -1.0) / (np.ptp(qrs) or 1.0))


def correlation(beats: NDArray[np.floating], others: NDArray[np.floating]) -> NDArray[np.floating]:
    """Pearson correlation along the last axis of (n, k) with (k,) or (n, k); 0 where either is flat."""
    beats = beats - beats.mean(axis=-1, keepdims=True)
    others = others - others.mean(axis=-1, keepdims=True)
    energy = np.vecdot(beats, beats) * np.vecdot(others, others)
    product: NDArray[np.floating] = np.vecdot(beats, others) / np.sqrt(energy + _TINY**2)
    return product


def compare(cut: Cut, template: NDArray[np.floating]) -> dict[str, NDArray[np.floating]]:
    """Compare n beats with a template (252,) zone by zone, by name in `COMPARISON_FEATURES`, (n,) each.

    In each zone: correlation; RMS residual, and difference of means (offset), in heights of the template's QRS;
    log ratio of peak-to-peak sizes; and how much of the template's own shape the beat holds (projection).
    """
    height = float(np.ptp(template[ZONES["qrs"]])) + _TINY
    shapes = np.zeros((len(template), len(STRETCHES)))
    for column, (stretch, waves) in enumerate(zip(STRETCHES, _TEMPLATE_STRETCHES, strict=True)):
        own = template[waves].astype(np.float64)
        shapes[stretch, column] = own - own.mean()
    own_energy = (shapes * shapes).sum(axis=0)
    product = cut.samples.astype(np.float64) @ shapes
    match = product / np.sqrt(cut.energy * own_energy + _TINY**2)
    columns: list[NDArray[np.floating]] = []
    for column, zone in enumerate(ZONES.values()):
        difference = cut.energy[:, column] + own_energy[column] - 2 * product[:, column]
        own_size = np.ptp(template[zone]) + _SIZE_FLOOR * height
        columns += [
            match[:, column],
            np.sqrt(np.maximum(difference, 0.0) / _LENGTHS[column]) / height,
            np.log((cut.size[:, column] + _SIZE_FLOOR * height) / own_size),
            (cut.level[:, column] - template[zone].mean(dtype=np.float64)) / height,
            product[:, column] / (own_energy[column] + _TINY),
        ]
    # The template's P wave may be found earlier or later.
    lagged = match[:, len(ZONES) :]
    best = lagged.argmax(axis=1)
    columns += [lagged[np.arange(len(lagged)), best], np.asarray(P_LAGS, dtype=np.float32)[best]]
    return dict(zip(COMPARISON_FEATURES, columns, strict=True))


def compare_qrs(cut: Cut, template: NDArray[np.floating]) -> dict[str, NDArray[np.floating]]:
    """Compare the QRS complexes of n beats with a template's (252,), by name in `QRS_FEATURES`, (n,) each.

    Log ratios of width (area over height; spread of slope energy), steepest slope and share of high frequencies;
    difference of polarity (-1 all negative, 1 all positive).
    """
    both = np.vstack([cut.samples[:, LONG_QRS], template[LONG_QRS]])
    # Sorting short rows is quicker than looking for their medians, and gives the extremes as well.
    ranked = np.sort(both, axis=1)
    width = both.shape[1]
    median = (ranked[:, width // 2 - 1] + ranked[:, width // 2]) / 2
    low, high = ranked[:, 0] - median, ranked[:, -1] - median
    slope = np.diff(both, axis=1)
    slope_energy = slope * slope
    total = slope_energy.sum(axis=1)
    index = np.arange(slope.shape[1], dtype=np.float64)
    moments = slope_energy.astype(np.float64) @ np.column_stack([np.ones_like(index), index, index * index])
    whole = moments[:, 0] + _TINY
    centre = moments[:, 1] / whole
    spread = np.maximum(moments[:, 2] / whole - centre * (2 * centre - centre * moments[:, 0] / whole), 0.0)
    level = both - both.mean(axis=1, keepdims=True)
    measures = (
        np.log(np.abs(both - median[:, None]).sum(axis=1) / (np.maximum(high, -low) + _TINY) + _TINY),
        np.log(np.sqrt(spread) + _TINY),
        np.log(np.maximum(slope.max(axis=1), -slope.min(axis=1)) + _TINY),
        np.log((total + _TINY) / (np.vecdot(level, level) + _TINY)),
        (high + low) / (high - low + _TINY),
    )
    return {name: measure[:-1] - measure[-1] for name, measure in zip(QRS_FEATURES, measures, strict=True)}


def median_beat(cut: NDArray[np.floating]) -> NDArray[np.floating]:
    """Median (k,) of beats (n, k), at least one of them: as `numpy.median`, several times as fast."""
    # Columns in one piece each, and a partition by one place instead of numpy's three.
    columns = np.ascontiguousarray(cut.T)
    half = columns.shape[1] // 2
    columns.partition(half, axis=1)
    upper: NDArray[np.floating] = columns[:, half]
    return upper if columns.shape[1] % 2 else (columns[:, :half].max(axis=1) + upper) / 2


def _best_shift(
    wide: list[NDArray[np.floating]], templates: tuple[NDArray[np.floating], ...]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Shift (n,) at which QRS complexes correlate best with the templates, over all leads, and that correlation (n,).

    `wide` are beats with `LARGEST_SHIFT` more samples on either side.
    """
    qrs = ZONES["qrs"]
    length = qrs.stop - qrs.start
    shifts = np.arange(-LARGEST_SHIFT, LARGEST_SHIFT + 1)
    members = np.zeros((length + 2 * LARGEST_SHIFT, len(shifts)))
    for column in range(len(shifts)):
        members[column : column + length, column] = 1.0
    likeness = np.zeros((len(wide[0]), len(shifts)))
    for cut, template in zip(wide, templates, strict=True):
        own = template[qrs].astype(np.float64)
        own -= own.mean()
        shapes = np.zeros_like(members)
        for column in range(len(shifts)):
            shapes[column : column + length, column] = own
        part = cut[:, qrs.start : qrs.stop + 2 * LARGEST_SHIFT].astype(np.float64)
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
