"""Samples of the storage formats that most recordings come in, 212 and 16, out of their bytes.

wfdb reads all others; of these it takes six times as long.
See https://wfdb.io/spec/signal-files.html.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

PACKED: Final = "212"
"""Two samples of 12 bits in three bytes."""

WORDS: Final = "16"
"""A sample in two bytes, the lower one first."""


def read_frames(
    path: Path, storage: str, byte_offset: int, counts: list[int], first: int, last: int
) -> list[NDArray[np.int16]]:
    """Read frames ``[first, last)`` of a file, for each of its signals int16 ((last - first) * its samples per frame,).

    `counts` are the samples of a frame, signal by signal; the file begins with `byte_offset` bytes of something else.
    Signals are shorter where the file ends.
    """
    per_frame = sum(counts)
    begin, end = first * per_frame, last * per_frame
    if storage == WORDS:
        stored = np.fromfile(path, dtype="<i2", count=end - begin, offset=byte_offset + 2 * begin)
        return _signals(stored.astype(np.int16, copy=False), counts)
    pair = begin // 2
    packed = np.fromfile(path, dtype=np.uint8, count=-(-end // 2) * 3 - 3 * pair, offset=byte_offset + 3 * pair)
    there = len(packed) * 2 // 3  # of an odd number of samples the last has two bytes, and no third one follows
    if len(packed) % 3:
        packed = np.append(packed, np.zeros(-len(packed) % 3, dtype=np.uint8))
    pairs = unpack_pairs(packed)
    if counts == [1, 1]:
        return [signal[: there // 2] for signal in pairs]
    return _signals(pairs.T.reshape(-1)[begin % 2 : min(there, begin % 2 + end - begin)], counts)


def unpack_pairs(packed: NDArray[np.uint8]) -> NDArray[np.int16]:
    """Unpack bytes (3 n,) of format 212: the first samples of all pairs, then the second ones, int16 (2, n)."""
    first, shared, second = packed.reshape(-1, 3).T
    high = shared.view(np.int8).astype(np.int16)  # upper bits of the second sample, sign and all, then of the first
    pairs = np.empty((2, len(high)), dtype=np.int16)
    np.bitwise_or((high << 12) >> 4, first, out=pairs[0])
    np.bitwise_or((high >> 4) << 8, second, out=pairs[1])
    return pairs


def _signals(stored: NDArray[np.int16], counts: list[int]) -> list[NDArray[np.int16]]:
    """Take interleaved samples apart."""
    per_frame = sum(counts)
    frames = stored[: len(stored) // per_frame * per_frame].reshape(-1, per_frame)
    return [frames[:, start:end].reshape(-1) for start, end in pairwise(np.cumsum([0, *counts]).tolist())]
