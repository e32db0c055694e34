"""Signal quality: noise is told from hearts, and never labelled with confidence."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from heartwave_tasks.ecg.beats import Beats, cut_beats, segment
from heartwave_tasks.ecg.leads import choose_leads
from heartwave_tasks.ecg.recordings import SignalsInMemory
from heartwave_tasks.ecg.segmentation import Segmentation
from tests.unit.recordings import draw_recording, samples_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from heartwave_tasks.ecg.recordings import Recording

RECORDING = draw_recording("N" * 230)


def with_samples(samples: NDArray[np.floating]) -> Recording:
    """Return the recording with other signals."""
    return replace(RECORDING, signals=SignalsInMemory(samples))


def test_clean_beats_are_classifiable() -> None:
    """Drawn beats stand out in both leads."""
    beats = segment(RECORDING)
    assert beats.is_classifiable.all()
    assert beats.quality.min() > 0.9
    assert beats.second_quality.min() > 0.9


def test_noise_is_unclassifiable() -> None:
    """A minute of noise as large as the beats is one of noise, its beats cannot be classified, the others can."""
    samples = samples_of(RECORDING).copy()
    noise = np.random.default_rng(0).normal(0, 1.0, (60 * 360, 2))
    samples[60 * 360 : 120 * 360] += noise
    found = Segmentation.of(with_samples(samples))
    beats = Beats.concatenate(cut_beats(found))
    inside = (beats.time_s > 65) & (beats.time_s < 115)
    assert found.quality.noisy_minutes(0).tolist() == [False, True, False, False]
    assert found.quality.of_minutes().shape == (4, 2)
    assert beats.is_classifiable[inside].mean() < 0.1
    assert beats.is_classifiable[(beats.time_s < 50) | (beats.time_s > 130)].all()


def test_what_was_not_recorded_is_unclassifiable() -> None:
    """Where samples are missing, or a lead is flat, annotated beats cannot be classified."""
    samples = samples_of(RECORDING).copy()
    samples[60 * 360 : 70 * 360, 0] = np.nan
    samples[110 * 360 : 150 * 360, 0] = 0.3
    beats = segment(with_samples(samples))
    lost = ((beats.time_s > 60) & (beats.time_s < 70)) | ((beats.time_s > 125) & (beats.time_s < 135))
    assert not beats.is_classifiable[lost].any()
    assert beats.is_classifiable[beats.time_s < 50].all()


def test_a_lead_that_came_off_is_not_chosen() -> None:
    """The preferred lead gives way where it shows no heart most of the time."""
    samples = samples_of(RECORDING).copy()
    assert choose_leads(RECORDING) == (0, 1)
    samples[1000:, 0] = np.random.default_rng(0).normal(0, 0.002, len(samples) - 1000)
    assert choose_leads(with_samples(samples)) == (1, 0)


def test_a_lead_off_is_no_pause() -> None:
    """Where detected beats stop because the electrodes have come off, no interval reaches across."""
    samples = samples_of(RECORDING).copy()
    samples[60 * 360 : 90 * 360] = np.nan
    unmarked = replace(with_samples(samples), annotation_samples=None, annotation_symbols=None)
    beats = segment(unmarked)
    assert np.diff(beats.time_s).max() > 25
    assert np.nanmax(beats.rr_previous_s) < 3
    assert np.isnan(beats.rr_previous_s[1:]).sum() == np.isnan(beats.rr_next_s[:-1]).sum() > 0


def paused(marks: str = "") -> Recording:
    """Return the recording with 4 s without a beat in its middle, and an expert's marks spread over them."""
    samples, beats = samples_of(RECORDING), RECORDING.annotation_samples
    assert beats is not None
    place = len(beats) // 2
    cut = int(beats[place] - 150)
    silence = np.random.default_rng(1).normal(0, 0.01, (4 * 360, samples.shape[1]))
    held = np.concatenate([samples[:cut], silence, samples[cut:]])
    at = cut + 360 + 300 * np.arange(len(marks))
    return replace(
        RECORDING,
        signals=SignalsInMemory(held),
        annotation_samples=np.concatenate([beats[:place], at, beats[place:] + len(silence)]),
        annotation_symbols=np.array(["N"] * place + list(marks) + ["N"] * (len(beats) - place)),
    )


def test_a_true_pause_is_an_interval() -> None:
    """Four quiet seconds between two beats are a pause, annotated or detected, one change of quality or not."""
    for recording in (paused(), paused("~"), replace(paused(), annotation_samples=None, annotation_symbols=None)):
        beats = segment(recording)
        heart = beats.take(beats.is_beat)
        assert 4.5 < np.nanmax(heart.rr_previous_s) < 5
        assert np.isfinite(heart.rr_previous_s[1:]).all()


@pytest.mark.parametrize("marks", ["[!!]", "[!", "!", "~~"])
def test_flutter_is_no_pause(marks: str) -> None:
    """Where an expert marked flutter or an unreadable stretch there is no interval; what models see stays as it was."""
    plain, beats = segment(paused()), segment(paused(marks))
    heart = beats.take(beats.is_beat)
    assert np.nanmax(heart.rr_previous_s) < 1
    assert np.isnan(heart.rr_previous_s[1:]).sum() == np.isnan(heart.rr_next_s[:-1]).sum() == 1
    np.testing.assert_array_equal(heart.context, plain.context)


def test_pauses_of_mitbih_are_pauses(segmented: Callable[[str], Beats]) -> None:
    """Record 207's six episodes of flutter, one of 100 s, are none; 232 keeps all of its own, up to 5.9 s."""
    intervals = {}
    for record in ("207", "208", "232"):
        beats = segmented(record)
        found = beats.rr_previous_s[beats.is_beat]
        intervals[record] = np.sort(found[found >= 2])[::-1]
    assert intervals["207"].tolist() == pytest.approx([2.51, 2.28], abs=0.01)
    assert intervals["208"].tolist() == []
    assert intervals["232"][0] == pytest.approx(5.87, abs=0.01)
    assert (intervals["232"] >= 3).sum() == 32
