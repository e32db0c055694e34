"""Pacing: the spike a pacemaker leaves before the beat it starts.

In a paced recording the dominant beat is a paced one, so nothing relative to it tells that it is paced. The spike
does: it is sharper than any heartbeat, and a paced QRS complex is slow. Below 100 Hz only a remnant of it is left.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from heartwave_tasks.ecg.filtered_leads import MICROVOLTS_PER_MILLIVOLT
from heartwave_tasks.ecg.recursive_filters import RecursiveFilter

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from heartwave_tasks.ecg.filtered_leads import FilteredLeads
    from heartwave_tasks.ecg.stretches import Stretch

SPIKE_BAND: Final = RecursiveFilter.of(
    (0.3468218078469383, -0.6936436156938766, 0.3468218078469383, -0.8553979327751704, 0.20971535775655478),
    (1.0, -2.0, 1.0, -1.1130298541633479, 0.5740619150839545),
)
"""Butterworth high-pass of order 4, 45 Hz at 360 Hz, as `scipy.signal.butter` designs it: what the analysis filter
takes out and a spike mostly consists of."""

SPIKE_SEARCH: Final = (-60, 30)
"""Samples from the R peak in which the sharpest moment is looked for."""

QUIET: Final = (60, 120)
"""Samples from the R peak in which nothing sharp is expected."""

QRS: Final = (-30, 36)
"""Samples from the R peak that hold the QRS complex."""

SPIKE_MEASURES: Final = ("spike_over_slope", "spike_over_height", "spike_over_quiet", "spike_lag")
PACING_FEATURES: Final = (*SPIKE_MEASURES, *(f"second_{name}" for name in SPIKE_MEASURES))
"""Names of the columns of `describe_pacing`: log ratios without a unit, and where the spike lies, for both leads."""

USUAL_BEATS: Final = 20_000
"""About as many beats of a recording, evenly spread, say how high its QRS complexes are."""

REACH: Final = 64
"""Samples on either side that the filter's answer to a sample extends to; beyond it is less than 1e-8 of it."""

PIECE: Final = 30
"""Samples that are filtered at a time; divides both stretches."""

_TINY: Final = 1e-9


def measure_spikes(stretch: Stretch, positions: NDArray[np.int64], leads: tuple[int, ...]) -> NDArray[np.float32]:
    """Measure the sharpest moment of rows at positions (n,) in a stretch.

    Returns float32 (n, 4 x leads): its size, the steepest slope of the filtered signal and the usual size where nothing
    sharp is expected, in mV, and where it lies from the R peak, in samples at 360 Hz; for each lead in turn.
    """
    local = positions - stretch.start
    columns: list[NDArray[np.floating]] = []
    for lead in leads:
        near, calm = _sharp(stretch.samples[:, lead], local, (SPIKE_SEARCH, QUIET))
        steps = np.diff(_around(stretch.filtered[:, lead], local, SPIKE_SEARCH), axis=1)
        columns += [
            near.max(axis=1),
            np.maximum(steps.max(axis=1), -steps.min(axis=1)),
            np.sqrt(np.vecdot(calm, calm) / calm.shape[1]),
            near.argmax(axis=1) + float(SPIKE_SEARCH[0]),
        ]
    return np.column_stack(columns).astype(np.float32)


def describe_pacing(
    spikes: NDArray[np.float32], leads: FilteredLeads, positions: NDArray[np.int64], beat: NDArray[np.bool_]
) -> dict[str, NDArray[np.floating]]:
    """Compare spikes with the recording's beats, by name in `PACING_FEATURES`, (n,) each.

    Parameters
    ----------
    spikes
        (n, 4 x leads) as `measure_spikes` gives them.
    leads, positions, beat
        The filtered leads, int64 (n,) R peaks in them, bool (n,) which of them are beats.
    """
    columns: list[NDArray[np.floating]] = []
    usual = positions[beat]
    usual = usual[:: max(1, len(usual) // USUAL_BEATS)]
    for lead in range(leads.n_leads):
        peak, slope, quiet, lag = spikes[:, 4 * lead : 4 * lead + 4].T.astype(np.float64)
        heights = np.ptp(leads.cut(lead, usual, -QRS[0], QRS[1]).astype(np.float32), axis=1)
        height = float(np.median(heights)) / MICROVOLTS_PER_MILLIVOLT or 1.0
        floor = _TINY * height
        columns += [
            np.log((peak + floor) / (slope + floor)),
            np.log((peak + floor) / height),
            np.log((peak + floor) / (quiet + floor)),
            lag,
        ]
    if leads.n_leads == 1:
        columns += list(stand_in(np.column_stack(columns), beat).T)
    return dict(zip(PACING_FEATURES, columns, strict=True))


def stand_in(spikes: NDArray[np.floating], beat: NDArray[np.bool_]) -> NDArray[np.floating]:
    """Stand in for the second lead of a recording without one, given the analysis lead's features (n, 4); (n, 4) out.

    It is the lead again, but no spike is seen twice: there it is as sharp as usual at most.
    """
    usual = np.median(spikes[beat], axis=0)
    usual[SPIKE_MEASURES.index("spike_lag")] = np.inf
    second: NDArray[np.floating] = np.minimum(spikes, usual)
    return second


def _sharp(
    lead: NDArray[np.floating], positions: NDArray[np.int64], windows: tuple[tuple[int, int], ...]
) -> list[NDArray[np.float64]]:
    """Size of what `SPIKE_BAND` lets through of an unfiltered lead, (n, end - start) for each of some windows.

    Windows are start and end around positions (n,). A zero-phase filter hardly reaches further than 0.2 s, so only
    stretches around the beats are filtered instead of the whole recording: a product of matrices, `PIECE` samples at a
    time, as larger ones are mostly zeros.
    """
    begin = min(start for start, _ in windows) - REACH
    around = _around(lead, positions, (begin, max(end for _, end in windows) + REACH))
    around = around.astype(np.float64, copy=False)
    found = []
    for start, end in windows:
        sharp = np.empty((len(positions), end - start))
        for first in range(0, end - start, PIECE):
            at = start - REACH - begin + first
            np.matmul(around[:, at : at + PIECE + 2 * REACH], spike_response(), out=sharp[:, first : first + PIECE])
        found.append(np.abs(sharp, out=sharp))
    return found


@cache
def spike_response() -> NDArray[np.float64]:
    """Return what a stretch (PIECE + 2 REACH,) is multiplied with to filter the samples in its middle (PIECE,)."""
    impulse = np.eye(1, 8 * REACH + 1, 4 * REACH).T
    response = SPIKE_BAND.run(impulse, 0)[3 * REACH : 5 * REACH + 1, 0]
    matrix = np.zeros((PIECE + 2 * REACH, PIECE))
    for sample in range(PIECE):
        matrix[sample : sample + len(response), sample] = response
    return matrix


def _around(lead: NDArray[np.floating], positions: NDArray[np.int64], edges: tuple[int, int]) -> NDArray[np.floating]:
    """Cut (n, edges[1] - edges[0]) around positions (n,); beyond the lead its first and last samples go on."""
    first, width = positions + edges[0], edges[1] - edges[0]
    last = len(lead) - width
    if last < 0:
        short: NDArray[np.floating] = lead[np.clip(first[:, None] + np.arange(width), 0, len(lead) - 1)]
        return short
    # Taking rows of a view copies stretches of memory, not samples.
    cut: NDArray[np.floating] = sliding_window_view(lead, width)[np.clip(first, 0, last)]
    beyond = np.flatnonzero((first < 0) | (first > last))
    cut[beyond] = lead[np.clip(first[beyond, None] + np.arange(width), 0, len(lead) - 1)]
    return cut
