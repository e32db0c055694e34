"""Shapes: what every beat looks like, relative to the recording's own beats."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from typing import Self

    from numpy.typing import NDArray

BEFORE_R: Final = 108
"""Samples of a cut beat before its R peak: 300 ms at 360 Hz."""

AFTER_R: Final = 144
"""Samples of a cut beat from its R peak on: 400 ms."""


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
