"""Plausibility of a recording's labels, and distances between populations, on known numbers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from heartwave_tasks.ecg.beats import Beats, segment
from heartwave_tasks.ecg.features import CONTEXT_FEATURES
from heartwave_tasks.jobs.plausibility import LEAST_BEATS, find_doubts
from heartwave_tasks.models.population import BEATS_PER_RECORDING, BINS, Population, psi
from heartwave_tasks.settings import Settings
from tests.integration.planting import labels_of
from tests.unit.recordings import draw_recording

SETTINGS = Settings()


@pytest.mark.parametrize(
    ("classes", "n_unclassifiable", "confidence", "told"),
    [
        ("N" * 60 + "V" * 140, 0, 0.9, None),
        ("N" * 59 + "V" * 141, 0, 0.9, "70.5 % of the beats are labelled ventricular, more than 70 %"),
        ("F" * 120 + "N" * 80, 0, 0.9, "60 % of the beats are labelled fusion, more than 50 %"),
        ("Q" * 200, 0, 0.9, None),
        ("N" * 200, 100, 0.9, None),
        ("N" * 200, 101, 0.9, "50.5 % of the beats cannot be classified"),
        ("N" * 200, 0, 0.4, "The model is 40 % sure on average, less than 50 %"),
        ("V" * (LEAST_BEATS - 1), 0, 0.9, None),
    ],
)
def test_implausible_labels_raise_doubts(
    classes: str, n_unclassifiable: int, confidence: float, told: str | None
) -> None:
    """A doubt names the figure found and the one allowed; at the limit, and of few beats, there is none."""
    labels = labels_of(classes, list(range(1, len(classes) + 1)), confidence=confidence)

    doubts = find_doubts(SETTINGS, labels, n_unclassifiable)

    assert len(doubts) == (told is not None)
    assert told is None or doubts[0].startswith(told)


def test_limits_are_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """A clinic for paced patients, or one that trusts nothing, says so in its environment."""
    monkeypatch.setenv("HEARTWAVE_GATE_CLASS_SHARES", '{"Q": 0.1}')

    doubts = find_doubts(Settings(), labels_of("V" * 80 + "Q" * 20, list(range(1, 101))))

    assert len(doubts) == 1
    assert doubts[0].startswith("20 % of the beats are labelled unknown or paced")


def test_psi_is_that_of_the_textbook() -> None:
    """Equal shares are at distance 0; others as worked out by hand, and an empty bin stays finite."""
    even = np.full(4, 0.25)

    assert psi(even, even) == 0
    assert psi(np.array([0.5, 0.5]), np.array([0.6, 0.4])) == pytest.approx(0.1 * np.log(1.2) - 0.1 * np.log(0.8))
    assert np.isfinite(psi(even, np.array([1.0, 0, 0, 0])))


def test_a_population_is_at_no_distance_from_itself() -> None:
    """Deciles hold a tenth each, missing values have a bin of their own, and long recordings weigh no more."""
    symbols = "NNNANNNNVNNN~NN" * 12
    beats = Beats.concatenate(
        segment(draw_recording(symbols, seed=seed, recording_id=f"drawn/{seed}")) for seed in range(3)
    )
    population = Population.of(beats)
    names = list(dict.fromkeys(beats.recording_id.tolist()))
    counts = [population.count(beats.take(beats.recording_id == name)) for name in names]

    assert population.features == list(CONTEXT_FEATURES)
    assert all(count.shape == (len(CONTEXT_FEATURES), BINS + 1) for count in counts)
    assert all(count.sum(axis=1).max() <= BEATS_PER_RECORDING for count in counts)
    shares = np.array(counts, dtype=float).sum(axis=0)
    shares /= shares.sum(axis=1, keepdims=True)
    assert psi(np.array(population.feature_shares), shares).max() < 0.01
    assert Population.from_json(population.to_json()) == population
    shifted = replace(beats, context=beats.context + 100)
    moved = population.count(shifted.take(beats.recording_id == names[0]))
    assert (moved[:, BINS - 1] + moved[:, BINS] == moved.sum(axis=1)).all()
