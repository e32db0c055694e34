"""Leads, rates, gaps and filters."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np
import pytest
from scipy import signal

from heartwave_tasks.ecg import envelopes, pacing, signals

if TYPE_CHECKING:
    from heartwave_tasks.ecg.recursive_filters import RecursiveFilter

SECONDS = np.arange(10 * 360) / 360


@pytest.mark.parametrize(
    ("names", "columns"),
    [
        (("MLII", "V1"), (0, 1)),
        (("V5", "MLII"), (1, 0)),
        (("V5", "V2"), (0, 1)),
        (("ECG V1", "ecg II", "ECG I"), (1, 2, 0)),
        (("thorax",), (0,)),
        (("a", "b", "c"), (0, 1, 2)),
    ],
)
def test_leads_are_ordered_by_name(names: tuple[str, ...], columns: tuple[int, ...]) -> None:
    """MLII or II is the analysis lead wherever it stands; unknown names are taken in file order."""
    assert signals.order_leads(names) == columns


def test_filter_keeps_the_heart_and_takes_wander_and_hum() -> None:
    """A 10 Hz wave passes without delay, slow wander, an offset and 60 Hz hum are gone."""
    heart = np.sin(2 * np.pi * 10 * SECONDS)
    dirty = heart + 3 + 2 * np.sin(2 * np.pi * 0.1 * SECONDS) + 0.5 * np.sin(2 * np.pi * 60 * SECONDS)
    clean = signals.filter_signals(dirty[:, None])[:, 0]
    middle = slice(720, -720)
    assert np.abs(clean - heart)[middle].max() < 0.12


@pytest.mark.parametrize(
    ("band", "order", "edges_hz", "kind", "rate"),
    [
        (signals.PASS_BAND, 2, (0.5, 40.0), "bandpass", 360.0),
        (envelopes.QRS_BAND, 2, (6.0, 28.0), "bandpass", 120.0),
        (pacing.SPIKE_BAND, 4, 45.0, "highpass", 360.0),
    ],
)
@pytest.mark.parametrize("n_leads", [1, 2, 12])
@pytest.mark.parametrize("n_samples", [1, 2, 15, 16, 17, 130, 3_000, 20_000])
def test_filters_are_scipys(
    band: RecursiveFilter,
    order: int,
    edges_hz: float | tuple[float, float],
    kind: str,
    rate: float,
    n_leads: int,
    n_samples: int,
) -> None:
    """Every band is what `butter` designs, run as `sosfiltfilt` does, of any length and number of leads."""
    sections = signal.butter(order, edges_hz, btype=kind, fs=rate, output="sos")
    samples = np.random.default_rng(1).normal(size=(n_samples, n_leads)) * 10.0 ** -np.arange(n_leads) + 5
    expected = signal.sosfiltfilt(sections, samples, axis=0, padlen=min(n_samples - 1, 720))
    np.testing.assert_allclose(band.run(samples, 720), expected, rtol=0, atol=2e-11)


def test_an_offset_costs_no_precision() -> None:
    """On top of 10 V, too, a millionth of a microvolt is all that rounding takes, and a flat lead stays flat."""
    wave = np.sin(2 * np.pi * 7 * np.arange(100_000) / 360)[:, None]
    np.testing.assert_allclose(
        signals.PASS_BAND.run(wave + 1e4, 720), signals.PASS_BAND.run(wave, 720), rtol=0, atol=1e-9
    )
    np.testing.assert_allclose(signals.PASS_BAND.run(np.full((5_000, 1), 1e4), 720), 0.0, atol=1e-9)


def test_a_filter_goes_on_beyond_its_largest_groups() -> None:
    """Where no larger group is prepared, the largest are gone through one after another."""
    samples = np.random.default_rng(2).normal(size=(30_000, 2))
    prepared = dataclasses.replace(signals.PASS_BAND, groups=signals.PASS_BAND.groups[:2])
    np.testing.assert_allclose(prepared.run(samples, 720), signals.PASS_BAND.run(samples, 720), rtol=0, atol=1e-9)


@pytest.mark.parametrize("frequency", [128.0, 250.0, 500.0, 1000.0, 359.9])
def test_resampling_keeps_times(frequency: float) -> None:
    """Sample i lies at i/360 seconds whatever the rate was."""
    seconds = np.arange(int(10 * frequency)) / frequency
    resampled = signals.resample(np.sin(2 * np.pi * 5 * seconds)[:, None], frequency)[:, 0]
    expected = np.sin(2 * np.pi * 5 * np.arange(len(resampled)) / 360)
    assert len(resampled) == pytest.approx(3600, abs=2)
    assert np.abs(resampled - expected)[200:-200].max() < 0.02


def test_resampling_does_not_alias() -> None:
    """At 1000 Hz a 340 Hz tone is real; at 360 Hz it is silent instead of folding down to 20 Hz."""
    seconds = np.arange(10_000) / 1000
    folded = signals.resample(np.sin(2 * np.pi * 340 * seconds)[:, None], 1000.0)
    assert np.abs(folded[200:-200]).max() < 0.01


def test_gaps_are_bridged_by_straight_lines() -> None:
    """Missing samples lie on the line between their neighbours, and an empty lead is flat."""
    samples = np.array([[0.0, np.nan], [np.nan, np.nan], [np.inf, np.nan], [3.0, np.nan]])
    assert signals.fill_gaps(samples, 1.0).tolist() == [[0.0, 0.0], [1.0, 0.0], [2.0, 0.0], [3.0, 0.0]]


def test_long_gaps_depend_on_nothing_far_away() -> None:
    """Across a gap of a minute each end is held for ten seconds, with nothing in between."""
    samples = np.concatenate([[[2.0]], np.full((60, 1), np.nan), [[5.0]]])
    filled = signals.fill_gaps(samples, 1.0)[:, 0]
    assert filled.tolist() == [2.0] * 11 + [0.0] * 40 + [5.0] * 11
    np.testing.assert_array_equal(signals.fill_gaps(samples[:40], 1.0)[:, 0], filled[:40])
