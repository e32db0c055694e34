"""Score: every beat that the champion has not labelled yet gets its label, exactly once."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

import heartwave_tasks
from heartwave_tasks.ecg.labels import NO_CLASS
from heartwave_tasks.jobs.overlap import ahead
from heartwave_tasks.jobs.plausibility import find_doubts
from heartwave_tasks.jobs.reconciliation import Contradictions
from heartwave_tasks.jobs.shards import balance
from heartwave_tasks.jobs.training_plan import where
from heartwave_tasks.models.architectures import ARCHITECTURES
from heartwave_tasks.models.population import Population
from heartwave_tasks.stores.beat_objects import read_beats
from heartwave_tasks.stores.objects import s3_client
from heartwave_tasks.stores.predictions import LabelBatch, PredictionStore, ScoringRow
from heartwave_tasks.stores.registry import Registry

if TYPE_CHECKING:
    from concurrent.futures import Future

    from numpy.typing import NDArray

    from heartwave_tasks.ecg.beats import Beats
    from heartwave_tasks.models.architectures import BeatModel
    from heartwave_tasks.settings import Settings
    from heartwave_tasks.stores.predictions import RegisteredModel, RevisionRef

logger = logging.getLogger(__name__)


class NoChampionError(RuntimeError):
    """There is no model to label beats with yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreShard:
    """Recording revisions one task labels, and the model version that was champion when the run began."""

    number: int
    of: int
    model_name: str
    model_version: int
    night: str
    n_beats: int
    revision_ids: list[int]

    @property
    def title(self) -> str:
        """What the Airflow UI shows for the mapped task."""
        beats = f"{self.n_beats:,}".replace(",", " ")
        return f"shard {self.number} of {self.of} · {beats} beats · {self.model_name} {self.model_version}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreCounts:
    """What a scoring task did; `already` were labelled by another run meanwhile, `held` look implausible."""

    recordings: int = 0
    labels: int = 0
    already: int = 0
    held: int = 0

    @property
    def sentence(self) -> str:
        """What happened, in words."""
        told = f"{self.labels:,} labels of {self.recordings} recordings".replace(",", " ")
        return f"{told}, {self.already} had theirs" if self.already else told


class _Answer(NamedTuple):
    """What the model says of a recording, when it was begun with, and what its beats are like."""

    started_at: datetime
    labels: LabelBatch
    n_unclassifiable: int
    feature_counts: NDArray[np.int32] | None


def plan(settings: Settings, night: date) -> list[ScoreShard]:
    """Pin the champion, and share out the recordings it has not labelled in shards of about equal numbers of beats.

    Raises
    ------
    NoChampionError
        If no model has been promoted yet.
    """
    with PredictionStore(settings.require_database_url()) as store:
        champion = store.champion()
        if champion is None:
            msg = "There is no champion yet; run retrain_models first."
            raise NoChampionError(msg)
        refs = store.unscored(champion.model_version_id)
        store.ensure_partition(night)
    total = sum(ref.n_beats for ref in refs)
    n_shards = min(max(1, round(total / settings.shard_beats)), settings.max_shards)
    per_shard = -(-len(refs) // n_shards) if refs else 1
    weights = {ref.revision_id: ref.n_beats for ref in refs}
    groups = balance(list(weights.items()), per_shard)
    logger.info(
        "%s version %d labels %d beats of %d recordings in %d shards.",
        champion.model_name,
        champion.version,
        total,
        len(refs),
        len(groups),
    )
    return [
        ScoreShard(
            number=number,
            of=len(groups),
            model_name=champion.model_name,
            model_version=champion.version,
            night=night.isoformat(),
            n_beats=sum(weights[revision_id] for revision_id in group),
            revision_ids=group,
        )
        for number, group in enumerate(groups, start=1)
    ]


def score_shard(settings: Settings, shard: ScoreShard, dag_run_id: str) -> ScoreCounts:
    """Label a shard's recordings, each in one transaction; the model is loaded once.

    While the labels of one recording are committed, the next is labelled, and the one after it read.

    Raises
    ------
    UnreconciledError
        If rows, beats or labels of a recording are not as many as were ingested, or its file is not the one that was
        written; raised after the others are labelled, and nothing of it was written.
    """
    client = s3_client(settings)
    recordings = labels = already = held = 0
    contradictions = Contradictions()
    with PredictionStore(settings.require_database_url()) as store:
        version = store.model_version(shard.model_name, shard.model_version)
        if version is None:
            msg = f"{shard.model_name} version {shard.model_version} is not in the predictions store."
            raise NoChampionError(msg)
        refs = store.revisions(shard.revision_ids)
        model = load_model(settings, version)
        windows = ARCHITECTURES[model.architecture].reads_windows
        learnt_from = store.population(version.model_version_id)
        population = Population.from_json(learnt_from) if learnt_from else None

        def read(ref: RevisionRef) -> tuple[datetime, Beats]:
            begun = datetime.now(UTC)
            return begun, read_beats(client, settings.lake_bucket, where(ref), windows=windows)

        def answer(reading: tuple[RevisionRef, Future[tuple[datetime, Beats]]]) -> _Answer:
            begun, beats = reading[1].result()
            n_unclassifiable = int(np.count_nonzero(beats.is_beat & ~beats.is_classifiable))
            counts = population.count(beats) if population else None
            return _Answer(begun, label(model, beats), n_unclassifiable, counts)

        for (ref, _), answered in ahead(answer, ahead(read, refs)):
            with contradictions.of(ref.recording_id):
                started_at, batch, n_unclassifiable, feature_counts = answered.result()
                scoring = ScoringRow(
                    revision_id=ref.revision_id,
                    model_version_id=version.model_version_id,
                    night=date.fromisoformat(shard.night),
                    dag_run_id=dag_run_id,
                    code_version=heartwave_tasks.__version__,
                    started_at=started_at,
                )
                doubts = find_doubts(settings, batch, n_unclassifiable)
                if store.save_labels(scoring, batch, doubts, feature_counts):
                    recordings += 1
                    labels += len(batch)
                    held += bool(doubts)
                else:
                    already += 1
    logger.info(
        "%d recordings labelled: %d beats. %d were labelled already, and left as they are. %d look implausible and are "
        "held back: `heartwave held list`.",
        recordings,
        labels,
        already,
        held,
    )
    contradictions.raise_if_any(of=len(refs))
    return ScoreCounts(recordings=recordings, labels=labels, already=already, held=held)


def load_model(settings: Settings, version: RegisteredModel) -> BeatModel:
    """Load a registered version from its native files.

    Raises
    ------
    TamperedModelError
        If a file is not the one that was registered.
    """
    label = f"{version.model_name} version {version.version}"
    files = Registry(settings).model_files(version.mlflow_run_id, version.manifest_sha256, label)
    return ARCHITECTURES[files.architecture].load(files.files)


def label(model: BeatModel, beats: Beats) -> LabelBatch:
    """Label one recording's heartbeats; signal marks are none, and where the signal shows nothing there is no class."""
    probabilities = model.predict_proba(beats)[beats.is_beat]
    kept = beats.take(beats.is_beat)
    return LabelBatch(
        r_peak_sample=kept.r_peak_sample,
        time_s=kept.time_s,
        class_ids=np.where(kept.is_classifiable, probabilities.argmax(axis=1), NO_CLASS).astype(np.int8),
        confidence=np.where(kept.is_classifiable, probabilities.max(axis=1), 1 - kept.quality).astype(np.float32),
        probabilities=probabilities,
        rr_previous_s=kept.rr_previous_s,
        rr_next_s=kept.rr_next_s,
        reference_ids=kept.reference,
    )
