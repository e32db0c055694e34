"""Signals put together from what files hold: frames of several rates, and pieces one after the other."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

import numpy as np

from heartwave_tasks.ecg.recordings import SignalsInMemory

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from heartwave_tasks.ecg.recordings import Signals


IN_MEMORY: Final = 1 << 24
"""Samples, over all leads, up to which signals stay in memory once they are read: 64 MiB."""


def keep_short(signals: Signals) -> Signals:
    """Return short signals in memory, because they are read more than once, and long ones as they are."""
    if signals.n_samples * signals.n_leads > IN_MEMORY:
        return signals
    return SignalsInMemory(signals.read(0, signals.n_samples))


class Frames(Protocol):
    """Leads that lie in frames of equal duration, each with a number of samples of its own per frame."""

    @property
    def n_frames(self) -> int:
        """Frames in all."""
        ...

    @property
    def samples_per_frame(self) -> tuple[int, ...]:
        """Samples of every lead in a frame."""
        ...

    def read_frames(self, first: int, last: int) -> list[NDArray[np.float32]]:
        """Read frames ``[first, last)``: for each lead float32 ((last - first) * its samples per frame,) in mV."""
        ...


@dataclass(frozen=True)
class FrameSignals:
    """Frames as `Signals` at the rate of the fastest lead; slower leads are drawn through by straight lines."""

    frames: Frames

    @property
    def per_frame(self) -> int:
        """Samples per frame of the fastest lead, and so of all."""
        return max(self.frames.samples_per_frame)

    @property
    def n_samples(self) -> int:
        """Samples of every lead."""
        return self.frames.n_frames * self.per_frame

    @property
    def n_leads(self) -> int:
        """Number of leads."""
        return len(self.frames.samples_per_frame)

    def read(self, first: int, last: int) -> NDArray[np.float32]:
        """Read samples ``[first, last)``, float32 (last - first, n_leads) in mV."""
        if first >= last:
            return np.empty((0, self.n_leads), dtype=np.float32)
        most = self.per_frame
        begin, end = first // most, -(-last // most)
        # A slower lead's last sample has its neighbour in the frame after.
        after = min(end + 1, self.frames.n_frames) if len(set(self.frames.samples_per_frame)) > 1 else end
        leads = self.frames.read_frames(begin, after)
        read = np.empty((last - first, self.n_leads), dtype=np.float32)
        for column, (lead, own) in enumerate(zip(leads, self.frames.samples_per_frame, strict=True)):
            if own == most:
                read[:, column] = lead[first - begin * most : last - begin * most]
            else:
                read[:, column] = _stretch(lead, np.arange(first - begin * most, last - begin * most), own, most)
        return read


def _stretch(lead: NDArray[np.float32], wanted: NDArray[np.int64], own: int, most: int) -> NDArray[np.float32]:
    """Values between samples at ``own / most`` of the rate; in whole numbers, so that all stretches agree."""
    place, rest = np.divmod(wanted * own, most)
    following = np.minimum(place + 1, len(lead) - 1)
    share = (rest / most).astype(np.float32)
    between = lead[place] + (lead[following] - lead[place]) * share
    stretched: NDArray[np.float32] = np.where(rest == 0, lead[place], between)
    return stretched


@dataclass(frozen=True)
class Piece:
    """Signals that begin at a sample of the whole, and the columns of the whole that their leads fill."""

    start: int
    signals: Signals
    columns: tuple[int, ...]

    @property
    def end(self) -> int:
        """One past its last sample."""
        return self.start + self.signals.n_samples


class JoinedSignals:
    """Pieces one after the other as `Signals`; NaN between them, and in leads that a piece has not."""

    def __init__(self, pieces: Sequence[Piece], n_samples: int, n_leads: int) -> None:
        self._pieces = sorted((piece for piece in pieces if piece.signals.n_samples), key=lambda piece: piece.start)
        self._starts = [piece.start for piece in self._pieces]
        self.n_samples = n_samples
        self.n_leads = n_leads

    def read(self, first: int, last: int) -> NDArray[np.float32]:
        """Read samples ``[first, last)``, float32 (last - first, n_leads) in mV."""
        read = np.full((last - first, self.n_leads), np.nan, dtype=np.float32)
        place = max(0, bisect_right(self._starts, first) - 1)
        for piece in self._pieces[place:]:
            if piece.start >= last:
                break
            begin, end = max(first, piece.start), min(last, piece.end)
            if begin < end:
                read[begin - first : end - first, list(piece.columns)] = piece.signals.read(
                    begin - piece.start, end - piece.start
                )
        return read
