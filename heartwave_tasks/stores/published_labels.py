"""Labels in the lake: one Parquet file per labelled recording, beside the beats, for engines that scan at scale.

The key holds month, model, version and segmenter as directories that DuckDB, Spark and pandas read as columns, then
recording and content: writing the same labels again writes the same bytes to the same place. They are the model's
labels, as committed; what people say of beats is in Postgres alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from heartwave_tasks.ecg.labels import CLASSES, NO_CLASS
from heartwave_tasks.stores.label_batch import LabelBatch

if TYPE_CHECKING:
    from datetime import date

    from numpy.typing import NDArray

    from heartwave_tasks.stores.prediction_rows import PublishedScoring

PREFIX: Final = "labels"

_CLASS: Final = pa.dictionary(pa.int8(), pa.string())

SCHEMA: Final = pa.schema(
    [
        pa.field("recording_id", pa.dictionary(pa.int8(), pa.string()), nullable=False),
        pa.field("content_sha256", pa.dictionary(pa.int8(), pa.string()), nullable=False),
        pa.field("night", pa.date32(), nullable=False),
        pa.field("r_peak_sample", pa.int64(), nullable=False),
        pa.field("time_s", pa.float64(), nullable=False),
        pa.field("class", _CLASS),
        pa.field("confidence", pa.float32(), nullable=False),
        *(pa.field(f"p_{name.lower()}", pa.float32(), nullable=False) for name in CLASSES),
        pa.field("rr_previous_s", pa.float32()),
        pa.field("rr_next_s", pa.float32()),
        pa.field("reference", _CLASS),
    ]
)
"""Columns are named like those of the view `all_labels`; month, model, version and segmenter come from the key."""


def label_key(scoring: PublishedScoring) -> str:
    """Return the object key of a scoring's labels in the lake bucket."""
    return (
        f"{month_prefix(scoring.night)}model={scoring.model_name}/version={scoring.model_version}/"
        f"segmenter={scoring.segmenter_version}/{scoring.recording_id}/{scoring.content_sha256}.parquet"
    )


def month_prefix(night: date) -> str:
    """Return what the keys of a night's month begin with; prefixes sort as their months do."""
    return f"{PREFIX}/month={night:%Y-%m}/"


def recording_of(key: str) -> str:
    """Return the recording whose labels lie at a key."""
    return "/".join(key.split("/")[5:-1])


def from_parquet(content: bytes) -> LabelBatch:
    """Read back what `to_parquet` wrote; raises pyarrow's errors (ValueErrors) when it is something else."""
    table = pq.read_table(pa.BufferReader(content), schema=SCHEMA).combine_chunks()
    column = {name: table.column(name).to_numpy() for name in SCHEMA.names if not pa.types.is_dictionary(_kind(name))}
    return LabelBatch(
        r_peak_sample=column["r_peak_sample"],
        time_s=column["time_s"],
        class_ids=_class_ids(table.column("class")),
        confidence=column["confidence"],
        probabilities=np.stack([column[f"p_{name.lower()}"] for name in CLASSES], axis=1),
        rr_previous_s=column["rr_previous_s"],
        rr_next_s=column["rr_next_s"],
        reference_ids=_class_ids(table.column("reference")),
    )


def _kind(name: str) -> pa.DataType:
    return SCHEMA.field(name).type


def _class_ids(column: pa.ChunkedArray) -> NDArray[np.int8]:
    places = {name: place for place, name in enumerate(CLASSES)}
    return np.array([places.get(name, NO_CLASS) for name in column.to_pylist()], dtype=np.int8)


def to_parquet(scoring: PublishedScoring, labels: LabelBatch) -> bytes:
    """Lay a recording's labels out by `SCHEMA` and write them as Parquet; the same labels give the same bytes."""
    n_labels = len(labels)
    classes = pa.array(CLASSES, type=pa.string())
    first = pa.array([0] * n_labels, type=pa.int8())
    class_ids, reference = labels.class_ids.astype("int8"), labels.reference_ids.astype("int8")
    columns = [
        pa.DictionaryArray.from_arrays(first, pa.array([scoring.recording_id])),
        pa.DictionaryArray.from_arrays(first, pa.array([scoring.content_sha256])),
        pa.array([scoring.night] * n_labels, type=pa.date32()),
        pa.array(labels.r_peak_sample.astype("int64")),
        pa.array(labels.time_s.astype("float64")),
        pa.DictionaryArray.from_arrays(pa.array(class_ids, mask=class_ids == NO_CLASS), classes),
        pa.array(labels.confidence.astype("float32")),
        *(pa.array(labels.probabilities[:, column].astype("float32")) for column in range(len(CLASSES))),
        pa.array(labels.rr_previous_s.astype("float32"), from_pandas=True),
        pa.array(labels.rr_next_s.astype("float32"), from_pandas=True),
        pa.DictionaryArray.from_arrays(pa.array(reference, mask=reference == NO_CLASS), classes),
    ]
    sink = pa.BufferOutputStream()
    pq.write_table(
        pa.Table.from_arrays(columns, schema=SCHEMA),
        sink,
        compression="zstd",
        use_dictionary=["recording_id", "content_sha256", "night", "class", "reference"],
    )
    content: bytes = sink.getvalue().to_pybytes()
    return content
