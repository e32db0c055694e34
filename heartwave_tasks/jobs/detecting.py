"""An annotated recording's R peaks, detected as if nobody had annotated it: under limits, in a process of its own."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from heartwave_tasks.ecg.beats import cut_beats
from heartwave_tasks.ecg.matching import LEARNING_S, compare_detection, flutter
from heartwave_tasks.ecg.segmentation import Segmentation
from heartwave_tasks.jobs.cut_recordings import BEATS_FILE, DetectedRecording
from heartwave_tasks.jobs.cutting import guarded
from heartwave_tasks.stores import beats as lake
from heartwave_tasks.stores.record_formats import read_recording

if TYPE_CHECKING:
    from pathlib import Path

    from heartwave_tasks.settings import Settings
    from heartwave_tasks.stores.arrivals import Arrival


def detect(files: Path, out: Path, arguments: dict[str, Any]) -> dict[str, Any]:
    """Cut the annotated recording whose files lie in a directory at its detected R peaks, and write beats to ``out``.

    Returns the fields of `DetectedRecording`, or what `guarded` makes of a problem.
    """
    content = str(arguments["content_sha256"])
    return guarded(files, arguments, lambda arrival, settings: asdict(_detect(arrival, out, content, settings)))


def _detect(arrival: Arrival, out: Path, content_sha256: str, settings: Settings) -> DetectedRecording:
    recording = read_recording(arrival, settings)
    if recording.annotation_samples is None or recording.annotation_symbols is None:
        raise arrival.refuse("bad_annotations", "nobody has annotated it.", "Upload its annotations (.atr).")
    segmentation = Segmentation.of(recording, detect=True)
    lake.write_parquet(cut_beats(segmentation), str(out / BEATS_FILE), content_sha256)
    samples, symbols = recording.annotation_samples, recording.annotation_symbols
    whole, after_learning = (
        compare_detection(samples, symbols, segmentation.samples, recording.sampling_frequency, learning_s=learning_s)
        for learning_s in (0.0, LEARNING_S)
    )
    return DetectedRecording(
        detector=segmentation.r_peak_source,
        detection=whole,
        after_learning=after_learning,
        flutter=flutter(samples, symbols),
    )
