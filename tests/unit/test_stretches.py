"""A recording of any length is processed a stretch at a time, as if in one piece."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest

from heartwave_tasks.ecg.recordings import Recording, SignalsInMemory
from heartwave_tasks.ecg.segmentation import Segmentation
from tests.unit.recordings import draw_recording, samples_of


@dataclass
class Watched:
    """Signals that note how much of them is read at a time."""

    signals: SignalsInMemory
    longest: int = 0

    @property
    def n_samples(self) -> int:
        """Samples of every lead."""
        return self.signals.n_samples

    @property
    def n_leads(self) -> int:
        """Number of leads."""
        return self.signals.n_leads

    def read(self, first: int, last: int) -> np.ndarray:
        """Read, and note how much."""
        self.longest = max(self.longest, last - first)
        return self.signals.read(first, last)


@pytest.mark.parametrize(("frequency", "detect"), [(360.0, False), (250.0, True), (128.0, True)])
def test_stretches_leave_no_trace(frequency: float, detect: bool) -> None:
    """Two minutes at a time or all at once: positions, filtered samples, features and quality are the same bits."""
    recording = draw_recording("NNNNANNNVNNN" * 70, frequency=frequency)
    samples = samples_of(recording).copy()
    samples[int(200 * frequency) : int(225 * frequency)] = np.nan
    samples[int(300 * frequency) : int(310 * frequency), 0] = np.nan
    recording = replace(recording, signals=SignalsInMemory(samples))
    whole = Segmentation.of(recording, detect=detect, stretch_s=100_000)
    watched = Watched(SignalsInMemory(samples))
    pieces = Segmentation.of(replace(recording, signals=watched), detect=detect, stretch_s=120)
    assert watched.longest < 250 * frequency < recording.signals.n_samples
    np.testing.assert_array_equal(pieces.samples, whole.samples)
    np.testing.assert_array_equal(pieces.filtered.padded, whole.filtered.padded)
    np.testing.assert_array_equal(pieces.context, whole.context)
    np.testing.assert_allclose(pieces.quality.by_second, whole.quality.by_second, atol=1e-6)


def test_upside_down_is_the_same() -> None:
    """Leads put on upside down have the same features, and the same R peaks where nobody marked them."""
    recording = draw_recording("NNNNANNNVNNN" * 12)
    inverted = replace(recording, signals=SignalsInMemory(-samples_of(recording)))
    for detect in (False, True):
        upright, turned = (Segmentation.of(one, detect=detect) for one in (recording, inverted))
        np.testing.assert_array_equal(turned.samples, upright.samples)
        np.testing.assert_allclose(turned.context, upright.context, rtol=1e-4, atol=1e-4)


def test_names_that_do_not_fit_are_refused() -> None:
    """Signals of other leads than are named are an error that names the recording."""
    recording = Recording("ward/1", 360.0, SignalsInMemory(np.zeros((3600, 2))), ("I",))
    with pytest.raises(ValueError, match="ward/1"):
        Segmentation.of(recording)
