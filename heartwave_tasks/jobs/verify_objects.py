"""Verify what lies in S3: recordings, beats and strips by their bytes, and objects nobody refers to."""

from __future__ import annotations

import hashlib
from itertools import islice
from typing import TYPE_CHECKING, Final

from botocore.exceptions import ClientError

from heartwave_tasks.jobs import orphans
from heartwave_tasks.jobs.findings import Station
from heartwave_tasks.stores import beats as lake
from heartwave_tasks.stores import strips
from heartwave_tasks.stores.failures import is_transient_s3, persistent
from heartwave_tasks.stores.objects import get_object, is_missing
from heartwave_tasks.stores.recordings import content_sha256, find_recordings, read_chunks

if TYPE_CHECKING:
    from collections.abc import Callable

    from botocore.client import BaseClient as S3Client

    from heartwave_tasks.jobs.findings import Report
    from heartwave_tasks.settings import Settings
    from heartwave_tasks.stores.estate_tables import KnownRevision
    from heartwave_tasks.stores.objects import StoredObject
    from heartwave_tasks.stores.predictions import PredictionStore
    from heartwave_tasks.stores.recordings import Listing

_MEND: Final = "`heartwave verify --mend`, then `heartwave run ingest`, cuts it again to the same bytes."
_RESTORE: Final = "Restore the object from a backup: its recording is not what it was, so it cannot be cut again."
_INGEST: Final = "`heartwave run ingest` takes it up; so does the next hour."
_SWEEP: Final = "`heartwave run maintain` deletes it."


_LISTED_TOGETHER: Final = 100  # recordings whose files are looked up at once


def verify_objects(settings: Settings, client: S3Client, store: PredictionStore, report: Report, total: int) -> None:
    """Check the beats and strip of every revision, and its recording's files if it is the current one."""
    revisions = store.known_revisions()
    while page := list(islice(revisions, _LISTED_TOGETHER)):
        current = [revision.recording_id for revision in page if revision.is_current]
        listings = find_recordings(client, settings, current)
        for revision in page:
            intact = False
            if revision.is_current:
                listing = listings.get(revision.recording_id)
                intact = _verify_recording(settings, client, revision, listing, report)
                report.count(Station.RECORDINGS, None)
            _verify_lake(settings, client, store, revision, report, total, intact=intact)


def _verify_lake(
    settings: Settings,
    client: S3Client,
    store: PredictionStore,
    revision: KnownRevision,
    report: Report,
    total: int,
    *,
    intact: bool,
) -> None:
    """Check a revision's beats and strip; they can be made again from a recording that is intact."""
    for station, fault_of in ((Station.BEATS, _beats_fault), (Station.STRIPS, _strip_fault)):
        fault = fault_of(client, settings.lake_bucket, revision)
        if fault:
            # It may have been written anew since the page was read.
            known = store.known_revision(revision.revision_id) or revision
            fault = fault_of(client, settings.lake_bucket, known)
        if fault:
            report.wrong(station, revision.recording_id, fault, _MEND if intact else _RESTORE)
            if intact:
                report.mendable.add(revision.revision_id)
        report.count(station, total)
    if revision.beats_sha256 is None or revision.strip_sha256 is None:
        told = "ingested before hashes were kept: of beats and strip only the numbers could be checked"
        report.note(Station.BEATS, revision.recording_id, told, "None is needed.")


def verify_orphans(client: S3Client, bucket: str, store: PredictionStore, report: Report) -> None:
    """Find old objects among beats and strips that no revision refers to."""
    for entry, is_orphan in orphans.walk(client, bucket, store):
        if is_orphan:
            told = f"no revision refers to it since {entry.last_modified:%Y-%m-%d}"
            report.wrong(Station.OBJECTS, entry.key, told, _SWEEP)
        report.count(Station.OBJECTS)


def _verify_recording(
    settings: Settings, client: S3Client, revision: KnownRevision, listing: Listing | None, report: Report
) -> bool:
    """Hash a recording's files anew; return whether they are those that were ingested."""
    name, bucket = revision.recording_id, settings.recordings_bucket
    if listing is None:
        told = "its files are gone from the bucket: labels stay, but cannot be made again"
        report.note(Station.RECORDINGS, name, told, "Upload it again, if it was not taken away on purpose.")
        return False
    if listing.fingerprint != revision.listing_fingerprint:
        report.note(Station.RECORDINGS, name, "its files have changed since they were ingested", _INGEST)
        return False
    try:
        hashes = {file: _sha256(client, bucket, entry) for file, entry in listing.objects.items()}
    except ClientError as error:
        if not is_missing(error):
            raise
        report.note(Station.RECORDINGS, name, "it was replaced while it was read", _INGEST)
        return False
    found = content_sha256(hashes)
    if found != revision.content_sha256:
        told = f"its files hold content {found[:12]}, not {revision.content_sha256[:12]} as were ingested"
        report.wrong(Station.RECORDINGS, name, told, "Restore its files from a backup, or upload them again.")
    return found == revision.content_sha256


def _beats_fault(client: S3Client, bucket: str, revision: KnownRevision) -> str:
    """Say what is wrong with a revision's beats, nothing if all is well."""
    ref = lake.BeatsRef(
        recording_id=revision.recording_id,
        beats_key=revision.beats_key,
        content_sha256=revision.content_sha256,
        n_windows=revision.n_windows,
        beats_sha256=revision.beats_sha256,
    )

    def fault(content: bytes) -> str:
        try:
            lake.check(content, ref)
            n_beats = lake.count_beats(content, ref)
        except lake.BeatsMismatchError as error:
            return str(error).removeprefix(f"{revision.recording_id}: ").split(". ")[0]
        told = f"{revision.beats_key} holds {n_beats} beats, not {revision.n_beats} as were ingested"
        return "" if n_beats == revision.n_beats else told

    return _fault(client, bucket, revision.beats_key, fault)


def _strip_fault(client: S3Client, bucket: str, revision: KnownRevision) -> str:
    """Say what is wrong with a revision's strip, nothing if all is well."""
    key = strips.strip_key(revision.beats_key)

    def fault(content: bytes) -> str:
        found = hashlib.sha256(content).hexdigest()
        return "" if found == revision.strip_sha256 else f"{key} has other bytes than were written"

    # Without a hash there may never have been a strip.
    return _fault(client, bucket, key, fault) if revision.strip_sha256 else ""


def _fault(client: S3Client, bucket: str, key: str, fault: Callable[[bytes], str]) -> str:
    try:
        content = get_object(client, bucket, key)
    except ClientError as error:
        if not is_missing(error):
            raise
        return f"{key} is gone"
    return fault(content)


def _sha256(client: S3Client, bucket: str, entry: StoredObject) -> str:
    def read() -> str:
        digest = hashlib.sha256()
        for chunk in read_chunks(client, bucket, entry):
            digest.update(chunk)
        return digest.hexdigest()

    return persistent(is_transient_s3)(read)
