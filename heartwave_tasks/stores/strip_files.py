"""Strips written: a recording of any length reduced piece by piece, on disk rather than in memory.

What `heartwave_tasks.stores.strips` reads. Every level of every lead grows in a file of its own, because nobody knows
how long its pieces will be before they are compressed; then all are put into one.
"""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow as pa

from heartwave_tasks.ecg.strips import FACTOR, MISSING, SMALLEST_LEVEL, extremes, to_microvolts
from heartwave_tasks.stores.strips import LENGTH, MARK, MAX_LEADS, PIECE

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from heartwave_tasks.ecg.recordings import Signals

READ_AT_ONCE: Final = 8 * PIECE
"""Samples of all leads that are read at a time."""

_RANGE_SAMPLES: Final = 200_000  # every so-manieth sample tells as much, and is sorted in no time


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
        looks.append(samples[-start % every :: every])
        for pyramid, lead in zip(pyramids, samples.T, strict=True):
            pyramid.add(lead)
    at = 0
    bounds: list[list[list[int]]] = []
    for level in range(pyramids[0].n_levels):
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
        for level in range(pyramids[0].n_levels):
            for pyramid in pyramids:
                with pyramid.path_of(level).open("rb") as part:
                    shutil.copyfileobj(part, file, 1 << 20)


class _Pyramid:
    """One lead: its samples, and the lowest and highest (m, 2) of ever more of them, in pieces.

    Entry i of level k covers samples ``[i * 8**k, (i + 1) * 8**k)``; one of missing samples alone is missing.
    """

    def __init__(self, stem: Path, n_samples: int) -> None:
        self._stem = stem
        self.n_levels = 1
        while n_samples > SMALLEST_LEVEL:
            n_samples = -(-n_samples // FACTOR)
            self.n_levels += 1
        self._waiting: list[NDArray[np.int16]] = [
            np.empty((0, 2) if level else 0, dtype=np.int16) for level in range(self.n_levels)
        ]
        self._lengths: list[list[int]] = [[] for _ in range(self.n_levels)]
        for level in range(self.n_levels):
            self.path_of(level).write_bytes(b"")

    def path_of(self, level: int) -> Path:
        """Where a level's pieces lie, one after the other."""
        return self._stem.with_name(f"{self._stem.name}.{level}")

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
        return self._lengths[level]

    def _write(self, level: int, piece: NDArray[np.int16]) -> None:
        # Differences along time: neighbours are much alike.
        steps = np.diff(piece, axis=0, prepend=np.zeros_like(piece[:1]))
        packed: bytes = pa.compress(np.ascontiguousarray(steps).tobytes(), codec="zstd", asbytes=True)
        with self.path_of(level).open("ab") as file:
            file.write(packed)
        self._lengths[level].append(len(packed))
        if level + 1 < self.n_levels:
            self.add(extremes(piece, -(-len(piece) // FACTOR), FACTOR), level + 1)


def _range(samples: NDArray[np.int16]) -> list[int]:
    known = samples[samples != MISSING]
    return [int(value) for value in np.quantile(known, (0.002, 0.5, 0.998))] if known.size else [0, 0, 0]
