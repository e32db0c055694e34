"""The HTTP API: classify beats and recordings, read labels and burdens, health and metrics."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Annotated, Any, Final, cast

import numpy as np
from fastapi import APIRouter, Depends, HTTPException, Query, Request, Response, status
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field, ValidationError

from heartwave_tasks.ecg.beats import R_PEAK_INDEX, WINDOW_SAMPLES
from heartwave_tasks.ecg.features import CONTEXT_FEATURES
from heartwave_tasks.ecg.labels import CLASSES, NO_CLASS
from heartwave_tasks.page.champion import ChampionKeeper, NoChampionError
from heartwave_tasks.page.database import Data
from heartwave_tasks.page.loose_beats import LooseBeats
from heartwave_tasks.page.recordings import RecordingId
from heartwave_tasks.stores import beats as lake
from heartwave_tasks.stores.beat_objects import read_beats
from heartwave_tasks.stores.objects import s3_client

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from heartwave_tasks.page.champion import Champion
    from heartwave_tasks.page.metrics import Metrics
    from heartwave_tasks.settings import Settings

logger = logging.getLogger(__name__)

router = APIRouter(prefix="/api", tags=["api"])

MOST_LABELS: Final = 5_000
"""Labels in one answer."""

MOST_RECORDING_BEATS: Final = 250_000
"""Beats of a recording that is classified while somebody waits: two days and nights."""

_AT_ONCE = threading.BoundedSemaphore(2)
"""Recordings that are classified at the same time: each takes memory and a core."""


class ClassifiedBeat(BaseModel):
    """What the champion says of one beat."""

    label: str = Field(description="N, S, V, F or Q (ANSI/AAMI EC57).")
    confidence: float = Field(description="Probability of that label.")
    probabilities: dict[str, float]


class Classification(BaseModel):
    """What the champion says of all beats that were sent, in their order."""

    model: str
    version: int
    beats: list[ClassifiedBeat]
    advice: str | None = Field(description="What would make the answer better.")


_ERRORS: Final[dict[int | str, dict[str, Any]]] = {
    401: {"description": "Nobody is signed in."},
    403: {"description": "Whoever is signed in may not."},
    422: {"description": "The question is not complete; says what was expected and where."},
    429: {"description": "Too many requests, or two recordings are being classified already."},
    503: {"description": "There is no champion yet, or a server does not answer."},
}


async def _read_body(request: Request) -> bytes:
    return await request.body()


@router.post(
    "/classify",
    responses=_ERRORS,
    response_model=Classification,
    openapi_extra={
        "requestBody": {"required": True, "content": {"application/json": {"schema": LooseBeats.model_json_schema()}}}
    },
)
def classify(request: Request, body: Annotated[bytes, Depends(_read_body)]) -> Response:
    """Classify 1 to 10 000 beats, 187 samples each at 360 Hz, with what is known of their recording or without."""
    # Read and written by pydantic itself, in this thread: FastAPI's way takes 12 ms longer for 200 beats.
    try:
        question = LooseBeats.model_validate_json(body)
    except ValidationError as error:
        told = error.errors(include_url=False, include_context=False, include_input=False)
        raise RequestValidationError([{**one, "loc": ("body", *one["loc"])} for one in told]) from error
    champion = _champion(request)
    probabilities = champion.model.predict_proba(question.laid_out())
    _metrics(request).beats.inc(len(probabilities))
    advice = None
    if question.context is None and champion.architecture == "relative":
        advice = (
            "This model compares beats with their own recording, and was told nothing of it: send context, or let it "
            "classify the recording (POST /api/classify/recording)."
        )
    answer = Classification(
        model=champion.name,
        version=champion.version,
        beats=[ClassifiedBeat.model_construct(**beat) for beat in _told(probabilities)],
        advice=advice,
    )
    return Response(answer.model_dump_json(), media_type="application/json")


@router.post("/classify/recording", responses={**_ERRORS, 404: {"description": "There is no such recording."}})
def classify_recording(request: Request, data: Data, recording_id: RecordingId) -> dict[str, Any]:
    """Classify a whole recording with the champion, and answer without storing anything."""
    champion = _champion(request)
    settings: Settings = request.app.state.settings
    found = data.row(
        """
        SELECT c.beats_key, c.content_sha256, c.n_beats, b.model_version, b.in_training_set
        FROM current_recordings AS c LEFT JOIN recording_burden AS b USING (recording_id)
        WHERE c.recording_id = :recording_id
        """,
        recording_id=recording_id,
    )
    if found is None:
        raise HTTPException(status.HTTP_404_NOT_FOUND, "There is no recording of that name among those ingested.")
    if found["n_beats"] > MOST_RECORDING_BEATS:
        told = f"It has more than {MOST_RECORDING_BEATS} beats; let score_recordings label it and read /api/labels."
        raise HTTPException(status.HTTP_422_UNPROCESSABLE_CONTENT, told)
    if not _AT_ONCE.acquire(blocking=False):
        told = "Two recordings are being classified already; try again in a moment."
        raise HTTPException(status.HTTP_429_TOO_MANY_REQUESTS, told, headers={"Retry-After": "2"})
    try:
        ref = lake.BeatsRef(
            recording_id=recording_id, beats_key=found["beats_key"], content_sha256=found["content_sha256"]
        )
        beats = read_beats(s3_client(settings), settings.lake_bucket, ref)
        probabilities = champion.model.predict_proba(beats)[beats.is_beat]
    finally:
        _AT_ONCE.release()
    kept = beats.take(beats.is_beat)
    _metrics(request).beats.inc(len(kept))
    labels = np.where(kept.is_classifiable, probabilities.argmax(axis=1), NO_CLASS)
    return {
        "recording_id": recording_id,
        "model": champion.name,
        "version": champion.version,
        # Known of the version that has labelled the recording; null before the champion has.
        "in_training_set": found["in_training_set"] if found["model_version"] == champion.version else None,
        "counts": {name: int((labels == place).sum()) for place, name in enumerate(CLASSES)},
        "unclassifiable": int((labels == NO_CLASS).sum()),
        "r_peak_sample": kept.r_peak_sample.tolist(),
        # A letter a beat, ? where the signal shows nothing.
        "label": "".join("?" if place == NO_CLASS else CLASSES[place] for place in labels),
        "confidence": np.round(probabilities.max(axis=1).astype(np.float64), 4).tolist(),
    }


@router.get("/labels", responses=_ERRORS)
def read_labels(
    data: Data,
    recording_id: RecordingId,
    after_sample: Annotated[int, Query(ge=-1, le=2**31 - 1, description="Go on after this R peak.")] = -1,
    limit: Annotated[int, Query(ge=1, le=MOST_LABELS)] = 1_000,
) -> dict[str, Any]:
    """Read a recording's current labels in order, a page at a time; `next` is where the next page begins."""
    model = data.row(
        "SELECT model_version, in_training_set FROM recording_burden WHERE recording_id = :recording_id",
        recording_id=recording_id,
    )
    rows = data.rows(
        """
        SELECT r_peak_sample, time_s, class AS label, model_class, reviewed_by, confidence, p_n, p_s, p_v, p_f, p_q,
            rr_previous_s, reference
        FROM recording_labels WHERE recording_id = :recording_id AND r_peak_sample > :after
        ORDER BY r_peak_sample LIMIT :limit
        """,
        recording_id=recording_id,
        after=after_sample,
        limit=limit,
    )
    return {
        "labels": [{**row, **(model or {})} for row in rows],
        "next": rows[-1]["r_peak_sample"] if len(rows) == limit else None,
    }


@router.get("/burden", responses={**_ERRORS, 404: {"description": "It is not labelled, or there is none."}})
def read_burden(data: Data, recording_id: RecordingId) -> dict[str, Any]:
    """Read how many beats of each class a recording has, altogether and hour by hour."""
    total = data.row("SELECT * FROM recording_burden WHERE recording_id = :recording_id", recording_id=recording_id)
    if total is None:
        raise HTTPException(status.HTTP_404_NOT_FOUND, "There is no labelled recording of that name.")
    hours = data.rows(
        "SELECT * FROM recording_hourly_burden WHERE recording_id = :recording_id ORDER BY hour",
        recording_id=recording_id,
    )
    return {"recording": total, "hours": hours}


@router.get("/model", responses=_ERRORS)
def tell_model(request: Request) -> dict[str, Any]:
    """Tell which model classifies, and what it wants to know of a beat."""
    champion = _champion(request)
    return {
        "model": champion.name,
        "version": champion.version,
        "architecture": champion.architecture,
        "classes": list(CLASSES),
        "samples": WINDOW_SAMPLES,
        "r_peak_index": R_PEAK_INDEX,
        "context_features": list(CONTEXT_FEATURES),
    }


@router.get("/health", responses=_ERRORS)
def tell_health(request: Request, data: Data) -> dict[str, Any]:
    """Tell whether the database answers, and which version is loaded; 503 when it does not."""
    data.row("SELECT 1 AS one")
    kept = _keeper(request).kept
    return {"status": "healthy", "database": "healthy", "loaded_version": kept.version if kept else None}


@router.get("/metrics", responses=_ERRORS, response_class=Response)
def tell_metrics(request: Request) -> Response:
    """Give metrics in Prometheus' text format."""
    metrics = _metrics(request)
    kept = _keeper(request).kept
    metrics.version.set(kept.version if kept else 0)
    return Response(metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")


def _keeper(request: Request) -> ChampionKeeper:
    return cast("ChampionKeeper", request.app.state.champion)


def _metrics(request: Request) -> Metrics:
    return cast("Metrics", request.app.state.metrics)


def _champion(request: Request) -> Champion:
    try:
        return _keeper(request).get()
    except NoChampionError as error:
        raise HTTPException(status.HTTP_503_SERVICE_UNAVAILABLE, str(error)) from error


def _told(probabilities: NDArray[np.float32]) -> list[dict[str, Any]]:
    rounded = np.round(probabilities.astype(np.float64), 4).tolist()
    return [
        {"label": CLASSES[place], "confidence": row[place], "probabilities": dict(zip(CLASSES, row, strict=True))}
        for place, row in zip(probabilities.argmax(axis=1).tolist(), rounded, strict=True)
    ]
