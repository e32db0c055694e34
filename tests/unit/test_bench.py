"""The measurements of `make bench`: what they say can be believed."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

import numpy as np
import pytest

from heartwave_tasks.settings import Settings
from heartwave_tasks.stores.arrivals import Arrival
from heartwave_tasks.stores.record_formats import read_recording
from heartwave_tasks.synthetic import write_recordings
from tests.bench.copies import Copies
from tests.bench.measuring import measure, peak, reset_peak
from tests.bench.path import Journey, Leg
from tests.bench.report import Report
from tests.bench.stages import Bench

if TYPE_CHECKING:
    from pathlib import Path


def test_time_and_memory_are_those_of_the_work() -> None:
    """Waiting takes time by the clock and none of the processor, and memory is what was taken at most."""
    sample = measure("wait", "plain", lambda: time.sleep(0.05), beats=10, n_bytes=100, repetitions=2)
    assert sample.wall_s >= 0.05
    assert sample.cpu_s < 0.04
    assert sample.beats_per_s == pytest.approx(10 / sample.wall_s)
    before = reset_peak()
    np.ones(40_000_000, dtype=np.uint8)
    assert peak() - before > 35_000_000


def test_promises_are_held_against_what_was_measured(tmp_path: Path) -> None:
    """A journey that is too slow, or grows, is told as not met, in the table as in the JSON."""

    def journey(recordings: int, cpu_s: float) -> Journey:
        legs = [
            Leg(
                job=job, tasks=2, beats=8_000, wall_s=0.5, cpu_s=cpu_s / 2, servers_cpu_s=0.1, peak_bytes=10**8,
                child_peak_bytes=2 * 10**8,
            )
            for job in ("ingest", "score")
        ]  # fmt: skip
        return Journey(
            name="one core", workers=1, recordings=recordings, beats=8_000, n_bytes=1, legs=tuple(legs), digest=""
        )

    report = Report(recordings=1, journeys=[journey(4, 0.5)], growth=[journey(48, 1.0), journey(480, 1.5)])
    met = {figure: met for figure, _, _, met in report.targets()}
    assert met["whole path, one core, for a second of the workers' processor time"]
    assert met["memory of a scoring process"]
    assert not met["480 recordings against 48: processor time a beat"]
    assert "**not met**" in report.markdown()
    report.write(tmp_path / "build" / "bench.json")
    written = json.loads((tmp_path / "build" / "bench.json").read_text())
    assert written["growth"][1]["recordings"] == 480


def test_copies_are_recordings_of_their_own(mitdb: Path, tmp_path: Path) -> None:
    """Every copy is read as any recording is, checksums and all, and no two are the same."""
    files = dict(Copies(mitdb, 1.0).files(3, seed=1))
    for key, content in files.items():
        (tmp_path / key.rpartition("/")[2]).write_bytes(content)
    read = [read_recording(Arrival.of(tmp_path, f"copies/c{number:05d}"), Settings()) for number in range(3)]
    assert {recording.signals.n_samples for recording in read} == {360 * 60}
    assert all(len(recording.annotation_samples) > 30 for recording in read if recording.annotation_samples is not None)
    assert len({recording.signals.read(0, 1000).tobytes() for recording in read}) == 3


def test_the_plain_ways_work(tmp_path: Path) -> None:
    """What HeartWave is held against runs, on a recording of our own."""
    (name,) = write_recordings(tmp_path, count=1, duration_s=20)
    bench = Bench(tmp_path, [name], 1)
    (recording,), (beats,) = bench.recordings, bench.beats
    for way in (Bench._filter_plainly, Bench._describe_plainly):
        way(recording, beats)
    assert [sample.stage for sample in bench.stages()].count("read") == 3
