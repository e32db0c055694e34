"""Recordings with noise added: what detection and labels are worth in noisy minutes, and what is left unlabelled."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from heartwave_tasks.ecg.beats import Beats, cut_beats
from heartwave_tasks.ecg.matching import Detection, flutter, match_beats, outside
from heartwave_tasks.ecg.recordings import SignalsInMemory
from heartwave_tasks.ecg.segmentation import Segmentation
from heartwave_tasks.models.end_to_end import count_labels
from tests.robustness.noise import KINDS, RATE, add_noise, is_noisy
from tests.robustness.report import NoiseRow
from tests.unit.recordings import samples_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tests.robustness.labeller import Labeller, Original

_MINUTE = 60 * RATE


def stress(originals: Sequence[Original], labeller: Labeller, levels: Sequence[int]) -> Iterator[NoiseRow]:
    """Add noise to recordings; figures are of the noisy minutes alone, without flutter, R peaks detected."""
    for kind in KINDS:
        for snr in levels:
            found = [_stress(original, labeller, kind, snr, seed) for seed, original in enumerate(originals)]
            yield NoiseRow.of(kind, snr, found)


def _stress(original: Original, labeller: Labeller, kind: str, snr: int, seed: int) -> NoiseRow:
    recording = original.recording
    assert recording.annotation_samples is not None
    assert recording.annotation_symbols is not None
    samples = samples_of(recording)
    spans = flutter(recording.annotation_samples, recording.annotation_symbols)
    noisy = is_noisy(len(samples)) & outside(np.arange(len(samples)), spans)
    changed = SignalsInMemory(add_noise(samples, recording.annotation_samples[2:-2], kind, snr, seed))
    segmentation = Segmentation.of(replace(recording, signals=changed), detect=True)
    found = labeller.label(Beats.concatenate(cut_beats(segmentation)))
    found = found.take(noisy[found.beats.r_peak_sample])
    expert = original.expert.take(original.expert.is_beat & noisy[original.expert.r_peak_sample])
    pairs = match_beats(expert.time_s, found.beats.time_s)
    hits = len(pairs.reference)
    # A beat that was left unclassified was neither called right nor wrong.
    classified = found.beats.is_classifiable
    asked = np.ones(len(expert), dtype=np.bool_)
    asked[pairs.reference[~classified[pairs.detected]]] = False
    of_classified, kept = expert.take(asked), found.take(classified)
    whole = noisy[: len(noisy) // _MINUTE * _MINUTE].reshape(-1, _MINUTE).all(axis=1)
    noise = segmentation.quality.noisy_minutes(segmentation.leads[0])[: len(whole)]
    return NoiseRow(
        kind=kind,
        snr_db=snr,
        n_recordings=1,
        detection=Detection(hits, len(expert) - hits, len(found.beats) - hits),
        every=count_labels(expert.time_s, expert.reference, found.beats.time_s, found.called),
        classified=count_labels(of_classified.time_s, of_classified.reference, kept.beats.time_s, kept.called),
        n_unclassifiable=int(np.count_nonzero(~classified)),
        n_minutes=int(whole.sum()),
        n_noisy_minutes=int((noise & whole).sum()),
    )
