"""Reviews: the beats a person should look at, what they say of them, and who said what when."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, HTTPException, Query, status
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.exc import DBAPIError

from heartwave_tasks.page.database import Data
from heartwave_tasks.page.people import Writer
from heartwave_tasks.page.recordings import TEXT

router = APIRouter(prefix="/data", tags=["reviews"])

_NO_DATA_FOUND: Final = "P0002"

QUEUE: Final = 30
"""Beats that are handed out at a time."""


class Review(BaseModel):
    """What somebody says a beat is; no class takes back what was said."""

    model_config = ConfigDict(populate_by_name=True, extra="forbid")

    recording_id: str = Field(min_length=3, max_length=200, pattern=TEXT)
    r_peak_sample: int = Field(ge=0, le=2**31 - 1)
    beat_class: Literal["N", "S", "V", "F", "Q"] | None = Field(alias="class")


@router.get("/review/queue")
def list_queue(
    data: Data,
    skip: Annotated[
        list[Annotated[str, Field(pattern=TEXT, max_length=220)]],
        Query(max_length=200, description="Beats to leave out, as recording:sample."),
    ] = [],  # noqa: B006
) -> dict[str, Any]:
    """Hand out the least confident beats nobody has reviewed, across recordings."""
    beats = data.rows(
        """
        SELECT q.recording_id, q.r_peak_sample, q.time_s, q.class, q.confidence, q.p_n, q.p_s, q.p_v, q.p_f, q.p_q,
            q.rr_previous_s, q.rr_next_s, b.in_training_set
        FROM (
            SELECT * FROM review_queue WHERE NOT (recording_id || ':' || r_peak_sample = ANY(:skip))
            ORDER BY confidence, recording_id, r_peak_sample LIMIT :most
        ) AS q
        JOIN recording_burden AS b USING (recording_id)
        ORDER BY q.confidence, q.recording_id, q.r_peak_sample
        """,
        skip=skip,
        most=QUEUE,
    )
    waiting = data.row("SELECT sum(n_unsure)::integer AS n FROM recording_burden")
    return {"n_waiting": (waiting or {}).get("n") or 0, "beats": beats}


@router.get("/reviews")
def list_reviews(data: Data) -> dict[str, Any]:
    """List the newest reviews that count, and how many there are."""
    total = data.row("SELECT count(*) AS n, count(*) FILTER (WHERE NOT agrees) AS corrected FROM current_reviews")
    newest = data.rows(
        """
        SELECT recording_id, r_peak_sample, class, model_class, model_version, reviewed_by, reviewed_at
        FROM current_reviews ORDER BY reviewed_at DESC LIMIT 12
        """
    )
    return {**(total or {}), "newest": newest}


@router.post("/reviews")
def note_review(data: Data, review: Review, person: Writer) -> dict[str, Any]:
    """Note what a person says a beat is; from now on `current_labels` says so."""
    try:
        noted = data.change(
            "SELECT heartwave.review_beat(:recording, :sample, CAST(:said AS beat_class), :person) AS review_id",
            recording=review.recording_id,
            sample=review.r_peak_sample,
            said=review.beat_class,
            person=person.name,
        )
    except DBAPIError as error:
        if getattr(error.orig, "pgcode", None) != _NO_DATA_FOUND:
            raise
        told = "There is no labelled beat at that sample of that recording."
        raise HTTPException(status.HTTP_404_NOT_FOUND, told) from error
    return {**noted, "reviewed_by": person.name}
