"""Signal quality: how far the heartbeats of a lead stand out of noise, second by second, and where none can be told.

It looks at the signal alone, never at what a model makes of it, so that noise cannot talk a model into confidence.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from heartwave_tasks.ecg.envelopes import LOWEST_LEVEL_MV, WINDOW
from heartwave_tasks.ecg.envelopes import RATE as ENVELOPE_RATE
from heartwave_tasks.ecg.signals import SAMPLING_FREQUENCY

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Self

    from numpy.typing import NDArray

    from heartwave_tasks.ecg.envelopes import Envelope
    from heartwave_tasks.ecg.stretches import Stretch

NOISE: Final = (0.15, 0.5)
"""Usual height between beats, over that of beats, up to which a lead is flawless, and from which on useless."""

BURST: Final = (3.5, 7.0)
"""Highest moment of 1.5 s, over the level of the beats around: an ectopic beat's is up to the first, from the second
on it is no heart's."""

SWING: Final = (3.0, 6.0)
"""Level of the beats around over the lead's usual one: what a change of posture does, and what only noise does."""

CLASSIFIABLE: Final = 0.5
"""Quality of the analysis lead from which a beat can be classified: one in six hundred of MIT-BIH's cannot, and nine in
ten of those in noise as strong as the beats (``make robustness``), where what is called ventricular hardly ever is."""

NOISY_MINUTE: Final = 0.5
"""Share of a minute's seconds that cannot be classified from which it is a minute of noise."""

BEAT_S: Final = 0.3
"""A beat is judged by the seconds it lies in, and this long before and after its R peak."""

_SECOND: Final = int(SAMPLING_FREQUENCY)
_MINUTE_S: Final = 60


@dataclass(frozen=True)
class Quality:
    """Quality of every lead of a recording, 0 to 1: float32 (n_seconds, n_leads)."""

    by_second: NDArray[np.float32]

    @classmethod
    def of(cls, parts: Sequence[SecondsOfLeads]) -> Self:
        """Judge a recording by all of its stretches, in order."""
        level = np.concatenate([part.level for part in parts])
        score = np.concatenate([part.score for part in parts])
        alive = level >= LOWEST_LEVEL_MV
        usual = [np.median(lead[shown]) if shown.any() else 1.0 for lead, shown in zip(level.T, alive.T, strict=True)]
        score *= _fall(level / np.array(usual), SWING)
        score *= alive
        return cls(score.astype(np.float32))

    def of_beats(self, time_s: NDArray[np.float64], lead: int) -> NDArray[np.float32]:
        """Judge beats at times (n,) by a lead: the worst of the seconds they reach into, (n,)."""
        last = len(self.by_second) - 1
        edges = [np.clip((time_s + offset).astype(np.int64), 0, last) for offset in (-BEAT_S, BEAT_S)]
        worst: NDArray[np.float32] = np.minimum(*(self.by_second[edge, lead] for edge in edges))
        return worst

    def can_classify(self, time_s: NDArray[np.float64], lead: int) -> NDArray[np.bool_]:
        """Tell which beats at times (n,) could be classified by a lead."""
        enough: NDArray[np.bool_] = self.of_beats(time_s, lead) >= CLASSIFIABLE
        return enough

    def is_lost_between(self, time_s: NDArray[np.float64], lead: int) -> NDArray[np.bool_]:
        """Tell between which beats at times (n,) and the next a whole second shows nothing: no pause, but no signal."""
        lost = np.concatenate([[0], np.cumsum(self.by_second[:, lead] < CLASSIFIABLE)])
        after = np.minimum(np.ceil(time_s).astype(np.int64), len(lost) - 1)
        until = np.minimum(np.floor(np.append(time_s[1:], time_s[-1])).astype(np.int64), len(lost) - 1)
        between: NDArray[np.bool_] = (until > after) & (lost[until] > lost[after])
        return between

    def of_minutes(self) -> NDArray[np.float32]:
        """Mean quality of every lead in every minute, (n_minutes, n_leads); the last minute may be short."""
        return _mean_of_minutes(self.by_second)

    def noisy_minutes(self, lead: int) -> NDArray[np.bool_]:
        """Tell which minutes (n_minutes,) are noise, by the analysis lead."""
        starts = np.arange(0, len(self.by_second), _MINUTE_S)
        counts = np.minimum(starts + _MINUTE_S, len(self.by_second)) - starts
        noisy: NDArray[np.bool_] = (
            np.add.reduceat((self.by_second[:, lead] < CLASSIFIABLE).astype(np.float32), starts)
            >= NOISY_MINUTE * counts
        )
        return noisy


@dataclass(frozen=True)
class SecondsOfLeads:
    """What a stretch tells of the quality of every lead, for each of its seconds: (k, n_leads).

    Attributes
    ----------
    level
        Of the beats around, in mV.
    score
        Quality, 0 to 1, as far as it does not depend on the lead's usual level; 0 where any sample was not recorded.
    """

    level: NDArray[np.float64]
    score: NDArray[np.float64]

    @classmethod
    def of(cls, stretch: Stretch, envelope: Envelope) -> Self:
        """Take the seconds of a stretch that begins with a whole second."""
        seconds = np.arange(-(-(stretch.last - stretch.first) // _SECOND))
        skipped = (stretch.first - envelope.start) // _SECOND
        places = seconds + max(skipped, 0)
        windows = np.minimum(((places + 0.5) * ENVELOPE_RATE / WINDOW).astype(np.int64), len(envelope.level) - 1)
        level, highest = envelope.level[windows], envelope.highest[windows]
        score = _fall(envelope.floor[np.minimum(places, len(envelope.floor) - 1)], NOISE)
        score *= _fall(highest / np.maximum(level, LOWEST_LEVEL_MV), BURST)
        if stretch.missing.any():
            inner = stretch.missing[stretch.inner]
            score *= ~np.logical_or.reduceat(inner, np.arange(0, len(inner), _SECOND), axis=0)
        return cls(level, score)

    def apart(self, n_places: int) -> list[Self]:
        """Take apart what was read side by side at so many places: the leads of each, in order."""
        pairs = zip(np.hsplit(self.level, n_places), np.hsplit(self.score, n_places), strict=True)
        return [type(self)(level, score) for level, score in pairs]


def _fall(values: NDArray[np.float64], edges: tuple[float, float]) -> NDArray[np.float64]:
    """1 up to the first edge, 0 from the second on."""
    fallen: NDArray[np.float64] = np.clip((edges[1] - values) / (edges[1] - edges[0]), 0.0, 1.0)
    return fallen


def _mean_of_minutes(seconds: NDArray[np.float32]) -> NDArray[np.float32]:
    starts = np.arange(0, len(seconds), _MINUTE_S)
    counts = np.minimum(starts + _MINUTE_S, len(seconds)) - starts
    sums = np.add.reduceat(seconds, starts, axis=0, dtype=np.float64)
    means: NDArray[np.float32] = (sums.T / counts).T.astype(np.float32)
    return means
