"""Beats fetched from the lake."""

from __future__ import annotations

from typing import TYPE_CHECKING

from heartwave_tasks.stores import beats as lake
from heartwave_tasks.stores.objects import get_object

if TYPE_CHECKING:
    from botocore.client import BaseClient as S3Client

    from heartwave_tasks.ecg.beats import Beats


def read_beats(client: S3Client, bucket: str, ref: lake.BeatsRef, *, windows: bool = True) -> Beats:
    """Read a revision's beats, all of them and as they were written; windows are (n, 0) if not wanted.

    Raises
    ------
    BeatsMismatchError
        If the object holds another content's beats, other bytes than were written, or another number of rows.
    """
    return lake.unpack(get_object(client, bucket, ref.beats_key), ref, windows=windows)
