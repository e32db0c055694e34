"""Segmentation: where the beats of a recording are, filtered, measured and judged, stretch by stretch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from heartwave_tasks.ecg import features, labels, rpeaks, signals
from heartwave_tasks.ecg.envelopes import Envelope
from heartwave_tasks.ecg.filtered_leads import FilteredLeads
from heartwave_tasks.ecg.leads import choose_leads
from heartwave_tasks.ecg.pacing import measure_spikes
from heartwave_tasks.ecg.quality import Quality, SecondsOfLeads
from heartwave_tasks.ecg.recordings import RecordingError
from heartwave_tasks.ecg.rhythm import Sequence
from heartwave_tasks.ecg.stretches import STRETCH_S, count_samples, read_stretches

if TYPE_CHECKING:
    from typing import Self

    from numpy.typing import NDArray

    from heartwave_tasks.ecg.recordings import Recording

_UNREADABLE_CHANGES: Final = 2

ANNOTATIONS: Final = "annotations"
"""Where R peaks are from when an expert marked them."""


@dataclass(frozen=True)
class Segmentation:
    """All fiducials of a recording, n of them, and what was found out about each.

    Attributes
    ----------
    recording
        Whose they are.
    leads
        Columns of its signals that were analysed: analysis lead, second lead.
    filtered
        Those leads.
    r_peak_source
        `ANNOTATIONS`, or the detector's name and version.
    samples, positions
        int64 (n,) at the recording's own rate, and in `filtered`.
    symbols, is_beat
        (n,) annotation symbols ('' where R peaks were detected), and which are beats rather than marks.
    sequence
        Which beat follows which, without the intervals in which beats may have gone unseen.
    context
        float32 (n, len(CONTEXT_FEATURES)).
    quality
        Of all leads, second by second.
    """

    recording: Recording
    leads: tuple[int, ...]
    filtered: FilteredLeads
    r_peak_source: str
    samples: NDArray[np.int64]
    positions: NDArray[np.int64]
    symbols: NDArray[np.str_]
    is_beat: NDArray[np.bool_]
    sequence: Sequence
    context: NDArray[np.float32]
    quality: Quality

    @classmethod
    def of(cls, recording: Recording, *, detect: bool = False, stretch_s: float = STRETCH_S) -> Self:
        """Segment a recording; with `detect`, R peaks are looked for even where an expert marked them.

        What is found does not depend on `stretch_s`, the seconds that are in memory at a time.

        Raises
        ------
        RecordingError
            If there is no lead, or nothing is a heartbeat.
        """
        _check(recording)
        leads = choose_leads(recording)
        given = None if detect else _annotated(recording)
        filtered = FilteredLeads.empty(len(leads), count_samples(recording))
        scale = signals.SAMPLING_FREQUENCY / recording.sampling_frequency
        found: list[NDArray[np.int64]] = []
        spikes: list[NDArray[np.float32]] = []
        seconds: list[SecondsOfLeads] = []
        for stretch in read_stretches(recording, stretch_s):
            filtered.write(stretch.first, stretch.filtered[stretch.inner][:, list(leads)])
            envelope = Envelope.of(stretch)
            seconds.append(SecondsOfLeads.of(stretch, envelope))
            if given is None:
                peaks = rpeaks.detect_r_peaks(stretch, envelope, leads)
                samples = np.unique(np.rint(peaks / scale).astype(np.int64))
            else:
                at = np.rint(given[0] * scale)
                is_last = stretch.last == filtered.n_samples
                samples = given[0][(at >= stretch.first) & ((at < stretch.last) | is_last)]
            found.append(samples)
            spikes.append(measure_spikes(stretch, _at_360_hz(samples, scale, filtered.n_samples), leads))
        samples = np.concatenate(found)
        symbols = np.full(len(samples), "", dtype="<U1") if given is None else given[1]
        is_beat = np.ones(len(samples), dtype=np.bool_) if given is None else labels.is_beat(symbols)
        if not is_beat.any():
            told = "no R peak was found" if given is None else f"none of its {len(samples)} annotations is a heartbeat"
            raise RecordingError(f"{recording.recording_id}: {told}.")
        positions = _at_360_hz(samples, scale, filtered.n_samples)
        time_s, quality = samples / recording.sampling_frequency, Quality.of(seconds)
        seconds.clear()  # three days of twelve leads are 50 MB
        sequence = Sequence.of(time_s, is_beat)
        lost = quality.is_lost_between(time_s[is_beat], leads[0]) | _marked_between(recording, given, samples[is_beat])
        unbroken, sequence = sequence, sequence.broken_after(lost)
        return cls(
            recording=recording,
            leads=leads,
            filtered=filtered,
            r_peak_source=rpeaks.DETECTOR if given is None else ANNOTATIONS,
            samples=samples,
            positions=positions,
            symbols=symbols,
            is_beat=is_beat,
            sequence=sequence,
            # Where an expert marked the beats, features have always seen the time that passed between two of them,
            # flutter or not: models were chosen so.
            context=features.context(
                filtered, positions, sequence if given is None else unbroken, np.concatenate(spikes)
            ),
            quality=quality,
        )


def _check(recording: Recording) -> None:
    if not recording.lead_names:
        msg = f"{recording.recording_id}: no lead; a recording needs at least one signal."
        raise RecordingError(msg)
    if recording.signals.n_leads != len(recording.lead_names):
        msg = (
            f"{recording.recording_id}: signals of {len(recording.lead_names)} leads were expected "
            f"({', '.join(recording.lead_names)}); found {recording.signals.n_leads}."
        )
        raise RecordingError(msg)


def _at_360_hz(samples: NDArray[np.int64], scale: float, n_samples: int) -> NDArray[np.int64]:
    positions: NDArray[np.int64] = np.minimum(np.rint(samples * scale).astype(np.int64), n_samples - 1)
    return positions


def _annotated(recording: Recording) -> tuple[NDArray[np.int64], NDArray[np.str_]] | None:
    """Return samples and symbols of the annotations that get a row, None where nobody annotated."""
    if recording.annotation_samples is None or recording.annotation_symbols is None:
        return None
    kept = labels.has_window(recording.annotation_symbols)
    return recording.annotation_samples[kept].astype(np.int64), recording.annotation_symbols[kept].astype("<U1")


def _marked_between(
    recording: Recording, given: tuple[NDArray[np.int64], NDArray[np.str_]] | None, beats: NDArray[np.int64]
) -> NDArray[np.bool_]:
    """Tell between which beats (m,) and the next an expert marked flutter, or a stretch of unreadable signal.

    An unreadable stretch begins and ends with a change of quality; one change alone may be anywhere in a true pause.
    """
    marked = np.zeros(len(beats), dtype=np.bool_)
    if given is None or recording.annotation_samples is None or recording.annotation_symbols is None:
        return marked
    before = np.searchsorted(beats, recording.annotation_samples, side="right") - 1
    flutter = before[np.isin(recording.annotation_symbols, sorted(labels.FLUTTER_SYMBOLS))]
    changes = before[recording.annotation_symbols == labels.QUALITY_SYMBOL]
    marked[flutter[flutter >= 0]] = True
    marked |= np.bincount(changes[changes >= 0], minlength=len(beats)) >= _UNREADABLE_CHANGES
    return marked
