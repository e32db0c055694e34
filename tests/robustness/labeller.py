"""Recordings as they are, and who labels them: models trained without the patient, and one trained on everybody."""

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
    """A recording's heartbeats, and the class (n,) that each was called, and is by a model that knows the patient."""

    beats: Beats
    called: NDArray[np.int64]
    called_by_champion: NDArray[np.int64]

    def take(self, rows: NDArray[np.bool_]) -> Labelled:
        """Keep some of the beats."""
        return Labelled(self.beats.take(rows), self.called[rows], self.called_by_champion[rows])


class Labeller:
    """Models of `patient_folds`, which of them has not seen a recording's patient, and one that has seen them all."""

    def __init__(self, beats: Beats) -> None:
        patients = protocols.patients(beats)
        self._model_of: dict[str, relative.RelativeModel] = {}
        for split in protocols.get("patient_folds").splits(beats):
            model = _train(beats.take(split.train), patients[split.train])
            for name in np.unique(beats.recording_id[split.test]).tolist():
                self._model_of[name] = model
        self._champion = _train(beats, patients)

    def label(self, beats: Beats) -> Labelled:
        """Label a recording's heartbeats."""
        kept = beats.take(beats.is_beat)
        models = (self._model_of[str(kept.recording_id[0])], self._champion)
        return Labelled(kept, *(model.predict_proba(kept).argmax(axis=1) for model in models))


def _train(beats: Beats, patients: NDArray[np.str_]) -> relative.RelativeModel:
    return relative.train(beats, groups=patients, seed=0, params=relative.DEFAULT_PARAMS, progress=lambda *_: None)
