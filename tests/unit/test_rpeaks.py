"""Detection of R peaks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from heartwave_tasks.ecg import labels
from heartwave_tasks.ecg.rpeaks import detect_r_peaks
from tests.unit.recordings import draw_recording, read_recording, samples_of

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

EC57_TOLERANCE_S = 0.15


def share_found(reference: NDArray[np.int64], detected: NDArray[np.int64], frequency: float) -> float:
    """Share of the reference with a detection within EC57's 150 ms."""
    distance = np.abs(reference[:, None] - detected).min(axis=1)
    return float((distance <= EC57_TOLERANCE_S * frequency).mean())


@pytest.mark.parametrize("frequency", [250.0, 360.0])
def test_drawn_beats_are_found_at_their_peaks(frequency: float) -> None:
    """Detections lie within 20 ms of the drawn R peaks, at the recording's own rate."""
    recording = draw_recording("NNNVNNNN" * 8, frequency=frequency)
    detected = detect_r_peaks(samples_of(recording)[:, 0], frequency)
    assert recording.annotation_samples is not None
    reference = recording.annotation_samples[2:-1]
    assert share_found(reference, detected, frequency) == 1.0
    assert np.median(np.abs(reference[:, None] - detected).min(axis=1)) <= 0.02 * frequency


def test_flat_line_has_no_r_peak() -> None:
    """A lead without a signal gives no detection."""
    assert len(detect_r_peaks(np.zeros(3600), 360.0)) == 0


def test_floor_on_a_named_record(mitdb: Path) -> None:
    """On MIT-BIH 100 at least 99.9 % of beats are found, and no more detections than beats."""
    recording = read_recording(mitdb, "100")
    assert recording.annotation_samples is not None
    assert recording.annotation_symbols is not None
    reference = recording.annotation_samples[labels.is_beat(recording.annotation_symbols)]
    detected = detect_r_peaks(samples_of(recording)[:, 0], recording.sampling_frequency)
    assert share_found(reference, detected, 360.0) >= 0.999
    assert share_found(detected, reference, 360.0) >= 0.999
