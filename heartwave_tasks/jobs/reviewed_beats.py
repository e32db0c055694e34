"""Reviewed beats in training: what people say of a beat is its reference, and counts more than once."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from heartwave_tasks.ecg.labels import CLASSES, NO_CLASS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Self

    from numpy.typing import NDArray

    from heartwave_tasks.ecg.beats import Beats
    from heartwave_tasks.stores.predictions import BeatReview


@dataclass(frozen=True)
class ReviewedBeats:
    """Class indices by recording and R peak."""

    classes: Mapping[str, Mapping[int, int]]

    @classmethod
    def of(cls, reviews: Sequence[BeatReview]) -> Self:
        """Arrange reviews by recording."""
        classes: dict[str, dict[int, int]] = {}
        for review in reviews:
            classes.setdefault(review.recording_id, {})[review.r_peak_sample] = CLASSES.index(review.beat_class)
        return cls(classes)

    def __len__(self) -> int:
        """Count the reviewed beats."""
        return sum(map(len, self.classes.values()))

    def digest(self, of_beats: str) -> str:
        """Return the identity of beats and reviews together; that of the beats where nothing is reviewed."""
        if not len(self):
            return of_beats
        lines = [
            f"{recording_id} {sample} {CLASSES[place]}\n"
            for recording_id, reviewed in sorted(self.classes.items())
            for sample, place in sorted(reviewed.items())
        ]
        return hashlib.sha256(f"{of_beats}\n{''.join(lines)}".encode()).hexdigest()

    def laid_over(self, beats: Beats) -> Beats:
        """Return the beats (n,) with what people say as reference, in both label schemes."""
        said = self._said(beats)
        reviewed = said != NO_CLASS
        # N, S, V, F and Q are 0 to 4 in the original project's scheme, too.
        return replace(
            beats,
            reference=np.where(reviewed, said, beats.reference),
            heartwave5=np.where(reviewed, said, beats.heartwave5),
        )

    def rows(self, beats: Beats, times: int) -> NDArray[np.int64]:
        """Return row numbers of the beats (n,), those of reviewed ones with a reference ``times`` over, at the end."""
        again = np.flatnonzero((self._said(beats) != NO_CLASS) & (beats.reference != NO_CLASS))
        return np.concatenate([np.arange(len(beats)), np.repeat(again, times - 1)])

    def _said(self, beats: Beats) -> NDArray[np.int8]:
        said = np.full(len(beats), NO_CLASS, dtype=np.int8)
        for recording_id, reviewed in self.classes.items():
            rows = np.flatnonzero((beats.recording_id == recording_id) & beats.is_beat)
            samples = np.array(sorted(reviewed), dtype=np.int64)
            place = np.searchsorted(samples, beats.r_peak_sample[rows]).clip(max=len(samples) - 1)
            found = samples[place] == beats.r_peak_sample[rows]
            said[rows[found]] = [reviewed[int(sample)] for sample in samples[place[found]]]
        return said
