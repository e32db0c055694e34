"""Recordings as they are, and who labels them: models that were trained without the patient."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from heartwave_tasks.ecg.beats import Beats, segment
from heartwave_tasks.models import protocols, relative

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from heartwave_tasks.ecg.recordings import Recording


@dataclass(frozen=True)
class Original:
    """A recording as it is, and its beats on the expert's R peaks and on detected ones."""

    recording: Recording
    expert: Beats
    detected: Beats

    @classmethod
    def of(cls, recording: Recording) -> Original:
        """Segment a recording both ways."""
        return cls(recording, segment(recording), segment(recording, detect=True))

    @property
    def record(self) -> str:
        """Name of the record."""
        return self.recording.recording_id.rpartition("/")[2]


@dataclass(frozen=True)
class Labelled:
    """A recording's heartbeats, and the class (n,) that each was called."""

    beats: Beats
    called: NDArray[np.int64]

    def take(self, rows: NDArray[np.bool_]) -> Labelled:
        """Keep some of the beats."""
        return Labelled(self.beats.take(rows), self.called[rows])


class Labeller:
    """Models of `patient_folds`, and which of them has not seen a recording's patient."""

    def __init__(self, beats: Beats) -> None:
        patients = protocols.patients(beats)
        self._model_of: dict[str, relative.RelativeModel] = {}
        for split in protocols.get("patient_folds").splits(beats):
            model = relative.train(
                beats.take(split.train), groups=patients[split.train], seed=0, params=relative.DEFAULT_PARAMS,
                progress=lambda *_: None,
            )  # fmt: skip
            for name in np.unique(beats.recording_id[split.test]).tolist():
                self._model_of[name] = model

    def label(self, beats: Beats) -> Labelled:
        """Label a recording's heartbeats."""
        kept = beats.take(beats.is_beat)
        return Labelled(kept, self._model_of[str(kept.recording_id[0])].predict_proba(kept).argmax(axis=1))
