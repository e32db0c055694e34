"""A database the size of years: recordings of a day and of half an hour, two model versions, many months."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import groupby
from typing import TYPE_CHECKING, Final

import numpy as np
import psycopg2
from psycopg2.extras import execute_values

from heartwave_tasks.ecg.labels import CLASSES, NO_CLASS
from heartwave_tasks.stores.label_batch import LabelBatch
from tests.integration.planting import Planter

if TYPE_CHECKING:
    from collections.abc import Iterator

    from heartwave_tasks.stores.predictions import PredictionStore

DAY_BEATS: Final = 100_000
HALF_HOUR_BEATS: Final = 2_000
MONTHS: Final = 24
SHARE_OF_DAYS: Final = 0.8
"""Of the rows; the rest are of recordings of half an hour."""
_VARIANTS: Final = 4
_CLASS_SHARES: Final = (0.93, 0.02, 0.04, 0.005, 0.005)
_TEMPLATE_NIGHT: Final = date(2000, 1, 1)
SUMMARIES: Final = (
    "scoring_summaries",
    "scoring_hours",
    "scoring_episodes",
    "scoring_references",
    "scoring_agreements",
)


@dataclass(frozen=True)
class Piece:
    """One recording to be: labelled by both versions."""

    recording_id: str
    n_beats: int
    night: date
    variant: int


def plan(n_rows: int) -> list[Piece]:
    """Share so many label rows, two to a beat, out among recordings and nights."""
    n_days = max(1, round(n_rows * SHARE_OF_DAYS / 2 / DAY_BEATS))
    n_short = max(1, round((n_rows / 2 - n_days * DAY_BEATS) / HALF_HOUR_BEATS))
    newest = datetime.now(UTC).date().replace(day=1)
    nights = [newest - timedelta(days=round(30.4 * months) - 14) for months in range(MONTHS, 0, -1)]
    days = [Piece(f"ward/day{place:05}", DAY_BEATS, nights[place * MONTHS // n_days], place) for place in range(n_days)]
    short = [
        Piece(f"clinic/visit{place:06}", HALF_HOUR_BEATS, nights[place * MONTHS // n_short], place)
        for place in range(n_short)
    ]
    return sorted(days + short, key=lambda piece: piece.night)


def labels(n_beats: int, seed: int, *, other: bool) -> LabelBatch:
    """Labels with ectopic beats, runs and pauses as Holter recordings have them; the `other` version differs in 2 %."""
    random = np.random.default_rng(seed)
    bursts = random.random(n_beats) < 0.001
    class_ids = random.choice(len(CLASSES), n_beats, p=_CLASS_SHARES)
    for start in np.flatnonzero(bursts):
        class_ids[start : start + random.integers(2, 9)] = CLASSES.index("V")
    turns = np.flatnonzero(random.random(n_beats) < 0.0002)
    for start in turns:
        class_ids[start : start + 12 : 2] = CLASSES.index("V")
    intervals = random.normal(0.86, 0.08, n_beats).clip(0.3, 2)
    intervals[random.random(n_beats) < 0.0002] = random.uniform(2, 4)
    # One kind in four has reference labels: what the first version says, but for 2 %.
    reference_ids = np.full(n_beats, NO_CLASS, np.int8)
    if seed % _VARIANTS == 0:
        reference_ids = np.where(np.arange(n_beats) % 50, class_ids, CLASSES.index("V")).astype(np.int8)
    if other:
        # Only now: the beats themselves are the same.
        random = np.random.default_rng(seed + 1_000)
        changed = random.random(n_beats) < 0.02
        class_ids[changed] = random.choice(len(CLASSES), int(changed.sum()))
    confidence = (1 - random.exponential(0.12, n_beats)).clip(0.35, 1).astype(np.float32)
    probabilities = np.repeat(((1 - confidence) / (len(CLASSES) - 1))[:, None], len(CLASSES), axis=1)
    probabilities[np.arange(n_beats), class_ids] = confidence
    time_s = np.cumsum(intervals)
    return LabelBatch(
        r_peak_sample=np.round(time_s * 250).astype(np.int32),
        time_s=time_s,
        class_ids=class_ids,
        confidence=confidence,
        probabilities=probabilities,
        rr_previous_s=np.concatenate([[np.nan], np.diff(time_s)]).astype(np.float32),
        rr_next_s=np.concatenate([np.diff(time_s), [np.nan]]).astype(np.float32),
        reference_ids=reference_ids,
    )


def fill(store: PredictionStore, owner_url: str, pieces: list[Piece], *, with_labels: bool = True) -> Iterator[int]:
    """Fill the database, month by month; yield after each how many label rows there are.

    A few scorings are written as scoring writes them; the others are copies of these within the server, labels, ledger
    and summaries alike. Each month's labels are indexed when they are complete: quicker than row by row. Without them,
    only what whole-estate questions read is there, which takes a minute instead of a quarter of an hour.
    """
    plant = Planter(store)
    versions = [plant.model(1, promoted=True), plant.model(2)]
    templates = _write_templates(plant, versions)
    connection = psycopg2.connect(owner_url)
    n_rows = 0
    for night, found in groupby(pieces, key=lambda piece: piece.night):
        of_month = list(found)
        month = night.replace(day=1)
        partition = f"labels_{month:%Y_%m}"
        with connection, connection.cursor() as cursor:
            _record(cursor, of_month, templates)
            cursor.execute(
                f"CREATE TABLE heartwave.{partition} (LIKE heartwave.labels INCLUDING ALL EXCLUDING INDEXES)"
            )
            for version in versions:
                for table in ("scorings", *([partition] if with_labels else []), *SUMMARIES):
                    _copy(cursor, table, night, version)
            cursor.execute("DROP TABLE copies")
            cursor.execute(
                f"ALTER TABLE heartwave.labels ATTACH PARTITION heartwave.{partition} FOR VALUES FROM (%s) TO (%s)",
                (month, (month + timedelta(days=31)).replace(day=1)),
            )
        n_rows += len(versions) * sum(piece.n_beats for piece in of_month)
        yield n_rows
    store.promote(versions[1], "scale", "the newer one")
    with connection, connection.cursor() as cursor:
        cursor.execute("SELECT heartwave.drop_label_partitions_before('2000-02-01')")
    connection.close()


def _record(cursor: psycopg2.extensions.cursor, pieces: list[Piece], templates: dict[tuple[int, int], int]) -> None:
    """Make recordings like their templates, and note in the table ``copies`` which are copies of which."""
    cursor.execute("CREATE TEMPORARY TABLE copies (recording_id text, template integer, revision_id integer)")
    execute_values(
        cursor,
        "INSERT INTO copies VALUES %s",
        [(piece.recording_id, templates[piece.n_beats, piece.variant % _VARIANTS], None) for piece in pieces],
    )
    cursor.execute(
        "INSERT INTO heartwave.recordings (recording_id, source) "
        "SELECT recording_id, split_part(recording_id, '/', 1) FROM copies"
    )
    alike = ", ".join(_columns(cursor, "recording_revisions") - {"revision_id", "recording_id", "content_sha256"})
    cursor.execute(
        f"""
        INSERT INTO heartwave.recording_revisions (recording_id, content_sha256, {alike})
        SELECT c.recording_id, encode(sha256(c.recording_id::bytea), 'hex'), {alike}
        FROM copies AS c JOIN heartwave.recording_revisions AS t ON t.revision_id = c.template
        """
    )
    cursor.execute(
        "UPDATE copies AS c SET revision_id = v.revision_id "
        "FROM heartwave.recording_revisions AS v WHERE v.recording_id = c.recording_id"
    )
    cursor.execute(
        "UPDATE heartwave.recordings AS r SET current_revision_id = c.revision_id "
        "FROM copies AS c WHERE c.recording_id = r.recording_id"
    )


def _write_templates(plant: Planter, versions: list[int]) -> dict[tuple[int, int], int]:
    """Write each kind of labels once, in a month of their own; return their revisions."""
    made = {}
    for n_beats in (DAY_BEATS, HALF_HOUR_BEATS):
        for variant in range(_VARIANTS):
            revision_id = plant.recording(
                f"template/{n_beats}-{variant}", n_beats, duration_s=n_beats * 0.86, sampling_frequency=250.0
            )
            for place, version in enumerate(versions):
                plant.score(revision_id, version, labels(n_beats, variant, other=place == 1), _TEMPLATE_NIGHT)
            made[n_beats, variant] = revision_id
    return made


def _copy(cursor: psycopg2.extensions.cursor, table: str, night: date, version: int) -> None:
    """Copy the templates' rows of one table and model version to all recordings of a month."""
    new = {"night": "%(night)s::date", "revision_id": "c.revision_id"}
    columns = sorted(_columns(cursor, table))
    source, key, condition = table, "model_version_id", ""
    if table.startswith("labels_"):
        source, condition = "labels", "AND t.night = %(template_night)s"
    elif table == "scoring_agreements":
        key = "model_version_id_b"
    # Recording by recording, in the order of the index, as scoring writes them.
    cursor.execute("SET LOCAL enable_hashjoin = off; SET LOCAL enable_mergejoin = off")
    cursor.execute(
        f"INSERT INTO heartwave.{table} ({', '.join(columns)}) "
        f"SELECT {', '.join(new.get(name, f't.{name}') for name in columns)} "
        f"FROM copies AS c JOIN heartwave.{source} AS t "
        f"ON t.revision_id = c.template AND t.{key} = %(version)s {condition}",
        {"night": night, "version": version, "template_night": _TEMPLATE_NIGHT},
    )


def _columns(cursor: psycopg2.extensions.cursor, table: str) -> set[str]:
    cursor.execute(
        "SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped",
        (f"heartwave.{table}",),
    )
    return {name for (name,) in cursor.fetchall()}
