"""Ingest: recordings from the bucket become beats in the lake, or quarantine rows that say why not."""

from __future__ import annotations

import hashlib
import logging
import tempfile
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from botocore.exceptions import ClientError

from heartwave_tasks.ecg.beats import DETECTED_SUFFIX, SEGMENTER_VERSION
from heartwave_tasks.jobs.cut_recordings import BEATS_FILE, STRIP_FILE, CutRecording
from heartwave_tasks.jobs.reading_process import ReadingProcess
from heartwave_tasks.jobs.reconciliation import Contradictions
from heartwave_tasks.jobs.shards import balance
from heartwave_tasks.stores import beats as lake
from heartwave_tasks.stores.kept_bytes import WAITING_CODES, keep
from heartwave_tasks.stores.notices import send
from heartwave_tasks.stores.objects import is_missing, s3_client
from heartwave_tasks.stores.predictions import PredictionStore, QuarantineRow, RevisionRow
from heartwave_tasks.stores.recordings import (
    Listing,
    RecordingProblem,
    content_sha256,
    download,
    find_recordings,
    list_recordings,
)
from heartwave_tasks.stores.strips import strip_key

if TYPE_CHECKING:
    from botocore.client import BaseClient as S3Client

    from heartwave_tasks.settings import Settings

logger = logging.getLogger(__name__)

_LOGGED_EVERY: Final = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class IngestShard:
    """Recordings one task segments."""

    number: int
    of: int
    recording_ids: list[str]

    @property
    def title(self) -> str:
        """What the Airflow UI shows for the mapped task."""
        return f"shard {self.number} of {self.of} · {len(self.recording_ids)} recordings"


@dataclass(frozen=True, slots=True, kw_only=True)
class IngestCounts:
    """What came of a number of recordings."""

    recordings: int = 0
    windows: int = 0
    beats: int = 0
    marks: int = 0
    quarantined: int = 0
    changed_meanwhile: int = 0
    refusals: dict[str, list[int]] = field(default_factory=dict)
    """By source: recordings that were whole, and how many of them were refused."""

    @property
    def sentence(self) -> str:
        """What happened, in words."""
        told = [f"{self.recordings} cut into {self.beats:,} beats".replace(",", " ")]
        told += [f"{self.quarantined} in quarantine"] if self.quarantined else []
        told += [f"{self.changed_meanwhile} changed meanwhile"] if self.changed_meanwhile else []
        return ", ".join(told)

    def __add__(self, other: IngestCounts) -> IngestCounts:
        """Add up field by field."""
        mine, theirs = asdict(self), asdict(other)
        first, second = mine.pop("refusals"), theirs.pop("refusals")
        refusals = {
            source: [
                one + another
                for one, another in zip(first.get(source, (0, 0)), second.get(source, (0, 0)), strict=True)
            ]
            for source in sorted({*first, *second})
        }
        return IngestCounts(**{name: mine[name] + theirs[name] for name in mine}, refusals=refusals)


def plan(settings: Settings) -> list[IngestShard]:
    """Find recordings that are new or changed since they were last looked at, and share them out.

    Recordings whose quarantined content is gone from the bucket are released from quarantine.
    """
    client = s3_client(settings)
    with PredictionStore(settings.require_database_url()) as store:
        known = store.known_fingerprints(segmenter_version(settings))
        listings = list(list_recordings(client, settings))
        store.resolve_quarantine((listing.recording_id, listing.fingerprint) for listing in listings)
    new = [listing for listing in listings if listing.fingerprint not in known.get(listing.recording_id, ())]
    per_shard = max(settings.shard_recordings, -(-len(new) // settings.max_shards))
    groups = balance([(listing.recording_id, listing.size) for listing in new], per_shard)
    logger.info("%d recordings in the bucket, %d new or changed, %d shards.", len(listings), len(new), len(groups))
    return [
        IngestShard(number=number, of=len(groups), recording_ids=group) for number, group in enumerate(groups, start=1)
    ]


def segmenter_version(settings: Settings) -> str:
    """Return the version beats are cut under: forced detection gives other beats of the same recording."""
    return SEGMENTER_VERSION + (DETECTED_SUFFIX if settings.r_peaks == "detected" else "")


def segment_shard(settings: Settings, shard: IngestShard) -> IngestCounts:
    """Cut a shard's recordings into beats; a bad recording goes to quarantine and the rest goes on.

    Raises
    ------
    UnreconciledError
        If what came of a recording contradicts what is stored, after the others are ingested; nothing of it was
        recorded.
    """
    client = s3_client(settings)
    counts = IngestCounts()
    contradictions = Contradictions()
    with PredictionStore(settings.require_database_url()) as store, ReadingProcess(settings) as reader:
        listings = find_recordings(client, settings, shard.recording_ids)
        for place, recording_id in enumerate(shard.recording_ids, start=1):
            listing = listings.get(recording_id)
            if listing is None:
                logger.warning("%r is gone from the bucket.", recording_id)
                counts += IngestCounts(changed_meanwhile=1)
            else:
                with contradictions.of(recording_id):
                    counts += _ingest(settings, client, store, reader, listing)
            if place % _LOGGED_EVERY == 0 or place == len(shard.recording_ids):
                logger.info("%d of %d recordings read: %s.", place, len(shard.recording_ids), counts.sentence)
    contradictions.raise_if_any(of=len(shard.recording_ids))
    return counts


def summarise(settings: Settings, counts: list[IngestCounts]) -> IngestCounts:
    """Add the shards up, say what happened, and raise the alarm when a source's share of refused recordings jumps."""
    total = sum(counts, IngestCounts())
    with PredictionStore(settings.require_database_url()) as store:
        ingests = store.record_source_ingests({source: (n, refused) for source, (n, refused) in total.refusals.items()})
    for ingest in ingests:
        if ingest.is_alarming:
            usual = "nothing had come before" if ingest.usual_share is None else f"usually {ingest.usual_share:.0%} are"
            send(
                settings,
                f"Many recordings of {ingest.source} were refused",
                f"{ingest.n_quarantined} of {ingest.n_recordings} recordings of {ingest.source} went to quarantine; "
                f"{usual}. `heartwave quarantine list --source {ingest.source}` says why.",
                kind="warning",
            )
    logger.info(
        "%d recordings cut into %d windows: %d beats and %d signal marks.",
        total.recordings,
        total.windows,
        total.beats,
        total.marks,
    )
    if total.quarantined:
        logger.warning(
            "%d recordings went to quarantine: `heartwave quarantine list`, or SELECT * FROM current_quarantine.",
            total.quarantined,
        )
    return total


def _ingest(
    settings: Settings, client: S3Client, store: PredictionStore, reader: ReadingProcess, listing: Listing
) -> IngestCounts:
    with tempfile.TemporaryDirectory(prefix="heartwave-") as directory:
        files, out = Path(directory, "files"), Path(directory, "out")
        files.mkdir()
        out.mkdir()
        try:
            hashes = download(client, settings, listing, files)
            content = content_sha256(hashes)
            reading = reader.read(
                listing.recording_id, files, out, {"content_sha256": content, "record": listing.record}
            )
        except ClientError as error:
            if not is_missing(error):
                raise
            logger.warning("%s was replaced while it was read; the next run takes it up.", listing.recording_id)
            return IngestCounts(changed_meanwhile=1)
        except RecordingProblem as problem:
            _quarantine(settings, client, store, listing, problem)
            whole = problem.code not in WAITING_CODES
            return IngestCounts(quarantined=1, refusals={listing.source: [1, 1]} if whole else {})
        cut = CutRecording.from_facts(reading.facts)
        return _publish(settings, client, store, listing, cut, content, out)


def _publish(
    settings: Settings,
    client: S3Client,
    store: PredictionStore,
    listing: Listing,
    cut: CutRecording,
    content: str,
    out: Path,
) -> IngestCounts:
    """Write strip and beats, then their record: killed in between, a rerun writes the same objects again."""
    key = lake.beats_key(listing.recording_id, content, segmenter_version(settings))
    lake.check(
        (out / BEATS_FILE).read_bytes(),
        lake.BeatsRef(
            recording_id=listing.recording_id, beats_key=key, content_sha256=content, n_windows=cut.n_windows
        ),
    )
    hashes = {}
    for name, target in ((STRIP_FILE, strip_key(key)), (BEATS_FILE, key)):
        with (out / name).open("rb") as file:
            hashes[name] = hashlib.file_digest(file, "sha256").hexdigest()
            file.seek(0)
            client.put_object(Bucket=settings.lake_bucket, Key=target, Body=file)
    store.record_revision(
        RevisionRow(
            recording_id=listing.recording_id,
            source=listing.source,
            content_sha256=content,
            segmenter_version=segmenter_version(settings),
            listing_fingerprint=listing.fingerprint,
            duration_s=cut.n_samples / cut.sampling_frequency,
            beats_key=key,
            beats_sha256=hashes[BEATS_FILE],
            strip_sha256=hashes[STRIP_FILE],
            **asdict(cut),
        )
    )
    return IngestCounts(
        recordings=1,
        windows=cut.n_windows,
        beats=cut.n_beats,
        marks=cut.n_marks,
        refusals={listing.source: [1, 0]},
    )


def _quarantine(
    settings: Settings, client: S3Client, store: PredictionStore, listing: Listing, problem: RecordingProblem
) -> None:
    logger.warning("Quarantined (%s): %s %s", problem.code, problem.reason, problem.remedy)
    store.quarantine(
        QuarantineRow(
            recording_id=listing.recording_id,
            listing_fingerprint=listing.fingerprint,
            code=problem.code,
            reason=problem.reason,
            remedy=problem.remedy,
            kept_prefix=keep(client, settings, listing, problem),
        )
    )
