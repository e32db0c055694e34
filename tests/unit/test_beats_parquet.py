"""Beats survive the lake unchanged, and the lake refuses what is not theirs."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from heartwave_tasks.ecg.beats import Beats, segment
from heartwave_tasks.stores import beats as lake
from tests.unit import recordings


@pytest.fixture(scope="module")
def beats() -> Beats:
    """Beats of a small annotated recording."""
    return segment(recordings.draw_recording())


@pytest.mark.parametrize("annotated", [True, False])
def test_round_trip(beats: Beats, annotated: bool) -> None:
    """What is read is what was written, in every column, with its type; missing values stay missing."""
    if not annotated:
        nothing = np.full(len(beats), -1, dtype=np.int8)
        beats = replace(beats, symbol=np.full(len(beats), "", dtype="<U1"), reference=nothing, heartwave5=nothing)

    found = lake.from_parquet(lake.to_parquet(beats, "c0ffee"))

    for field in fields(Beats):
        written, read = getattr(beats, field.name), getattr(found, field.name)
        assert read.dtype.kind == written.dtype.kind, field.name
        np.testing.assert_array_equal(read, written, err_msg=field.name)


def test_windows_may_be_left_out(beats: Beats) -> None:
    """Who looks at features alone gets them without windows, and everything else as it was written."""
    found = lake.from_parquet(lake.to_parquet(beats, "c0ffee"), windows=False)

    assert found.window.shape == found.second_window.shape == (len(beats), 0)
    np.testing.assert_array_equal(found.context, beats.context)
    np.testing.assert_array_equal(found.r_peak_sample, beats.r_peak_sample)


def test_same_beats_same_bytes(beats: Beats) -> None:
    """A rerun writes the same bytes."""
    assert lake.to_parquet(beats, "c0ffee") == lake.to_parquet(beats, "c0ffee")


def test_refuses_other_features(beats: Beats) -> None:
    """A file cut by a segmenter with other features is not taken for ours."""
    table = pq.read_table(pa.BufferReader(lake.to_parquet(beats, "c0ffee")))
    sink = pa.BufferOutputStream()
    pq.write_table(table.replace_schema_metadata({"heartwave.context_features": '["other"]'}), sink)

    with pytest.raises(lake.BeatsMismatchError, match="ingest_recordings"):
        lake.from_parquet(sink.getvalue().to_pybytes())


def test_key_names_content_and_segmenter() -> None:
    """Another content or segmenter is another object."""
    assert lake.beats_key("mitdb/100", "abc") != lake.beats_key("mitdb/100", "abd")
    assert f"segmenter={lake.SEGMENTER_VERSION}/mitdb/100/abc" in lake.beats_key("mitdb/100", "abc")


def test_digest_ignores_order() -> None:
    """A training set is identified by what it holds, not by the order it was listed in."""
    refs = [lake.BeatsRef(recording_id=f"a/{n}", beats_key="", content_sha256=str(n)) for n in range(3)]

    assert lake.digest(refs) == lake.digest(refs[::-1])
    assert lake.digest(refs) != lake.digest(refs[:2])
