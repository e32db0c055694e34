"""Evaluation on detected R peaks: what recordings that nobody annotated really get, measured on annotated ones."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from heartwave_tasks.ecg.labels import NO_CLASS
from heartwave_tasks.ecg.matching import outside
from heartwave_tasks.jobs import training_plan
from heartwave_tasks.jobs.detected_recordings import detect_again
from heartwave_tasks.jobs.evaluation import EvaluationError, recipe_of, unseen_by
from heartwave_tasks.jobs.recipes import logged
from heartwave_tasks.jobs.score import load_model
from heartwave_tasks.jobs.versions import find_version
from heartwave_tasks.models import gate, protocols
from heartwave_tasks.models.architectures import ARCHITECTURES
from heartwave_tasks.models.assessment import training_view
from heartwave_tasks.models.end_to_end import EndToEnd, LabelledRecording, compare_labels
from heartwave_tasks.stores.beat_objects import read_together
from heartwave_tasks.stores.objects import s3_client
from heartwave_tasks.stores.predictions import PredictionStore

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from collections.abc import Set as AbstractSet
    from typing import Self

    from heartwave_tasks.ecg.beats import Beats
    from heartwave_tasks.jobs.cut_recordings import DetectedRecording
    from heartwave_tasks.jobs.detected_recordings import Detected
    from heartwave_tasks.jobs.recipes import Fit
    from heartwave_tasks.models.architectures import BeatModel
    from heartwave_tasks.models.protocols import Protocol, Split
    from heartwave_tasks.settings import Settings
    from heartwave_tasks.stores.beats import BeatsRef
    from heartwave_tasks.stores.predictions import RegisteredModel, RevisionRef

logger = logging.getLogger(__name__)

DEFAULT_PROTOCOL: Final = "inter_patient"
"""Where nothing else is asked for: two short trainings, and the patients that the literature tests on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DetectedEvaluation:
    """What a version is worth where R peaks are detected.

    Attributes
    ----------
    recordings
        By recording, how detected R peaks compare with its annotations.
    left_out
        By recording that could not be read, why.
    labels
        Labels on both kinds of R peaks, by models that had not seen the patients; paced recordings apart.
    trainings
        Seconds it took to train each model, by split; a version keeps its recipe, and no models of single splits. Empty
        where the version itself has labelled.
    """

    model: RegisteredModel
    recordings: dict[str, DetectedRecording]
    left_out: dict[str, str]
    labels: tuple[EndToEnd, ...]
    trainings: dict[str, float]


def evaluate_detected(
    settings: Settings, *, version: str = "", protocol: str | None = None, source: str | None = None
) -> DetectedEvaluation:
    """Tell how good a version is on detected R peaks, beside the same labels on the annotated ones.

    Parameters
    ----------
    version
        Number or alias; '' is the champion.
    protocol
        Who is tested, by models of the version's recipe that are trained without them; None is `DEFAULT_PROTOCOL`.
    source
        Count only recordings of this source. Without a protocol, those that the version was not trained on are labelled
        by the version itself; where there are none, the models of `gate.PROTOCOL` count.

    Raises
    ------
    EvaluationError
        If there is nothing to detect R peaks in, or nothing to compare labels with.
    NoSuchVersionError, ProtocolError, RetrainError, TrainingError
        If there is no such version or protocol, or the lake does not allow it.
    """
    model = find_version(settings, version)
    chosen = _protocol(protocol or (DEFAULT_PROTOCOL if source is None else gate.PROTOCOL))
    unseen = unseen_by(settings, model, source) if source is not None and protocol is None else []
    annotated = _annotated(settings, source)
    splits = None if unseen else _Splits.of(settings, model, chosen, hint=protocol is None)
    windows = ARCHITECTURES[model.architecture].reads_windows
    detected, left_out = detect_again(settings, annotated, windows=windows)
    trainings: dict[str, float] = {}
    labellers = _version_itself(settings, model, unseen) if splits is None else splits.train(detected.keys(), trainings)
    labels = tuple(_label_all(f"unseen:{source}" if unseen else chosen.name, labellers, detected))
    if not labels:
        msg = (
            f"Of {len(annotated)} annotated recordings {len(left_out)} could not be read, and none of the others is "
            f"tested by {chosen.name}; name another --protocol."
        )
        raise EvaluationError(msg)
    facts = {name: found.facts for name, found in detected.items()}
    return DetectedEvaluation(model=model, recordings=facts, left_out=left_out, labels=labels, trainings=trainings)


@dataclass(frozen=True)
class _Splits:
    """All that training a version's recipe on each split of the lake takes."""

    protocol: Protocol
    beats: Beats
    splits: tuple[Split, ...]
    fit: Fit

    @classmethod
    def of(cls, settings: Settings, model: RegisteredModel, protocol: Protocol, *, hint: bool) -> Self:
        recipe = recipe_of(settings, model)
        plan = training_plan.plan(
            settings, protocol_names=[protocol.name], seed=recipe.seed, sources=[], dag_run_id="heartwave evaluate"
        )
        beats, reviewed = training_plan.read(settings, plan)
        try:
            splits = protocol.splits(beats)
        except protocols.ProtocolError as error:
            if not hint:
                raise
            raise protocols.ProtocolError(f"{error} Or name another protocol: --protocol {gate.PROTOCOL}.") from error
        return cls(protocol, beats, splits, recipe.fit(reviewed))

    def train(self, readable: AbstractSet[str], seconds: dict[str, float]) -> Iterator[tuple[BeatModel, Beats]]:
        """Yield a model for each split, and those readable recordings that it has not seen; note what it took."""
        patient = protocols.patients(self.beats)
        for place, split in enumerate(self.splits, start=1):
            tested = sorted(readable & set(self.beats.recording_id[split.test].tolist()))
            if not tested:
                continue
            view, groups = training_view(self.beats, patient, split)
            told = f"{self.protocol.name}, model {place} of {len(self.splits)}, {split.name}"
            logger.info("%s: training on %d recordings.", told, len(np.unique(view.recording_id)))
            begun = time.perf_counter()
            model = self.fit(view, groups, logged(told))
            seconds[split.name] = time.perf_counter() - begun
            logger.info("%s: trained in %.0f s; labelling %d of the others.", told, seconds[split.name], len(tested))
            yield model, self.beats.take(np.isin(self.beats.recording_id, tested))


def _protocol(name: str) -> Protocol:
    protocol = protocols.get(name)
    if protocol.scheme != "aami":
        msg = f"{name} splits the beats of a recording, but R peaks are detected in whole ones; name another protocol."
        raise EvaluationError(msg)
    return protocol


def _annotated(settings: Settings, source: str | None) -> list[RevisionRef]:
    with PredictionStore(settings.require_database_url()) as store:
        annotated = store.annotated_revisions()
    kept = [ref for ref in annotated if source is None or ref.recording_id.rpartition("/")[0] == source]
    if not kept:
        among = f" of source {source!r}" if source else ""
        msg = f"The lake holds no annotated recording{among} to hold detected R peaks against; "
        msg += (
            "they were cut without their annotations, as HEARTWAVE_R_PEAKS is 'detected'."
            if settings.r_peaks == "detected"
            else "upload some with their annotations (.atr) and run ingest_recordings first."
        )
        raise EvaluationError(msg)
    return kept


def _version_itself(
    settings: Settings, model: RegisteredModel, refs: list[BeatsRef]
) -> Iterator[tuple[BeatModel, Beats]]:
    """Yield the version, and the recordings it was not trained on."""
    logger.info("Labelling %d recordings that version %d was not trained on.", len(refs), model.version)
    beats = read_together(s3_client(settings), settings.lake_bucket, refs)
    yield load_model(settings, model), beats


def _label_all(
    protocol: str, labellers: Iterable[tuple[BeatModel, Beats]], detected: dict[str, Detected]
) -> Iterator[EndToEnd]:
    """Label the recordings that models have not seen, and put paced ones apart, whose figures are never mixed in."""
    labelled: dict[str, LabelledRecording] = {}
    paced: set[str] = set()
    for model, beats in labellers:
        paced |= set(beats.recording_id[protocols.of_paced_recordings(beats)].tolist())
        patient = protocols.patients(beats)
        for name in np.unique(beats.recording_id).tolist():
            rows = beats.recording_id == name
            if name in detected:
                labelled[name] = _label(model, beats.take(rows), detected[name], str(patient[rows][0]))
    for name, kept in (
        (protocol, labelled.keys() - paced),
        (f"{protocol}{protocols.PACED_SUFFIX}", labelled.keys() & paced),
    ):
        if kept:
            yield EndToEnd.of(name, {each: labelled[each] for each in sorted(kept)})


def _label(model: BeatModel, beats: Beats, detected: Detected, patient: str) -> LabelledRecording:
    """Label a recording at its annotated and at its detected R peaks; what lies in flutter counts in neither."""
    hidden = protocols.hide_reference(beats, np.zeros(len(beats), dtype=np.bool_))
    called = model.predict_proba(hidden).argmax(axis=1)
    rows = beats.is_beat & (beats.reference != NO_CLASS) & outside(beats.r_peak_sample, detected.facts.flutter)
    found = detected.beats
    found_called = model.predict_proba(found).argmax(axis=1)
    kept = outside(found.r_peak_sample, detected.facts.flutter)
    return compare_labels(patient, beats.take(rows), called[rows], found.take(kept), found_called[kept])
