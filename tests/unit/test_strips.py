"""Strips lose no spike, whatever stretch of a recording is drawn."""

from __future__ import annotations

import io
import tracemalloc
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from heartwave_tasks.ecg.recordings import SignalsInMemory
from heartwave_tasks.ecg.strips import MISSING, extremes, to_microvolts
from heartwave_tasks.stores import strip_files
from heartwave_tasks.stores.strip_files import pack, unpack, write_strip
from heartwave_tasks.stores.strips import Strip, StripMissingError, strip_key

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray


class Bucket:
    """One object, read by range as S3 does."""

    def __init__(self, content: bytes) -> None:
        self.content = content
        self.fetched: list[int] = []

    def get_object(self, *, Range: str, **_: object) -> dict[str, Any]:  # noqa: N803 - boto3's name
        """Return the bytes of a range."""
        first, last = Range.removeprefix("bytes=").split("-")
        part = self.content[int(first) : int(last) + 1]
        self.fetched.append(len(part))
        return {"Body": io.BytesIO(part)}


def written(directory: Path, signals: NDArray[np.float32], first: tuple[int, ...]) -> bytes:
    """Return a strip of two leads."""
    path = directory / "strip"
    write_strip(path, SignalsInMemory(signals), 360.0, ("MLII", "V1"), first)
    return path.read_bytes()


@pytest.fixture(scope="module")
def signals() -> NDArray[np.float32]:
    """Ten minutes of two leads at 360 Hz in mV, with a gap."""
    random = np.random.default_rng(1)
    walk = np.cumsum(random.normal(0, 0.01, (216_000, 2)), axis=0).astype(np.float32)
    walk[100_000] = 4.0, -4.0
    walk[5_000:9_000, 0] = np.nan
    return walk


def test_memory_does_not_grow_with_the_recording(tmp_path: Path) -> None:
    """Writing the strip of a long recording holds a few pieces of it at a time, never all of it."""
    flat = SignalsInMemory(np.broadcast_to(np.float32(0.5), (4_000_000, 6)))
    tracemalloc.start()
    write_strip(tmp_path / "strip", flat, 360.0, ("MLII", "V1", "V2", "V3", "V4", "V5"), (0, 1))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < flat.n_samples * flat.n_leads  # bytes: half of what int16 would be


def test_microvolts_keep_gaps() -> None:
    """What was not recorded is told from zero, and what is off the scale is clipped."""
    assert to_microvolts(np.array([0.0, 0.0012, np.nan, 99.0, -99.0])).tolist() == [0, 1, MISSING, 32_767, -32_767]


def test_extremes_of_gaps() -> None:
    """A missing sample is neither the lowest nor the highest; a column of nothing else is missing."""
    samples = np.array([MISSING, 5, 7, MISSING, MISSING, MISSING, -3], dtype=np.int16)

    assert extremes(samples, 4, 2).tolist() == [[5, 5], [7, 7], [MISSING, MISSING], [-3, -3]]


@pytest.mark.parametrize(("start", "stop", "columns"), [(0, 216_000, 900), (77, 150_000, 333), (99_000, 103_000, 500)])
def test_every_column_holds_its_samples(
    tmp_path: Path, signals: NDArray[np.float32], start: int, stop: int, columns: int
) -> None:
    """Whatever the zoom, a column's lowest and highest are those of its samples: no spike is lost."""
    strip = Strip(Bucket(written(tmp_path, signals, (1, 0))), "lake", "key")
    expected = to_microvolts(signals[:, 1])

    stretch = strip.read(0, start, stop, columns)

    assert strip.header.leads == ("V1", "MLII")
    assert stretch.start <= start
    assert len(stretch.values) <= columns + 2
    for place, (low, high) in enumerate(stretch.values.tolist()):
        first = stretch.start + place * stretch.per_column
        covered = expected[first : first + stretch.per_column]
        if first + stretch.per_column <= stop:
            assert (low, high) == (covered.min(), covered.max())
    assert stretch.start + len(stretch.values) * stretch.per_column >= stop


def test_long_levels_go_to_files(tmp_path: Path, signals: NDArray[np.float32], monkeypatch: pytest.MonkeyPatch) -> None:
    """What is too long to be held in memory is written to files beside the strip, and the strip is the same."""
    expected = written(tmp_path, signals, (0, 1))
    assert list(tmp_path.iterdir()) == [tmp_path / "strip"]
    monkeypatch.setattr(strip_files, "_MOST_IN_MEMORY", 50_000)

    assert written(tmp_path, signals, (0, 1)) == expected
    assert (tmp_path / "strip.0.0").stat().st_size > 50_000


def test_close_up_is_the_signal(tmp_path: Path, signals: NDArray[np.float32]) -> None:
    """Close up, the samples themselves come, gaps included."""
    strip = Strip(Bucket(written(tmp_path, signals, (0, 1))), "lake", "key")

    stretch = strip.read(0, 4_000, 6_000, 1_000)

    assert stretch.per_column == 1
    assert stretch.values.tolist() == to_microvolts(signals[4_000:6_000, 0]).tolist()
    assert strip.read(0, 215_990, 999_999, 1_000).values.tolist() == to_microvolts(signals[215_990:, 0]).tolist()


def test_views_cost_little(tmp_path: Path, signals: NDArray[np.float32]) -> None:
    """A view of everything and one of a second fetch a small part of the object each."""
    bucket = Bucket(written(tmp_path, np.tile(signals, (8, 1)), (0, 1)))
    strip = Strip(bucket, "lake", "key")

    for start, stop in ((0, 8 * 216_000), (500_000, 500_360)):
        before = len(bucket.fetched)
        strip.read(0, start, stop, 1_000)
        assert sum(bucket.fetched[before:]) < 100_000 < len(bucket.content) / 10


def test_something_else_is_refused() -> None:
    """An object that is no strip is not drawn."""
    with pytest.raises(StripMissingError):
        Strip(Bucket(b"PAR1" * 100), "lake", "key")


def test_keys_go_with_beats() -> None:
    """A strip lies under the name of its beats."""
    assert strip_key("beats/segmenter=1/mitdb/100/ab.parquet") == "strips/segmenter=1/mitdb/100/ab.strip"


@pytest.mark.parametrize("shape", [(1,), (7,), (16_384,), (1, 2), (4_097, 2)])
def test_pieces_come_back(shape: tuple[int, ...]) -> None:
    """A piece of any samples, the steepest steps included, is unpacked as it was packed."""
    entries = np.random.default_rng(5).integers(-32_768, 32_768, shape).astype(np.int16)

    assert np.array_equal(unpack(pack(entries), shape), entries)
