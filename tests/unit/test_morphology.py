"""The 36 engineered features of a window."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from heartwave_tasks.ecg.morphology import MORPHOLOGY_FEATURES, describe_windows


def features_of(windows: np.ndarray, r_peak_index: int = 93) -> dict[str, np.ndarray]:
    """Describe windows, by name of the feature."""
    return dict(zip(MORPHOLOGY_FEATURES, describe_windows(windows, r_peak_index).T, strict=True))


def test_statistics_are_those_of_scipy() -> None:
    """Moments, median, deviation and crossings agree with numpy and scipy, row by row."""
    windows = np.random.default_rng(0).standard_normal((20, 187)).cumsum(axis=1) / 10
    found = features_of(windows)
    expected = {
        "mean": windows.mean(axis=1),
        "std": windows.std(axis=1),
        "variance": windows.var(axis=1),
        "median": np.median(windows, axis=1),
        "median_deviation": stats.median_abs_deviation(windows, axis=1),
        "skewness": stats.skew(windows, axis=1),
        "kurtosis": stats.kurtosis(windows, axis=1),
        "peak_to_peak": np.ptp(windows, axis=1),
        "energy": (windows**2).sum(axis=1),
        "rms": np.sqrt((windows**2).mean(axis=1)),
        "zero_crossings": (np.diff(windows > 0, axis=1)).sum(axis=1),
        "segment1_mean": windows[:, :38].mean(axis=1),
        "segment5_std": windows[:, -37:].std(axis=1),
        "area": np.abs(windows).sum(axis=1) / 360,
    }
    for name, values in expected.items():
        np.testing.assert_allclose(found[name], values, rtol=2e-3, atol=1e-4, err_msg=name)


def test_peaks_are_counted() -> None:
    """A window with three waves has three peaks, one with a single wave one: the original counted the same for all."""
    index = np.arange(187)

    def wave(centre: int) -> np.ndarray:
        return np.exp(-(((index - centre) / 6.0) ** 2))

    found = features_of(np.stack([wave(93), wave(40) + wave(93) + wave(150)]))
    assert found["n_peaks"].tolist() == [1, 3]


def test_r_peak_is_looked_for_where_it_is() -> None:
    """A negative R peak is found under a taller T wave, with its sign and place."""
    window = np.zeros((1, 187))
    window[0, 90], window[0, 150] = -1.0, 2.0
    found = features_of(window)
    assert found["r_amplitude"] == pytest.approx([-1.0])
    assert found["r_position"].tolist() == [90]


def test_flat_and_no_windows_give_numbers() -> None:
    """A flat window gives no NaN, and no windows give no rows."""
    assert np.isfinite(describe_windows(np.full((2, 187), 0.3), 93)).all()
    assert describe_windows(np.empty((0, 187)), 93).shape == (0, 36)
