"""Calibration: probabilities that come true as often as they say, on patients the model has not seen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from typing import Self

    from numpy.typing import NDArray

LEAST_PROBABILITY: Final = 1e-6
"""Probabilities are read as at least this before their logarithm is taken."""

PRIOR: Final = 1.0
"""Pull towards leaving probabilities alone, in beats: what a class nobody has seen is calibrated with."""


@dataclass(frozen=True)
class Calibration:
    """Per class, a slope and an offset on the logarithm of its probability; rows sum to 1 again afterwards.

    Attributes
    ----------
    slope, offset
        One value for each class.
    """

    slope: tuple[float, ...]
    offset: tuple[float, ...]

    @classmethod
    def fit(
        cls,
        probabilities: NDArray[np.floating],
        reference: NDArray[np.integer],
        weights: NDArray[np.floating] | None = None,
    ) -> Self:
        """Fit to out-of-fold `probabilities` (n, k) of beats whose class indices are `reference` (n,).

        `weights` (n,) of mean 1 say how much each beat counts.

        Maximum likelihood with a weak pull towards the identity; Kull et al. 2019 (Dirichlet calibration, diagonal).
        """
        from scipy.optimize import minimize  # noqa: PLC0415 - scoring does without it

        classes = probabilities.shape[1]
        logs = _logs(probabilities)
        own = np.eye(classes)[reference]
        share = (np.ones(len(own)) if weights is None else weights) / len(own)

        def loss(values: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
            slope, offset = values[:classes], values[classes:]
            fitted = _softmax(logs * slope + offset)
            error = (fitted - own) * share[:, None]
            pull = np.concatenate([slope - 1.0, offset])
            surprise = -np.log(np.maximum(fitted[np.arange(len(own)), reference], LEAST_PROBABILITY))
            gradient = np.concatenate([(error * logs).sum(axis=0), error.sum(axis=0)])
            return share @ surprise + PRIOR / 2 * pull @ pull / len(own), gradient + PRIOR * pull / len(own)

        start = np.concatenate([np.ones(classes), np.zeros(classes)])
        found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=[(0.1, 5.0)] * classes + [(-9, 9)] * classes)
        return cls(
            slope=tuple(float(value) for value in found.x[:classes]),
            offset=tuple(float(value) for value in found.x[classes:]),
        )

    def apply(self, probabilities: NDArray[np.floating]) -> NDArray[np.float32]:
        """Calibrate probabilities (n, k), float32 out."""
        return _softmax(_logs(probabilities) * np.asarray(self.slope) + np.asarray(self.offset)).astype(np.float32)


def _logs(probabilities: NDArray[np.floating]) -> NDArray[np.float64]:
    logs: NDArray[np.float64] = np.log(np.maximum(probabilities.astype(np.float64), LEAST_PROBABILITY))
    return logs


def _softmax(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    shares: NDArray[np.float64] = powers / powers.sum(axis=1, keepdims=True)
    return shares
