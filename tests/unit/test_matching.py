"""R peaks are paired with annotations as EC57 does it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from heartwave_tasks.ecg.matching import TOLERANCE_S, Detection, compare_detection, flutter, match_beats, outside

TIMES = st.lists(st.integers(0, 3000), unique=True, max_size=40).map(lambda times: np.array(sorted(times)) / 100)


@pytest.mark.parametrize(
    ("reference", "detected", "pairs"),
    [
        ([1.0, 2.0], [1.1, 2.2], [(0, 0)]),
        ([1.0], [0.9, 1.01], [(0, 1)]),
        ([1.0, 1.12], [1.11], [(1, 0)]),
        ([1.0, 1.2], [1.1, 1.3], [(0, 0), (1, 1)]),
        ([], [1.0], []),
    ],
)
def test_each_is_paired_with_its_nearest(
    reference: list[float], detected: list[float], pairs: list[tuple[int, int]]
) -> None:
    """Within 150 ms, at most once, and the nearer of two."""
    found = match_beats(np.array(reference), np.array(detected))
    assert list(zip(found.reference.tolist(), found.detected.tolist(), strict=True)) == pairs


@given(reference=TIMES, detected=TIMES)
def test_pairs_are_close_and_in_order(reference: np.ndarray, detected: np.ndarray) -> None:
    """Nothing is paired twice, crosswise or from too far, and nothing close is left over on both sides."""
    found = match_beats(reference, detected)
    assert (np.diff(found.reference) > 0).all()
    assert (np.diff(found.detected) > 0).all()
    assert (np.abs(reference[found.reference] - detected[found.detected]) <= TOLERANCE_S).all()


def test_flutter_and_a_learning_period_are_left_out() -> None:
    """Beats and detections between `[` and `]`, or in the first seconds, count neither for nor against a detector."""
    samples, symbols = np.array([100, 400, 500, 600, 700, 1000]), np.array(list("N[VV]N"))
    detected = np.array([101, 550, 650, 800, 1001])

    whole = compare_detection(samples, symbols, detected, 100.0)
    later = compare_detection(samples, symbols, detected, 100.0, learning_s=2.0)

    assert flutter(samples, symbols) == [(400, 700)]
    assert outside(samples, [(400, 700)]).tolist() == [True, False, False, False, False, True]
    assert whole == Detection(found=2, missed=0, extra=1)
    assert later == Detection(found=1, missed=0, extra=1)


def test_sensitivity_and_predictivity_add_up_over_recordings() -> None:
    """Gross figures are those of all beats together, not a mean of recordings; of nothing there is no figure."""
    gross = Detection(found=8, missed=2, extra=0) + Detection(found=90, missed=0, extra=10)
    assert (gross.annotated, gross.sensitivity, gross.positive_predictivity) == (100, 0.98, pytest.approx(98 / 108))
    assert np.isnan(Detection().sensitivity)
    assert np.isnan(Detection().positive_predictivity)
