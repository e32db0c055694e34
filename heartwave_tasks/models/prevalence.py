"""Prevalence: how common a class is differs between patients, and a whole recording shows how common it is in one.

A model trained on many patients answers as if every recording held the classes in the shares it was trained on. In
most recordings supraventricular beats are far rarer, in a few they are the majority. The recording's own share is
estimated from the model's answers to all its beats by expectation maximisation, and the answers are corrected for it.

References
----------
Saerens M, Latinne P, Decaestecker C. Adjusting the outputs of a classifier to new a priori probabilities: a simple
procedure. Neural Computation 14, 2002.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

LEAST_SHARE: Final = 0.03
"""No recording is believed to be freer of the class than this: one clear ectopic beat must still be found."""

GREATEST_SHARE: Final = 0.999

PULL_BEATS: Final = 20.0
"""Beats' worth of belief in the trained share: with few beats little is known of a recording, with one nothing."""

ROUNDS: Final = 30
"""Rounds of expectation maximisation; shares change by less than a thousandth after fifteen."""

_LEAST_PROBABILITY: Final = 1e-6


def adapt(
    probability: NDArray[np.floating],
    recording: NDArray[np.integer],
    weight: NDArray[np.floating],
    *,
    trained_share: float,
) -> NDArray[np.float64]:
    """Correct probabilities (n,) of one class against another for the class's share in each recording; (n,) out.

    Parameters
    ----------
    probability
        Of the class, for every row, by a model trained where it had the share `trained_share`.
    recording
        (n,) index from 0 of every row's recording. A recording's rows have to come in one call.
    weight
        (n,) in [0, 1]: how much a row counts towards the share; 0 for what is neither of the two classes.
    trained_share
        In (0, 1). Lower than the true one favours the class: it finds more, and calls more falsely.
    """
    if not len(probability):
        return np.empty(0)
    count = int(recording.max()) + 1
    known = np.clip(probability.astype(np.float64), _LEAST_PROBABILITY, 1 - _LEAST_PROBABILITY)
    odds = known / (1 - known) * ((1 - trained_share) / trained_share)
    rows = np.bincount(recording, weights=weight, minlength=count)
    share = np.full(count, trained_share)
    adapted = known
    for _ in range(ROUNDS):
        corrected = odds * (share / (1 - share))[recording]
        adapted = corrected / (1 + corrected)
        found = np.bincount(recording, weights=weight * adapted, minlength=count)
        share = np.clip((found + PULL_BEATS * trained_share) / (rows + PULL_BEATS), LEAST_SHARE, GREATEST_SHARE)
    return adapted
