"""Populations: what the beats a model learnt from look like, and how far others are from that.

The distance is the population stability index (PSI) of credit scoring, the sum over bins of
``(found - expected) * ln(found / expected)``; 0.1 is taken for a small, 0.25 for a large shift there (Siddiqi 2006).
Beats of one patient are alike, so recordings count the same however long they are, and few of them make no population.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from heartwave_tasks.ecg.features import CONTEXT_FEATURES
from heartwave_tasks.ecg.labels import CLASSES

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from heartwave_tasks.ecg.beats import Beats

ARTIFACT: Final = "population.json"
"""Where a training's run keeps it."""
BINS: Final = 10
"""Between deciles of the training population; one more is for values that are missing."""
BEATS_PER_RECORDING: Final = 500
"""Evenly spaced beats that stand for a recording."""
_LEAST_SHARE: Final = 1e-3
"""An empty bin counts as this: half a beat of a recording."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Population:
    """How the features and classes of training beats are distributed.

    Attributes
    ----------
    features
        Names of the features.
    edges
        By feature, the 9 values between its 10 bins.
    feature_shares
        By feature, the shares of its 11 bins, the last for missing values.
    class_shares
        Shares of `CLASSES` by reference.
    n_recordings
        Recordings it was taken from.
    """

    features: list[str]
    edges: list[list[float]]
    feature_shares: list[list[float]]
    class_shares: list[float]
    n_recordings: int

    @classmethod
    def of(cls, beats: Beats) -> Population:
        """Take the population of annotated beats, some of each recording."""
        kept = beats.take(beats.is_beat & (beats.reference >= 0))
        _, first, counts = np.unique(kept.recording_id, return_index=True, return_counts=True)
        sample = np.concatenate([start + _spaced(n) for start, n in zip(first, counts, strict=True)])
        context = kept.context[sample]
        edges = np.zeros((context.shape[1], BINS - 1))
        for column in range(context.shape[1]):
            known = context[:, column][~np.isnan(context[:, column])]
            if len(known):
                edges[column] = np.quantile(known, np.linspace(0, 1, BINS + 1)[1:-1])
        found = _bin(context, edges)
        shares = np.bincount(kept.reference[sample], minlength=len(CLASSES)) / len(sample)
        return cls(
            features=list(CONTEXT_FEATURES),
            edges=edges.tolist(),
            feature_shares=(found / len(sample)).tolist(),
            class_shares=shares.tolist(),
            n_recordings=len(first),
        )

    def count(self, beats: Beats) -> NDArray[np.int32]:
        """Count one recording's beats by feature and bin: int32 (n_features, 11), of `BEATS_PER_RECORDING` at most."""
        heartbeats = np.flatnonzero(beats.is_beat)
        sample = heartbeats[_spaced(len(heartbeats))]
        return _bin(beats.context[sample], np.array(self.edges))

    def to_json(self) -> str:
        """Write it as JSON."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str | bytes) -> Population | None:
        """Read what `to_json` wrote; None if beats have other features since, which compare with nothing here."""
        population = cls(**json.loads(text))
        return population if population.features == list(CONTEXT_FEATURES) else None


def psi(expected: NDArray[np.floating], found: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return the population stability index of shares (..., n_bins) against others, over the last axis."""
    e, f = (np.maximum(shares, _LEAST_SHARE) for shares in (expected, found))
    distance: NDArray[np.float64] = ((f - e) * np.log(f / e)).sum(axis=-1)
    return distance


def _spaced(n: int) -> NDArray[np.int64]:
    """Return the indices of n rows, or of `BEATS_PER_RECORDING` of them, evenly spaced."""
    return np.unique(np.linspace(0, n - 1, min(n, BEATS_PER_RECORDING)).astype(np.int64)) if n else np.arange(0)


def _bin(context: NDArray[np.floating], edges: NDArray[np.floating]) -> NDArray[np.int32]:
    """Count rows (n, n_features) by feature and bin, missing values in the last: int32 (n_features, 11)."""
    counts = np.zeros((context.shape[1], BINS + 1), dtype=np.int32)
    for column, limits in enumerate(edges):
        values = context[:, column]
        missing = np.isnan(values)
        counts[column, :BINS] = np.bincount(np.searchsorted(limits, values[~missing], side="right"), minlength=BINS)
        counts[column, BINS] = missing.sum()
    return counts
