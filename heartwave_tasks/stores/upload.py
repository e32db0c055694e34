"""Bring recordings into the recordings bucket, skipping what is already there by content."""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from boto3.s3.transfer import TransferConfig
from botocore.exceptions import ClientError

from heartwave_tasks.stores.objects import CHECKSUM, list_objects, s3_client
from heartwave_tasks.stores.record_files import RecordFiles, RecordFilesError, open_records
from heartwave_tasks.stores.recording_names import INBOX, QUARANTINE, SAFE_NAME, local_name

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from botocore.client import BaseClient as S3Client

    from heartwave_tasks.settings import Settings
    from heartwave_tasks.stores.objects import StoredObject
    from heartwave_tasks.stores.record_files import Record

_N_THREADS: Final = 8
_MULTIPART_BYTES: Final = 64 << 20


@dataclass(frozen=True)
class UploadProgress:
    """How far an upload has come, in files and bytes."""

    files_done: int
    files: int
    bytes_done: int
    bytes: int


@dataclass(frozen=True)
class UploadSummary:
    """What an upload did.

    Attributes
    ----------
    uploaded, unchanged
        Files that were sent, and that were there already with the same content.
    files, bytes
        Files in all, and their size.
    recordings
        Records they belong to.
    incomplete
        ``record: file`` for each signal file that a header names and that was not there to take.
    refused
        Headers left out because their names are not safe.
    undescribed
        CSV files left out because they have no sidecar.
    """

    uploaded: int
    unchanged: int
    files: int
    bytes: int
    recordings: int = 0
    incomplete: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()
    undescribed: tuple[str, ...] = ()


def upload_recordings(
    settings: Settings, path: Path, source: str, progress: Callable[[UploadProgress], None] | None = None
) -> UploadSummary:
    """Upload the recordings of a directory or archive to ``s3://<recordings bucket>/<source>/<file>``.

    One of several files with names of their own, such as segments, gets a folder: ``<source>/<record>/<file>``. The
    main file goes last, so that whoever finds it finds the whole recording. Files whose content is there already are
    left alone. ``progress`` is called in the caller's thread after each record.

    Raises `RecordFilesError` for a path or source that cannot be taken, botocore's errors when S3 fails.
    """
    if not SAFE_NAME.fullmatch(source) or source in {INBOX, QUARANTINE}:
        raise RecordFilesError(
            f"{source!r} cannot name a source: use letters, digits, '_' and '-', like --source mitdb; "
            f"{INBOX} and {QUARANTINE} are taken."
        )
    with open_records(path, settings.max_object_bytes) as found:
        return _upload(settings, found, source, progress)


def _upload(
    settings: Settings, found: RecordFiles, source: str, progress: Callable[[UploadProgress], None] | None
) -> UploadSummary:
    client, bucket, records = s3_client(settings), settings.recordings_bucket, found.records
    stored = {entry.key: entry for entry in list_objects(client, bucket, f"{source}/")}
    files, n_bytes = sum(1 + len(record.others) for record in records), sum(record.n_bytes for record in records)
    uploaded = files_done = bytes_done = 0

    def send(record: Record) -> int:
        # The header last: until it is there, nobody takes the rest for a recording.
        return sum(_send(client, bucket, _key(source, record, file), file, stored) for file in _in_order(record))

    with ThreadPoolExecutor(_N_THREADS, thread_name_prefix="upload") as pool:
        running = {pool.submit(send, record): record for record in records}
        try:
            for future in as_completed(running):
                uploaded += future.result()
                files_done += 1 + len(running[future].others)
                bytes_done += running[future].n_bytes
                if progress is not None:
                    progress(UploadProgress(files_done, files, bytes_done, n_bytes))
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    missing = tuple(f"{record.name}: {name}" for record in records for name in record.missing)
    sizes = uploaded, files - uploaded, files, n_bytes, len(records)
    return UploadSummary(*sizes, incomplete=missing, refused=found.refused, undescribed=found.undescribed)


def _in_order(record: Record) -> tuple[Path, ...]:
    return (*record.others, record.main)


def _key(source: str, record: Record, file: Path) -> str:
    folder = f"{source}/{record.name}" if record.needs_folder else source
    return f"{folder}/{local_name(file.name)}"


def _send(client: S3Client, bucket: str, key: str, file: Path, stored: dict[str, StoredObject]) -> bool:
    """Upload one file unless its content is there; True if it was sent."""
    sha256, md5 = hashlib.sha256(), hashlib.md5(usedforsecurity=False)
    with file.open("rb") as content:
        while block := content.read(1 << 20):
            sha256.update(block)
            md5.update(block)
    there = stored.get(key)
    if there is not None and there.size == file.stat().st_size:
        if there.etag == md5.hexdigest():
            return False
        if _stored_sha256(client, bucket, key) == sha256.hexdigest():
            return False
    client.upload_file(
        str(file),
        bucket,
        key,
        ExtraArgs={"Metadata": {"sha256": sha256.hexdigest()}, "ChecksumAlgorithm": CHECKSUM},
        Config=TransferConfig(multipart_threshold=_MULTIPART_BYTES, use_threads=False),
    )
    return True


def _stored_sha256(client: S3Client, bucket: str, key: str) -> str | None:
    try:
        found: str | None = client.head_object(Bucket=bucket, Key=key)["Metadata"].get("sha256")
    except ClientError:
        return None
    return found
