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
    "rate": "b.heart_rate_bpm DESC NULLS LAST, c.recording_id",
    "runs": "b.longest_run_beats DESC NULLS LAST, c.recording_id",
    "pauses": "b.longest_rr_s DESC NULLS LAST, c.recording_id",
    "quality": "q.quality_percent, c.recording_id",
    "review": "b.n_unsure DESC NULLS LAST, c.recording_id",
    "duration": "c.duration_s DESC, c.recording_id",
    "newest": "c.ingested_at DESC, c.recording_id",
}

_FILTERS: Final = {
    "ventricular": "b.ventricular_percent > 10",
    "pauses": "b.n_pauses > 0",
    "runs": "b.n_runs > 0",
    "review": "b.n_unsure > 0",
    "noise": "q.n_noisy_minutes > 0",
    "unlabelled": "NOT c.labelled_by_champion",
    "held": "EXISTS (SELECT FROM current_held AS h WHERE h.recording_id = c.recording_id AND h.is_current_revision)",
}

_JOINS: Final = {
    "b.": "LEFT JOIN recording_burden AS b USING (recording_id)",
    "q.": "JOIN recording_quality AS q USING (recording_id)",
}
"""Views that filters and orders look into, by what they call them."""

_FOUND: Final = "SELECT c.recording_id, count(*) OVER () AS n_found FROM current_recordings AS c"

# One by one: what is known of a hundred recordings is not worth a look at all the others.
_SELECT: Final = """
    SELECT
        c.recording_id, c.source, c.duration_s, c.sampling_frequency, c.n_samples, c.leads, c.analysis_lead,
        c.second_lead, c.r_peak_source, c.annotated, c.n_beats, c.ingested_at, c.labelled_by_champion,
        b.n_normal, b.n_supraventricular, b.n_ventricular, b.n_fusion, b.n_unknown_or_paced, b.ventricular_percent,
        b.supraventricular_percent, b.heart_rate_bpm, b.slow_heart_rate_bpm, b.fast_heart_rate_bpm, b.longest_rr_s,
        b.n_pauses, b.n_couplets, b.n_runs, b.longest_run_beats, b.n_unsure, b.n_reviewed,
        b.model_name, b.model_version, b.in_training_set, b.scored_at, b.labels_dropped_at,
        q.quality_percent, q.n_noisy_minutes, q.n_unclassifiable, h.held_id, h.reasons AS held_reasons
    FROM unnest(CAST(:chosen AS text[])) WITH ORDINALITY AS p (recording_id, place)
    CROSS JOIN LATERAL (SELECT * FROM current_recordings WHERE recording_id = p.recording_id LIMIT 1) AS c
    LEFT JOIN LATERAL (SELECT * FROM recording_burden WHERE recording_id = p.recording_id LIMIT 1) AS b ON true
    LEFT JOIN LATERAL (SELECT * FROM recording_quality WHERE recording_id = p.recording_id LIMIT 1) AS q ON true
    LEFT JOIN LATERAL (
        SELECT held_id, reasons FROM current_held
        WHERE recording_id = p.recording_id AND is_current_revision ORDER BY held_id DESC LIMIT 1
    ) AS h ON true
    ORDER BY p.place
"""


@router.get("/recordings")
def list_recordings(
    data: Data,
    search: Annotated[str, Query(max_length=200, pattern=TEXT, description="Part of a recording's name.")] = "",
    only: Annotated[
        list[Literal["ventricular", "pauses", "runs", "review", "noise", "unlabelled", "held"]],
        Query(max_length=7, description="Filters; all of them have to fit."),
    ] = [],  # noqa: B006 - FastAPI copies defaults
    order: Literal[
        "recording",
        "ventricular",
        "supraventricular",
        "rate",
        "runs",
        "pauses",
        "quality",
        "review",
        "duration",
        "newest",
    ] = "recording",
    offset: Annotated[int, Query(ge=0, le=10_000_000)] = 0,
) -> dict[str, Any]:
    """List recordings with their burdens, at most 100 at a time."""
    conditions = ["strpos(lower(c.recording_id), lower(:search)) > 0", *(_FILTERS[name] for name in only)]
    asked = f"WHERE {' AND '.join(conditions)} ORDER BY {_ORDERS[order]}"
    joins = " ".join(join for name, join in _JOINS.items() if f" {name}" in asked)
    found = data.rows(f"{_FOUND} {joins} {asked} LIMIT :limit OFFSET :offset", search=search, limit=PAGE, offset=offset)
    chosen = [row["recording_id"] for row in found]
    return {
        "n_found": found[0]["n_found"] if found else 0,
        "offset": offset,
        "recordings": data.rows(_SELECT, chosen=chosen) if chosen else [],
    }


@router.get("/recording")
def show_recording(data: Data, recording_id: RecordingId) -> dict[str, Any]:
    """Tell what is known of one recording."""
    found = data.row(_SELECT, chosen=[recording_id])
    if found is None:
        raise HTTPException(status.HTTP_404_NOT_FOUND, "There is no recording of that name among those ingested.")
    return found
