"""Rhythm: when every beat comes, relative to the recording's own pace."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Self

    from numpy.typing import NDArray

LOCAL_MEANS: Final = (11, 21, 51, 101, 301)
"""Beats over which a local mean RR is taken, centred."""

QUANTILES: Final = (75, 90)
"""Percentiles of a recording's RR intervals: where ectopic beats are the majority, these still are its own pace."""

NEIGHBOURHOODS: Final = (10, 30)
"""Beats on either side that say whether the rhythm around a beat is regular."""

PAST_BEATS: Final = 10
"""Beats before this one whose mean RR it is compared with."""

MEDIAN_BEATS: Final = 11
"""Beats over whose RR a running median is taken, centred."""

REGULAR: Final = 0.06
"""RR intervals whose logarithms differ by less than this belong to one regular rhythm."""

STEADY: Final = 0.05
"""Consecutive RR intervals whose logarithms differ by less than this are a steady pair."""

SPREAD_FLOOR: Final = 0.02
"""Added to the spread of log RR, so that a metronome does not make every beat an outlier."""

TIMING_FEATURES: Final = (
    "rr_previous_over_mean",
    "rr_next_over_mean",
    *(f"rr_{side}_over_q{percent}" for percent in QUANTILES for side in ("previous", "next")),
    *(f"rr_{side}_over_mean{width}" for width in LOCAL_MEANS for side in ("previous", "next")),
    f"rr_previous_over_past{PAST_BEATS}",
    "rr_previous_over_one_before",
    "rr_previous_over_next",
    *(
        f"local{half}_{name}"
        for half in NEIGHBOURHOODS
        for name in (
            "previous_z",
            "next_z",
            "spread",
            "regular_share",
            "median_step",
            "steady_share",
            "previous_over_q90",
            "previous_over_q75",
            "previous_over_q05",
        )
    ),
)
"""Names of the columns of `describe_timing`."""

BEATS_AT_ONCE: Final = 8192
"""Bounds the memory of what is said of every beat's neighbours."""

_SHARES: Final = (0.5, 0.05, 0.16, 0.75, 0.84, 0.9)
_SMALLEST_RR_S: Final = 1e-3
_RR_DECIMALS: Final = 9
"""Equal intervals stay equal wherever in the recording they lie, which the last bits of times would not have."""


@dataclass(frozen=True)
class Sequence:
    """Where each of n rows stands among the m beats of its recording.

    Attributes
    ----------
    beat
        bool (n,); False for signal marks, which stand between beats and are nobody's neighbour.
    before, after
        int64 (n,) index among the beats of the one before (-1 if none) and the one after (m if none).
    own
        int64 (n,) index among the beats of the row itself; for a mark, of the beat after it (or the last).
    rr_previous_s, rr_next_s
        float64 (n,) seconds to those beats, NaN where there is none.
    """

    beat: NDArray[np.bool_]
    before: NDArray[np.int64]
    after: NDArray[np.int64]
    own: NDArray[np.int64]
    rr_previous_s: NDArray[np.float64]
    rr_next_s: NDArray[np.float64]

    @classmethod
    def of(cls, time_s: NDArray[np.float64], beat: NDArray[np.bool_]) -> Self:
        """Place rows at rising times (n,), of which `beat` are beats."""
        times = time_s[beat]
        before = np.searchsorted(times, time_s, side="left") - 1
        after = np.searchsorted(times, time_s, side="right")
        padded = np.concatenate([[np.nan], times, [np.nan]])
        return cls(
            beat=beat,
            before=before,
            after=after,
            own=np.clip(before + 1, 0, max(len(times) - 1, 0)),
            rr_previous_s=np.round(time_s - padded[before + 1], _RR_DECIMALS),
            rr_next_s=np.round(padded[after + 1] - time_s, _RR_DECIMALS),
        )

    def broken_after(self, lost: NDArray[np.bool_]) -> Self:
        """Forget the intervals after those of the m beats (m,) behind which beats may have gone unseen."""
        before = self.beat & np.concatenate([[False], lost])[self.before + 1]
        behind = self.beat & lost[self.own]
        return replace(
            self,
            rr_previous_s=np.where(before, np.nan, self.rr_previous_s),
            rr_next_s=np.where(behind, np.nan, self.rr_next_s),
        )

    def neighbours(self, values: NDArray[np.floating]) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
        """Values (m,) of the beats before and after every row, (n,) each, NaN where there is none."""
        padded = np.concatenate([[np.nan], values, [np.nan]])
        return padded[self.before + 1], padded[self.after + 1]


@dataclass(frozen=True)
class Timing:
    """RR intervals in seconds, the recording's mean where there is none.

    Attributes
    ----------
    previous, following
        float64 (n,) of every row.
    of_beats, running_median
        float64 (m,) to the beat before, of every beat, and its running median.
    """

    previous: NDArray[np.float64]
    following: NDArray[np.float64]
    of_beats: NDArray[np.float64]
    running_median: NDArray[np.float64]

    @classmethod
    def of(cls, sequence: Sequence) -> Self:
        """Fill the ends of a sequence; a recording of one beat is given one second."""
        known = sequence.rr_previous_s[sequence.beat]
        mean = float(np.nanmean(known)) if np.isfinite(known).any() else 1.0
        previous = np.maximum(np.nan_to_num(sequence.rr_previous_s, nan=mean), _SMALLEST_RR_S)
        following = np.maximum(np.nan_to_num(sequence.rr_next_s, nan=mean), _SMALLEST_RR_S)
        of_beats = previous[sequence.beat]
        return cls(previous, following, of_beats, running_median(of_beats, MEDIAN_BEATS))


def running_mean(values: NDArray[np.floating], width: int) -> NDArray[np.float64]:
    """Mean over a centred window of `width` (odd) rows of (m,) or (m, k); shorter at the ends."""
    sums = np.concatenate([np.zeros((1, *values.shape[1:])), np.cumsum(values, axis=0, dtype=np.float64)])
    index = np.arange(len(values))
    low, high = np.maximum(index - width // 2, 0), np.minimum(index + width // 2 + 1, len(values))
    counts = (high - low).reshape(-1, *(1,) * (values.ndim - 1))
    means: NDArray[np.float64] = (sums[high] - sums[low]) / counts
    return means


def running_median(values: NDArray[np.floating], width: int) -> NDArray[np.float64]:
    """Median over a centred window of `width` (odd) of (m,) values, mirrored at the ends."""
    return quantile(np.sort(_windows(values, width // 2), axis=1), 0.5)


def quantile(ranked: NDArray[np.float64], share: float) -> NDArray[np.float64]:
    """Quantile (n,) of every row of (n, k) sorted values, as `numpy.quantile`; sorting short rows once is quicker."""
    place = share * (ranked.shape[1] - 1)
    lower, part = int(place), place - int(place)
    low, high = ranked[:, lower], ranked[:, min(lower + 1, ranked.shape[1] - 1)]
    # The same operations as numpy's, so the same bits.
    found: NDArray[np.float64] = high - (high - low) * (1 - part) if part >= 0.5 else low + (high - low) * part  # noqa: PLR2004
    return found


def describe_timing(sequence: Sequence, timing: Timing) -> Iterator[tuple[str, NDArray[np.floating]]]:
    """Time of every row against the recording's own RR intervals, (n,) for each of `TIMING_FEATURES` in turn.

    One at a time, because all of them are half a gigabyte in a week's beats.

    Ratios to means and upper percentiles rather than medians: in a recording most of whose beats are
    supraventricular the median is their pace, and only the slow beats in between show it.
    """
    return zip(TIMING_FEATURES, _describe_timing(sequence, timing), strict=True)


def _describe_timing(sequence: Sequence, timing: Timing) -> Iterator[NDArray[np.floating]]:
    previous, following, of_beats = timing.previous, timing.following, timing.of_beats
    for usual in (of_beats.mean(), *(np.percentile(of_beats, percent) for percent in QUANTILES)):
        yield previous / float(usual)
        yield following / float(usual)
    for width in LOCAL_MEANS:
        around = running_mean(of_beats, width)[sequence.own]
        yield previous / around
        yield following / around
    one_before = sequence.neighbours(of_beats)[0]
    yield previous / _past_mean(of_beats)[sequence.before + 1]
    yield previous / np.where(np.isnan(one_before), previous, one_before)
    yield previous / following
    for half in NEIGHBOURHOODS:
        yield from _describe_neighbourhood(sequence, timing, half)


def _describe_neighbourhood(sequence: Sequence, timing: Timing, half: int) -> Iterator[NDArray[np.floating]]:
    """RR against those of `half` beats on either side, without the two that the beat itself bounds.

    In atrial fibrillation every interval is irregular and none is premature; in sinus rhythm one stands out.
    """
    log_previous, log_next = np.log(timing.previous), np.log(timing.following)
    windows: NDArray[np.float64] = _windows(np.log(timing.of_beats), half)
    pieces = [_describe_others(windows[at : at + BEATS_AT_ONCE], half) for at in range(0, len(windows), BEATS_AT_ONCE)]
    around = np.concatenate(pieces)[sequence.own]
    median, spread, regular, step, steady, upper90, upper75, low5 = around.T
    yield (log_previous - median) / spread
    yield (log_next - median) / spread
    yield from (spread, regular, step, steady)
    yield from (log_previous - share for share in (upper90, upper75, low5))


def _describe_others(windows: NDArray[np.float64], half: int) -> NDArray[np.float64]:
    """Median, spread and regularity of the log RR around some beats, (m, 8)."""
    others = np.delete(windows, [half, half + 1], axis=1)
    ranked = np.sort(others, axis=1)
    median, low5, low, upper75, high, upper90 = (quantile(ranked, share) for share in _SHARES)
    steps = np.abs(np.diff(others, axis=1))
    return np.column_stack(
        [
            median,
            (high - low) / 2 + SPREAD_FLOOR,
            (np.abs(others - median[:, None]) < REGULAR).mean(axis=1),
            quantile(np.sort(steps, axis=1), 0.5),
            (steps < STEADY).mean(axis=1),
            upper90,
            upper75,
            low5,
        ]
    )


def _past_mean(of_beats: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean RR of the ten beats before position i, for i in 0..m; the first beat's own where there is none."""
    sums = np.concatenate([[0.0], np.cumsum(of_beats)])
    end = np.maximum(np.arange(len(sums)), 1)
    start = np.maximum(end - PAST_BEATS, 0)
    means: NDArray[np.float64] = (sums[end] - sums[start]) / (end - start)
    return means


def _windows(values: NDArray[np.floating], half: int) -> NDArray[Any]:
    """Windows (m, 2 half + 1) around every one of (m,) values, mirrored at the ends."""
    padded = np.pad(values, half, mode="reflect" if len(values) > half else "edge")
    return sliding_window_view(padded, 2 * half + 1)
