"""The recordings bucket: which recordings have arrived, and their files brought here.

A recording's identity is ``<source>/<record>``; all objects whose names start with that and a dot belong to it. What
the files say is `heartwave_tasks.stores.wfdb_records`' business.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Final

from heartwave_tasks.stores.failures import is_transient_s3, persistent
from heartwave_tasks.stores.objects import list_objects

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from botocore.client import BaseClient as S3Client

    from heartwave_tasks.stores.objects import StoredObject

SAFE_NAME: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]{0,63}")
"""Names of sources and records; neither a path, nor a URL, nor an option can be spelled with it."""

SAFE_FILE_NAME: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]{0,63}(\.[A-Za-z0-9_]{1,16})?")
"""Names of a recording's files."""

HEADER_SUFFIX: Final = ".hea"
EDF_SUFFIX: Final = ".edf"
CSV_SUFFIX: Final = ".csv"
SIDECAR_SUFFIX: Final = ".json"

MAIN_SUFFIXES: Final = (HEADER_SUFFIX, EDF_SUFFIX, CSV_SUFFIX)
"""Of the file every recording has: by one of them it is found."""


class RecordingProblem(ValueError):  # noqa: N818 - it is the recording that has the problem
    """A recording cannot be used as it is: a short code, the reason and the remedy, for people."""

    def __init__(self, code: str, reason: str, remedy: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason
        self.remedy = remedy


@dataclass(frozen=True, slots=True)
class Listing:
    """A recording as the bucket's listing shows it.

    Attributes
    ----------
    recording_id
        ``<source>/<record>``.
    fingerprint
        Changes whenever one of the objects does, without reading them.
    objects
        Its objects by file name.
    """

    recording_id: str
    fingerprint: str
    objects: dict[str, StoredObject]

    @property
    def source(self) -> str:
        """What comes before the record's name."""
        return self.recording_id.rpartition("/")[0]

    @property
    def record(self) -> str:
        """The record's name."""
        return self.recording_id.rpartition("/")[2]

    @property
    def size(self) -> int:
        """Bytes of all its objects."""
        return sum(entry.size for entry in self.objects.values())

    @property
    def is_safely_named(self) -> bool:
        """Whether source and record are spelled with letters, digits, ``_`` and ``-`` alone."""
        return all(SAFE_NAME.fullmatch(part) for part in self.recording_id.split("/"))


def list_recordings(client: S3Client, bucket: str, prefix: str = "") -> Iterator[Listing]:
    """Find the recordings in the bucket: every group of objects that has a header."""
    groups: dict[str, dict[str, StoredObject]] = {}
    for entry in list_objects(client, bucket, prefix):
        folder, _, name = entry.key.rpartition("/")
        # The name ends at its last dot: `../../x.hea` is the record `../../x`, refused later by name.
        stem = name.rpartition(".")[0] or name
        groups.setdefault(f"{folder}/{stem}", {})[name] = entry
    for recording_id, objects in sorted(groups.items()):
        if any(PurePosixPath(name).suffix == HEADER_SUFFIX for name in objects):
            yield Listing(recording_id, _fingerprint(objects), objects)


def find_recording(client: S3Client, bucket: str, recording_id: str) -> Listing | None:
    """Look one recording up, None when it is gone."""
    listings = list_recordings(client, bucket, f"{recording_id}.")
    return next((listing for listing in listings if listing.recording_id == recording_id), None)


def download(client: S3Client, bucket: str, listing: Listing, directory: Path, max_object_bytes: int) -> dict[str, str]:
    """Bring a recording's files into a directory and return their SHA-256 by name.

    Raises `RecordingProblem` for a name that is not safe, or an object larger than allowed.
    """
    check_name(listing)
    for name, entry in listing.objects.items():
        if not SAFE_FILE_NAME.fullmatch(name):
            raise RecordingProblem(
                "unsafe_name",
                f"{listing.recording_id}: {name!r} is not a safe file name.",
                "Use letters, digits, '_' and '-' and upload again.",
            )
        if entry.size > max_object_bytes:
            raise RecordingProblem(
                "too_large",
                f"{listing.recording_id}: {name} has {entry.size} bytes; at most {max_object_bytes} are read.",
                "Split the recording, or raise HEARTWAVE_MAX_OBJECT_BYTES.",
            )
    retrying = persistent(is_transient_s3)
    return {
        name: retrying(_fetch, client, bucket, entry, directory / name)
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
            f"{listing.recording_id!r} is not a safe recording name.",
            "Name sources and records with letters, digits, '_' and '-' only, and upload again.",
        )


def content_sha256(hashes: dict[str, str]) -> str:
    """Return the identity of a recording's content: SHA-256 over its files' names and SHA-256s, by name."""
    lines = "".join(f"{name} {digest}\n" for name, digest in sorted(hashes.items()))
    return hashlib.sha256(lines.encode()).hexdigest()


def _fingerprint(objects: dict[str, StoredObject]) -> str:
    lines = "".join(f"{name} {entry.etag} {entry.size}\n" for name, entry in sorted(objects.items()))
    return hashlib.sha256(lines.encode()).hexdigest()
