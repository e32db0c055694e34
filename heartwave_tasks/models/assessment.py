"""Assessment: an architecture trained and tested under a protocol."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from heartwave_tasks.ecg.labels import CLASSES
from heartwave_tasks.models import protocols
from heartwave_tasks.models.evaluation import Evaluation, evaluate

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from heartwave_tasks.ecg.beats import Beats
    from heartwave_tasks.models.architectures import BeatModel, Progress
    from heartwave_tasks.models.protocols import Protocol, Split

    Train = Callable[[Beats, NDArray[np.str_], Progress], BeatModel]


@dataclass(frozen=True, eq=False)
class Assessment:
    """What came of training and testing under one protocol.

    Attributes
    ----------
    evaluation
        The published figures.
    paced
        The same of recordings with paced beats, where the protocol tests them apart.
    rows
        int64 (m,) every tested row of the table of beats, rising.
    probabilities
        float32 (m, 5), by a model that did not learn from the row.
    n_models, training_s, scoring_s
        Models that were trained, and seconds spent training and predicting, over all splits.
    """

    evaluation: Evaluation
    paced: Evaluation | None
    rows: NDArray[np.int64]
    probabilities: NDArray[np.float32]
    n_models: int
    training_s: float
    scoring_s: float

    @property
    def evaluations(self) -> tuple[Evaluation, ...]:
        """The published figures, and those of recordings with paced beats where there are any."""
        return (self.evaluation,) if self.paced is None else (self.evaluation, self.paced)


def assess(
    protocol: Protocol,
    beats: Beats,
    train: Train | Sequence[Train],
    *,
    seed: int = protocols.RANDOM_SEED,
    progress: Progress | None = None,
) -> Assessment:
    """Train on each split's training rows and test on its test rows.

    Parameters
    ----------
    beats
        Whole recordings, annotated or not.
    train
        Given beats, the patient of every row, and a place to report progress to, trains a model: an
        `Architecture.train` with everything else settled. It is handed whole recordings in which the reference of
        every row outside the training set is hidden; so is every reference when the model is asked. One for all
        splits, or one for each.
    seed
        Of the splits.
    progress
        Called with a share in [0, 1] and a sentence.

    Raises
    ------
    ProtocolError
        If the lake does not hold what the protocol needs, or nothing tested counts.
    TrainingError
        If a split cannot be trained on.
    """
    report = progress or (lambda _share, _sentence: None)
    labelled = protocols.relabel(beats, protocol.scheme)
    splits = protocol.splits(beats, seed=seed)
    trains = [train] * len(splits) if callable(train) else train
    patient = protocols.patients(beats)
    answers = np.full((len(beats), len(CLASSES)), np.nan, dtype=np.float32)
    training_s = scoring_s = 0.0
    for number, (split, train_split) in enumerate(zip(splits, trains, strict=True)):
        begun = time.perf_counter()
        model = train_split(*training_view(labelled, patient, split), _stage(report, number, len(splits), split.name))
        trained = time.perf_counter()
        answers[split.test] = ask(model, labelled, split)
        training_s += trained - begun
        scoring_s += time.perf_counter() - trained
    report(1.0, f"{protocol.name}: {len(splits)} split(s) tested")
    rows = np.sort(np.concatenate([split.test for split in splits]))
    counted = protocol.counted(beats)[rows]
    if not counted.any():
        msg = f"{protocol.name}: every test recording has paced beats, so no published figure is left; upload others."
        raise protocols.ProtocolError(msg)

    def figures(name: str, chosen: NDArray[np.int64]) -> Evaluation:
        return evaluate(
            protocol=name,
            scheme=protocol.scheme,
            reference=labelled.reference[chosen],
            probabilities=answers[chosen],
            recording_id=beats.recording_id[chosen],
            patient=patient[chosen],
            r_peak_sample=beats.r_peak_sample[chosen],
        )

    return Assessment(
        evaluation=figures(protocol.name, rows[counted]),
        paced=None if counted.all() else figures(f"{protocol.name}{protocols.PACED_SUFFIX}", rows[~counted]),
        rows=rows,
        probabilities=answers[rows],
        n_models=len(splits),
        training_s=training_s,
        scoring_s=scoring_s,
    )


def training_view(beats: Beats, patient: NDArray[np.str_], split: Split) -> tuple[Beats, NDArray[np.str_]]:
    """Whole recordings that hold training rows, with every other row's reference hidden."""
    visible = np.zeros(len(beats), dtype=np.bool_)
    visible[split.train] = True
    kept = np.isin(beats.recording_id, np.unique(beats.recording_id[visible]))
    return protocols.hide_reference(_take(beats, kept), visible[kept]), patient[kept]


def ask(model: BeatModel, beats: Beats, split: Split) -> NDArray[np.float32]:
    """Probabilities of the test rows, from whole recordings without any reference."""
    kept = np.isin(beats.recording_id, np.unique(beats.recording_id[split.test]))
    asked = _take(beats, kept)
    position = np.cumsum(kept) - 1
    answers = model.predict_proba(protocols.hide_reference(asked, np.zeros(len(asked), np.bool_)))
    answered: NDArray[np.float32] = answers[position[split.test]]
    return answered


def _take(beats: Beats, kept: NDArray[np.bool_]) -> Beats:
    """Keep some rows (n,); all of them are not copied, as MIT-BIH's take 160 MB."""
    return beats if kept.all() else beats.take(kept)


def _stage(progress: Progress, number: int, n_stages: int, name: str) -> Progress:
    """Progress of one split as progress of the whole."""
    return lambda share, sentence: progress((number + share) / n_stages, f"{name}: {sentence}")
