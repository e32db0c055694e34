"""Strips in the lake: a recording's signals as they are drawn, in pieces that can be fetched one by one.

One object per recording revision, beside its beats. After a mark and the length of the header comes a header in JSON,
then every level of every lead's pyramid in pieces of `PIECE` entries, each compressed by itself. So a view of a whole
day and a view of three seconds cost the same few kilobytes.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from botocore.exceptions import ClientError

from heartwave_tasks.ecg.strips import FACTOR, extremes
from heartwave_tasks.stores.objects import get_object
from heartwave_tasks.stores.strip_files import LENGTH, MARK, PIECE, unpack

if TYPE_CHECKING:
    from botocore.client import BaseClient as S3Client
    from numpy.typing import NDArray

PREFIX: Final = "strips"

_FIRST_BYTES: Final = 65_536  # the header of a day, in one request
_GONE: Final = frozenset({"404", "NoSuchKey"})


class StripMissingError(LookupError):
    """A recording has no strip in the lake; the message names it and the remedy."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """A stretch of one lead: samples (n,), or lowest and highest (n, 2) of ``per_column`` samples each, in µV.

    ``start`` is the first sample that is covered, at the recording's own rate.
    """

    start: int
    per_column: int
    values: NDArray[np.int16]


@dataclass(frozen=True, slots=True)
class StripHeader:
    """What a strip holds, and where.

    ``ranges`` are each lead's lowest, usual and highest level in µV, rare extremes left out. ``pieces[level][lead]``
    are the bounds of its pieces in bytes, one more than there are.
    """

    sampling_frequency: float
    n_samples: int
    leads: tuple[str, ...]
    ranges: tuple[tuple[int, int, int], ...]
    pieces: tuple[tuple[tuple[int, ...], ...], ...]


def strip_key(beats_key: str) -> str:
    """Return the key of the strip that belongs to a revision's beats."""
    return f"{PREFIX}/{beats_key.partition('/')[2].removesuffix('.parquet')}.strip"


def beats_key(strip: str) -> str:
    """Return the key of the beats that a strip's key belongs to."""
    return f"beats/{strip.partition('/')[2].removesuffix('.strip')}.parquet"


class Strip:
    """A strip in the lake, read piece by piece.

    Raises `StripMissingError` when there is none.
    """

    def __init__(self, client: S3Client, bucket: str, key: str) -> None:
        self._client, self._bucket, self._key = client, bucket, key
        first = self._fetch(0, _FIRST_BYTES)
        if first[: len(MARK)] != MARK:
            raise StripMissingError(f"{key} is no strip; delete it, and it is written anew.")
        (length,) = LENGTH.unpack_from(first, len(MARK))
        start = len(MARK) + LENGTH.size
        told = first[start : start + length]
        if len(told) < length:
            told += self._fetch(start + len(told), start + length)
        header = json.loads(told)
        self._body = start + length
        self.header = StripHeader(
            float(header["sampling_frequency"]),
            int(header["n_samples"]),
            tuple(header["leads"]),
            tuple((low, usual, high) for low, usual, high in header["ranges"]),
            tuple(tuple(tuple(ends) for ends in leads) for leads in header["pieces"]),
        )

    def read(self, lead: int, start: int, stop: int, n_columns: int) -> Stretch:
        """Read samples ``[start, stop)`` of a lead, reduced to about ``n_columns`` extremes if there are many more."""
        start, stop = max(0, start), min(stop, self.header.n_samples)
        if stop - start <= 2 * n_columns:
            return Stretch(start, 1, self._entries(0, lead, start, stop))
        level, factor = 0, 1
        # The coarsest level that still has two entries for every column.
        while level + 1 < len(self.header.pieces) and (stop - start) // (factor * FACTOR) >= 2 * n_columns:
            level, factor = level + 1, factor * FACTOR
        first, last = start // factor, -(-stop // factor)
        per_column = max(1, -(-(last - first) // n_columns))
        # Columns lie on a grid of their own, so that panning does not make peaks flicker.
        first -= first % per_column
        entries = self._entries(level, lead, first, last)
        return Stretch(
            first * factor, per_column * factor, extremes(entries, -(-len(entries) // per_column), per_column)
        )

    def _entries(self, level: int, lead: int, first: int, last: int) -> NDArray[np.int16]:
        bounds = self.header.pieces[level][lead]
        pieces = range(first // PIECE, min(-(-last // PIECE), len(bounds) - 1))
        if not pieces:
            return np.empty((0, 2) if level else 0, dtype=np.int16)
        content = self._fetch(self._body + bounds[pieces[0]], self._body + bounds[pieces[-1] + 1])
        offset = bounds[pieces[0]]
        length = self.header.n_samples if level == 0 else -(-self.header.n_samples // FACTOR**level)
        unpacked = [
            unpack(
                content[bounds[piece] - offset : bounds[piece + 1] - offset],
                (min(PIECE, length - piece * PIECE), *((2,) if level else ())),
            )
            for piece in pieces
        ]
        begin = pieces[0] * PIECE
        return np.concatenate(unpacked)[first - begin : last - begin]

    def _fetch(self, start: int, stop: int) -> bytes:
        try:
            return get_object(self._client, self._bucket, self._key, f"bytes={start}-{stop - 1}")
        except ClientError as error:
            if error.response["Error"]["Code"] in _GONE:
                msg = f"{self._key} is not in the lake; ingest the recording again."
                raise StripMissingError(msg) from error
            raise
