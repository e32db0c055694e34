"""Context features: relative to the recording, and to nothing else."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import signal

from heartwave_tasks.ecg import pacing
from heartwave_tasks.ecg.alignment import median_beat
from heartwave_tasks.ecg.beats import Beats, segment
from heartwave_tasks.ecg.features import CONTEXT_FEATURES
from heartwave_tasks.ecg.recordings import Recording, SignalsInMemory
from heartwave_tasks.ecg.rhythm import quantile
from heartwave_tasks.ecg.shapes import ZONES, Cut, compare
from tests.unit.recordings import draw_recording, read_recording, samples_of

if TYPE_CHECKING:
    from pathlib import Path

SYMBOLS = "NNNNANNNVNNNNNN" * 10
RECORDING = draw_recording(SYMBOLS)
BEATS = segment(RECORDING)


def column(beats: Beats, name: str) -> np.ndarray:
    """Return one feature of all rows."""
    values: np.ndarray = beats.context[:, CONTEXT_FEATURES.index(name)]
    return values


def shifted(recording: Recording, seconds: float) -> Recording:
    """Put a flat stretch before a recording."""
    assert recording.annotation_samples is not None
    samples = round(seconds * recording.sampling_frequency)
    flat = np.repeat(samples_of(recording)[:1], samples, axis=0)
    return replace(
        recording,
        signals=SignalsInMemory(np.concatenate([flat, samples_of(recording)])),
        annotation_samples=recording.annotation_samples + samples,
    )


LOUD = replace(RECORDING, signals=SignalsInMemory(samples_of(RECORDING) * 5.0))
LOUD_BEATS = segment(LOUD)


@settings(max_examples=10, deadline=None)
@given(gain=st.floats(0.2, 5.0))
def test_gain_changes_nothing(gain: float) -> None:
    """An amplifier set higher or lower leaves the features as they are, but for what rounding to 1 µV decides."""
    # Loud to begin with: the waves that were drawn are so small that rounding would decide much when turned down.
    changed = segment(replace(RECORDING, signals=SignalsInMemory(samples_of(LOUD) * gain)))
    assert np.isclose(changed.context, LOUD_BEATS.context, rtol=0.02, atol=0.02, equal_nan=True).mean() > 0.998


@settings(max_examples=5, deadline=None)
@given(seconds=st.floats(0.0, 30.0))
def test_starting_later_changes_nothing(seconds: float) -> None:
    """A recorder switched on earlier leaves the features of all but the first beats as they are."""
    later = segment(shifted(RECORDING, seconds))
    np.testing.assert_allclose(later.context[3:], BEATS.context[3:], rtol=0.02, atol=0.02)


def test_marks_leave_beats_alone() -> None:
    """Adding noise marks changes no beat's features or RR intervals by a bit."""
    assert RECORDING.annotation_samples is not None
    assert RECORDING.annotation_symbols is not None
    marks = RECORDING.annotation_samples[5:-5:7] + 100
    samples = np.concatenate([RECORDING.annotation_samples, marks])
    order = np.argsort(samples, kind="stable")
    symbols = np.concatenate([RECORDING.annotation_symbols, np.full(len(marks), "~")])[order]
    marked = segment(replace(RECORDING, annotation_samples=samples[order], annotation_symbols=symbols))
    beats = marked.take(marked.is_beat)
    assert len(marked) == len(beats) + len(marks)
    np.testing.assert_array_equal(beats.rr_previous_s, BEATS.rr_previous_s)
    # Products of matrices of another size may differ in their last bits.
    np.testing.assert_allclose(beats.context, BEATS.context, rtol=1e-4, atol=1e-5)
    assert np.isfinite(column(marked, "rr_previous_over_mean")).all()


def test_premature_and_ventricular_beats_stand_out() -> None:
    """Early beats have a short interval, ventricular ones another QRS complex, atrial ones another P wave."""
    normal, atrial, ventricular = (BEATS.symbol == symbol for symbol in "NAV")
    early = column(BEATS, "rr_previous_over_mean")
    assert early[atrial].max() < early[normal].min()
    assert column(BEATS, "qrs_correlation")[ventricular].max() < column(BEATS, "qrs_correlation")[normal].min()
    assert column(BEATS, "qrs_slope_width")[ventricular].min() > column(BEATS, "qrs_slope_width")[normal].max()
    p_wave = column(BEATS, "slow_p_projection")
    assert np.median(p_wave[atrial]) < np.median(p_wave[normal]) - 0.2
    assert np.median(column(BEATS, "alike_early_share")[ventricular]) > 0.9


def test_majority_of_early_beats_is_seen_against_slow_ones() -> None:
    """Where most beats are atrial the slow template is still the sinus beat."""
    beats = segment(draw_recording("NAAAA" * 30))
    normal, atrial = (beats.symbol == symbol for symbol in "NA")
    match = column(beats, "slow_p_correlation")
    assert np.median(match[normal]) > np.median(match[atrial])
    assert column(beats, "rr_previous_over_q90")[atrial].max() < 0.85


def test_one_lead_stands_in_for_the_second() -> None:
    """One lead gives every feature, and those of the lead that is not there are its own; but no spike is seen twice."""
    beats = segment(draw_recording("N" * 40, lead_names=("MLII",)))
    assert np.isfinite(beats.context[5:-5]).all()
    np.testing.assert_array_equal(column(beats, "second_qrs_correlation"), column(beats, "qrs_correlation"))
    assert (column(beats, "second_spike_over_slope") <= column(beats, "spike_over_slope")).all()


@pytest.mark.parametrize("symbols", ["NN", "NNN", "NNNNN", "VVVVVVVV"])
def test_short_recordings_have_features(symbols: str) -> None:
    """Two beats are enough: no feature is infinite and nothing fails."""
    beats = segment(draw_recording(symbols))
    assert len(beats) == len(symbols)
    assert not np.isinf(beats.context).any()


def test_flat_lead_has_finite_features() -> None:
    """A lead that fell off is described by finite numbers."""
    signals = samples_of(RECORDING).copy()
    signals[:, 1] = 0.0
    beats = segment(replace(RECORDING, signals=SignalsInMemory(signals)))
    assert np.isfinite(beats.context[1:-1]).all()


def test_supraventricular_majority_of_record_232(mitdb: Path) -> None:
    """In MIT-BIH 232, most of whose beats are atrial, RR over the mean parts them from the normal ones."""
    beats = segment(read_recording(mitdb, "232"))
    early = column(beats, "rr_previous_over_mean") < 0.9
    assert early[beats.reference == 1].mean() > 0.95
    assert early[beats.reference == 0].mean() < 0.05


@pytest.mark.parametrize("length", [1, 2, 19, 58, 600])
def test_medians_and_quantiles_are_numpys(length: int) -> None:
    """What is quicker than numpy's own median and quantile answers the same, to the bit."""
    random = np.random.default_rng(length)
    beats = random.integers(-3_000, 3_000, (length, 30)).astype(np.int16)
    for factor in np.float32([1.0, -0.0007]):
        np.testing.assert_array_equal(median_beat(beats, factor), np.median(beats * factor, axis=0))
    values = random.normal(size=(length, 30))
    for share in (0.05, 0.16, 0.5, 0.75, 0.84, 0.9):
        np.testing.assert_array_equal(quantile(np.sort(values.T, axis=1), share), np.quantile(values.T, share, axis=1))


def test_comparison_is_that_of_its_definition() -> None:
    """Sums by products of matrices give the correlations, residuals and sizes that one writes down."""
    random = np.random.default_rng(0)
    template = np.cumsum(random.normal(size=252)).astype(np.float32)
    samples = (template + 3 + random.normal(size=(40, 252))).astype(np.float32)
    found = compare(Cut.of(samples), template)
    height = np.ptp(template[ZONES["qrs"]])
    for name, zone in ZONES.items():
        part, own = samples[:, zone].astype(float), template[zone].astype(float)
        centred = part - part.mean(axis=1, keepdims=True)
        expected = {
            "correlation": [np.corrcoef(row, own)[0, 1] for row in part],
            "residual": np.sqrt(((centred - (own - own.mean())) ** 2).mean(axis=1)) / height,
            "size": np.log((np.ptp(part, axis=1) + 1e-3 * height) / (np.ptp(own) + 1e-3 * height)),
            "offset": (part.mean(axis=1) - own.mean()) / height,
            "projection": centred @ (own - own.mean()) / ((own - own.mean()) ** 2).sum(),
        }
        for measure, values in expected.items():
            np.testing.assert_allclose(found[f"{name}_{measure}"], values, rtol=1e-4, atol=1e-5)
    later = np.roll(samples, 8, axis=1)
    match = compare(Cut.of(later), template)
    assert set(match["p_match_lag"].tolist()) == {8.0}
    np.testing.assert_allclose(match["p_match"], found["p_match"], atol=1e-5)


@pytest.mark.parametrize("n_samples", [40, 400])
def test_spikes_are_looked_for_where_a_recording_ends(n_samples: int) -> None:
    """Around a beat at either end of a lead, or in one shorter than what is looked at, its ends go on as they are."""
    lead = np.arange(10.0, 10.0 + n_samples)
    positions = np.array([0, 20, n_samples // 2, n_samples - 1])
    index = positions[:, None] + np.arange(-60, 30)
    expected = 10.0 + np.clip(index, 0, n_samples - 1)
    assert np.array_equal(pacing._around(lead, positions, (-60, 30)), expected)


def test_pacing_filters_as_scipy_does() -> None:
    """What is filtered around the beats only is what filtering the whole recording gives there."""
    lead = np.cumsum(np.random.default_rng(0).normal(size=2_000)).astype(np.float32)
    sections = signal.butter(4, 45.0, btype="highpass", fs=360, output="sos")
    whole = np.abs(signal.sosfiltfilt(sections, lead.astype(float)))
    positions = np.array([300, 700, 1500])
    windows = (pacing.SPIKE_SEARCH, pacing.QUIET)
    for edges, found in zip(windows, pacing._sharp(lead, positions, windows), strict=True):
        around = whole[positions[:, None] + np.arange(*edges)]
        np.testing.assert_allclose(found, around, atol=1e-6)


def test_rows_are_aligned() -> None:
    """Fiducials that lie some samples beside their R peaks are moved back, in all leads; shapes are as they were."""
    assert RECORDING.annotation_samples is not None
    beside = np.random.default_rng(3).integers(-5, 6, len(SYMBOLS))
    moved = segment(replace(RECORDING, annotation_samples=RECORDING.annotation_samples + beside))
    # What the whole recording's fiducials are off by together, nobody can see.
    found, common = column(moved, "shift"), np.median(beside[np.array(list(SYMBOLS)) == "N"])
    normal = np.array(list(SYMBOLS)) == "N"
    assert (np.abs(found - np.abs(beside - common))[normal] <= 1).mean() > 0.98
    for lead in ("", "second_"):
        for zone in ("qrs", "t", "beat"):
            assert column(moved, f"{lead}{zone}_correlation")[normal].min() > 0.97
            assert column(moved, f"{lead}{zone}_residual")[normal].max() < 0.1
