"""The labels of one recording as arrays, and their binary form for PostgreSQL's COPY.

No row is ever touched by Python: a batch is laid out as a numpy record array in COPY's byte order, and the bytes
of missing values are masked out.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, fields
from datetime import date
from typing import TYPE_CHECKING, Final

import numpy as np

from heartwave_tasks.ecg.labels import CLASSES, NO_CLASS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

LABEL_COLUMNS: Final = (
    "night",
    "revision_id",
    "model_version_id",
    "r_peak_sample",
    "time_s",
    "class",
    "confidence",
    "p_n",
    "p_s",
    "p_v",
    "p_f",
    "p_q",
    "rr_previous_s",
    "rr_next_s",
    "reference",
)

ROWS_PER_CHUNK: Final = 16_384
"""Rows encoded at a time: 2.3 MB, so that memory does not grow with the length of a recording."""

# https://www.postgresql.org/docs/current/sql-copy.html, "Binary Format".
_SIGNATURE: Final = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_TRAILER: Final = b"\xff\xff"
_FIELD_TYPES: Final = (">i4", ">i4", ">i4", ">i4", ">f8", "S1", *(">f4",) * 8, "S1")
_POSTGRES_EPOCH: Final = date(2000, 1, 1)


# One row: the number of fields, then each field's length in bytes and its bytes. A missing value has length -1 and
# no bytes. An enum travels as its name.
def _record(first_column: int) -> np.dtype[np.void]:
    """Return the layout of a COPY row of all label columns from a given one on."""
    layout = [("n_fields", ">i2")]
    for name, kind in zip(LABEL_COLUMNS[first_column:], _FIELD_TYPES[first_column:], strict=True):
        layout += [(f"{name} length", ">i4"), (name, kind)]
    return np.dtype(layout)


_RECORD: Final = _record(0)
_OFFSETS: Final = {name: field[1] for name, field in (_RECORD.fields or {}).items()}
_CLASS_NAMES: Final = np.array(CLASSES, dtype="S1")

# What the hash is taken over; changing it changes every labels_sha256.
_CONTENT: Final = np.dtype(
    [
        ("r_peak_sample", "<i4"),
        ("time_s", "<f8"),
        ("class_ids", "i1"),
        ("confidence", "<f4"),
        ("probabilities", "<f4", (len(CLASSES),)),
        ("rr_previous_s", "<f4"),
        ("rr_next_s", "<f4"),
        ("reference_ids", "i1"),
    ]
)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LabelBatch:
    """The labels of one recording revision by one model version, in order of their R peaks.

    Args:
        r_peak_sample: (n,) int, strictly increasing, samples at the recording's own rate.
        time_s: (n,) float64, seconds from the start of the recording.
        class_ids: (n,) int, index into `CLASSES`; `NO_CLASS` where the signal shows nothing that could be classified.
        confidence: (n,) float32, the probability of the label given.
        probabilities: (n, 5) float32, columns in the order of `CLASSES`.
        rr_previous_s: (n,) float32, seconds; NaN where there is no previous beat.
        rr_next_s: (n,) float32, seconds; NaN where there is no next beat.
        reference_ids: (n,) int, index into `CLASSES`; `NO_CLASS` where not annotated.

    Raises
    ------
        ValueError: when lengths disagree or a value cannot be a label's; nothing of the sort reaches the database.

    """

    r_peak_sample: NDArray[np.integer]
    time_s: NDArray[np.floating]
    class_ids: NDArray[np.integer]
    confidence: NDArray[np.floating]
    probabilities: NDArray[np.floating]
    rr_previous_s: NDArray[np.floating]
    rr_next_s: NDArray[np.floating]
    reference_ids: NDArray[np.integer]

    def __post_init__(self) -> None:
        """Check every value once, so that the encoding need not."""
        self._check_shapes()
        self._check_values()

    def __len__(self) -> int:
        """Return the number of labels."""
        return len(self.r_peak_sample)

    def _check_shapes(self) -> None:
        n_labels = len(self.r_peak_sample)
        for field in fields(self):
            expected = (n_labels, len(CLASSES)) if field.name == "probabilities" else (n_labels,)
            found = getattr(self, field.name).shape
            if found != expected:
                raise ValueError(f"Labels need {field.name} of shape {expected}, found {found}.")

    def _check_values(self) -> None:
        r_peaks = self.r_peak_sample
        if len(self) and (r_peaks[0] < 0 or r_peaks[-1] > np.iinfo(np.int32).max or np.any(np.diff(r_peaks) <= 0)):
            raise ValueError("R peaks must increase strictly from 0 on and fit 32 bits: one label per heartbeat.")
        if np.any((self.class_ids < NO_CLASS) | (self.class_ids >= len(CLASSES))):
            raise ValueError(f"Class ids must be {NO_CLASS} (none) or in 0..{len(CLASSES) - 1} ({' '.join(CLASSES)}).")
        if np.any((self.reference_ids < NO_CLASS) | (self.reference_ids >= len(CLASSES))):
            raise ValueError(f"Reference ids must be {NO_CLASS} (none) or in 0..{len(CLASSES) - 1}.")
        for name in ("confidence", "probabilities"):
            values = getattr(self, name)
            if not np.all((values >= 0) & (values <= 1)):  # NaN fails both
                raise ValueError(f"Labels need every {name} between 0 and 1.")
        if not np.all(np.isfinite(self.time_s)):
            raise ValueError("Labels need a finite time_s for every beat.")
        for name in ("rr_previous_s", "rr_next_s"):
            if np.any(np.isinf(getattr(self, name))):
                raise ValueError(f"Labels need {name} in seconds, or NaN where there is none; found infinity.")

    def class_counts(self) -> tuple[int, ...]:
        """Return how many labels there are of each of `CLASSES`."""
        return tuple(int(n) for n in np.bincount(self.class_ids[self.class_ids != NO_CLASS], minlength=len(CLASSES)))

    def sha256(self) -> str:
        """Hash the content, free of keys and dates: equal labels hash equally on any machine and installation."""
        digest = hashlib.sha256()
        for content in self.contents():
            digest.update(content)
        return digest.hexdigest()

    def contents(self) -> Iterator[bytes]:
        """Yield what the hash is taken over, a few MB at a time."""
        for start in range(0, len(self), ROWS_PER_CHUNK):
            rows = slice(start, start + ROWS_PER_CHUNK)
            content = np.empty(len(self.r_peak_sample[rows]), _CONTENT)
            for field in fields(self):
                content[field.name] = getattr(self, field.name)[rows]
            for name in ("rr_previous_s", "rr_next_s"):
                content[name][np.isnan(content[name])] = np.nan  # NaN has many bit patterns
            yield content.tobytes()

    def copy_binary(self, night: date, revision_id: int, model_version_id: int) -> Iterator[bytes]:
        """Yield what ``COPY labels (…LABEL_COLUMNS…) FROM STDIN (FORMAT binary)`` reads, a few MB at a time."""
        yield _SIGNATURE
        for start in range(0, len(self), ROWS_PER_CHUNK):
            yield self._records(slice(start, start + ROWS_PER_CHUNK), night, revision_id, model_version_id)
        yield _TRAILER

    def _records(self, rows: slice, night: date, revision_id: int, model_version_id: int) -> bytes:
        """Lay out some rows as COPY records and take out the bytes of missing values."""
        records = np.empty(len(self.r_peak_sample[rows]), _RECORD)
        records["n_fields"] = len(LABEL_COLUMNS)
        for name in LABEL_COLUMNS:
            records[f"{name} length"] = _RECORD[name].itemsize
        records["night"] = (night - _POSTGRES_EPOCH).days
        records["revision_id"] = revision_id
        records["model_version_id"] = model_version_id
        records["r_peak_sample"] = self.r_peak_sample[rows]
        records["time_s"] = self.time_s[rows]
        records["class"] = _CLASS_NAMES[self.class_ids[rows]]  # -1 takes the last name; masked out below
        records["confidence"] = self.confidence[rows]
        for column, name in enumerate(("p_n", "p_s", "p_v", "p_f", "p_q")):
            records[name] = self.probabilities[rows, column]
        records["rr_previous_s"] = self.rr_previous_s[rows]
        records["rr_next_s"] = self.rr_next_s[rows]
        records["reference"] = _CLASS_NAMES[self.reference_ids[rows]]  # so here

        missing = {
            "class": self.class_ids[rows] == NO_CLASS,
            "rr_previous_s": np.isnan(self.rr_previous_s[rows]),
            "rr_next_s": np.isnan(self.rr_next_s[rows]),
            "reference": self.reference_ids[rows] == NO_CLASS,
        }
        if not any(mask.any() for mask in missing.values()):
            return records.tobytes()
        keep = np.ones((len(records), _RECORD.itemsize), dtype=bool)
        for name, mask in missing.items():
            records[f"{name} length"][mask] = -1
            start = _OFFSETS[name]
            keep[mask, start : start + _RECORD[name].itemsize] = False
        return records.view(np.uint8).reshape(keep.shape)[keep].tobytes()


# Reading back: the columns of a batch without missing values, so that every record has the same width.
READ_COLUMNS: Final = ", ".join(
    (
        "r_peak_sample",
        "time_s",
        "coalesce(class::text, '-')",
        "confidence",
        *("p_n", "p_s", "p_v", "p_f", "p_q"),
        "coalesce(rr_previous_s, 'NaN')",
        "coalesce(rr_next_s, 'NaN')",
        "coalesce(reference::text, '-')",
    )
)
_READ_RECORD: Final = _record(LABEL_COLUMNS.index("r_peak_sample"))


def read_copy_binary(data: bytes) -> LabelBatch:
    """Read what ``COPY (SELECT …READ_COLUMNS… ORDER BY r_peak_sample) TO STDOUT (FORMAT binary)`` writes."""
    return _batch(np.frombuffer(data[len(_SIGNATURE) : -len(_TRAILER)], _READ_RECORD))


class LabelReader:
    """The file that the same COPY writes to, to know labels without keeping them.

    Attributes
    ----------
    n_labels
        How many came.
    one_per_beat
        Whether their R peaks increase strictly: no beat has two labels.
    """

    def __init__(self) -> None:
        self.n_labels, self.one_per_beat = 0, True
        self._digest, self._waiting, self._last = hashlib.sha256(), bytearray(), -1
        self._ahead = len(_SIGNATURE)

    def write(self, data: bytes) -> None:
        """Take in a piece, of any size."""
        self._waiting += data
        if len(self._waiting) - self._ahead > ROWS_PER_CHUNK * _READ_RECORD.itemsize:
            self._take()

    def sha256(self) -> str:
        """Return what `LabelBatch.sha256` says of the same labels."""
        self._take()
        return self._digest.hexdigest()

    def _take(self) -> None:
        del self._waiting[: self._ahead]
        self._ahead = 0
        n_rows = len(self._waiting) // _READ_RECORD.itemsize
        records = np.frombuffer(bytes(self._waiting[: n_rows * _READ_RECORD.itemsize]), _READ_RECORD)
        del self._waiting[: n_rows * _READ_RECORD.itemsize]
        if not n_rows:
            return
        self.n_labels += n_rows
        r_peaks = records["r_peak_sample"].astype(np.int64)
        self.one_per_beat &= bool(np.all(np.diff(r_peaks, prepend=self._last) > 0))
        self._last = int(r_peaks[-1])
        if self.one_per_beat:
            for content in _batch(records).contents():
                self._digest.update(content)


def _batch(records: NDArray[np.void]) -> LabelBatch:
    """Read records of `READ_COLUMNS`."""
    return LabelBatch(
        r_peak_sample=records["r_peak_sample"].astype(np.int32),
        time_s=records["time_s"].astype(np.float64),
        class_ids=_class_ids(records["class"]),
        confidence=records["confidence"].astype(np.float32),
        probabilities=np.stack([records[f"p_{c.lower()}"] for c in CLASSES], axis=1).astype(np.float32),
        rr_previous_s=records["rr_previous_s"].astype(np.float32),
        rr_next_s=records["rr_next_s"].astype(np.float32),
        reference_ids=_class_ids(records["reference"]),
    )


def _class_ids(names: NDArray[np.bytes_]) -> NDArray[np.int8]:
    """Turn (n,) one-letter names into ids, `NO_CLASS` for any other letter."""
    ids = np.full(256, NO_CLASS, np.int8)
    ids[_CLASS_NAMES.view(np.uint8)] = np.arange(len(CLASSES))
    return ids[np.ascontiguousarray(names).view(np.uint8)]
