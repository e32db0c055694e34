"""Annotated recordings read once more, and their R peaks detected as if nobody had annotated them."""

from __future__ import annotations

import logging
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from botocore.exceptions import ClientError

from heartwave_tasks.jobs.cut_recordings import BEATS_FILE, DetectedRecording
from heartwave_tasks.jobs.reading_process import DETECT, ReadingProcess
from heartwave_tasks.stores import beats as lake
from heartwave_tasks.stores.arrivals import RecordingProblem
from heartwave_tasks.stores.objects import is_missing, s3_client
from heartwave_tasks.stores.recordings import content_sha256, download, find_recordings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from botocore.client import BaseClient as S3Client

    from heartwave_tasks.ecg.beats import Beats
    from heartwave_tasks.settings import Settings
    from heartwave_tasks.stores.predictions import RevisionRef
    from heartwave_tasks.stores.recordings import Listing

logger = logging.getLogger(__name__)

_TOLD_EVERY: Final = 10
_CHANGED: Final = "its files are not those that were ingested; `heartwave run ingest` takes them up"


@dataclass(frozen=True, slots=True)
class Detected:
    """A recording's comparison with its annotations, and its beats at detected R peaks."""

    facts: DetectedRecording
    beats: Beats


def detect_again(
    settings: Settings, refs: Sequence[RevisionRef], *, windows: bool
) -> tuple[dict[str, Detected], dict[str, str]]:
    """Read annotated recordings from the bucket, and detect their R peaks.

    Parameters
    ----------
    refs
        What was ingested; only files with that content are read.
    windows
        Whether the beats' samples are wanted; they are (n, 0) if not.

    Returns
    -------
    By recording id, what was detected, and of those that could not be read, why.
    """
    client = s3_client(settings)
    listings = find_recordings(client, settings, [ref.recording_id for ref in refs])
    detected: dict[str, Detected] = {}
    left_out: dict[str, str] = {}
    with ReadingProcess(settings, DETECT) as reader:
        for place, ref in enumerate(refs, start=1):
            listing = listings.get(ref.recording_id)
            try:
                found = _detect(settings, client, reader, listing, ref, windows=windows) if listing else None
            except RecordingProblem as problem:
                left_out[ref.recording_id] = problem.reason.removeprefix(f"{ref.recording_id}: ").rstrip(".")
            else:
                if found is None:
                    left_out[ref.recording_id] = _CHANGED
                else:
                    detected[ref.recording_id] = found
            if place % _TOLD_EVERY == 0 or place == len(refs):
                logger.info("R peaks detected in %d of %d annotated recordings.", place, len(refs))
    for recording_id, why in left_out.items():
        logger.warning("%s is left out: %s.", recording_id, why)
    return detected, left_out


def _detect(
    settings: Settings,
    client: S3Client,
    reader: ReadingProcess,
    listing: Listing,
    ref: RevisionRef,
    *,
    windows: bool,
) -> Detected | None:
    """Detect R peaks in one recording; None where its files are others than were ingested, or gone."""
    with tempfile.TemporaryDirectory(prefix="heartwave-") as directory:
        files, out = Path(directory, "files"), Path(directory, "out")
        files.mkdir()
        out.mkdir()
        try:
            content = content_sha256(download(client, settings, listing, files))
        except ClientError as error:
            if not is_missing(error):
                raise
            return None
        if content != ref.content_sha256:
            return None
        arguments = {"content_sha256": content, "record": listing.record}
        reading = reader.read(listing.recording_id, files, out, arguments)
        beats = lake.from_parquet((out / BEATS_FILE).read_bytes(), windows=windows)
        return Detected(DetectedRecording.from_facts(reading.facts), beats)
