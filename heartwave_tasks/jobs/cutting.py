"""From a recording's files to its beats as Parquet: what is done under limits, in a process of its own."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

import fsspec.implementations.local
import numpy as np

from heartwave_tasks.ecg import labels, pacing, signals
from heartwave_tasks.ecg.beats import R_PEAK_INDEX, WINDOW_SAMPLES, cut_beats
from heartwave_tasks.ecg.recordings import RecordingError
from heartwave_tasks.ecg.segmentation import ANNOTATIONS, Segmentation
from heartwave_tasks.ecg.stretches import count_samples
from heartwave_tasks.jobs.cut_recordings import BEATS_FILE, STRIP_FILE, CutRecording
from heartwave_tasks.settings import Settings
from heartwave_tasks.stores import beats as lake
from heartwave_tasks.stores.arrivals import REPAIR, Arrival, RecordingProblem
from heartwave_tasks.stores.record_formats import read_recording
from heartwave_tasks.stores.strip_files import write_strip

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from heartwave_tasks.ecg.beats import Beats
    from heartwave_tasks.ecg.recordings import Recording

_LEAD_NAME: Final = re.compile(
    r"(?:(?:ecg|ekg|lead|ch|channel|signal|mod)[ _.-]?){0,2}"
    r"(?:i{1,3}|a?v[rlf]|m?v[1-9]\d?r?|ml(?:i{1,3}|v?\d)|m?cl\d|c[bcmrs]\d|[abde]\d?|[xyz]|es|as|ai|nasa|\d{1,3})?",
    re.IGNORECASE,
)
"""Names that leads have, with or without saying that they are leads; of nobody's patients."""

PRELOADED: Final = fsspec.implementations.local
"""What is imported when it is first needed, elsewhere: here every recording's child would import it again."""

PREPARED: Final = pacing.spike_response()
"""Worked out once and not in every child."""


def cut(files: Path, out: Path, arguments: dict[str, Any]) -> dict[str, Any]:
    """Cut the recording whose files lie in a directory into beats, and write them to ``out``.

    Returns the fields of `CutRecording`, or what `guarded` makes of a problem.
    """
    target, content = out / BEATS_FILE, str(arguments["content_sha256"])
    return guarded(files, arguments, lambda arrival, settings: asdict(_cut(arrival, target, content, settings)))


def guarded(
    files: Path, arguments: dict[str, Any], work: Callable[[Arrival, Settings], dict[str, Any]]
) -> dict[str, Any]:
    """Do some work on the recording whose files lie in a directory.

    Returns what comes of it, or the `RecordingProblem` under ``problem``; never what a library says of the recording,
    because that may quote it. Raises `MemoryError` when the limit is reached.
    """
    # Settings that were checked before they were handed on; looking around for others would take 10 ms of every child.
    recording_id, settings = str(arguments["recording_id"]), Settings.model_construct(**arguments["settings"])
    arrival = Arrival(recording_id, files, str(arguments.get("record") or recording_id.rpartition("/")[2]))
    try:
        return work(arrival, settings)
    except RecordingError as error:
        told = RecordingProblem("no_beats", str(error), "Check that the leads carry an ECG.")
    except Exception as error:
        if _is_out_of_memory(error):
            raise MemoryError from error
        # A reader that stumbles refuses this recording, and goes on with the rest.
        told = (
            error
            if isinstance(error, RecordingProblem)
            else RecordingProblem("unreadable", f"{recording_id}: it cannot be read ({type(error).__name__}).", REPAIR)
        )
    return {"problem": {"code": told.code, "reason": told.reason, "remedy": told.remedy}}


def _cut(arrival: Arrival, target: Path, content_sha256: str, settings: Settings) -> CutRecording:
    recording = read_recording(arrival, settings)
    segmentation = Segmentation.of(recording, detect=settings.r_peaks == "detected")
    counts = _Counts()
    lake.write_parquet(counts.count(cut_beats(segmentation)), str(target), content_sha256)
    annotated = segmentation.r_peak_source == ANNOTATIONS
    if annotated:
        _reconcile(recording, counts.windows)
    names, chosen = plain_leads(recording.lead_names), segmentation.leads
    strip = target.with_name(STRIP_FILE)
    write_strip(strip, recording.signals, recording.sampling_frequency, names, chosen)
    return CutRecording(
        sampling_frequency=recording.sampling_frequency,
        n_samples=recording.signals.n_samples,
        leads=names,
        analysis_lead=names[chosen[0]],
        second_lead=names[chosen[1]] if len(chosen) > 1 else None,
        r_peak_source=segmentation.r_peak_source,
        annotated=annotated,
        n_windows=counts.windows,
        n_beats=counts.beats,
        n_marks=counts.windows - counts.beats,
        n_unclassifiable=counts.unclassifiable,
        minute_quality=np.rint(100 * segmentation.quality.of_minutes().T).astype(int).tolist(),
        noisy_minutes=np.flatnonzero(segmentation.quality.noisy_minutes(chosen[0])).tolist(),
    )


@dataclass
class _Counts:
    """What went by on its way into the lake."""

    windows: int = 0
    beats: int = 0
    unclassifiable: int = 0

    def count(self, parts: Iterable[Beats]) -> Iterator[Beats]:
        for part in parts:
            self.windows += len(part)
            self.beats += int(np.count_nonzero(part.is_beat))
            self.unclassifiable += int(np.count_nonzero(part.is_beat & ~part.is_classifiable))
            yield part


def _reconcile(recording: Recording, n_cut: int) -> None:
    """Count the annotations that have a whole window anew, from the annotations themselves: none may be lost."""
    if recording.annotation_samples is None or recording.annotation_symbols is None:
        return
    counted = recording.annotation_samples[labels.has_window(recording.annotation_symbols)]
    positions = np.rint(counted * (signals.SAMPLING_FREQUENCY / recording.sampling_frequency))
    n_resampled = count_samples(recording)
    n_whole = np.count_nonzero((positions >= R_PEAK_INDEX) & (positions + WINDOW_SAMPLES - R_PEAK_INDEX <= n_resampled))
    if n_whole != n_cut:
        reason = f"{recording.recording_id}: {n_whole} annotations have a whole window, but {n_cut} windows were cut."
        raise RecordingProblem("counts_disagree", reason, "Nothing was written. Tell HeartWave's developers.")


def plain_leads(names: tuple[str, ...]) -> tuple[str, ...]:
    """Return leads by the names that leads have, and by number those whose names are free text: it may say anything."""
    return tuple(
        name if name and _LEAD_NAME.fullmatch(name) else f"lead {place}" for place, name in enumerate(names, start=1)
    )


def _is_out_of_memory(error: BaseException | None) -> bool:
    """Tell whether an error comes from the memory limit, whoever caught it first."""
    while error is not None:
        if isinstance(error, MemoryError):
            return True
        error = error.__cause__ or error.__context__
    return False
