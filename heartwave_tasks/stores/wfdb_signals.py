"""The signals of a plain WFDB record, a stretch at a time, whatever format they are stored in."""

from __future__ import annotations

from itertools import groupby
from operator import attrgetter
from typing import TYPE_CHECKING, Final

import numpy as np
import wfdb

from heartwave_tasks.stores.wfdb_headers import COMPRESSED
from heartwave_tasks.stores.wfdb_samples import PACKED, WORDS, read_frames

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from heartwave_tasks.stores.arrivals import Arrival
    from heartwave_tasks.stores.wfdb_header_lines import SignalLine
    from heartwave_tasks.stores.wfdb_headers import Claim, Lead

MISSING: Final = {
    "80": -(2**7), "508": -(2**7), "310": -(2**9), "311": -(2**9), "212": -(2**11), "16": -(2**15), "61": -(2**15),
    "160": -(2**15), "516": -(2**15), "24": -(2**23), "524": -(2**23), "32": -(2**31),
}  # fmt: skip
"""What stands for "no sample", by storage format; format 8 has none. See https://wfdb.io/spec/signal-files.html."""

BLOCK: Final = 1 << 21
"""Samples, over all signals, that a record is looked through by."""

_DIFFERENCES: Final = "8"


class WfdbFrames:
    """A plain record's voltages as `Frames`; every sum in the header compared when it is opened.

    ``keep`` what is read of a short one, because it is wanted again at once.
    """

    def __init__(
        self,
        arrival: Arrival,
        name: str,
        described: Sequence[SignalLine],
        claim: Claim,
        leads: tuple[Lead, ...],
        *,
        keep: bool,
    ) -> None:
        self._arrival, self._name, self._described, self._leads = arrival, name, described, leads
        self.n_frames = claim.n_frames
        self.samples_per_frame = tuple(lead.samples_per_frame for lead in leads)
        self._counts = [signal.samples_per_frame for signal in described]
        self._storages = [signal.storage for signal in described]
        self._block = max(1, BLOCK // sum(self._counts))
        self._skew = max(lead.skew for lead in leads)
        # Differences have to be summed up from the beginning: what they come to before every block.
        self._before: list[NDArray[np.int64]] | None = (
            [np.zeros(claim.n_leads, dtype=np.int64)] if _DIFFERENCES in self._storages else None
        )
        self._kept: list[NDArray[np.integer]] | None = None
        self._look_through(keep=keep and claim.n_frames * sum(self._counts) <= BLOCK)

    def read_frames(self, first: int, last: int) -> list[NDArray[np.float32]]:
        """Read frames ``[first, last)``, for each lead float32 in mV; NaN where a sample is missing."""
        until = min(last + self._skew, self.n_frames)
        stored = self._digital(first, until)
        return [self._millivolts(stored[lead.place], lead, last - first) for lead in self._leads]

    def _millivolts(self, stored: NDArray[np.integer], lead: Lead, n_frames: int) -> NDArray[np.float32]:
        """Convert what is stored, taking back the lead's shift against the others."""
        count, shift = n_frames * lead.samples_per_frame, lead.skew * lead.samples_per_frame
        values = stored[shift : shift + count]
        converted = values.astype(np.float32)
        converted -= np.float32(self._described[lead.place].baseline)
        converted /= np.float32(self._described[lead.place].gain)
        if lead.millivolts != 1.0:
            converted *= np.float32(lead.millivolts)
        missing = MISSING.get(self._storages[lead.place])
        if missing is not None:
            converted[values == missing] = np.nan
        if len(converted) == count:
            return converted
        return np.concatenate([converted, np.full(count - len(converted), np.nan, dtype=np.float32)])

    def _digital(self, first: int, last: int) -> list[NDArray[np.integer]]:
        """Read what is stored of all signals, their shifts against each other left as they are."""
        if self._kept is not None:
            return [
                signal[first * count : last * count] for signal, count in zip(self._kept, self._counts, strict=True)
            ]
        if first >= last:
            return [np.empty(0, dtype=np.int64) for _ in self._described]
        if self._before is None:
            return self._stored(first, last)
        block = min(first // self._block, len(self._before) - 1)
        begin = block * self._block
        found = self._stored(begin, last)
        return [
            (signal.astype(np.int64) + before if storage == _DIFFERENCES else signal)[(first - begin) * count :]
            for signal, before, storage, count in zip(
                found, self._before[block], self._storages, self._counts, strict=True
            )
        ]

    def _stored(self, first: int, last: int) -> list[NDArray[np.integer]]:
        plainly = {PACKED, WORDS}.issuperset(self._storages)
        signals = self._read_plainly(first, last) if plainly else self._read_with_wfdb(first, last)
        for signal, count in zip(signals, self._counts, strict=True):
            if len(signal) != (last - first) * count:
                raise self._arrival.refuse("truncated", "a signal file ends before the header says.")
        return signals

    def _read_plainly(self, first: int, last: int) -> list[NDArray[np.integer]]:
        """Read signals that are all stored in the formats that most recordings come in, file by file."""
        found: list[NDArray[np.integer]] = []
        for name, group in groupby(self._described, key=attrgetter("file_name")):
            signals = list(group)
            counts = [signal.samples_per_frame for signal in signals]
            path = self._arrival.directory / name
            found += read_frames(path, signals[0].storage, signals[0].byte_offset, counts, first, last)
        return found

    def _read_with_wfdb(self, first: int, last: int) -> list[NDArray[np.integer]]:
        # One sample per frame comes back as a table; wfdb cannot tell format 61 as a list.
        several = any(count > 1 for count in self._counts)
        try:
            record = wfdb.rdrecord(
                str(self._arrival.directory / self._name), sampfrom=first, sampto=last, physical=False,
                smooth_frames=not several, ignore_skew=True, return_res=32,
            )  # fmt: skip
        except Exception as error:
            raise self._arrival.refuse("unreadable", f"the signals cannot be read ({type(error).__name__}).") from error
        return record.e_d_signal if several else list(record.d_signal.T)

    def _look_through(self, *, keep: bool) -> None:
        """Read everything once, block by block: compare each signal's 16-bit sum with the header's.

        Only a header without any sum is believed, and then only where its length can be told from the files'.
        """
        arrival, sums = self._arrival, [signal.checksum for signal in self._described]
        written = [value % 65_536 for value in sums if value is not None]
        if written and None in sums:
            raise arrival.refuse(
                "bad_header",
                "the header has a checksum for some signals and none, or an unreadable one, for others.",
            )
        told_by_size = not COMPRESSED.intersection(self._storages)
        if not written and told_by_size and not keep and self._before is None:
            return
        found = np.zeros(len(self._described), dtype=np.int64)
        starts = [signal.first_value or 0 for signal in self._described]
        for first in range(0, self.n_frames, self._block):
            signals = self._digital(first, min(first + self._block, self.n_frames))
            found += [int(signal.sum(dtype=np.int64)) for signal in signals]
            if self._before is not None:
                self._before.append(
                    np.array([int(signal[-1]) - start for signal, start in zip(signals, starts, strict=True)])
                )
            if keep:
                self._kept = signals
        for place, (actual, claimed) in enumerate(zip(found.tolist(), written, strict=False)):
            if (actual - claimed) % 65_536:
                raise arrival.refuse(
                    "checksum",
                    f"signal {place} is damaged: its checksum is {actual % 65_536}, the header says {claimed}.",
                )
