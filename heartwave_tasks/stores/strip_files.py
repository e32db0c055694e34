"""Strips written: a recording of any length reduced piece by piece, in memory that does not grow with it.

What `heartwave_tasks.stores.strips` reads. Every level of every lead grows by itself, because nobody knows how long its
pieces will be before they are compressed; what grows long goes to a file of its own. Then all are put into one.
"""

from __future__ import annotations

import json
import math
import shutil
import struct
from typing import TYPE_CHECKING, BinaryIO, Final

import numpy as np
import pyarrow as pa

from heartwave_tasks.ecg.strips import FACTOR, MISSING, SMALLEST_LEVEL, extremes, to_microvolts

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from heartwave_tasks.ecg.recordings import Signals

MAX_LEADS: Final = 12
"""Leads that are kept for drawing: those analysed, then the others in the header's order."""

PIECE: Final = 16_384
"""Entries of a piece; at 360 Hz 45 seconds of samples."""

MARK: Final = b"HWSTRIP2"
LENGTH: Final = struct.Struct("<I")
_CODEC: Final = "zstd"

READ_AT_ONCE: Final = 8 * PIECE
"""Samples of all leads that are read at a time."""

_MOST_IN_MEMORY: Final = 1 << 20  # bytes of a level: all there is of an hour; of a day the finest level goes to a file
_RANGE_SAMPLES: Final = 50_000  # every so-manieth sample tells as much, and is sorted in no time


def write_strip(
    path: Path, signals: Signals, sampling_frequency: float, leads: Sequence[str], first: Sequence[int]
) -> None:
    """Write signals as a strip; the leads in ``first`` come first. Files beside it, of the same name and more, stay."""
    order = [*first, *(column for column in range(signals.n_leads) if column not in first)][:MAX_LEADS]
    pyramids = [_Pyramid(path.with_name(f"{path.name}.{place}"), signals.n_samples) for place in range(len(order))]
    every = max(1, signals.n_samples // _RANGE_SAMPLES)
    looks: list[NDArray[np.int16]] = []
    for start in range(0, signals.n_samples, READ_AT_ONCE):
        samples = to_microvolts(signals.read(start, min(start + READ_AT_ONCE, signals.n_samples))[:, order])
        looks.append(samples[-start % every :: every].copy())  # a view would keep all of the recording
        for pyramid, lead in zip(pyramids, samples.T, strict=True):
            pyramid.add(lead)
    at = 0
    bounds: list[list[list[int]]] = []
    for level in range(len(pyramids[0].levels)):
        bounds.append([])
        for pyramid in pyramids:
            lengths = pyramid.finish(level)
            bounds[-1].append(np.cumsum([at, *lengths]).tolist())
            at += sum(lengths)
    seen = np.concatenate(looks)
    header = {
        "sampling_frequency": sampling_frequency,
        "n_samples": signals.n_samples,
        "leads": [leads[column] for column in order],
        "ranges": [_range(lead) for lead in seen.T],
        "pieces": bounds,
    }
    told = json.dumps(header, separators=(",", ":")).encode()
    with path.open("wb") as file:
        file.write(MARK + LENGTH.pack(len(told)) + told)
        for level in range(len(pyramids[0].levels)):
            for pyramid in pyramids:
                pyramid.levels[level].copy_to(file)


def pack(entries: NDArray[np.int16]) -> bytes:
    """Compress the entries (n,) or (n, 2) of a piece.

    Neighbours are much alike, so what is kept is how far each is from the one before: small numbers, whose signs go to
    their last bit, and whose high bytes, nearly all zero, lie together. That is a fifth smaller and twice as quick as
    compressing the differences as they are.
    """
    steps = np.diff(entries, axis=0, prepend=np.zeros_like(entries[:1]))
    folded = np.bitwise_xor(steps << 1, steps >> 15).reshape(-1).view(np.uint16)
    planes = np.empty((2, len(folded)), dtype=np.uint8)
    planes[0] = folded & 0xFF
    planes[1] = folded >> 8
    packed: bytes = pa.compress(planes, codec=_CODEC, asbytes=True)
    return packed


def unpack(packed: bytes, shape: tuple[int, ...]) -> NDArray[np.int16]:
    """Return the entries that `pack` was given, of that shape."""
    n_bytes = 2 * math.prod(shape)
    planes = np.frombuffer(pa.decompress(packed, n_bytes, codec=_CODEC, asbytes=True), dtype=np.uint8)
    folded = np.ascontiguousarray(planes.reshape(2, -1).T).view(np.uint16).reshape(shape)
    steps = np.bitwise_xor(folded >> 1, -(folded & 1)).view(np.int16)
    # Differences wrap around at 16 bits, and so does their sum.
    entries: NDArray[np.int16] = np.cumsum(steps, axis=0, dtype=np.int16)
    return entries


class _Level:
    """What one level of a pyramid is compressed to: in memory, what there is too much of in a file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._recent = bytearray()
        self._has_file = False
        self.lengths: list[int] = []

    def append(self, packed: bytes) -> None:
        """Add a piece."""
        self.lengths.append(len(packed))
        self._recent += packed
        if len(self._recent) > _MOST_IN_MEMORY:
            with self._path.open("ab" if self._has_file else "wb") as file:
                file.write(self._recent)
            self._has_file, self._recent = True, bytearray()

    def copy_to(self, target: BinaryIO) -> None:
        """Write all pieces, one after the other."""
        if self._has_file:
            with self._path.open("rb") as file:
                shutil.copyfileobj(file, target, 1 << 20)
        target.write(self._recent)


class _Pyramid:
    """One lead: its samples, and the lowest and highest (m, 2) of ever more of them, in pieces.

    Entry i of level k covers samples ``[i * 8**k, (i + 1) * 8**k)``; one of missing samples alone is missing.
    """

    def __init__(self, stem: Path, n_samples: int) -> None:
        n_levels = 1
        while n_samples > SMALLEST_LEVEL:
            n_samples = -(-n_samples // FACTOR)
            n_levels += 1
        self.levels = [_Level(stem.with_name(f"{stem.name}.{level}")) for level in range(n_levels)]
        self._waiting: list[NDArray[np.int16]] = [
            np.empty((0, 2) if level else 0, dtype=np.int16) for level in range(n_levels)
        ]

    def add(self, entries: NDArray[np.int16], level: int = 0) -> None:
        """Append entries to a level, and to those above what is complete of them."""
        waiting = np.concatenate([self._waiting[level], entries])
        while len(waiting) >= PIECE:
            self._write(level, waiting[:PIECE])
            waiting = waiting[PIECE:]
        self._waiting[level] = waiting

    def finish(self, level: int) -> list[int]:
        """Write what is left of a level, those below having been finished; return the lengths of its pieces."""
        if len(self._waiting[level]):
            self._write(level, self._waiting[level])
        return self.levels[level].lengths

    def _write(self, level: int, piece: NDArray[np.int16]) -> None:
        self.levels[level].append(pack(piece))
        if level + 1 < len(self.levels):
            self.add(extremes(piece, -(-len(piece) // FACTOR), FACTOR), level + 1)


def _range(samples: NDArray[np.int16]) -> list[int]:
    known = samples[samples != MISSING]
    return [int(value) for value in np.quantile(known, (0.002, 0.5, 0.998))] if known.size else [0, 0, 0]
