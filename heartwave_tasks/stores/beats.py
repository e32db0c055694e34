"""Beats in the lake: one Parquet file per recording revision, written whole or not at all.

The key holds the segmenter's version and the recording's content hash, so a rerun writes the same bytes to the same
place, and no reader ever sees half a file or another revision's.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from heartwave_tasks.ecg.beats import R_PEAK_INDEX, SEGMENTER_VERSION, WINDOW_SAMPLES, Beats
from heartwave_tasks.ecg.features import CONTEXT_FEATURES
from heartwave_tasks.ecg.labels import CLASSES, NO_CLASS
from heartwave_tasks.ecg.signals import SAMPLING_FREQUENCY

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

PREFIX: Final = "beats"

# No sample of a window is missing, and levels that say so of each would cost as much as the samples.
_NUMPY_NAMES: Final = {"float": "float32", "double": "float64"}
"""Names of Arrow's types where NumPy has others."""

_WINDOW: Final = pa.list_(pa.field("element", pa.int16(), nullable=False), WINDOW_SAMPLES)
_CONTEXT: Final = pa.list_(pa.field("element", pa.float32(), nullable=False), len(CONTEXT_FEATURES))
_WINDOWS: Final = ("window", "second_window")
_TEXT: Final = pa.dictionary(pa.int8(), pa.string())

SCHEMA: Final = pa.schema(
    [
        pa.field("recording_id", _TEXT, nullable=False),
        pa.field("r_peak_sample", pa.int64(), nullable=False),
        pa.field("time_s", pa.float64(), nullable=False),
        pa.field("is_beat", pa.bool_(), nullable=False),
        pa.field("symbol", _TEXT, nullable=False),
        pa.field("reference", _TEXT),
        pa.field("heartwave5", pa.int8()),
        pa.field("window", _WINDOW, nullable=False),
        pa.field("second_window", _WINDOW, nullable=False),
        pa.field("has_second_lead", pa.bool_(), nullable=False),
        pa.field("rr_previous_s", pa.float32()),
        pa.field("rr_next_s", pa.float32()),
        pa.field("quality", pa.float32(), nullable=False),
        pa.field("second_quality", pa.float32()),
        pa.field("is_classifiable", pa.bool_(), nullable=False),
        pa.field("context", _CONTEXT, nullable=False),
    ],
    metadata={
        "heartwave.segmenter_version": SEGMENTER_VERSION,
        "heartwave.sampling_frequency_hz": str(SAMPLING_FREQUENCY),
        "heartwave.r_peak_index": str(R_PEAK_INDEX),
        "heartwave.window_unit": "microvolt",
        "heartwave.classes": json.dumps(CLASSES),
        "heartwave.label_scheme": "aami",
        "heartwave.context_features": json.dumps(CONTEXT_FEATURES),
    },
)
"""Columns are named like the attributes of `Beats`; times in s, windows in µV at 360 Hz."""

LAYOUT: Final[dict[str, Any]] = {
    "compression": "zstd",
    # Samples hardly repeat: a dictionary of them costs time and space.
    "use_dictionary": ["recording_id", "symbol", "reference"],
    # Neighbouring samples are much alike, and so are the exponents of features.
    "column_encoding": {
        "window.list.element": "DELTA_BINARY_PACKED",
        "second_window.list.element": "DELTA_BINARY_PACKED",
        "context.list.element": "BYTE_STREAM_SPLIT",
    },
    # 24 MB unpacked: the beats of a day are read a few hours at a time.
    "row_group_size": 16_384,
}
"""How Parquet is written, as measured against the alternatives by ``make bench``."""


class BeatsMismatchError(RuntimeError):
    """A beats object is not what its revision's record says; the message names the object."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BeatsRef:
    """Where a revision's beats are, and what is to be found there: rows and SHA-256 of the file, where known."""

    recording_id: str
    beats_key: str
    content_sha256: str
    n_windows: int | None = None
    beats_sha256: str | None = None


def beats_key(recording_id: str, content_sha256: str, segmenter_version: str = SEGMENTER_VERSION) -> str:
    """Return the object key of a revision's beats."""
    return f"{PREFIX}/segmenter={segmenter_version}/{recording_id}/{content_sha256}.parquet"


def to_parquet(beats: Beats, content_sha256: str) -> bytes:
    """Write one revision's beats as Parquet; the same beats give the same bytes."""
    sink = pa.BufferOutputStream()
    write_parquet([beats], sink, content_sha256)
    content: bytes = sink.getvalue().to_pybytes()
    return content


def write_parquet(parts: Iterable[Beats], sink: pa.NativeFile | str, content_sha256: str) -> None:
    """Write one revision's beats, part by part, as Parquet: a row group each, so that they need not all be in memory.

    `sink` is an open file of Arrow's, or a path.
    """
    metadata = {**(SCHEMA.metadata or {}), b"heartwave.content_sha256": content_sha256.encode()}
    layout = dict(LAYOUT)
    rows = layout.pop("row_group_size")
    with pq.ParquetWriter(sink, SCHEMA.with_metadata(metadata), store_schema=True, **layout) as writer:
        for beats in parts:
            writer.write_table(to_arrow(beats).replace_schema_metadata(metadata), row_group_size=rows)


def to_arrow(beats: Beats) -> pa.Table:
    """Lay beats out by `SCHEMA`."""
    classes = pa.array(CLASSES, type=pa.string())
    references = pa.array(beats.reference, mask=beats.reference == NO_CLASS, type=pa.int8())
    columns = [
        pa.array(beats.recording_id.tolist(), type=pa.string()).dictionary_encode().cast(_TEXT),
        pa.array(beats.r_peak_sample),
        pa.array(beats.time_s),
        pa.array(beats.is_beat),
        pa.array(beats.symbol.tolist(), type=pa.string()).dictionary_encode().cast(_TEXT),
        pa.DictionaryArray.from_arrays(references, classes),
        pa.array(beats.heartwave5, mask=beats.heartwave5 == NO_CLASS),
        _rows(beats.window, _WINDOW),
        _rows(beats.second_window, _WINDOW),
        pa.array(beats.has_second_lead),
        pa.array(beats.rr_previous_s, from_pandas=True),
        pa.array(beats.rr_next_s, from_pandas=True),
        pa.array(beats.quality),
        pa.array(beats.second_quality, from_pandas=True),
        pa.array(beats.is_classifiable),
        _rows(beats.context, _CONTEXT),
    ]
    return pa.Table.from_arrays(columns, schema=SCHEMA)


def from_parquet(content: bytes, *, windows: bool = True) -> Beats:
    """Read what `to_parquet` wrote; without windows in half the time, and they are (n, 0).

    Raises
    ------
    BeatsMismatchError
        If the file's columns or features are not those of this version of HeartWave.
    """
    file = pq.ParquetFile(pa.BufferReader(content))
    features = json.loads((file.schema_arrow.metadata or {}).get(b"heartwave.context_features", b"[]"))
    if features != list(CONTEXT_FEATURES) or file.schema_arrow.names != SCHEMA.names:
        msg = "These beats were cut by another version of the segmenter; run ingest_recordings again."
        raise BeatsMismatchError(msg)
    columns = [name for name in SCHEMA.names if windows or name not in _WINDOWS]
    # One thread: tasks run side by side, one to a core.
    return from_arrow(file.read(columns, use_threads=False))


def from_arrow(table: pa.Table) -> Beats:
    """Take beats out of a table laid out by `SCHEMA`, windows (n, 0) if it has none; copied only where Arrow must."""
    table = table.combine_chunks()
    n = len(table)
    nothing = np.empty((n, 0), dtype=np.int16)
    windows = [_matrix(_column(table, name), n) if name in table.column_names else nothing for name in _WINDOWS]
    return Beats(
        recording_id=_texts(table, "recording_id"),
        r_peak_sample=_numbers(_column(table, "r_peak_sample")),
        time_s=_numbers(_column(table, "time_s")),
        is_beat=_numbers(_column(table, "is_beat")),
        symbol=_texts(table, "symbol"),
        reference=_class_indices(table),
        heartwave5=_numbers(_column(table, "heartwave5"), NO_CLASS),
        window=windows[0],
        second_window=windows[1],
        has_second_lead=_numbers(_column(table, "has_second_lead")),
        rr_previous_s=_numbers(_column(table, "rr_previous_s")),
        rr_next_s=_numbers(_column(table, "rr_next_s")),
        quality=_numbers(_column(table, "quality")),
        second_quality=_numbers(_column(table, "second_quality")),
        is_classifiable=_numbers(_column(table, "is_classifiable")),
        context=_matrix(_column(table, "context"), n),
    )


def unpack(content: bytes, ref: BeatsRef, *, windows: bool = True) -> Beats:
    """Read a revision's beats from what was fetched, all of them and as they were written; windows (n, 0) if unwanted.

    Raises
    ------
    BeatsMismatchError
        If it holds another content's beats, other bytes than were written, or another number of rows.
    """
    check(content, ref)
    try:
        return from_parquet(content, windows=windows)
    except OSError as error:  # what Arrow says of pages it cannot unpack
        raise _mismatch(ref, "cannot be unpacked") from error


def check(content: bytes, ref: BeatsRef) -> None:
    """Hold a beats object against what is known of it.

    Raises
    ------
    BeatsMismatchError
        If it is not what ingest has written; the message says what was expected and found.
    """
    expected = ref.beats_sha256
    if expected and (sha256 := hashlib.sha256(content).hexdigest()) != expected:
        raise _mismatch(ref, f"has SHA-256 {sha256[:12]}, not {expected[:12]} as it was written")
    try:
        metadata = pq.read_metadata(pa.BufferReader(content))
    except pa.ArrowInvalid as error:
        raise _mismatch(ref, "is not Parquet") from error
    found = (metadata.metadata or {}).get(b"heartwave.content_sha256", b"").decode()
    if found != ref.content_sha256:
        raise _mismatch(ref, f"holds content {found[:12]}, not {ref.content_sha256[:12]}")
    if ref.n_windows not in {None, metadata.num_rows}:
        raise _mismatch(ref, f"holds {metadata.num_rows} rows, not {ref.n_windows} as were ingested")


def count_beats(content: bytes, ref: BeatsRef) -> int:
    """Count the heartbeats among the rows of a beats file; raises `BeatsMismatchError` if it cannot be unpacked."""
    try:
        table = pq.read_table(pa.BufferReader(content), columns=["is_beat"], use_threads=False)
    except OSError as error:
        raise _mismatch(ref, "cannot be unpacked") from error
    return int(np.count_nonzero(_numbers(_column(table, "is_beat"))))


def _mismatch(ref: BeatsRef, what: str) -> BeatsMismatchError:
    return BeatsMismatchError(
        f"{ref.recording_id}: {ref.beats_key} {what}. `heartwave verify --mend` has it cut again."
    )


def digest(refs: Iterable[BeatsRef]) -> str:
    """Return the identity of a set of beats: SHA-256 over recordings, contents and segmenter version."""
    lines = sorted(f"{ref.recording_id} {ref.content_sha256}\n" for ref in refs)
    return hashlib.sha256(f"segmenter {SEGMENTER_VERSION}\n{''.join(lines)}".encode()).hexdigest()


def _rows(values: NDArray[np.generic], kind: pa.DataType) -> pa.Array:
    return pa.FixedSizeListArray.from_arrays(pa.array(np.ascontiguousarray(values).reshape(-1)), type=kind)


def _column(table: pa.Table, name: str) -> pa.Array:
    column = table.column(name)
    return column.chunk(0) if column.num_chunks == 1 else pa.concat_arrays(column.chunks)


def _matrix(column: pa.FixedSizeListArray, n: int) -> NDArray[Any]:
    width = column.type.list_size
    values = column.values.slice(column.offset * width, n * width)
    return _numbers(values).reshape(n, width)


def _numbers(column: pa.Array, null: float = np.nan) -> NDArray[Any]:
    """Values of numbers or booleans; Arrow's own way imports pandas, which takes a second."""
    if pa.types.is_boolean(column.type):
        return _numbers(column.cast(pa.uint8())).astype(np.bool_)
    kind = np.dtype(_NUMPY_NAMES.get(str(column.type), str(column.type)))
    data = column.buffers()[1]
    if data is None:
        return np.empty(0, dtype=kind)
    values = np.frombuffer(data, dtype=kind, count=column.offset + len(column))[column.offset :]
    return np.where(_numbers(column.is_null()), kind.type(null), values) if column.null_count else values


def _texts(table: pa.Table, name: str) -> NDArray[np.str_]:
    column = _column(table, name)
    words = np.array(column.dictionary.to_pylist(), dtype=np.str_)
    return words[_numbers(column.indices)] if len(words) else np.empty(0, dtype=np.str_)


def _class_indices(table: pa.Table) -> NDArray[np.int8]:
    column = _column(table, "reference")
    places = [CLASSES.index(name) for name in column.dictionary.to_pylist()]
    known = _numbers(column.indices, len(places))
    classes: NDArray[np.int8] = np.array([*places, NO_CLASS], dtype=np.int8)[known]
    return classes
