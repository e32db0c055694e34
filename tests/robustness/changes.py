"""Recordings at other rates, in other formats, with one lead, upside down: whether labels stay, and their worth."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from heartwave_tasks.ecg import mitbih
from heartwave_tasks.ecg.beats import segment
from heartwave_tasks.ecg.matching import match_beats
from heartwave_tasks.models.end_to_end import NOTHING, count_labels
from tests.robustness.cases import make_case
from tests.robustness.report import CaseRow
from tests.unit.recordings import samples_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from heartwave_tasks.ecg.recordings import Recording
    from tests.robustness.labeller import Labelled, Labeller, Original


def compare_cases(originals: Sequence[Original], labeller: Labeller, cases: Sequence[str]) -> Iterator[CaseRow]:
    """Label every recording in every case, with expert and with detected R peaks."""
    labelled = [(labeller.label(each.expert), labeller.label(each.detected)) for each in originals]
    for case in cases:
        agreeing, by_champion, total = np.zeros(2), np.zeros(2), np.zeros(2)
        tables = np.zeros((2, NOTHING + 1, NOTHING + 1), dtype=np.int64)
        for original, before in zip(originals, labelled, strict=True):
            after = _label_changed(case, original, labeller, before)
            for column, (was, now) in enumerate(zip(before, after, strict=True)):
                pairs = match_beats(was.beats.time_s, now.beats.time_s)
                agreeing[column] += np.sum(was.called[pairs.reference] == now.called[pairs.detected])
                champions = was.called_by_champion[pairs.reference], now.called_by_champion[pairs.detected]
                by_champion[column] += np.sum(np.equal(*champions))
                total[column] += len(was.beats)
                if original.record not in mitbih.PACED:
                    expert = before[0].beats
                    tables[column] += count_labels(expert.time_s, expert.reference, now.beats.time_s, now.called)
        yield CaseRow(case, len(originals), tuple(agreeing / total), tuple(by_champion / total), tuple(tables))


def _label_changed(
    case: str, original: Original, labeller: Labeller, before: tuple[Labelled, Labelled]
) -> tuple[Labelled, Labelled]:
    with tempfile.TemporaryDirectory() as directory:
        changed = make_case(case, original.recording, Path(directory))
        if _is_same(changed, original.recording):
            return before  # segmentation and model look at nothing else
        return labeller.label(segment(changed)), labeller.label(segment(changed, detect=True))


def _is_same(one: Recording, other: Recording) -> bool:
    return (
        one.sampling_frequency == other.sampling_frequency
        and one.lead_names == other.lead_names
        and one.signals.n_samples == other.signals.n_samples
        and np.array_equal(samples_of(one), samples_of(other), equal_nan=True)
    )
