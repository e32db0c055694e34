"""Evaluation on demand: a version's figures, as they were stored, computed anew, or on a source it has not seen."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np

from heartwave_tasks.ecg import mitbih
from heartwave_tasks.ecg.labels import NO_CLASS
from heartwave_tasks.jobs import training_plan
from heartwave_tasks.jobs.recipes import RECIPE, Recipe, logged
from heartwave_tasks.jobs.score import load_model
from heartwave_tasks.jobs.versions import find_version
from heartwave_tasks.models import gate, protocols
from heartwave_tasks.models.assessment import assess
from heartwave_tasks.models.evaluation import evaluate as judge
from heartwave_tasks.models.evaluation_document import from_json
from heartwave_tasks.models.report import HEADLINE_ORDER
from heartwave_tasks.stores.beat_objects import read_together
from heartwave_tasks.stores.objects import s3_client
from heartwave_tasks.stores.predictions import PredictionStore
from heartwave_tasks.stores.registry import Registry

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from heartwave_tasks.models.evaluation import Evaluation
    from heartwave_tasks.settings import Settings
    from heartwave_tasks.stores import beats as lake
    from heartwave_tasks.stores.predictions import RegisteredModel

logger = logging.getLogger(__name__)

Origin: TypeAlias = Literal["stored", "recomputed", "labelled now"]
"""From the version's own run; its recipe trained and tested again; the version itself, on patients new to it."""


class EvaluationError(ValueError):
    """There is nothing to evaluate; the message says what is missing."""


@dataclass(frozen=True, slots=True)
class FoundEvaluation:
    """Figures under one protocol, and where they come from."""

    evaluation: Evaluation
    origin: Origin


@dataclass(frozen=True, slots=True)
class EvaluatedModel:
    """A version and its figures."""

    model: RegisteredModel
    found: tuple[FoundEvaluation, ...]


def evaluate(
    settings: Settings, *, version: str = "", protocol: str | None = None, source: str | None = None
) -> EvaluatedModel:
    """Tell how good a version is.

    Parameters
    ----------
    version
        Number or alias; '' is the champion.
    protocol
        None for all that are stored. One that is not stored is computed now: the version's recipe is trained and
        tested on the recordings that are in the lake today.
    source
        Count only recordings of this source. Without a protocol, recordings of it that the version was not trained on
        are labelled by the version itself; where there are none, its recipe's figures under `gate.PROTOCOL` count.

    Raises
    ------
    EvaluationError
        If no figure is left.
    NoSuchVersionError, ProtocolError, RetrainError, TrainingError
        If there is no such version or protocol, or the lake does not allow it.
    """
    model = find_version(settings, version)
    if source is not None and protocol is None:
        unseen = _label_unseen(settings, model, source)
        if unseen:
            return EvaluatedModel(model, tuple(FoundEvaluation(each, "labelled now") for each in unseen))
        protocol = gate.PROTOCOL
    if protocol is not None:
        protocols.get(protocol)
    found = _stored(settings, model, protocol)
    if not found and protocol is not None:
        found = _recompute(settings, model, protocol)
    if source is not None:
        found = _restrict(found, source)
    if not found:
        among = f" of source {source!r}" if source else ""
        msg = f"{model.model_name} version {model.version} has no figures{among}; name a protocol to compute them."
        raise EvaluationError(msg)
    return EvaluatedModel(model, tuple(found))


def _stored(settings: Settings, model: RegisteredModel, protocol: str | None) -> list[FoundEvaluation]:
    found = [from_json(content) for content in Registry(settings).evaluations(model.mlflow_run_id)]
    wanted = {protocol, f"{protocol}{protocols.PACED_SUFFIX}"}
    order = {name: place for place, name in enumerate(HEADLINE_ORDER)}
    kept = [each for each in found if protocol is None or each.protocol in wanted]
    kept.sort(
        key=lambda each: (order.get(each.protocol.removesuffix(protocols.PACED_SUFFIX), len(order)), each.protocol)
    )
    return [FoundEvaluation(each, "stored") for each in kept]


def recipe_of(settings: Settings, model: RegisteredModel) -> Recipe:
    """Return the recipe a version was trained by, which is all that is kept of how to train without some patients.

    Raises
    ------
    EvaluationError
        If the version kept none.
    """
    content = Registry(settings).find_artifact(model.mlflow_run_id, RECIPE)
    if content is None:
        msg = f"Version {model.version} has kept no recipe, so no protocol can be computed anew; retrain it."
        raise EvaluationError(msg)
    return Recipe.from_json(content)


def unseen_by(settings: Settings, model: RegisteredModel, source: str) -> list[lake.BeatsRef]:
    """Find the annotated recordings of a source whose patients a version was not trained on.

    Raises
    ------
    EvaluationError
        If the lake holds no annotated recording of the source at all.
    """
    with PredictionStore(settings.require_database_url()) as store:
        annotated = [ref for ref in store.annotated_revisions() if ref.recording_id.rpartition("/")[0] == source]
        trained_on = store.training_recordings(model.model_version_id)
    if not annotated:
        msg = f"The lake holds no annotated recording of source {source!r}; upload some and run ingest_recordings."
        raise EvaluationError(msg)
    patients = {mitbih.patient_of(name) for name, _ in trained_on}
    contents = {content for _, content in trained_on}
    return [
        training_plan.where(ref)
        for ref in annotated
        if mitbih.patient_of(ref.recording_id) not in patients and ref.content_sha256 not in contents
    ]


def _recompute(settings: Settings, model: RegisteredModel, protocol: str) -> list[FoundEvaluation]:
    recipe = recipe_of(settings, model)
    logger.info("%s is not stored: training the recipe of version %d anew.", protocol, model.version)
    plan = training_plan.plan(
        settings, protocol_names=[protocol], seed=recipe.seed, sources=[], dag_run_id="heartwave evaluate"
    )
    beats, reviewed = training_plan.read(settings, plan)
    assessment = assess(protocols.get(protocol), beats, recipe.fit(reviewed), progress=logged(protocol))
    return [FoundEvaluation(each, "recomputed") for each in assessment.evaluations]


def _label_unseen(settings: Settings, model: RegisteredModel, source: str) -> list[Evaluation]:
    """Let the version label recordings of a source whose patients it was not trained on; paced ones apart."""
    refs = unseen_by(settings, model, source)
    if not refs:
        return []
    beats = read_together(s3_client(settings), settings.lake_bucket, refs)
    nothing = np.zeros(len(beats), dtype=np.bool_)
    probabilities = load_model(settings, model).predict_proba(protocols.hide_reference(beats, nothing))
    tested = beats.is_beat & (beats.reference != NO_CLASS)
    paced = protocols.of_paced_recordings(beats)
    name = f"unseen:{source}"

    def figures(protocol: str, rows: NDArray[np.bool_]) -> list[Evaluation]:
        if not rows.any():
            return []
        return [
            judge(
                protocol=protocol,
                scheme="aami",
                reference=beats.reference[rows],
                probabilities=probabilities[rows],
                recording_id=beats.recording_id[rows],
                patient=protocols.patients(beats)[rows],
                r_peak_sample=beats.r_peak_sample[rows],
            )
        ]

    return [*figures(name, tested & ~paced), *figures(f"{name}{protocols.PACED_SUFFIX}", tested & paced)]


def _restrict(found: Sequence[FoundEvaluation], source: str) -> list[FoundEvaluation]:
    restricted = []
    for each in found:
        names = [name for name in each.evaluation.recordings if name.rpartition("/")[0] == source]
        if names:
            restricted.append(FoundEvaluation(each.evaluation.of_recordings(names), each.origin))
    return restricted
