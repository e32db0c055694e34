"""Relatives: the beats of a recording that look most like one of them, and the beat the recording is mostly made of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Self

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from heartwave_tasks.ecg.beats import WINDOW_SAMPLES
from heartwave_tasks.stores.objects import get_object

if TYPE_CHECKING:
    from botocore.client import BaseClient as S3Client
    from numpy.typing import NDArray

    from heartwave_tasks.stores.beats import BeatsRef

SHOWN: Final = 6
"""Relatives that are shown."""

_MOST_FOR_MEDIAN: Final = 4_000
_COLUMNS: Final = ("r_peak_sample", "time_s", "is_beat", "window")


class Shapes:
    """The analysis lead's windows of one recording's beats, ready to be compared.

    Parameters
    ----------
    samples
        int64 (n,) R peaks, rising.
    times
        float64 (n,) in s.
    windows
        int16 (n, 187) in µV at 360 Hz.
    """

    def __init__(self, samples: NDArray[np.int64], times: NDArray[np.float64], windows: NDArray[np.int16]) -> None:
        self._samples, self._times, self._windows = samples, times, windows
        chosen = np.unique(np.linspace(0, len(samples) - 1, min(len(samples), _MOST_FOR_MEDIAN)).astype(np.int64))
        median = np.median(windows[chosen], axis=0)
        # Of the beats most like the median one: the dominant beat, without the ectopic ones' shadow.
        alike = self._correlations(median)[chosen]
        near = chosen[alike >= np.quantile(alike, 0.5)]
        self._dominant = np.median(windows[near], axis=0)

    @classmethod
    def read(cls, client: S3Client, bucket: str, ref: BeatsRef) -> Self:
        """Read them from the lake."""
        source = pa.BufferReader(get_object(client, bucket, ref.beats_key))
        table = pq.read_table(source, columns=list(_COLUMNS)).combine_chunks()
        beat = table.column("is_beat").to_numpy(zero_copy_only=False)
        windows = table.column("window").combine_chunks().flatten().to_numpy().reshape(-1, WINDOW_SAMPLES)
        return cls(
            table.column("r_peak_sample").to_numpy()[beat], table.column("time_s").to_numpy()[beat], windows[beat]
        )

    def describe(self, sample: int) -> dict[str, Any]:
        """Return the window at an R peak, the dominant one, their correlation, and the nearest relatives; µV."""
        row = int(np.searchsorted(self._samples, sample))
        if row == len(self._samples) or self._samples[row] != sample:
            return {"window": [], "dominant": [], "likeness": None, "relatives": []}
        alike = self._correlations(self._windows[row].astype(np.float64))
        alike[row] = -np.inf
        nearest = np.argsort(-alike)[: min(SHOWN, len(alike) - 1)]
        return {
            "window": self._windows[row].tolist(),
            "dominant": np.rint(self._dominant).astype(int).tolist(),
            "likeness": round(float(self._correlations(self._dominant)[row]), 3),
            "relatives": [
                {
                    "r_peak_sample": int(self._samples[other]),
                    "time_s": round(float(self._times[other]), 3),
                    "likeness": round(float(alike[other]), 3),
                    "window": self._windows[other].tolist(),
                }
                for other in nearest
            ],
        }

    def _correlations(self, shape: NDArray[np.floating]) -> NDArray[np.float32]:
        """Correlate every window with a shape (187,): float32 (n,), without a copy of all windows."""
        centred = (shape - shape.mean()).astype(np.float32)
        found = np.empty(len(self._windows), dtype=np.float32)
        for start in range(0, len(self._windows), 8192):
            part = self._windows[start : start + 8192].astype(np.float32)
            part -= part.mean(axis=1, keepdims=True)
            norms = np.linalg.norm(part, axis=1) * np.linalg.norm(centred)
            found[start : start + 8192] = part @ centred / np.where(norms > 0, norms, np.inf)
        return found
