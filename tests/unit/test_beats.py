"""Beats: the table everything else is made of."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from heartwave_tasks.ecg import mitbih
from heartwave_tasks.ecg.beats import R_PEAK_INDEX, Beats, segment
from heartwave_tasks.ecg.labels import CLASSES
from heartwave_tasks.ecg.recordings import RecordingError, SignalsInMemory
from tests.unit.recordings import draw_recording, read_recording, samples_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray


@pytest.fixture(scope="module")
def drawn() -> Beats:
    """Return a drawn recording of normal, supraventricular and ventricular beats and a mark, segmented."""
    return segment(draw_recording("NNNNANNNVNNN~NNN" * 8))


def test_every_attribute_has_a_row_per_beat(drawn: Beats) -> None:
    """Types and shapes are those the stores rely on."""
    n = len(drawn)
    assert {len(getattr(drawn, field.name)) for field in fields(drawn)} == {n}
    assert drawn.window.shape == drawn.second_window.shape == (n, 187)
    assert drawn.window.dtype == drawn.second_window.dtype == np.int16
    assert drawn.r_peak_sample.dtype == np.int64
    assert drawn.context.dtype == np.float32
    assert drawn.has_second_lead.all()
    assert set(drawn.source.tolist()) == {"drawn"}


def test_r_peak_is_at_index_93_in_microvolts(drawn: Beats) -> None:
    """A normal beat's largest sample is at its R peak and about 1 000 µV high; the second lead is its own."""
    normal = drawn.window[drawn.symbol == "N"]
    assert (np.abs(normal.argmax(axis=1) - R_PEAK_INDEX) <= 1).all()
    assert 700 < np.median(normal[:, R_PEAK_INDEX]) < 1100
    assert np.median(drawn.second_window[drawn.symbol == "N"][:, R_PEAK_INDEX]) < -400


def test_marks_are_rows_but_no_neighbours(drawn: Beats) -> None:
    """A mark has a window and no class; the beats around it are each other's neighbours."""
    mark = int(np.flatnonzero(drawn.symbol == "~")[0])
    assert not drawn.is_beat[mark]
    assert drawn.reference[mark] == -1
    assert drawn.heartwave5[mark] == 4
    between = drawn.time_s[mark + 1] - drawn.time_s[mark - 1]
    assert drawn.rr_next_s[mark - 1] == pytest.approx(between, abs=1e-5)
    assert drawn.rr_previous_s[mark + 1] == pytest.approx(between, abs=1e-5)


def test_beats_cut_off_at_the_ends_still_count_for_rr() -> None:
    """A beat whose window leaves the recording gives no row, but its neighbour knows the interval to it."""
    recording = draw_recording("N" * 30, start_s=-0.6)
    beats = segment(recording)
    assert len(beats) == 29
    assert beats.r_peak_sample[0] >= R_PEAK_INDEX
    assert 0.6 < beats.rr_previous_s[0] < 1.0
    assert np.isnan(beats.rr_next_s[-1])


def test_unannotated_recording_is_detected() -> None:
    """Without annotations R peaks are found, and no row has a symbol or a class."""
    recording = replace(draw_recording("N" * 40), annotation_samples=None, annotation_symbols=None)
    beats = segment(recording)
    assert len(beats) >= 38
    assert beats.is_beat.all()
    assert set(beats.symbol.tolist()) == {""}
    assert set(beats.reference.tolist()) == {-1}


def test_one_lead_is_enough() -> None:
    """With one lead the second window is empty and flagged so."""
    beats = segment(draw_recording("N" * 30, lead_names=("II",)))
    assert not beats.has_second_lead.any()
    assert not beats.second_window.any()


def test_other_rates_give_windows_at_360_hz() -> None:
    """A recording at 250 Hz keeps its own sample numbers and gets windows like those at 360 Hz."""
    beats, other = (segment(draw_recording("N" * 40, frequency=frequency)) for frequency in (360.0, 250.0))
    assert np.abs(other.r_peak_sample / 250 - beats.r_peak_sample / 360).max() < 0.005
    assert np.corrcoef(np.median(beats.window, axis=0), np.median(other.window, axis=0))[0, 1] > 0.99


def test_take_and_concatenate_are_inverse(drawn: Beats) -> None:
    """Two halves put together again are the whole, whether taken by mask, slice or index."""
    half = np.arange(len(drawn)) < len(drawn) // 2
    parts: list[NDArray[np.integer] | NDArray[np.bool_] | slice] = [half, slice(int(half.sum()), None)]
    whole = Beats.concatenate(drawn.take(part) for part in parts)
    for field in fields(drawn):
        np.testing.assert_array_equal(getattr(whole, field.name), getattr(drawn, field.name))
    assert drawn.take(np.array([3])).r_peak_sample.tolist() == [drawn.r_peak_sample[3]]


def test_recordings_without_beats_are_refused() -> None:
    """No lead, no annotated beat and signals that do not fit their names are errors that name the recording."""
    recording = draw_recording("N" * 10)
    hopeless = (
        replace(recording, signals=SignalsInMemory(samples_of(recording)[:, :0]), lead_names=()),
        replace(recording, lead_names=("MLII",)),
        replace(recording, annotation_symbols=np.full(10, "~")),
        replace(recording, annotation_symbols=np.full(10, "+")),
        replace(recording, signals=SignalsInMemory(samples_of(recording)[:100])),
    )
    for bad in hopeless:
        with pytest.raises(RecordingError, match="drawn/1"):
            segment(bad)


def test_mitbih_counts_are_exact(segmented: Callable[[str], Beats]) -> None:
    """All 48 records give 110 407 windows, split as the original project's scheme and as EC57 split them."""
    beats = Beats.concatenate(segmented(record) for record in mitbih.RECORDS)
    assert len(beats) == 110_407
    assert np.bincount(beats.heartwave5).tolist() == [90_608, 2_781, 7_235, 802, 8_981]
    # Two of the 941 marks lie too near the start of records 106 and 203 to have a window.
    assert int(beats.is_beat.sum()) == 109_468
    record = np.char.partition(beats.recording_id, "/")[:, 2]
    counts = {
        split: [int(np.sum(np.isin(record, records) & (beats.reference == index))) for index in range(len(CLASSES))]
        for split, records in (("DS1", mitbih.DS1), ("DS2", mitbih.DS2))
    }
    assert counts == {"DS1": [45_856, 944, 3_788, 414, 8], "DS2": [44_246, 1_837, 3_220, 388, 7]}


def test_mitbih_analysis_lead_is_mlii_where_there_is_one(mitdb: Path, segmented: Callable[[str], Beats]) -> None:
    """Record 114 lists V5 first; its windows are cut from MLII."""
    recording, beats = read_recording(mitdb, "114"), segmented("114")
    assert recording.lead_names == ("V5", "MLII")
    around = beats.r_peak_sample[:, None] + np.arange(-30, 31)
    cut = beats.window[:, 93 - 30 : 93 + 31]
    likeness = [np.corrcoef(samples_of(recording)[around, lead].ravel(), cut.ravel())[0, 1] for lead in (0, 1)]
    assert likeness[1] > 0.9 > likeness[0]


def test_split_is_de_chazals() -> None:
    """44 records in two halves, four paced ones, and one patient in two records."""
    assert len(set(mitbih.DS1) | set(mitbih.DS2) | set(mitbih.PACED)) == len(mitbih.RECORDS) == 48
    assert mitbih.patient_of("mitdb/202") == mitbih.patient_of("mitdb/201") == "mitdb/201"
    assert mitbih.patient_of("inbox/202") == "inbox/202"
