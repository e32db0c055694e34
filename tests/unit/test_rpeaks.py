"""Detection of R peaks."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from heartwave_tasks.ecg import labels
from heartwave_tasks.ecg.recordings import Recording, RecordingError, SignalsInMemory
from heartwave_tasks.ecg.segmentation import Segmentation
from tests.unit.recordings import draw_recording, read_recording, samples_of

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

EC57_TOLERANCE_S = 0.15


def share_found(reference: NDArray[np.int64], detected: NDArray[np.int64], frequency: float) -> float:
    """Share of the reference with a detection within EC57's 150 ms."""
    distance = np.abs(reference[:, None] - detected).min(axis=1)
    return float((distance <= EC57_TOLERANCE_S * frequency).mean())


def detect(recording: Recording) -> NDArray[np.int64]:
    """Return the R peaks that are found in a recording, at its own rate."""
    return Segmentation.of(recording, detect=True).samples


@pytest.mark.parametrize("frequency", [128.0, 250.0, 360.0, 1000.0])
def test_drawn_beats_are_found_at_their_peaks(frequency: float) -> None:
    """Detections lie within 20 ms of the drawn R peaks, at the recording's own rate."""
    recording = draw_recording("NNNVNNNN" * 8, frequency=frequency)
    detected = detect(recording)
    assert recording.annotation_samples is not None
    reference = recording.annotation_samples[2:-1]
    assert share_found(reference, detected, frequency) == 1.0
    assert np.median(np.abs(reference[:, None] - detected).min(axis=1)) <= 0.02 * frequency


def test_flat_line_has_no_r_peak() -> None:
    """Leads without a signal give no detection, and the recording is refused by name."""
    recording = Recording("ward/flat", 360.0, SignalsInMemory(np.zeros((36_000, 2))), ("MLII", "V1"))
    with pytest.raises(RecordingError, match="ward/flat: no R peak was found"):
        detect(recording)


def test_one_lead_stands_in_for_the_other() -> None:
    """Where one lead has come off, the other one's beats are found but for seconds; where both have, none are."""
    recording = draw_recording("N" * 100)
    samples = samples_of(recording).copy()
    third = len(samples) // 3
    samples[:third, 0] = 0.0
    samples[third : 2 * third, 1] = np.nan
    samples[2 * third :] = np.nan
    detected = detect(replace(recording, signals=SignalsInMemory(samples)))
    assert recording.annotation_samples is not None
    sure = np.abs(recording.annotation_samples - third) > 5 * 360
    present = recording.annotation_samples[sure & (recording.annotation_samples < 2 * third - 360)]
    assert share_found(present, detected, 360.0) == 1.0
    assert detected.max() < 2 * third + 54


def test_floor_on_a_named_record(mitdb: Path) -> None:
    """On MIT-BIH 200, one of whose leads is noisy, 98 % of beats are found, and 98 % of detections are beats."""
    recording = read_recording(mitdb, "200")
    assert recording.annotation_samples is not None
    assert recording.annotation_symbols is not None
    reference = recording.annotation_samples[labels.is_beat(recording.annotation_symbols)]
    detected = detect(recording)
    assert share_found(reference, detected, 360.0) >= 0.98
    assert share_found(detected, reference, 360.0) >= 0.985
