"""Beats: every heartbeat of a recording as a row that holds all a model needs to label it."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Final

import numpy as np

from heartwave_tasks.ecg import labels
from heartwave_tasks.ecg.recordings import RecordingError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Self

    from numpy.typing import NDArray

    from heartwave_tasks.ecg.recordings import Recording
    from heartwave_tasks.ecg.segmentation import Segmentation

SEGMENTER_VERSION: Final = "8"
"""Changes whenever the same recording would give other beats, or its strip be written otherwise; part of the key of
both."""

DETECTED_SUFFIX: Final = "-detected"
"""Marks the version under which R peaks are detected even where an expert marked them."""

WINDOW_SAMPLES: Final = 187
"""Length of a beat's window, at 360 Hz."""

R_PEAK_INDEX: Final = 93
"""Position of the R peak in its window: samples ``[r - 93, r + 94)``."""

ROWS_AT_ONCE: Final = 16_384
"""Rows of a long recording that are in memory at a time, 20 MB of them."""


@dataclass(frozen=True)
class Beats:
    """n rows, in the order of their R peaks within each recording; every attribute has n as first dimension.

    Attributes
    ----------
    recording_id
        (n,) text, ``<source>/<record>``.
    r_peak_sample
        int64 (n,), at the recording's own sampling frequency.
    time_s
        float64 (n,), seconds from the start of the recording.
    is_beat
        bool (n,); False for signal marks, which have a window but are no heartbeat.
    symbol
        (n,) WFDB annotation symbol, '' where nobody annotated.
    reference
        int8 (n,) index in `labels.CLASSES`, -1 for marks and where nobody annotated.
    heartwave5
        int8 (n,) class id of the original project's scheme, -1 outside it.
    window, second_window
        int16 (n, 187) in µV at 360 Hz, filtered, R peak at index 93: analysis lead, and second lead (zeros without).
    has_second_lead
        bool (n,).
    rr_previous_s, rr_next_s
        float32 (n,) seconds to the beat before and after, NaN where there is none, or where in between there was
        flutter or nothing to be seen: that is no interval. Marks are not counted as beats.
    quality, second_quality
        float32 (n,) 0 to 1: how far beats stand out of noise in the analysis lead, and in the second one (NaN without).
    is_classifiable
        bool (n,); False where the analysis lead shows nothing that could be classified.
    context
        float32 (n, len(features.CONTEXT_FEATURES)), relative to the recording; NaN where undefined.
    """

    recording_id: NDArray[np.str_]
    r_peak_sample: NDArray[np.int64]
    time_s: NDArray[np.float64]
    is_beat: NDArray[np.bool_]
    symbol: NDArray[np.str_]
    reference: NDArray[np.int8]
    heartwave5: NDArray[np.int8]
    window: NDArray[np.int16]
    second_window: NDArray[np.int16]
    has_second_lead: NDArray[np.bool_]
    rr_previous_s: NDArray[np.float32]
    rr_next_s: NDArray[np.float32]
    quality: NDArray[np.float32]
    second_quality: NDArray[np.float32]
    is_classifiable: NDArray[np.bool_]
    context: NDArray[np.float32]

    def __len__(self) -> int:
        """Count the rows."""
        return len(self.r_peak_sample)

    @property
    def source(self) -> NDArray[np.str_]:
        """(n,) source of every row: what comes before the last ``/`` of its recording id."""
        distinct, inverse = np.unique(self.recording_id, return_inverse=True)
        sources = np.array([str(recording_id).rpartition("/")[0] for recording_id in distinct], dtype=np.str_)
        return sources[inverse] if sources.size else np.empty(0, dtype=np.str_)

    def take(self, rows: NDArray[np.integer] | NDArray[np.bool_] | slice) -> Self:
        """Keep the rows of an index array, a boolean mask (n,) or a slice."""
        return replace(self, **{field.name: getattr(self, field.name)[rows] for field in fields(self)})

    @classmethod
    def concatenate(cls, parts: Iterable[Self]) -> Self:
        """Put the rows of several `Beats` one below the other, at least one of them."""
        parts = list(parts)
        return cls(
            **{field.name: np.concatenate([getattr(part, field.name) for part in parts]) for field in fields(cls)}
        )


def segment(recording: Recording, *, detect: bool = False) -> Beats:
    """Cut a recording into beats: R peaks, windows of both leads, RR intervals, features relative to the recording.

    Annotated recordings give a row for every heartbeat and every signal mark (`|`, `~`, `x`), unless `detect` asks
    for R peaks to be looked for all the same; for others they are. Only windows wholly inside the recording are kept,
    but RR intervals and features see every beat.

    Raises
    ------
    RecordingError
        If there is no lead, or no beat whose window lies inside the recording.
    """
    from heartwave_tasks.ecg.segmentation import Segmentation  # noqa: PLC0415 - scipy takes time that scoring saves

    return Beats.concatenate(cut_beats(Segmentation.of(recording, detect=detect)))


def cut_beats(segmentation: Segmentation, rows_at_once: int = ROWS_AT_ONCE) -> Iterator[Beats]:
    """Cut the beats of a segmented recording, so many rows at a time.

    Raises
    ------
    RecordingError
        If no window lies inside the recording.
    """
    positions, n_samples = segmentation.positions, segmentation.filtered.n_samples
    whole = np.flatnonzero((positions >= R_PEAK_INDEX) & (positions + WINDOW_SAMPLES - R_PEAK_INDEX <= n_samples))
    if not len(whole):
        told = f"no beat with a whole window was found among {len(positions)} R peaks"
        raise RecordingError(f"{segmentation.recording.recording_id}: {told}.")
    for first in range(0, len(whole), rows_at_once):
        yield _cut(segmentation, whole[first : first + rows_at_once])


def _cut(segmentation: Segmentation, rows: NDArray[np.int64]) -> Beats:
    positions, symbols, sequence = segmentation.positions[rows], segmentation.symbols[rows], segmentation.sequence
    windows = [
        segmentation.filtered.cut(lead, positions, R_PEAK_INDEX, WINDOW_SAMPLES - R_PEAK_INDEX)
        for lead in range(segmentation.filtered.n_leads)
    ]
    time_s = segmentation.samples[rows] / segmentation.recording.sampling_frequency
    qualities = [segmentation.quality.of_beats(time_s, lead) for lead in segmentation.leads]
    has_second = len(windows) > 1
    return Beats(
        recording_id=np.full(len(rows), segmentation.recording.recording_id),
        r_peak_sample=segmentation.samples[rows],
        time_s=time_s,
        is_beat=segmentation.is_beat[rows],
        symbol=symbols,
        reference=labels.aami_classes(symbols),
        heartwave5=labels.heartwave5_classes(symbols),
        window=windows[0],
        second_window=windows[1] if has_second else np.zeros_like(windows[0]),
        has_second_lead=np.full(len(rows), has_second),
        rr_previous_s=sequence.rr_previous_s[rows].astype(np.float32),
        rr_next_s=sequence.rr_next_s[rows].astype(np.float32),
        quality=qualities[0],
        second_quality=qualities[1] if has_second else np.full(len(rows), np.nan, dtype=np.float32),
        is_classifiable=segmentation.quality.can_classify(time_s, segmentation.leads[0]),
        context=segmentation.context[rows],
    )
