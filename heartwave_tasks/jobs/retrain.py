"""Retrain: annotated beats become a registered model version, judged on patients it has not seen."""

from __future__ import annotations

import logging
import resource
import time
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

import heartwave_tasks
from heartwave_tasks.ecg.beats import Beats
from heartwave_tasks.ecg.labels import CLASSES
from heartwave_tasks.jobs.evaluation_rows import to_rows
from heartwave_tasks.jobs.reviewed_beats import ReviewedBeats
from heartwave_tasks.models import gate, protocols
from heartwave_tasks.models.architectures import ARCHITECTURES
from heartwave_tasks.models.assessment import assess
from heartwave_tasks.models.confusion_pictures import confusion_picture
from heartwave_tasks.models.evaluation_document import from_json, to_json
from heartwave_tasks.models.report import ModelFacts, render, section
from heartwave_tasks.stores import beats as lake
from heartwave_tasks.stores.objects import s3_client
from heartwave_tasks.stores.predictions import ModelVersionRow, PredictionStore
from heartwave_tasks.stores.registry import CHALLENGER, CHAMPION, EVALUATIONS_FOLDER, ModelFiles, Registry

if TYPE_CHECKING:
    from collections.abc import Callable

    from heartwave_tasks.models.architectures import Architecture, BeatModel, Progress
    from heartwave_tasks.models.assessment import Assessment
    from heartwave_tasks.models.evaluation import Evaluation
    from heartwave_tasks.models.protocols import Protocol
    from heartwave_tasks.settings import Settings
    from heartwave_tasks.stores.predictions import BeatReview
    from heartwave_tasks.stores.registry import Run

logger = logging.getLogger(__name__)

REPORT: Final = "report.html"
_EXAMPLE_ROWS: Final = 3
_REPORT_EVERY_S: Final = 10.0
_PYFUNC_REQUIREMENTS: Final = ("numpy", "pandas", "pyarrow", "scipy", "xgboost", "wfdb")


class RetrainError(ValueError):
    """The lake or the form does not allow this training; nothing was registered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RetrainPlan:
    """What one run trains on: fixed at its start, so that every task and every retry sees the same beats."""

    protocols: list[str]
    seed: int
    recordings: list[dict[str, Any]]
    digest: str
    dag_run_id: str
    reviews_at: str

    @property
    def refs(self) -> list[lake.BeatsRef]:
        """Where the beats are."""
        return [lake.BeatsRef(**recording) for recording in self.recordings]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainedModel:
    """A model that is logged in MLflow but not registered yet."""

    architecture: str
    run_id: str
    model_uri: str
    manifest_sha256: str
    n_training_beats: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisteredVersion:
    """A model version, in MLflow and in Postgres."""

    architecture: str
    version: int
    model_version_id: int
    run_id: str
    nsv_mean_f1: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Promotion:
    """Whether a version became champion, and the gate's sentences."""

    version: int
    promoted: bool
    reasons: list[str]


def plan(
    settings: Settings, *, protocol_names: list[str], seed: int, sources: list[str], dag_run_id: str
) -> RetrainPlan:
    """Fix the beats and protocols of a retraining.

    Raises
    ------
    RetrainError
        If the lake holds no annotated recording of the sources.
    ProtocolError
        If a protocol is unknown.
    """
    names = list(dict.fromkeys([gate.PROTOCOL, *protocol_names]))
    for name in names:
        protocols.get(name)
    with PredictionStore(settings.require_database_url()) as store:
        annotated = store.annotated_revisions()
        moment = datetime.now(UTC)
        reviews = store.reviews_at(moment)
    kept = [ref for ref in annotated if _is_of(ref.recording_id, sources)]
    if not kept:
        among = f" of {', '.join(sources)}" if sources else ""
        msg = f"The lake holds no annotated recording{among} to train on; upload some and run ingest_recordings first."
        raise RetrainError(msg)
    refs = [
        lake.BeatsRef(
            recording_id=ref.recording_id,
            beats_key=ref.beats_key,
            content_sha256=ref.content_sha256,
            n_windows=ref.n_windows,
            beats_sha256=ref.beats_sha256,
        )
        for ref in kept
    ]
    reviewed = _reviewed(reviews, sources)
    known = {ref.recording_id for ref in refs}
    # A recording nobody annotated takes part with the beats that were reviewed.
    also = {review.recording_id: review for review in reviews if review.recording_id in reviewed.classes}
    refs += [
        lake.BeatsRef(recording_id=name, beats_key=review.beats_key, content_sha256=review.content_sha256)
        for name, review in also.items()
        if name not in known
    ]
    logger.info(
        "%d annotated recordings, %d beats; %d beats were reviewed by people.",
        len(kept),
        sum(ref.n_beats for ref in kept),
        len(reviewed),
    )
    return RetrainPlan(
        protocols=names,
        seed=seed,
        recordings=[
            {"recording_id": ref.recording_id, "beats_key": ref.beats_key, "content_sha256": ref.content_sha256}
            for ref in refs
        ],
        digest=reviewed.digest(lake.digest(refs)),
        dag_run_id=dag_run_id,
        reviews_at=moment.isoformat(),
    )


def train(settings: Settings, plan: RetrainPlan, architecture_name: str) -> TrainedModel:
    """Evaluate an architecture under the plan's protocols, train it on everything, and log all of it to MLflow.

    Raises
    ------
    RetrainError, TrainingError
        If the architecture is unknown, or the beats do not allow it.
    """
    architecture = ARCHITECTURES.get(architecture_name)
    if architecture is None:
        msg = f"There is no architecture {architecture_name!r}; there are {', '.join(ARCHITECTURES)}."
        raise RetrainError(msg)
    reviewed = _reviews_of(settings, plan)
    beats = reviewed.laid_over(_read(settings, plan))
    fit = partial(_fit, architecture, plan.seed, reviewed, settings.review_weight)
    tags = {
        "heartwave.architecture": architecture.name,
        "heartwave.dag_run_id": plan.dag_run_id,
        "heartwave.training_digest": plan.digest,
        "heartwave.code_version": heartwave_tasks.__version__,
    }
    with Registry(settings).run(f"{architecture.name} · {plan.dag_run_id}", tags) as run:
        reviews = {"reviewed_beats": len(reviewed), "review_weight": settings.review_weight}
        run.log_params({"architecture": architecture.name, "seed": plan.seed, **reviews, **architecture.default_params})
        _log_dataset(settings, run, plan, beats)
        begun = time.perf_counter()
        model = fit(beats, protocols.patients(beats), _logged("all recordings"))
        training_s = time.perf_counter() - begun
        logger.info("Trained %s on all %d rows in %.0f s.", architecture.name, len(beats), training_s)
        assessments = _assess(plan, beats, fit)
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
            parameters=architecture.default_params,
        )
        _log_assessments(run, beats, facts, assessments)
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


def register(settings: Settings, plan: RetrainPlan, trained: TrainedModel) -> RegisteredVersion:
    """Make a trained model a version in MLflow and Postgres, with its evaluations; once, however often it is called."""
    registry = Registry(settings)
    tags = {"architecture": trained.architecture, "manifest_sha256": trained.manifest_sha256}
    version = registry.register(trained.run_id, trained.model_uri, tags)
    registry.set_alias(CHALLENGER, version)
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
    evaluations = {name: _evaluation(registry, trained.run_id, name) for name in plan.protocols}
    known = {name: evaluation for name, evaluation in evaluations.items() if evaluation is not None}
    with PredictionStore(settings.require_database_url()) as store:
        model_version_id = store.register_model(row, [(ref.recording_id, ref.content_sha256) for ref in plan.refs])
        for evaluation in known.values():
            store.save_evaluation(to_rows(model_version_id, evaluation))
    logger.info("Registered %s version %d (%s).", settings.model_name, version, trained.architecture)
    judged = known.get(gate.PROTOCOL)
    return RegisteredVersion(
        architecture=trained.architecture,
        version=version,
        model_version_id=model_version_id,
        run_id=trained.run_id,
        nsv_mean_f1=judged.nsv_mean_f1 if judged else 0.0,
    )


def promote(settings: Settings, candidates: list[RegisteredVersion], *, by: str) -> Promotion:
    """Let the best candidate challenge the champion, and promote it if the gate says so."""
    best = max(candidates, key=lambda candidate: (np.nan_to_num(candidate.nsv_mean_f1), -candidate.version))
    registry = Registry(settings)
    with PredictionStore(settings.require_database_url()) as store:
        champion = store.champion()
        # A retry after the promotion was written finds the candidate in place: what is left is the alias.
        if champion is not None and champion.model_version_id == best.model_version_id:
            registry.set_alias(CHAMPION, best.version)
            return Promotion(version=best.version, promoted=True, reasons=["It is the champion already."])
        challenger = _evaluation(registry, best.run_id, gate.PROTOCOL)
        if challenger is None:
            reasons = [f"Version {best.version} has no evaluation under {gate.PROTOCOL}, so it cannot be judged."]
            verdict = gate.Verdict(promote=champion is None, reasons=tuple(reasons))
        else:
            previous = _evaluation(registry, champion.mlflow_run_id, gate.PROTOCOL) if champion else None
            verdict = gate.decide(challenger, previous)
        logger.info("Version %d: %s", best.version, " ".join(verdict.reasons))
        if verdict.promote:
            store.promote(best.model_version_id, by, " ".join(verdict.reasons))
            registry.set_alias(CHAMPION, best.version)
    return Promotion(version=best.version, promoted=verdict.promote, reasons=list(verdict.reasons))


def _read(settings: Settings, plan: RetrainPlan) -> Beats:
    client = s3_client(settings)
    beats = Beats.concatenate([lake.read_beats(client, settings.lake_bucket, ref) for ref in plan.refs])
    logger.info("Read %d rows of %d recordings.", len(beats), len(plan.recordings))
    return beats


def _is_of(recording_id: str, sources: list[str]) -> bool:
    return not sources or recording_id.rpartition("/")[0] in sources


def _reviewed(reviews: list[BeatReview], sources: list[str]) -> ReviewedBeats:
    return ReviewedBeats.of([review for review in reviews if _is_of(review.recording_id, sources)])


def _reviews_of(settings: Settings, plan: RetrainPlan) -> ReviewedBeats:
    """Read the reviews that counted when the run was planned, of its recordings."""
    contents = {(ref.recording_id, ref.content_sha256) for ref in plan.refs}
    with PredictionStore(settings.require_database_url()) as store:
        reviews = store.reviews_at(datetime.fromisoformat(plan.reviews_at))
    return ReviewedBeats.of([review for review in reviews if (review.recording_id, review.content_sha256) in contents])


def _fit(
    architecture: Architecture,
    seed: int,
    reviewed: ReviewedBeats,
    review_weight: int,
    beats: Beats,
    groups: np.ndarray[tuple[int], np.dtype[np.str_]],
    report: Progress,
) -> BeatModel:
    if len(reviewed):
        rows = reviewed.rows(beats, review_weight)
        beats, groups = beats.take(rows), groups[rows]
    return architecture.train(beats, groups=groups, seed=seed, progress=report)


def _assess(plan: RetrainPlan, beats: Beats, fit: Callable[..., BeatModel]) -> list[tuple[Protocol, Assessment]]:
    """Run every protocol the lake allows; only the gate's own has to be possible."""
    assessments = []
    for name in plan.protocols:
        protocol = protocols.get(name)
        try:
            assessment = assess(protocol, beats, fit, progress=_logged(name))
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
    for protocol, assessment in assessments:
        evaluation = assessment.evaluation
        run.log_metrics({f"{protocol.name}.{name}": value for name, value in evaluation.summary().items()})
        run.log_file(f"{EVALUATIONS_FOLDER}/{protocol.name}.json", to_json(evaluation))
        run.log_file(f"{EVALUATIONS_FOLDER}/{protocol.name}_confusion.png", confusion_picture(evaluation))
    run.log_metrics({"training_s": facts.training_s, "peak_memory_bytes": float(facts.peak_memory_bytes or 0)})
    run.log_file(REPORT, render(facts, [section(protocol, beats, found) for protocol, found in assessments]))


def _evaluation(registry: Registry, run_id: str, protocol: str) -> Evaluation | None:
    """Read an evaluation back, None where the lake did not allow the protocol."""
    content = registry.find_artifact(run_id, f"{EVALUATIONS_FOLDER}/{protocol}.json")
    return None if content is None else from_json(content)


def _logged(stage: str) -> Progress:
    """Progress as a line in the log every few seconds."""
    spoken = [time.monotonic()]

    def report(share: float, sentence: str) -> None:
        now = time.monotonic()
        if now - spoken[0] >= _REPORT_EVERY_S:
            spoken[0] = now
            logger.info("%s, %.0f %%: %s", stage, 100 * share, sentence)

    return report
