"""The strip: a stretch of a recording as it is drawn, its beats, the whole of it at a glance, and ways to jump."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, TypeVar, cast

from fastapi import APIRouter, Depends, HTTPException, Query, Request, status

from heartwave_tasks.page.database import Data
from heartwave_tasks.page.recordings import RecordingId
from heartwave_tasks.page.relatives import Shapes
from heartwave_tasks.stores.beats import BeatsRef
from heartwave_tasks.stores.strips import Strip, StripMissingError, strip_key

if TYPE_CHECKING:
    from collections.abc import Callable

    from botocore.client import BaseClient as S3Client

    from heartwave_tasks.page.database import Database
    from heartwave_tasks.settings import Settings

_T = TypeVar("_T")

router = APIRouter(prefix="/data", tags=["strips"])

MOST_BEATS: Final = 900
"""Beats in one answer; a view of more shows how many of each class lie where."""

MOST_COLUMNS: Final = 8_192
"""Columns of all leads of one answer: an answer stays below 200 kB."""

UNSURE: Final = 0.6
"""Confidence below which a beat asks for a person's eye."""

_OPEN_STRIPS: Final = 64
_OPEN_SHAPES: Final = 3


class Lake:
    """Strips and beats of the lake, with the last few kept open; their keys hold their content's hash."""

    def __init__(self, client: S3Client, settings: Settings) -> None:
        self._client, self._bucket = client, settings.lake_bucket
        self._strips: OrderedDict[str, Strip] = OrderedDict()
        self._shapes: OrderedDict[str, Shapes] = OrderedDict()
        self._lock = threading.Lock()

    def strip(self, beats_key: str) -> Strip:
        """Open a revision's strip; raises `StripMissingError`."""
        key = strip_key(beats_key)
        return self._kept(self._strips, key, _OPEN_STRIPS, lambda: Strip(self._client, self._bucket, key))

    def shapes(self, ref: BeatsRef) -> Shapes:
        """Read the shapes of a revision's beats."""
        return self._kept(
            self._shapes, ref.beats_key, _OPEN_SHAPES, lambda: Shapes.read(self._client, self._bucket, ref)
        )

    def _kept(self, kept: OrderedDict[str, _T], key: str, most: int, make: Callable[[], _T]) -> _T:
        with self._lock:
            if key in kept:
                kept.move_to_end(key)
                return kept[key]
        made = make()
        with self._lock:
            kept[key] = made
            while len(kept) > most:
                kept.popitem(last=False)
        return made


def _lake_of(request: Request) -> Lake:
    return cast("Lake", request.app.state.lake)


OpenLake = Annotated[Lake, Depends(_lake_of)]
Sample = Annotated[int, Query(ge=0, le=2**31 - 1, description="R peak, at the recording's own rate.")]

_LABELS: Final = """
    SELECT r_peak_sample, class, confidence, p_n, p_s, p_v, p_f, p_q, rr_previous_s, reference,
        model_class, reviewed_by, reviewed_at
    FROM recording_labels WHERE recording_id = :recording_id
"""


@router.get("/strip")
def draw(
    data: Data,
    lake: OpenLake,
    recording_id: RecordingId,
    start_s: Annotated[float, Query(ge=0, le=1e8)] = 0.0,
    stop_s: Annotated[float, Query(gt=0, le=1e8)] = 10.0,
    columns: Annotated[int, Query(ge=16, le=4096, description="Width of the picture.")] = 1200,
    leads: Annotated[int, Query(ge=1, le=4, description="How many leads are drawn.")] = 2,
) -> dict[str, Any]:
    """Give what one view draws: each lead's samples or extremes, in µV, and its beats."""
    if stop_s <= start_s:
        raise HTTPException(status.HTTP_422_UNPROCESSABLE_CONTENT, "A view ends after it starts: stop_s > start_s.")
    revision = _revision(data, recording_id)
    strip = _strip(lake, revision)
    rate = strip.header.sampling_frequency
    start, stop = int(start_s * rate), min(int(stop_s * rate) + 1, strip.header.n_samples)
    expected = revision["n_beats"] * (stop - start) / max(1, strip.header.n_samples)
    drawn = []
    for lead in range(min(leads, len(strip.header.leads))):
        stretch = strip.read(lead, start, stop, min(columns, MOST_COLUMNS // leads))
        drawn.append(
            {
                "name": strip.header.leads[lead],
                "start": stretch.start,
                "per_column": stretch.per_column,
                "range": strip.header.ranges[lead],
                "values": stretch.values.ravel().tolist(),
            }
        )
    return {
        "sampling_frequency": rate,
        "n_samples": strip.header.n_samples,
        "leads": drawn,
        # Where there are far too many to be told apart, the database need not be asked.
        "beats": None if expected > 2 * MOST_BEATS else _beats(data, recording_id, start, stop),
        "episodes": [] if expected > 2 * MOST_BEATS else _episodes(data, recording_id, start / rate, stop / rate),
    }


@router.get("/overview")
def overview(
    data: Data, recording_id: RecordingId, buckets: Annotated[int, Query(ge=8, le=1000)] = 400
) -> dict[str, Any]:
    """Give the whole recording at a glance: RR intervals and beats by class, stretch by stretch, and noisy minutes."""
    revision = _revision(data, recording_id)
    width = max(revision["duration_s"] / buckets, 1e-3)
    noise = data.rows(
        """
        SELECT minute FROM recording_minutes
        WHERE recording_id = :recording_id AND is_analysis_lead AND is_noise ORDER BY minute
        """,
        recording_id=recording_id,
    )
    return {
        "noisy_minutes": [row["minute"] for row in noise],
        "bucket_s": width,
        **data.columns(
            """
            SELECT
                floor(time_s / :width)::integer AS bucket,
                min(rr_previous_s) AS rr_low,
                avg(rr_previous_s)::real AS rr_mean,
                max(rr_previous_s) AS rr_high,
                count(*) AS n,
                count(*) FILTER (WHERE class = 'S') AS s,
                count(*) FILTER (WHERE class = 'V') AS v,
                count(*) FILTER (WHERE class = 'F') AS f,
                count(*) FILTER (WHERE class = 'Q') AS q,
                count(*) FILTER (WHERE class IS NULL) AS none
            FROM recording_labels WHERE recording_id = :recording_id
            GROUP BY 1 ORDER BY 1
            """,
            recording_id=recording_id,
            width=width,
        ),
    }


_KINDS: Final = {
    "beat": "true",
    "V": "class = 'V'",
    "S": "class = 'S'",
    "F": "class = 'F'",
    "Q": "class = 'Q'",
    "unsure": f"confidence < {UNSURE} AND class IS NOT NULL",
    "disagreement": "reference IS NOT NULL AND reference <> class",
}

_EPISODE: Final = "SELECT first_sample FROM recording_episodes WHERE recording_id = :recording_id"
_EPISODES: Final = {"run": "kind = 'run'", "pause": "kind = 'pause' AND length_s >= 3"}


@router.get("/jump")
def jump(
    data: Data,
    recording_id: RecordingId,
    sample: Sample,
    kind: Literal["beat", "V", "S", "F", "Q", "unsure", "disagreement", "run", "pause"],
    direction: Literal["next", "previous"] = "next",
) -> dict[str, Any]:
    """Find the next or previous beat of a kind; `beat` is null when there is none."""
    side, order = (">", "") if direction == "next" else ("<", "DESC")
    if kind in _EPISODES:
        episode = data.row(
            f"{_EPISODE} AND {_EPISODES[kind]} AND first_sample {side} :sample ORDER BY first_sample {order} LIMIT 1",
            recording_id=recording_id,
            sample=sample,
        )
        if episode is None:
            return {"beat": None}
        sample, condition = episode["first_sample"], "r_peak_sample = :sample"
    else:
        condition = f"r_peak_sample {side} :sample AND {_KINDS[kind]} ORDER BY r_peak_sample {order} LIMIT 1"
    return {"beat": data.row(f"{_LABELS} AND {condition}", recording_id=recording_id, sample=sample)}


@router.get("/episodes")
def list_episodes(data: Data, recording_id: RecordingId) -> dict[str, Any]:
    """List a recording's most remarkable episodes: its longest runs and pauses, bigeminy, couplets."""
    return {
        "episodes": data.rows(
            """
            SELECT kind, start_s, end_s, length_s, n_beats, rate_bpm, first_sample FROM (
                SELECT *, row_number() OVER (PARTITION BY kind ORDER BY n_beats DESC, length_s DESC, start_s) AS place
                FROM recording_episodes
                WHERE recording_id = :recording_id AND (kind <> 'pause' OR length_s >= 3)
            ) AS e WHERE place <= 5
            ORDER BY array_position(ARRAY['run', 'pause', 'bigeminy', 'couplet'], kind), place
            """,
            recording_id=recording_id,
        )
    }


@router.get("/hours")
def tell_hours(data: Data, recording_id: RecordingId) -> dict[str, Any]:
    """Tell of every hour of a recording: beats, burden, heart rate, runs, pauses, and minutes that cannot be read."""
    return data.columns(
        """
        SELECT
            h.hour, b.n_beats, b.ventricular_percent, b.supraventricular_percent, b.heart_rate_bpm,
            coalesce(e.n_runs, 0) AS n_runs, coalesce(e.n_pauses, 0) AS n_pauses, coalesce(n.n_noisy, 0) AS n_noisy
        FROM current_recordings AS c
        CROSS JOIN LATERAL generate_series(0, greatest(0, ceil(c.duration_s / 3600)::integer - 1)) AS h (hour)
        LEFT JOIN recording_hourly_burden AS b ON b.recording_id = c.recording_id AND b.hour = h.hour
        LEFT JOIN (
            SELECT floor(start_s / 3600)::integer AS hour, count(*) FILTER (WHERE kind = 'run') AS n_runs,
                count(*) FILTER (WHERE kind = 'pause' AND length_s >= 3) AS n_pauses
            FROM recording_episodes WHERE recording_id = :recording_id GROUP BY 1
        ) AS e ON e.hour = h.hour
        LEFT JOIN (
            SELECT minute / 60 AS hour, count(*) AS n_noisy
            FROM recording_minutes WHERE recording_id = :recording_id AND is_analysis_lead AND is_noise GROUP BY 1
        ) AS n ON n.hour = h.hour
        WHERE c.recording_id = :recording_id ORDER BY h.hour
        """,
        recording_id=recording_id,
    )


@router.get("/beat")
def show_beat(data: Data, lake: OpenLake, recording_id: RecordingId, sample: Sample) -> dict[str, Any]:
    """Give one beat: its label, its shape, the recording's dominant beat, and the beats most like it."""
    label = data.row(f"{_LABELS} AND r_peak_sample = :sample", recording_id=recording_id, sample=sample)
    if label is None:
        raise HTTPException(status.HTTP_404_NOT_FOUND, "There is no labelled beat at that sample.")
    revision = _revision(data, recording_id)
    ref = BeatsRef(
        recording_id=recording_id, beats_key=revision["beats_key"], content_sha256=revision["content_sha256"]
    )
    found = lake.shapes(ref).describe(sample)
    relatives = found.pop("relatives")
    labels = {
        row["r_peak_sample"]: row
        for row in data.rows(
            f"{_LABELS} AND r_peak_sample = ANY(:samples)",
            recording_id=recording_id,
            samples=[relative["r_peak_sample"] for relative in relatives],
        )
    }
    kept = [
        {**relative, "class": labels[at]["class"], "confidence": labels[at]["confidence"]}
        for relative in relatives
        if (at := relative["r_peak_sample"]) in labels
    ]
    return {"label": label, **found, "relatives": kept}


def _revision(data: Database, recording_id: str) -> dict[str, Any]:
    found = data.row(
        """
        SELECT beats_key, content_sha256, sampling_frequency, duration_s, n_beats
        FROM current_recordings WHERE recording_id = :recording_id
        """,
        recording_id=recording_id,
    )
    if found is None:
        raise HTTPException(status.HTTP_404_NOT_FOUND, "There is no recording of that name among those ingested.")
    return found


def _strip(lake: Lake, revision: dict[str, Any]) -> Strip:
    try:
        return lake.strip(revision["beats_key"])
    except StripMissingError as error:
        told = "This recording was ingested before strips were kept. Upload it again to draw it."
        raise HTTPException(status.HTTP_409_CONFLICT, told) from error


def _episodes(data: Database, recording_id: str, start_s: float, stop_s: float) -> list[dict[str, Any]]:
    """Return the couplets, runs, and pauses of three seconds that reach into a stretch."""
    return data.rows(
        """
        SELECT kind, start_s, end_s, length_s, n_beats, rate_bpm FROM recording_episodes
        WHERE recording_id = :recording_id AND start_s < :stop_s AND end_s > :start_s
          AND (kind IN ('couplet', 'run') OR kind = 'pause' AND length_s >= 3)
        ORDER BY start_s LIMIT :most
        """,
        recording_id=recording_id,
        start_s=start_s,
        stop_s=stop_s,
        most=MOST_BEATS,
    )


def _beats(data: Database, recording_id: str, start: int, stop: int) -> dict[str, Any] | None:
    """Return the beats between two samples by column, None when they are too many to be told apart."""
    found = data.columns(
        f"{_LABELS} AND r_peak_sample >= :start AND r_peak_sample < :stop ORDER BY r_peak_sample LIMIT :most",
        recording_id=recording_id,
        start=start,
        stop=stop,
        most=MOST_BEATS + 1,
    )
    if len(found["r_peak_sample"]) > MOST_BEATS:
        return None
    del found["reviewed_at"]
    found["reviewed"] = [name is not None for name in found.pop("reviewed_by")]
    probabilities = zip(*(found.pop(f"p_{name}") for name in "nsvfq"), strict=True)
    return {
        **found,
        "rr_previous_s": [None if value is None else round(value, 3) for value in found["rr_previous_s"]],
        "confidence": [round(value, 3) for value in found["confidence"]],
        "p": [[round(value, 3) for value in row] for row in probabilities],
    }
