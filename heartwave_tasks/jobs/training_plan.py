"""Training plan: which beats a retraining learns from, fixed at its start."""

from __future__ import annotations

import logging
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from heartwave_tasks.jobs.reviewed_beats import ReviewedBeats
from heartwave_tasks.models import gate, protocols
from heartwave_tasks.stores import beats as lake
from heartwave_tasks.stores.beat_objects import read_together
from heartwave_tasks.stores.objects import s3_client
from heartwave_tasks.stores.predictions import PredictionStore

if TYPE_CHECKING:
    from heartwave_tasks.ecg.beats import Beats
    from heartwave_tasks.settings import Settings
    from heartwave_tasks.stores.predictions import BeatReview, RevisionRef

logger = logging.getLogger(__name__)


class RetrainError(ValueError):
    """The lake or the form does not allow this training; nothing was registered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RetrainPlan:
    """What one run trains on, and how: fixed at its start, so that every task and every retry sees the same.

    Attributes
    ----------
    protocols, seed
        Ways to test, and what all that is drawn is drawn by.
    recordings, digest, reviews_at
        The beats, and what people had said of them by then.
    balancing
        How rare classes are balanced; None for each architecture's own way.
    tuning_trials, time_budget_minutes
        Trials in each search for parameters, 0 for none, and minutes they may take in all.
    """

    protocols: list[str]
    seed: int
    recordings: list[dict[str, Any]]
    digest: str
    dag_run_id: str
    reviews_at: str
    balancing: str | None = None
    tuning_trials: int = 0
    time_budget_minutes: int = 30

    @property
    def refs(self) -> list[lake.BeatsRef]:
        """Where the beats are."""
        return [lake.BeatsRef(**recording) for recording in self.recordings]


def plan(
    settings: Settings, *, protocol_names: list[str], seed: int, sources: list[str], dag_run_id: str, **how: Any
) -> RetrainPlan:
    """Fix the beats and protocols of a retraining; `gate.PROTOCOL` is always among them.

    Parameters
    ----------
    how
        Of `RetrainPlan`: balancing and tuning.

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
    refs = [where(ref) for ref in kept]
    reviewed = ReviewedBeats.of([review for review in reviews if _is_of(review.recording_id, sources)])
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
        recordings=[asdict(ref) for ref in refs],
        digest=reviewed.digest(lake.digest(refs)),
        dag_run_id=dag_run_id,
        reviews_at=moment.isoformat(),
        **how,
    )


def where(ref: RevisionRef) -> lake.BeatsRef:
    """Say where a revision's beats are, and what is to be found there."""
    return lake.BeatsRef(
        recording_id=ref.recording_id,
        beats_key=ref.beats_key,
        content_sha256=ref.content_sha256,
        n_windows=ref.n_windows,
        beats_sha256=ref.beats_sha256,
    )


def read(settings: Settings, plan: RetrainPlan) -> tuple[Beats, ReviewedBeats]:
    """Read a plan's beats, what people say of some laid over the reference, and the reviews themselves."""
    beats = read_together(s3_client(settings), settings.lake_bucket, plan.refs)
    logger.info("Read %d rows of %d recordings.", len(beats), len(plan.recordings))
    contents = {(ref.recording_id, ref.content_sha256) for ref in plan.refs}
    with PredictionStore(settings.require_database_url()) as store:
        reviews: list[BeatReview] = store.reviews_at(datetime.fromisoformat(plan.reviews_at))
    reviewed = ReviewedBeats.of([each for each in reviews if (each.recording_id, each.content_sha256) in contents])
    return reviewed.laid_over(beats), reviewed


def _is_of(recording_id: str, sources: list[str]) -> bool:
    return not sources or recording_id.rpartition("/")[0] in sources
