"""Search space: which of an architecture's parameters are tuned, within which bounds, and what a search came to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias


@dataclass(frozen=True)
class Whole:
    """A whole number from `low` to `high`, both included."""

    low: int
    high: int
    log: bool = False


@dataclass(frozen=True)
class Real:
    """A number from `low` to `high`; `log` where its order of magnitude matters."""

    low: float
    high: float
    log: bool = False


SearchSpace: TypeAlias = Mapping[str, Whole | Real]
"""Bounds by parameter."""

FINAL_SEARCH: Final = "registered model"
"""Purpose of the search that sees all patients; the others choose for a protocol's splits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """What one search came to.

    Attributes
    ----------
    purpose
        The protocol, and which of its splits; `FINAL_SEARCH` for the registered model.
    n_trials, n_pruned
        Trials that ended, and how many of them were given up on half-way.
    default_value, best_value
        Mean F1 of N/S/V over the search's own folds, of the default parameters and of those chosen.
    params
        What was chosen, where it differs from the defaults.
    """

    purpose: str
    n_trials: int
    n_pruned: int
    default_value: float
    best_value: float
    params: dict[str, Any]


def nothing_found(purpose: str) -> Search:
    """Return a search without a trial: the defaults stand."""
    return Search(purpose=purpose, n_trials=0, n_pruned=0, default_value=0.0, best_value=0.0, params={})
