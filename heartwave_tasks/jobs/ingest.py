"""Ingest: recordings from the bucket become beats in the lake, or quarantine rows that say why not."""

from __future__ import annotations

import logging
import shutil
import tempfile
from contextlib import closing
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from botocore.exceptions import ClientError

from heartwave_tasks.ecg.beats import DETECTED_SUFFIX, SEGMENTER_VERSION
from heartwave_tasks.jobs.cut_recordings import BEATS_FILE, STRIP_FILE, CutRecording
from heartwave_tasks.jobs.overlap import ahead
from heartwave_tasks.jobs.reading_process import ReadingProcess
from heartwave_tasks.jobs.reconciliation import Contradictions
from heartwave_tasks.jobs.shards import balance
from heartwave_tasks.stores import beats as lake
from heartwave_tasks.stores.arrivals import RecordingProblem
from heartwave_tasks.stores.kept_bytes import WAITING_CODES, keep
from heartwave_tasks.stores.notices import send
from heartwave_tasks.stores.objects import is_missing, put_file, s3_client
from heartwave_tasks.stores.predictions import PredictionStore, QuarantineRow, RevisionRow
from heartwave_tasks.stores.recordings import Listing, content_sha256, download, find_recordings, list_recordings
from heartwave_tasks.stores.strips import strip_key

if TYPE_CHECKING:
    from concurrent.futures import Future

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


class _Fetched(NamedTuple):
    """A recording that was fetched: its listing, its content, and the directory with its files and nothing else."""

    listing: Listing
    content_sha256: str
    files: Path


class _Cut(NamedTuple):
    """A recording that was cut: its content, what is known of it, and the directory with its beats and strip."""

    content_sha256: str
    facts: CutRecording
    out: Path


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

    While what came of one recording is written, the next is cut, and the one after it fetched.

    Raises
    ------
    UnreconciledError
        If what came of a recording contradicts what is stored, after the others are ingested; nothing of it was
        recorded.
    """
    client = s3_client(settings)
    counts = IngestCounts()
    contradictions = Contradictions()
    reader = ReadingProcess(settings)

    def fetch(recording_id: str) -> _Fetched | None:
        listing = listings.get(recording_id)
        return _fetch(settings, client, listing, Path(directory)) if listing else None

    def cut(fetching: tuple[str, Future[_Fetched | None]]) -> _Cut | None:
        fetched = fetching[1].result()
        return _cut(reader, fetched, Path(directory)) if fetched else None

    with (
        PredictionStore(settings.require_database_url()) as store,
        tempfile.TemporaryDirectory(prefix="heartwave-", ignore_cleanup_errors=True) as directory,
        closing(ahead(fetch, shard.recording_ids)) as fetchings,
        # Left in reverse: where a task is stopped, so is its reader, and then there is nothing to wait for.
        closing(ahead(cut, fetchings)) as cuttings,
        reader,
    ):
        listings = find_recordings(client, settings, shard.recording_ids)
        for place, ((recording_id, _), cutting) in enumerate(cuttings, start=1):
            with contradictions.of(recording_id):
                counts += _settle(settings, client, store, recording_id, listings.get(recording_id), cutting)
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


def _fetch(settings: Settings, client: S3Client, listing: Listing, directory: Path) -> _Fetched:
    """Fetch a recording's files into a directory of their own."""
    files = Path(tempfile.mkdtemp(dir=directory))
    try:
        return _Fetched(listing, content_sha256(download(client, settings, listing, files)), files)
    except BaseException:
        shutil.rmtree(files, ignore_errors=True)
        raise


def _cut(reader: ReadingProcess, fetched: _Fetched, directory: Path) -> _Cut:
    """Cut a recording; its own files are gone afterwards, what was made of them lies in a directory."""
    listing, content, files = fetched
    out = Path(tempfile.mkdtemp(dir=directory))
    try:
        reading = reader.read(listing.recording_id, files, out, {"content_sha256": content, "record": listing.record})
    finally:
        shutil.rmtree(files, ignore_errors=True)
    return _Cut(content, CutRecording.from_facts(reading.facts), out)


def _settle(
    settings: Settings,
    client: S3Client,
    store: PredictionStore,
    recording_id: str,
    listing: Listing | None,
    cutting: Future[_Cut | None],
) -> IngestCounts:
    """Write what came of a recording: its beats, or why there are none."""
    try:
        cut = cutting.result()
    except ClientError as error:
        if not is_missing(error):
            raise
        logger.warning("%s was replaced while it was read; the next run takes it up.", recording_id)
        return IngestCounts(changed_meanwhile=1)
    except RecordingProblem as problem:
        assert listing is not None
        _quarantine(settings, client, store, listing, problem)
        whole = problem.code not in WAITING_CODES
        return IngestCounts(quarantined=1, refusals={listing.source: [1, 1]} if whole else {})
    if listing is None or cut is None:
        logger.warning("%r is gone from the bucket.", recording_id)
        return IngestCounts(changed_meanwhile=1)
    try:
        return _publish(settings, client, store, listing, cut)
    finally:
        shutil.rmtree(cut.out, ignore_errors=True)


def _publish(settings: Settings, client: S3Client, store: PredictionStore, listing: Listing, cut: _Cut) -> IngestCounts:
    """Write strip and beats, then their record: killed in between, a rerun writes the same objects again."""
    content, facts, out = cut.content_sha256, cut.facts, cut.out
    key = lake.beats_key(listing.recording_id, content, segmenter_version(settings))
    lake.check(
        (out / BEATS_FILE).read_bytes(),
        lake.BeatsRef(
            recording_id=listing.recording_id, beats_key=key, content_sha256=content, n_windows=facts.n_windows
        ),
    )
    strip_sha256 = put_file(client, settings.lake_bucket, strip_key(key), out / STRIP_FILE)
    beats_sha256 = put_file(client, settings.lake_bucket, key, out / BEATS_FILE)
    store.record_revision(
        RevisionRow(
            recording_id=listing.recording_id,
            source=listing.source,
            content_sha256=content,
            segmenter_version=segmenter_version(settings),
            listing_fingerprint=listing.fingerprint,
            duration_s=facts.n_samples / facts.sampling_frequency,
            beats_key=key,
            beats_sha256=beats_sha256,
            strip_sha256=strip_sha256,
            **asdict(facts),
        )
    )
    return IngestCounts(
        recordings=1,
        windows=facts.n_windows,
        beats=facts.n_beats,
        marks=facts.n_marks,
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
