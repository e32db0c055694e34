"""Shapes: what every beat looks like, relative to the recording's own beats."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import starmap
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from typing import Self

    from numpy.typing import NDArray

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

_TINY: Final = 1e-9
_SIZE_FLOOR: Final = 1e-3
_FEWEST_TEMPLATE_BEATS: Final = 5
_FEWEST_NORMAL_SHARE: Final = 0.1
_BEST_LOOKING_QUANTILE: Final = 0.3


@dataclass(frozen=True)
class Shapes:
    """Aligned beats of one recording in units of its own QRS height, one entry for each lead.

    Attributes
    ----------
    cuts
        float32 (n, 252) for each lead: every row, R peak at index 108.
    dominant, slow
        (252,) for each lead: median beat of the dominant rhythm, and of the slowest beats.
    shift
        int64 (n,) samples a row was moved to lie on the dominant beat.
    """

    cuts: tuple[NDArray[np.floating], ...]
    dominant: tuple[NDArray[np.floating], ...]
    slow: tuple[NDArray[np.floating], ...]
    shift: NDArray[np.int64]

    @classmethod
    def of(
        cls, filtered: NDArray[np.floating], positions: NDArray[np.int64], beat: NDArray[np.bool_], timing: Timing
    ) -> Self:
        """Cut, scale and align rows at `positions` (n,) of signals (n_samples, n_leads); templates see only beats."""
        rows = np.flatnonzero(beat)
        normal = rows[_normal(timing, beat)]
        slow = rows[_slow(timing.of_beats)]
        leads: list[NDArray[np.floating]] = []
        for lead in filtered.T:
            height = float(np.ptp(_median_beat(_cut(lead, positions[_spread(normal)]))[ZONES["qrs"]]))
            leads.append(lead / np.float32(height or 1.0))
        first = [_median_beat(_cut(lead, positions[_spread(normal)])) for lead in leads]
        shift = _best_shift(tuple(_cut(lead, positions) for lead in leads), first)
        cuts = tuple(_cut(lead, positions + shift) for lead in leads)
        likeness = sum(correlation(cut[:, ZONES["qrs"]], t[ZONES["qrs"]]) for cut, t in zip(cuts, first, strict=True))
        likeness = np.asarray(likeness)[normal]
        typical = normal[likeness >= np.quantile(likeness, _BEST_LOOKING_QUANTILE)]
        return cls(
            cuts=cuts,
            dominant=tuple(_median_beat(cut[_spread(typical)]) for cut in cuts),
            slow=tuple(_median_beat(cut[_spread(slow)]) for cut in cuts),
            shift=shift,
        )


def correlation(beats: NDArray[np.floating], others: NDArray[np.floating]) -> NDArray[np.floating]:
    """Pearson correlation along the last axis of (n, k) with (k,) or (n, k); 0 where either is flat."""
    beats = beats - beats.mean(axis=-1, keepdims=True)
    others = others - others.mean(axis=-1, keepdims=True)
    energy = (beats * beats).sum(axis=-1) * (others * others).sum(axis=-1)
    product: NDArray[np.floating] = (beats * others).sum(axis=-1) / np.sqrt(energy + _TINY**2)
    return product


def compare(cut: NDArray[np.floating], template: NDArray[np.floating]) -> dict[str, NDArray[np.floating]]:
    """Compare beats (n, 252) with a template (252,) zone by zone, by name in `COMPARISON_FEATURES`, (n,) each.

    In each zone: correlation; RMS residual, and difference of means (offset), in heights of the template's QRS;
    log ratio of peak-to-peak sizes; and how much of the template's own shape the beat holds (projection).
    """
    height = float(np.ptp(template[ZONES["qrs"]])) + _TINY
    columns: list[NDArray[np.floating]] = []
    for zone in ZONES.values():
        part, own = cut[:, zone], template[zone]
        level = part.mean(axis=1)
        centred, own_centred = part - level[:, None], own - own.mean()
        columns += [
            correlation(part, own),
            np.sqrt(((centred - own_centred) ** 2).mean(axis=1)) / height,
            np.log((np.ptp(part, axis=1) + _SIZE_FLOOR * height) / (np.ptp(own) + _SIZE_FLOOR * height)),
            (level - own.mean()) / height,
            (centred @ own_centred) / (own_centred @ own_centred + _TINY),
        ]
    return dict(zip(COMPARISON_FEATURES, [*columns, *_match_p(cut, template)], strict=True))


def compare_qrs(cut: NDArray[np.floating], template: NDArray[np.floating]) -> dict[str, NDArray[np.floating]]:
    """Compare the QRS complexes of beats (n, 252) with a template's (252,), by name in `QRS_FEATURES`, (n,) each.

    Log ratios of width (area over height; spread of slope energy), steepest slope and share of high frequencies;
    difference of polarity (-1 all negative, 1 all positive).
    """
    both = np.vstack([cut[:, LONG_QRS], template[LONG_QRS]])
    level = both - np.median(both, axis=1, keepdims=True)
    slope = np.diff(both, axis=1)
    slope_energy = slope * slope
    share = slope_energy / (slope_energy.sum(axis=1, keepdims=True) + _TINY)
    index = np.arange(share.shape[1])
    centre = share @ index
    measures = (
        np.log(np.abs(level).sum(axis=1) / (np.abs(level).max(axis=1) + _TINY) + _TINY),
        np.log(np.sqrt((share * (index - centre[:, None]) ** 2).sum(axis=1)) + _TINY),
        np.log(np.abs(slope).max(axis=1) + _TINY),
        np.log((slope_energy.sum(axis=1) + _TINY) / (((both - both.mean(axis=1, keepdims=True)) ** 2).sum(1) + _TINY)),
        (level.max(axis=1) + level.min(axis=1)) / (np.ptp(level, axis=1) + _TINY),
    )
    return {name: measure[:-1] - measure[-1] for name, measure in zip(QRS_FEATURES, measures, strict=True)}


def _match_p(cut: NDArray[np.floating], template: NDArray[np.floating]) -> tuple[NDArray[np.floating], ...]:
    """Best correlation of the template's P wave around its place, and the lag in samples it is found at."""
    matches = np.stack(
        [correlation(cut[:, P_WAVE.start + lag : P_WAVE.stop + lag], template[P_WAVE]) for lag in P_LAGS]
    )
    best = matches.argmax(axis=0)
    return matches[best, np.arange(len(cut))], np.asarray(P_LAGS, dtype=np.float32)[best]


def _cut(lead: NDArray[np.floating], positions: NDArray[np.int64]) -> NDArray[np.floating]:
    """Cut (n, 252) around positions (n,); beyond the recording its last sample goes on."""
    index = positions[:, None] + np.arange(-BEFORE_R, AFTER_R)
    cut: NDArray[np.floating] = lead[np.clip(index, 0, len(lead) - 1)]
    return cut


def _best_shift(cuts: tuple[NDArray[np.floating], ...], templates: list[NDArray[np.floating]]) -> NDArray[np.int64]:
    """Shift (n,) at which QRS complexes correlate best with the templates, over all leads."""
    qrs = ZONES["qrs"]
    shifts = np.arange(-LARGEST_SHIFT, LARGEST_SHIFT + 1)
    gains = np.zeros((len(shifts), len(cuts[0])))
    for row, shift in enumerate(shifts):
        moved = ((cut[:, qrs.start + shift : qrs.stop + shift], t[qrs]) for cut, t in zip(cuts, templates, strict=True))
        gains[row] = sum(starmap(correlation, moved)) - SHIFT_PENALTY * abs(shift)
    best: NDArray[np.int64] = shifts[gains.argmax(axis=0)]
    return best


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


def _median_beat(cut: NDArray[np.floating]) -> NDArray[np.floating]:
    median: NDArray[np.floating] = np.median(cut, axis=0)
    return median
