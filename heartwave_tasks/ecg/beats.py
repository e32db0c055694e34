"""Beats: every heartbeat of a recording as a row that holds all a model needs to label it."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Final

import numpy as np

from heartwave_tasks.ecg import features, labels, rpeaks, signals
from heartwave_tasks.ecg.rhythm import Sequence
from heartwave_tasks.ecg.shapes import windows_of

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Self

    from numpy.typing import NDArray

    from heartwave_tasks.ecg.recordings import Recording

SEGMENTER_VERSION: Final = "2"
"""Changes whenever the same recording would give other beats; part of every key beats are stored under."""

WINDOW_SAMPLES: Final = 187
"""Length of a beat's window, at 360 Hz."""

R_PEAK_INDEX: Final = 93
"""Position of the R peak in its window: samples ``[r - 93, r + 94)``."""

MICROVOLTS_PER_MILLIVOLT: Final = 1000.0


class RecordingError(ValueError):
    """A recording holds nothing to segment; the message says what was expected and found."""


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
        float32 (n,) seconds to the beat before and after, NaN where there is none; marks are not counted as beats.
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


def segment(recording: Recording) -> Beats:
    """Cut a recording into beats: R peaks, windows of both leads, RR intervals, features relative to the recording.

    Annotated recordings give a row for every heartbeat and every signal mark (`|`, `~`, `x`); for others R peaks
    are detected. Only windows wholly inside the recording are kept, but RR intervals and features see every beat.

    Raises
    ------
    RecordingError
        If there is no lead, or no beat whose window lies inside the recording.
    """
    if recording.signals.n_leads != len(recording.lead_names):
        msg = (
            f"{recording.recording_id}: signals of {len(recording.lead_names)} leads were expected "
            f"({', '.join(recording.lead_names)}); found {recording.signals.n_leads}."
        )
        raise RecordingError(msg)
    if not recording.lead_names:
        msg = f"{recording.recording_id}: no lead; a recording needs at least one signal."
        raise RecordingError(msg)
    columns = signals.choose_leads(recording.lead_names)
    leads = recording.signals.read(0, recording.signals.n_samples)
    resampled = signals.resample(leads[:, list(columns)], recording.sampling_frequency)
    filtered = signals.filter_signals(resampled)
    samples, symbols = _fiducials(recording, leads[:, columns[0]])
    positions = np.rint(samples * (signals.SAMPLING_FREQUENCY / recording.sampling_frequency)).astype(np.int64)
    whole = (positions >= R_PEAK_INDEX) & (positions + WINDOW_SAMPLES - R_PEAK_INDEX <= len(filtered))
    if not whole.any():
        msg = f"{recording.recording_id}: no beat with a whole window was found among {len(samples)} R peaks."
        raise RecordingError(msg)
    beat = labels.is_beat(symbols) if recording.annotation_symbols is not None else np.ones(len(samples), dtype=bool)
    time_s = samples / recording.sampling_frequency
    if not beat.any():
        msg = f"{recording.recording_id}: none of its {len(samples)} annotations is a heartbeat."
        raise RecordingError(msg)
    sequence = Sequence.of(time_s, beat)
    context = features.context(resampled, filtered, positions, sequence)
    windows = _cut(filtered, positions[whole])
    has_second = len(columns) > 1
    n = int(whole.sum())
    return Beats(
        recording_id=np.full(n, recording.recording_id),
        r_peak_sample=samples[whole],
        time_s=time_s[whole],
        is_beat=beat[whole],
        symbol=symbols[whole],
        reference=labels.aami_classes(symbols[whole]),
        heartwave5=labels.heartwave5_classes(symbols[whole]),
        window=windows[0],
        second_window=windows[1] if has_second else np.zeros_like(windows[0]),
        has_second_lead=np.full(n, has_second),
        rr_previous_s=sequence.rr_previous_s[whole].astype(np.float32),
        rr_next_s=sequence.rr_next_s[whole].astype(np.float32),
        context=context[whole],
    )


def _fiducials(recording: Recording, analysis_lead: NDArray[np.float32]) -> tuple[NDArray[np.int64], NDArray[np.str_]]:
    """R peaks (and marks) with their symbols, by the expert where there is one, else detected."""
    if recording.annotation_samples is None or recording.annotation_symbols is None:
        detected = rpeaks.detect_r_peaks(analysis_lead, recording.sampling_frequency)
        return detected, np.full(len(detected), "", dtype="<U1")
    kept = labels.has_window(recording.annotation_symbols)
    return recording.annotation_samples[kept].astype(np.int64), recording.annotation_symbols[kept].astype("<U1")


def _cut(filtered: NDArray[np.float32], positions: NDArray[np.int64]) -> list[NDArray[np.int16]]:
    """Windows in µV, int16 (n, 187) for each lead, of signals in mV (n_samples, n_leads) around positions (n,)."""
    limits = np.iinfo(np.int16)
    leads = []
    for lead in filtered.T:
        microvolts = windows_of(lead, R_PEAK_INDEX, WINDOW_SAMPLES - R_PEAK_INDEX)[positions]
        microvolts *= np.float32(MICROVOLTS_PER_MILLIVOLT)
        np.rint(microvolts, out=microvolts)
        leads.append(np.clip(microvolts, limits.min, limits.max, out=microvolts).astype(np.int16))
    return leads
