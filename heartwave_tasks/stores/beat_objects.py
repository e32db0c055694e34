"""Beats fetched from the lake."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa

from heartwave_tasks.ecg.beats import Beats
from heartwave_tasks.stores import beats as lake
from heartwave_tasks.stores.objects import get_object

if TYPE_CHECKING:
    from collections.abc import Iterable

    from botocore.client import BaseClient as S3Client


def read_beats(client: S3Client, bucket: str, ref: lake.BeatsRef, *, windows: bool = True) -> Beats:
    """Read a revision's beats, all of them and as they were written; windows are (n, 0) if not wanted.

    Raises
    ------
    BeatsMismatchError
        If the object holds another content's beats, other bytes than were written, or another number of rows.
    """
    return lake.unpack(get_object(client, bucket, ref.beats_key), ref, windows=windows)


def read_together(client: S3Client, bucket: str, refs: Iterable[lake.BeatsRef]) -> Beats:
    """Read the beats of several revisions, at least one, one below the other; raises what `read_beats` does."""
    beats = Beats.concatenate([read_beats(client, bucket, ref) for ref in refs])
    # Arrow would keep what the single files took, as much again as all beats, for as long as this process trains.
    pa.default_memory_pool().release_unused()
    return beats
