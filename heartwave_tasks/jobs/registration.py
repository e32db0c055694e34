"""Registration: a trained model becomes a version, in MLflow and in Postgres, with its evaluations."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from heartwave_tasks.jobs.evaluation_rows import to_rows
from heartwave_tasks.models import gate, population
from heartwave_tasks.models.evaluation_document import from_json
from heartwave_tasks.stores.predictions import ModelVersionRow, PredictionStore
from heartwave_tasks.stores.registry import Registry

if TYPE_CHECKING:
    from heartwave_tasks.jobs.training import TrainedModel
    from heartwave_tasks.jobs.training_plan import RetrainPlan
    from heartwave_tasks.settings import Settings

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisteredVersion:
    """A model version, in MLflow and in Postgres."""

    architecture: str
    version: int
    model_version_id: int
    run_id: str
    nsv_mean_f1: float


def register(settings: Settings, plan: RetrainPlan, trained: TrainedModel) -> RegisteredVersion:
    """Make a trained model a version in MLflow and Postgres, with its evaluations; once, however often it is called."""
    registry = Registry(settings)
    tags = {"architecture": trained.architecture, "manifest_sha256": trained.manifest_sha256}
    version = registry.register(trained.run_id, trained.model_uri, tags)
    row = ModelVersionRow(
        model_name=settings.model_name,
        version=version,
        mlflow_run_id=trained.run_id,
        architecture=trained.architecture,
        label_scheme="aami",
        manifest_sha256=trained.manifest_sha256,
        training_digest=plan.digest,
        n_training_beats=trained.n_training_beats,
    )
    found = [from_json(content) for content in registry.evaluations(trained.run_id)]
    evaluations = {evaluation.protocol: evaluation for evaluation in found}
    learnt_from = registry.find_artifact(trained.run_id, population.ARTIFACT)
    with PredictionStore(settings.require_database_url()) as store:
        model_version_id = store.register_model(row, [(ref.recording_id, ref.content_sha256) for ref in plan.refs])
        for evaluation in evaluations.values():
            store.save_evaluation(to_rows(model_version_id, evaluation))
        if learnt_from is not None:
            store.save_population(model_version_id, learnt_from.decode())
    logger.info("Registered %s version %d (%s).", settings.model_name, version, trained.architecture)
    judged = evaluations.get(gate.PROTOCOL)
    return RegisteredVersion(
        architecture=trained.architecture,
        version=version,
        model_version_id=model_version_id,
        run_id=trained.run_id,
        nsv_mean_f1=judged.nsv_mean_f1 if judged else 0.0,
    )
