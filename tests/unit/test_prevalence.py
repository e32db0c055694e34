"""How common a class is in a recording, read from the recording itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from heartwave_tasks.models.prevalence import adapt

if TYPE_CHECKING:
    from numpy.typing import NDArray

TRAINED_SHARE = 0.2


def _answers(share: float, n: int, seed: int) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Answers of an honest model trained at `TRAINED_SHARE`, in a recording with another share; and the truth."""
    random = np.random.default_rng(seed)
    truth = random.random(n) < share
    evidence = random.normal(np.where(truth, 1.0, -1.0), 1.0)
    odds = np.exp(2 * evidence) * TRAINED_SHARE / (1 - TRAINED_SHARE)
    return odds / (1 + odds), truth


@pytest.mark.parametrize("share", [0.05, 0.4, 0.8])
def test_share_of_a_recording_is_found(share: float) -> None:
    """Corrected probabilities add up to the recording's own share, and label more of its beats right."""
    given, truth = _answers(share, 4000, seed=1)
    adapted = adapt(given, np.zeros(4000, dtype=int), np.ones(4000), trained_share=TRAINED_SHARE)
    assert adapted.mean() == pytest.approx(share, abs=0.03)
    assert ((adapted > 0.5) == truth).mean() >= ((given > 0.5) == truth).mean()


def test_recordings_do_not_mix() -> None:
    """Each recording is corrected by itself, whatever lies beside it and in between."""
    (few, _), (many, _) = _answers(0.03, 1000, seed=2), _answers(0.9, 1000, seed=3)
    order = np.random.default_rng(0).permutation(2000)
    together = adapt(
        np.concatenate([few, many])[order],
        np.repeat([0, 1], 1000)[order],
        np.ones(2000),
        trained_share=TRAINED_SHARE,
    )
    alone = adapt(many, np.zeros(1000, dtype=int), np.ones(1000), trained_share=TRAINED_SHARE)
    np.testing.assert_allclose(together[np.argsort(order)][1000:], alone, rtol=1e-9)


def test_one_beat_is_hardly_corrected() -> None:
    """A beat that comes alone says next to nothing about its recording, and no rows are no trouble."""
    alone = adapt(np.array([0.9]), np.zeros(1, dtype=int), np.ones(1), trained_share=TRAINED_SHARE)
    assert alone[0] == pytest.approx(0.9, abs=0.03)
    assert adapt(np.empty(0), np.empty(0, dtype=int), np.empty(0), trained_share=TRAINED_SHARE).shape == (0,)


def test_rows_of_other_classes_do_not_count() -> None:
    """Rows of weight 0 are corrected like the others and teach nothing about the recording."""
    given, _ = _answers(0.05, 1000, seed=4)
    marks = np.full(500, 0.99)
    weight = np.concatenate([np.ones(1000), np.zeros(500)])
    adapted = adapt(np.concatenate([given, marks]), np.zeros(1500, dtype=int), weight, trained_share=TRAINED_SHARE)
    alone = adapt(given, np.zeros(1000, dtype=int), np.ones(1000), trained_share=TRAINED_SHARE)
    np.testing.assert_allclose(adapted[:1000], alone)


def test_one_clear_beat_survives_in_a_normal_recording() -> None:
    """However normal a recording, a beat that is certainly ectopic keeps its label."""
    given = np.concatenate([np.full(3000, 0.001), [0.99]])
    assert adapt(given, np.zeros(3001, dtype=int), np.ones(3001), trained_share=TRAINED_SHARE)[-1] > 0.9
