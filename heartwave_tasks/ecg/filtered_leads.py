"""Filtered leads: the signals that beats are cut from, whole, in two bytes a sample."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

if TYPE_CHECKING:
    from typing import Self

    from numpy.typing import NDArray

MICROVOLTS_PER_MILLIVOLT: Final = 1000.0

REACH: Final = 160
"""Samples that may be cut before or after an R peak, also where the recording has ended."""


@dataclass(frozen=True)
class FilteredLeads:
    """Filtered leads at 360 Hz in µV: int16 (n_leads, REACH + n_samples + REACH), the ends going on as they are.

    Features are taken from these, not from what they were rounded from, so that a row's window is all there is to it.
    """

    padded: NDArray[np.int16]

    @classmethod
    def empty(cls, n_leads: int, n_samples: int) -> Self:
        """Make room for leads that are written stretch by stretch."""
        return cls(np.zeros((n_leads, n_samples + 2 * REACH), dtype=np.int16))

    @property
    def n_leads(self) -> int:
        """Number of leads."""
        return len(self.padded)

    @property
    def n_samples(self) -> int:
        """Samples of every lead, without what they are padded with."""
        n_samples: int = self.padded.shape[1] - 2 * REACH
        return n_samples

    def write(self, first: int, millivolts: NDArray[np.floating]) -> None:
        """Write filtered samples (m, n_leads) in mV from sample `first` on; what is beyond ±32 mV is clipped."""
        limits = np.iinfo(np.int16)
        microvolts = np.rint(millivolts * np.float32(MICROVOLTS_PER_MILLIVOLT))
        last = first + len(millivolts)
        self.padded[:, REACH + first : REACH + last] = np.clip(microvolts, limits.min, limits.max).T
        if first == 0:
            self.padded[:, :REACH] = self.padded[:, REACH, None]
        if last == self.n_samples:
            self.padded[:, -REACH:] = self.padded[:, -REACH - 1, None]

    def cut(self, lead: int, positions: NDArray[np.int64], before: int, after: int) -> NDArray[np.int16]:
        """Cut (n, before + after) around positions (n,) of one lead; both at most `REACH`."""
        windows: NDArray[np.int16] = sliding_window_view(self.padded[lead], before + after)[positions + REACH - before]
        return windows
