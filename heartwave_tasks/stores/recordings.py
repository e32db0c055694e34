"""The recordings bucket: which recordings have arrived, and their files brought here.

A recording's identity is ``<source>/<record>``, or a pseudonym where the source is configured so. What its files say is
`heartwave_tasks.stores.record_formats`' business.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from heartwave_tasks.stores.arrivals import RecordingProblem
from heartwave_tasks.stores.failures import is_transient_s3, persistent
from heartwave_tasks.stores.objects import list_if_few, list_objects
from heartwave_tasks.stores.pseudonyms import known_as
from heartwave_tasks.stores.recording_names import (
    INBOX,
    MAIN_SUFFIXES,
    QUARANTINE,
    SAFE_FILE_NAME,
    SAFE_NAME,
    local_name,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime
    from pathlib import Path

    from botocore.client import BaseClient as S3Client

    from heartwave_tasks.settings import Settings
    from heartwave_tasks.stores.objects import StoredObject

_FILES_PER_SEGMENT: Final = 3


@dataclass(frozen=True, slots=True)
class Listing:
    """A recording as the bucket's listing shows it.

    Attributes
    ----------
    recording_id
        What it is known by: ``<source>/<record>``, or ``<source>/<pseudonym>``.
    path
        ``<source>/<record>`` as its objects are called.
    fingerprint
        Changes whenever one of the objects does, without reading them.
    objects
        Its objects by file name.
    """

    recording_id: str
    path: str = field(repr=False)  # a pseudonym is of no use where the name is printed beside it
    fingerprint: str
    objects: dict[str, StoredObject] = field(repr=False)

    @property
    def source(self) -> str:
        """What comes before the record's name."""
        return self.recording_id.rpartition("/")[0]

    @property
    def record(self) -> str:
        """What its files are called."""
        return self.path.rpartition("/")[2]

    @property
    def size(self) -> int:
        """Bytes of all its objects."""
        return sum(entry.size for entry in self.objects.values())

    @property
    def arrived_at(self) -> tuple[datetime, bool]:
        """When the last of its objects came: to the second, as S3 tells it, within which the inbox's come later."""
        last = max(entry.last_modified for entry in self.objects.values())
        return last, any(entry.key.startswith(f"{INBOX}/") for entry in self.objects.values())

    @property
    def is_safely_named(self) -> bool:
        """Whether source and record are spelled with letters, digits, ``_`` and ``-`` alone."""
        return all(SAFE_NAME.fullmatch(part) for part in self.path.split("/"))


def list_recordings(client: S3Client, settings: Settings) -> Iterator[Listing]:
    """Find the recordings in the bucket: every group of objects with a main file.

    Objects called alike but for what follows the last dot belong together. So do all objects of a folder that is
    called like the recording in it: ``clinic/r1/r1.hea`` and whatever lies beside it are the recording ``clinic/r1``.
    What lies in ``inbox/clinic/`` is taken as if it lay in ``clinic/``; of two recordings of one name, the newer.
    """
    yield from _recordings(settings, list_objects(client, settings.recordings_bucket))


def _recordings(settings: Settings, entries: Iterable[StoredObject]) -> Iterator[Listing]:
    folders: dict[str, dict[str, StoredObject]] = {}
    for entry in entries:
        folder, _, name = entry.key.rpartition("/")
        if not entry.key.startswith(f"{QUARANTINE}/"):
            folders.setdefault(folder, {})[name] = entry
    found: dict[str, Listing] = {}
    for folder, files in folders.items():
        for path, objects in _group(folder, files):
            source, _, record = path.rpartition("/")
            listing = Listing(known_as(settings, source, record), path, _fingerprint(objects), objects)
            other = found.get(listing.recording_id)
            if other is None or other.arrived_at < listing.arrived_at:
                found[listing.recording_id] = listing
    yield from (found[recording_id] for recording_id in sorted(found))


def find_recordings(client: S3Client, settings: Settings, recording_ids: Iterable[str]) -> dict[str, Listing]:
    """Look recordings up by what they are known by; those that are gone are left out."""
    wanted = set(recording_ids)
    of_source: dict[str, list[str]] = {}
    for recording_id in sorted(wanted):
        of_source.setdefault(recording_id.rpartition("/")[0], []).append(recording_id)
    entries = (
        entry
        for source, ids in of_source.items()
        for folder in ("", f"{INBOX}/")
        for entry in _list_some(client, settings, folder, source, ids)
    )
    return {
        listing.recording_id: listing for listing in _recordings(settings, entries) if listing.recording_id in wanted
    }


def _list_some(
    client: S3Client, settings: Settings, folder: str, source: str, recording_ids: list[str]
) -> Iterator[StoredObject]:
    """List what may belong to some recordings of one source in one folder, with as few requests as will do."""
    bucket, all_of_it = settings.recordings_bucket, f"{folder}{source}/"
    # A pseudonym is found among all that its source has sent.
    few = None if source in settings.pseudonymous else list_if_few(client, bucket, all_of_it)
    if few is not None:
        yield from few
        return
    named = [f"{folder}{recording_id}{end}" for recording_id in recording_ids for end in (".", "/")]
    for prefix in [all_of_it] if source in settings.pseudonymous else named:
        yield from list_objects(client, bucket, prefix)


def list_files(client: S3Client, settings: Settings, recording_id: str) -> Iterator[StoredObject]:
    """Find every object that arrived of a recording, by all its ways, whether or not it came whole."""
    source = recording_id.rpartition("/")[0]
    folders: dict[str, dict[str, StoredObject]] = {}
    for prefix in (f"{source}/", f"{INBOX}/{source}/"):
        for entry in list_objects(client, settings.recordings_bucket, prefix):
            folder, _, name = entry.key.rpartition("/")
            folders.setdefault(folder, {})[name] = entry
    for folder, files in folders.items():
        for path, objects in _group(folder, files, whole=False):
            owner, _, record = path.rpartition("/")
            if known_as(settings, owner, record) == recording_id:
                yield from objects.values()


def download(client: S3Client, settings: Settings, listing: Listing, directory: Path) -> dict[str, str]:
    """Bring a recording's files into a directory and return their SHA-256 by name.

    Raises `RecordingProblem` for a name that is not safe, or more or larger objects than allowed.
    """
    check_name(listing)
    for number, (name, entry) in enumerate(sorted(listing.objects.items()), start=1):
        if not SAFE_FILE_NAME.fullmatch(name):
            raise RecordingProblem(
                "unsafe_name",
                f"{listing.recording_id}: the name of its file {number} is not safe.",
                "Use letters, digits, '_' and '-' and upload again.",
            )
        if max(entry.size, listing.size) > settings.max_object_bytes:
            raise RecordingProblem(
                "too_large",
                f"{listing.recording_id}: its file {number} has {entry.size} bytes, all of them {listing.size}; at "
                f"most {settings.max_object_bytes} are read.",
                "Split the recording, or raise HEARTWAVE_MAX_OBJECT_BYTES.",
            )
    if len(listing.objects) > _FILES_PER_SEGMENT * (settings.max_segments + 2):
        raise RecordingProblem(
            "too_large",
            f"{listing.recording_id}: it has {len(listing.objects)} files.",
            "Split the recording, or raise HEARTWAVE_MAX_SEGMENTS.",
        )
    retrying = persistent(is_transient_s3)
    bucket = settings.recordings_bucket
    return {
        name: retrying(_fetch, client, bucket, entry, directory / local_name(name))
        for name, entry in sorted(listing.objects.items())
    }


def _fetch(client: S3Client, bucket: str, entry: StoredObject, target: Path) -> str:
    """Write an object to a file and return its SHA-256."""
    digest = hashlib.sha256()
    with target.open("wb") as file:
        for chunk in read_chunks(client, bucket, entry):
            digest.update(chunk)
            file.write(chunk)
    return digest.hexdigest()


def read_chunks(client: S3Client, bucket: str, entry: StoredObject) -> Iterator[bytes]:
    """Read an object as it was listed, 1 MiB at a time: replaced meanwhile, S3 refuses (its ETag pins the content)."""
    body = client.get_object(Bucket=bucket, Key=entry.key, IfMatch=f'"{entry.etag}"')["Body"]
    yield from body.iter_chunks(1 << 20)


def check_name(listing: Listing) -> None:
    """Refuse a recording whose name could be taken for something else."""
    if not listing.is_safely_named:
        raise RecordingProblem(
            "unsafe_name",
            f"{listing.recording_id}: the name it arrived under is not a safe one.",
            "Name sources and records with letters, digits, '_' and '-' only, and upload again.",
        )


def content_sha256(hashes: dict[str, str]) -> str:
    """Return the identity of a recording's content: SHA-256 over its files' names and SHA-256s, by name."""
    lines = "".join(f"{name} {digest}\n" for name, digest in sorted(hashes.items()))
    return hashlib.sha256(lines.encode()).hexdigest()


def _fingerprint(objects: dict[str, StoredObject]) -> str:
    lines = "".join(f"{name} {entry.etag} {entry.size}\n" for name, entry in sorted(objects.items()))
    return hashlib.sha256(lines.encode()).hexdigest()


def _group(
    folder: str, files: dict[str, StoredObject], *, whole: bool = True
) -> Iterator[tuple[str, dict[str, StoredObject]]]:
    """Yield ``<source>/<record>`` and objects of every recording in a folder, ``whole`` ones or all."""
    path = folder.removeprefix(f"{INBOX}/") if folder.count("/") else folder
    own = folder.rpartition("/")[2]
    if any(local_name(name) == f"{own}{suffix}" for name in files for suffix in MAIN_SUFFIXES):
        yield path, files
        return
    groups: dict[str, dict[str, StoredObject]] = {}
    for name, entry in files.items():
        groups.setdefault(name.rpartition(".")[0] or name, {})[name] = entry
    for record, objects in groups.items():
        if not whole or any(local_name(name).endswith(MAIN_SUFFIXES) for name in objects):
            yield f"{path}/{record}", objects
