"""R peaks are paired with annotations as EC57 does it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from heartwave_tasks.ecg.matching import TOLERANCE_S, match_beats, outside_flutter

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


def test_flutter_is_left_out() -> None:
    """Samples between `[` and `]` are told from the others."""
    samples = np.array([5, 15, 25])
    assert outside_flutter(samples, np.array([10, 20]), np.array(["[", "]"])).tolist() == [True, False, True]
