"""Training: annotated beats become a model in MLflow, judged on patients it has not seen."""

from __future__ import annotations

import logging
import resource
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

import heartwave_tasks
from heartwave_tasks.ecg.labels import CLASS_NAMES, CLASSES
from heartwave_tasks.jobs import training_plan
from heartwave_tasks.jobs.recipes import RECIPE, Recipe, logged
from heartwave_tasks.jobs.training_plan import RetrainError
from heartwave_tasks.models import population, protocols
from heartwave_tasks.models.assessment import assess
from heartwave_tasks.models.confusion_pictures import confusion_picture
from heartwave_tasks.models.evaluation_document import to_json
from heartwave_tasks.models.population import Population
from heartwave_tasks.models.report import ModelFacts, render, section
from heartwave_tasks.models.search_space import Search
from heartwave_tasks.stores import beats as lake
from heartwave_tasks.stores.registry import ModelFiles, Registry, evaluation_path

if TYPE_CHECKING:
    from collections.abc import Callable

    from heartwave_tasks.ecg.beats import Beats
    from heartwave_tasks.jobs.recipes import Fit
    from heartwave_tasks.jobs.training_plan import RetrainPlan
    from heartwave_tasks.jobs.tuning import Tuning
    from heartwave_tasks.models.assessment import Assessment
    from heartwave_tasks.models.protocols import Protocol
    from heartwave_tasks.settings import Settings
    from heartwave_tasks.stores.registry import Run

logger = logging.getLogger(__name__)

REPORT: Final = "report.html"
_EXAMPLE_ROWS: Final = 3
_PYFUNC_REQUIREMENTS: Final = ("numpy", "pandas", "pyarrow", "scipy", "xgboost", "onnxruntime", "wfdb")


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainedModel:
    """A model that is logged in MLflow but not registered yet."""

    architecture: str
    run_id: str
    model_uri: str
    manifest_sha256: str
    n_training_beats: int


def train(settings: Settings, plan: RetrainPlan, tuning: Tuning) -> TrainedModel:
    """Evaluate an architecture under the plan's protocols, train it on everything, and log all of it to MLflow.

    Parameters
    ----------
    tuning
        The architecture, and its parameters under every protocol.

    Raises
    ------
    RetrainError, TrainingError
        If the architecture is unknown, or the beats do not allow it.
    """
    untuned = Recipe.of(settings, plan, tuning.architecture)
    recipe = tuning.recipe(untuned)
    architecture = recipe.implementation
    beats, reviewed = training_plan.read(settings, plan)
    require_classes(beats)

    def fits(protocol: str) -> Fit | list[Fit]:
        recipes = tuning.recipes(protocol, untuned)
        return [each.fit(reviewed) for each in recipes] if isinstance(recipes, list) else recipes.fit(reviewed)

    tags = {
        "heartwave.architecture": architecture.name,
        "heartwave.dag_run_id": plan.dag_run_id,
        "heartwave.training_digest": plan.digest,
        "heartwave.code_version": heartwave_tasks.__version__,
        "heartwave.kind": "training",
        **({"heartwave.tuning_run_id": tuning.run_id} if tuning.run_id else {}),
    }
    with Registry(settings).run(f"{architecture.name} · {plan.dag_run_id}", tags) as run:
        reviews = {"reviewed_beats": len(reviewed), "review_weight": settings.review_weight}
        run.log_params({"architecture": architecture.name, "seed": plan.seed, **reviews, **recipe.all_params})
        run.log_file(RECIPE, recipe.to_json())
        _log_dataset(settings, run, plan, beats)
        begun = time.perf_counter()
        model = recipe.fit(reviewed)(beats, protocols.patients(beats), logged("all recordings"))
        training_s = time.perf_counter() - begun
        logger.info("Trained %s on all %d rows in %.0f s.", architecture.name, len(beats), training_s)
        assessments = _assess(plan, beats, fits)
        n_training_beats = int((beats.is_beat & (beats.reference >= 0)).sum())
        facts = ModelFacts(
            name=settings.model_name,
            version=None,
            architecture=architecture.name,
            description=architecture.description,
            n_training_beats=n_training_beats,
            n_training_recordings=len(plan.recordings),
            n_reviewed_beats=len(reviewed),
            review_weight=settings.review_weight,
            training_digest=plan.digest,
            training_s=training_s,
            peak_memory_bytes=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
            seed=plan.seed,
            parameters=recipe.all_params,
            searches=tuple(Search(**search) for search in tuning.searches),
        )
        _log_assessments(run, beats, facts, assessments)
        run.log_file(population.ARTIFACT, Population.of(beats).to_json())
        files = ModelFiles(architecture=architecture.name, classes=model.classes, files=model.files())
        example = lake.to_arrow(beats.take(slice(0, _EXAMPLE_ROWS)))
        uri = run.log_model(files, list(_PYFUNC_REQUIREMENTS), example, Path(heartwave_tasks.__file__).parent)
        return TrainedModel(
            architecture=architecture.name,
            run_id=run.run_id,
            model_uri=uri,
            manifest_sha256=files.manifest_sha256(),
            n_training_beats=n_training_beats,
        )


def require_classes(beats: Beats) -> None:
    """Refuse to train where nothing can be learned of N, S or V; F and Q may be missing, which the log says.

    Raises
    ------
    RetrainError
        If one of N, S and V has no annotated beat.
    """
    there = np.bincount(beats.reference[beats.is_beat & (beats.reference >= 0)], minlength=len(CLASSES))
    missing = [f"{letter} ({name})" for letter, name, n in zip(CLASSES, CLASS_NAMES, there, strict=True) if not n]
    needed = [name for name in missing if name[0] in "NSV"]
    if needed:
        msg = (
            f"The annotated recordings have no beat of {' or '.join(needed)}, so no model can learn to find it. "
            "Upload recordings that have some, or choose more sources."
        )
        raise RetrainError(msg)
    if missing:
        logger.warning("There is no beat of %s to learn from: the model will never call one so.", " or ".join(missing))


def _assess(
    plan: RetrainPlan, beats: Beats, fits: Callable[[str], Fit | list[Fit]]
) -> list[tuple[Protocol, Assessment]]:
    """Run every protocol the lake allows; only the gate's own has to be possible."""
    assessments = []
    for name in plan.protocols:
        protocol = protocols.get(name)
        try:
            assessment = assess(protocol, beats, fits(name), progress=logged(name))
        except protocols.ProtocolError as error:
            logger.warning("%s was left out: %s", name, error)
            continue
        assessments.append((protocol, assessment))
        logger.info(
            "%s: accuracy %.2f %%, mean F1 of N/S/V %.1f %%.",
            name,
            100 * assessment.evaluation.accuracy,
            100 * assessment.evaluation.nsv_mean_f1,
        )
    if not assessments:
        msg = "None of the protocols can be run on these recordings, so no model can be judged; upload more patients."
        raise RetrainError(msg)
    return assessments


def _log_dataset(settings: Settings, run: Run, plan: RetrainPlan, beats: Beats) -> None:
    names = np.array([*CLASSES, "none"])
    counts = Counter(names[beats.reference].tolist())
    run.log_dataset("annotated beats", plan.digest, dict(counts), f"s3://{settings.lake_bucket}/{lake.PREFIX}/")
    lines = [f"{ref.recording_id} {ref.content_sha256}" for ref in plan.refs]
    run.log_file("training_recordings.txt", "\n".join([f"digest {plan.digest}", *lines, ""]))


def _log_assessments(run: Run, beats: Beats, facts: ModelFacts, assessments: list[tuple[Protocol, Assessment]]) -> None:
    for _, assessment in assessments:
        for evaluation in assessment.evaluations:
            path = evaluation_path(evaluation.protocol)
            name = path.rpartition("/")[2]
            run.log_metrics({f"{name}.{figure}": value for figure, value in evaluation.summary().items()})
            run.log_file(f"{path}.json", to_json(evaluation))
            run.log_file(f"{path}_confusion.png", confusion_picture(evaluation))
    run.log_metrics({"training_s": facts.training_s, "peak_memory_bytes": float(facts.peak_memory_bytes or 0)})
    run.log_file(REPORT, render(facts, [section(protocol, beats, found) for protocol, found in assessments]))
