"""Recordings: the searchable table, and what is known of one."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, HTTPException, Query, status

from heartwave_tasks.page.database import Data

router = APIRouter(prefix="/data", tags=["recordings"])

PAGE: Final = 100
"""Recordings in one answer."""

TEXT: Final = r"^[^\x00]*$"
"""PostgreSQL's text holds every character but one."""

RecordingId = Annotated[
    str, Query(alias="id", min_length=3, max_length=200, pattern=TEXT, description="<source>/<record>")
]

_ORDERS: Final = {
    "recording": "c.recording_id",
    "ventricular": "b.ventricular_percent DESC NULLS LAST, c.recording_id",
    "supraventricular": "b.supraventricular_percent DESC NULLS LAST, c.recording_id",
    "rate": "60 * c.n_beats / nullif(c.duration_s, 0) DESC NULLS LAST, c.recording_id",
    "duration": "c.duration_s DESC, c.recording_id",
    "newest": "c.ingested_at DESC, c.recording_id",
}

_COLUMNS: Final = """
    c.recording_id, c.source, c.duration_s, c.sampling_frequency, c.n_samples, c.leads, c.analysis_lead, c.second_lead,
    c.r_peak_source, c.annotated, c.n_beats, c.ingested_at, c.labelled_by_champion,
    60 * c.n_beats / nullif(c.duration_s, 0) AS heart_rate_bpm,
    b.n_normal, b.n_supraventricular, b.n_ventricular, b.n_fusion, b.n_unknown_or_paced,
    b.ventricular_percent, b.supraventricular_percent, b.model_name, b.model_version, b.in_training_set, b.scored_at,
    b.labels_dropped_at
"""


@router.get("/recordings")
def list_recordings(
    data: Data,
    search: Annotated[str, Query(max_length=200, pattern=TEXT, description="Part of a recording's name.")] = "",
    only: Annotated[
        list[Literal["ventricular", "pauses", "unlabelled", "review"]], Query(max_length=4, description="Filters.")
    ] = [],  # noqa: B006 - FastAPI copies defaults
    order: Literal["recording", "ventricular", "supraventricular", "rate", "duration", "newest"] = "recording",
    offset: Annotated[int, Query(ge=0, le=10_000_000)] = 0,
) -> dict[str, Any]:
    """List recordings with their burdens, at most 100 at a time."""
    conditions = ["strpos(lower(c.recording_id), lower(:search)) > 0"]
    if "ventricular" in only:
        conditions.append("b.ventricular_percent > 10")
    if "unlabelled" in only:
        conditions.append("NOT c.labelled_by_champion")
    conditions.extend(f"x.n_{name} > 0" for name in ("pauses", "review") if name in only)
    # Beats are looked at one by one only for the rows that are shown, unless a filter asks.
    found = data.rows(
        f"""
        WITH chosen AS (
            SELECT {_COLUMNS}, count(*) OVER () AS n_found
            FROM current_recordings AS c
            LEFT JOIN recording_burden AS b USING (recording_id)
            {_BEATS if {"pauses", "review"} & set(only) else ""}
            WHERE {" AND ".join(conditions)}
            ORDER BY {_ORDERS[order]}
            LIMIT :limit OFFSET :offset
        )
        SELECT c.*, x.n_pauses, x.n_review, x.longest_rr_s
        FROM chosen AS c
        {_BEATS}
        """,  # noqa: S608 - pieces of our own; values are bound
        search=search,
        limit=PAGE,
        offset=offset,
    )
    total = found[0]["n_found"] if found else 0
    return {"n_found": total, "offset": offset, "recordings": [{**row, "n_found": None} for row in found]}


_BEATS: Final = """
    LEFT JOIN LATERAL (
        SELECT
            count(*) FILTER (WHERE l.rr_previous_s >= 3) AS n_pauses,
            count(*) FILTER (WHERE l.confidence < 0.6) AS n_review,
            max(l.rr_previous_s) AS longest_rr_s
        FROM current_labels AS l WHERE l.recording_id = c.recording_id
    ) AS x ON true
"""


@router.get("/recording")
def show_recording(data: Data, recording_id: RecordingId) -> dict[str, Any]:
    """Tell what is known of one recording."""
    found = data.row(
        f"""
        SELECT {_COLUMNS}, x.n_pauses, x.n_review, x.longest_rr_s
        FROM current_recordings AS c LEFT JOIN recording_burden AS b USING (recording_id) {_BEATS}
        WHERE c.recording_id = :recording_id
        """,  # noqa: S608 - pieces of our own; values are bound
        recording_id=recording_id,
    )
    if found is None:
        raise HTTPException(status.HTTP_404_NOT_FOUND, "There is no recording of that name among those ingested.")
    return found
