"""Every stage by itself, each beside its floor and the plain way: what computes, in this process."""

from __future__ import annotations

import csv
import io
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import wfdb
from scipy import signal

from heartwave_tasks.ecg import beats as ecg_beats
from heartwave_tasks.ecg import features, signals
from heartwave_tasks.ecg.beats import Beats, segment
from heartwave_tasks.ecg.leads import choose_leads
from heartwave_tasks.ecg.shapes import Cut, compare, compare_qrs
from heartwave_tasks.models.architectures import ARCHITECTURES
from heartwave_tasks.settings import Settings
from heartwave_tasks.stores import beats as lake
from heartwave_tasks.stores.arrivals import Arrival
from heartwave_tasks.stores.record_formats import read_recording
from tests.bench.measuring import Sample, measure

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from heartwave_tasks.ecg.recordings import Recording
    from heartwave_tasks.models.architectures import BeatModel

_PLAIN_BEATS: Final = 300
"""Beats that the plain ways are shown: they are slow."""


class Bench:
    """Real recordings, and the stages they go through."""

    def __init__(self, directory: Path, records: list[str], repetitions: int) -> None:
        self.directory, self.records, self.repetitions = directory, records, repetitions
        self.recordings = [self.read(record) for record in records]
        self.beats = [segment(recording) for recording in self.recordings]
        self.n_beats = sum(map(len, self.beats))
        self.files = [lake.to_parquet(beats, "0" * 64) for beats in self.beats]

    def read(self, record: str) -> Recording:
        """Read one recording as ingest does."""
        return read_recording(Arrival.of(self.directory, f"mitdb/{record}"), Settings())

    def measure(self, stage: str, way: str, work: Callable[[], object], n_bytes: int, **more: Any) -> Sample:
        """Measure work on all recordings."""
        given = {"beats": self.n_beats, "repetitions": self.repetitions, **more}
        return measure(stage, way, work, n_bytes=n_bytes, **given)

    def stages(self) -> Iterator[Sample]:
        """Measure the stages from files to Parquet and back."""
        yield from self._reading()
        yield from self._segmenting()
        yield from self._parquet()

    def models(self, training: Beats, names: list[str]) -> Iterator[Sample]:
        """Train architectures on a few beats, and measure what it takes to answer."""
        few = training.take(slice(None, None, 4))
        for name in names:
            architecture = ARCHITECTURES[name]
            model = architecture.train(few, groups=few.recording_id, seed=42)
            yield from self._model(f"model {name}", architecture.load(model.files()))

    def layouts(self) -> Iterator[tuple[str, float, Sample, Sample]]:
        """Ways to lay beats out as Parquet: name, bytes a beat, writing and reading."""
        plain: dict[str, Any] = {"compression": "zstd", "use_dictionary": lake.LAYOUT["use_dictionary"]}
        tables = [lake.to_arrow(beats) for beats in self.beats]
        ways: dict[str, tuple[list[pa.Table], dict[str, Any]]] = {
            "as HeartWave writes it": (tables, lake.LAYOUT),
            "the same, lz4": (tables, {**lake.LAYOUT, "compression": "lz4"}),
            "the same, zstd level 9": (tables, {**lake.LAYOUT, "compression_level": 9}),
            "the same, row groups of 1 024": (tables, {**lake.LAYOUT, "row_group_size": 1_024}),
            "int16 µV, plain encoding, zstd": (tables, plain),
            "int16 µV, plain encoding, not compressed": (tables, {**plain, "compression": "none"}),
            "int16 µV, dictionary of samples, zstd": (tables, {"compression": "zstd"}),
            "float32 mV, plain encoding, zstd": ([_millivolts(table) for table in tables], plain),
        }
        for name, (written, options) in ways.items():
            files = [_write(table, options) for table in written]
            size = sum(map(len, files))
            yield (
                name,
                size / self.n_beats,
                self.measure("layout write", name, lambda w=written, o=options: [_write(t, o) for t in w], size),
                self.measure(
                    "layout read", name, lambda f=files: [pq.read_table(_source(c), use_threads=False) for c in f], size
                ),
            )

    def _reading(self) -> Iterator[Sample]:
        files = [path for record in self.records for path in sorted(self.directory.glob(f"{record}.*"))]
        size = sum(path.stat().st_size for path in files)
        raw = [path for path in files if path.suffix == ".dat"]
        yield self.measure(
            "read",
            "heartwave",
            lambda: [self.read(record) for record in self.records],
            size,
            all_cores=True,
            note="checks the header's claims and checksums",
        )
        yield self.measure(
            "read",
            "floor",
            lambda: [_decode_212(path.read_bytes()) for path in raw],
            size,
            note="raw decode of format 212",
        )
        paths = [str(self.directory / record) for record in self.records]
        yield self.measure(
            "read",
            "plain",
            lambda: [(wfdb.rdrecord(path), wfdb.rdann(path, "atr")) for path in paths],
            size,
            note="wfdb.rdrecord and rdann in double precision, unchecked",
        )

    def _segmenting(self) -> Iterator[Sample]:
        """Whole recordings, the stopwatch on what is inside; floors and plain ways beside it."""
        analysed = [_leads(recording) for recording in self.recordings]
        size = sum(leads.nbytes for leads in analysed)
        shares: dict[str, list[tuple[float, float]]] = {"filter": [], "features": []}

        def timed() -> None:
            with _stopwatch(signals, "filter_signals") as filtering, _stopwatch(features, "context") as describing:
                for recording in self.recordings:
                    segment(recording)
            for stage, laps in (("filter", filtering), ("features", describing)):
                shares[stage].append((sum(wall for wall, _ in laps), sum(cpu for _, cpu in laps)))

        whole = self.measure("segment", "heartwave", timed, size, all_cores=True, note="filter, windows and features")
        yield whole
        for stage, seconds in shares.items():
            wall_s, cpu_s = np.median(seconds[1:], axis=0).tolist()
            yield Sample(
                stage=stage, way="heartwave", beats=self.n_beats, n_bytes=size, wall_s=wall_s, cpu_s=cpu_s,
                peak_bytes=whole.peak_bytes, repetitions=self.repetitions, note="part of segment",
            )  # fmt: skip
        yield self.measure(
            "filter", "floor", lambda: [leads.copy() for leads in analysed], size, note="memcpy of the signals"
        )
        yield self._plain("filter", self._filter_plainly, "a filter for every window, row by row")
        positions = [beats.r_peak_sample for beats in self.beats]
        spread = np.arange(-ecg_beats.R_PEAK_INDEX, ecg_beats.WINDOW_SAMPLES - ecg_beats.R_PEAK_INDEX)
        yield self.measure(
            "segment", "floor",
            lambda: [leads[at[:, None] + spread] for leads, at in zip(analysed, positions, strict=True)],
            size, note="cutting the windows out of signals, nothing else",
        )  # fmt: skip
        contexts = [beats.context for beats in self.beats]
        yield self.measure(
            "features", "floor", lambda: [context.copy() for context in contexts],
            sum(context.nbytes for context in contexts), note="memcpy of the features",
        )  # fmt: skip
        yield self._plain("features", self._describe_plainly, "shape of the analysis lead alone, one beat at a time")

    def _parquet(self) -> Iterator[Sample]:
        size = sum(map(len, self.files))
        tables = [lake.to_arrow(beats) for beats in self.beats]
        arrays = [(b.window, b.second_window, b.context) for b in self.beats]
        raw = sum(array.nbytes for each in arrays for array in each)
        copy = lambda: [[array.copy() for array in each] for each in arrays]  # noqa: E731 - measured twice
        yield self.measure(
            "Parquet write",
            "heartwave",
            lambda: [lake.to_parquet(b, "0" * 64) for b in self.beats],
            size,
            all_cores=True,
        )
        yield self.measure("Parquet write", "floor", copy, raw, note="memcpy of windows and features")
        yield self.measure(
            "Parquet write",
            "plain",
            lambda: [_to_csv(b) for b in self.beats[:1]],
            len(_to_csv(self.beats[0])),
            beats=len(self.beats[0]),
            repetitions=1,
            note="CSV, one line for every beat",
        )
        yield self.measure(
            "Parquet read",
            "heartwave",
            lambda: [lake.from_parquet(content) for content in self.files],
            size,
            all_cores=True,
        )
        yield self.measure(
            "Parquet read", "heartwave, no windows",
            lambda: [lake.from_parquet(content, windows=False) for content in self.files], size,
            note="what models of features alone read",
        )  # fmt: skip
        yield self.measure("Parquet read", "floor", copy, raw, note="memcpy of windows and features")
        text = _to_csv(self.beats[0])
        yield self.measure(
            "Parquet read",
            "plain",
            lambda: _from_csv(text),
            len(text),
            beats=len(self.beats[0]),
            repetitions=1,
            note="CSV, one line for every beat",
        )
        assert len(tables) == len(self.files)

    def _model(self, stage: str, model: BeatModel) -> Iterator[Sample]:
        size = sum(b.window.nbytes + b.second_window.nbytes + b.context.nbytes for b in self.beats)
        yield self.measure(
            stage, "heartwave", lambda: [model.predict_proba(b) for b in self.beats], size, all_cores=True
        )
        yield self.measure(
            stage, "floor", lambda: [b.context.sum(axis=1) for b in self.beats], size, note="one pass over the features"
        )
        rows = [self.beats[0].take(slice(row, row + 1)) for row in range(_PLAIN_BEATS)]
        yield self.measure(
            stage,
            "plain",
            lambda: [model.predict_proba(row) for row in rows],
            size * len(rows) // self.n_beats,
            beats=len(rows),
            repetitions=1,
            note="one beat at a time",
        )

    def _plain(self, stage: str, work: Callable[[Recording, Beats], None], note: str) -> Sample:
        beats = self.beats[0].take(slice(0, _PLAIN_BEATS))
        return self.measure(
            stage,
            "plain",
            lambda: work(self.recordings[0], beats),
            beats.window.nbytes,
            beats=len(beats),
            repetitions=1,
            note=note,
        )

    @staticmethod
    def _filter_plainly(recording: Recording, beats: Beats) -> None:
        lead = _leads(recording)[:, 0]
        for at in beats.r_peak_sample.tolist():
            sections = signal.butter(2, (0.5, 40.0), btype="bandpass", fs=signals.SAMPLING_FREQUENCY, output="sos")
            signal.sosfiltfilt(sections, lead[at - ecg_beats.R_PEAK_INDEX : at + 94].astype(float))

    @staticmethod
    def _describe_plainly(recording: Recording, beats: Beats) -> None:
        del recording
        template = np.zeros(252, dtype=np.float32)
        template[32:219] = np.median(beats.window, axis=0) / 1000
        for window in beats.window:
            samples = np.zeros((1, 252), dtype=np.float32)
            samples[0, 32:219] = window / 1000
            cut = Cut.of(samples)
            compare(cut, template)
            compare_qrs(cut, template)


@contextmanager
def _stopwatch(module: Any, name: str) -> Iterator[list[tuple[float, float]]]:
    """Note how long every call of a module's function takes, by the clock and in processor time."""
    laps: list[tuple[float, float]] = []
    watched = getattr(module, name)

    def timed(*given: Any, **named: Any) -> Any:
        wall, cpu = time.perf_counter(), time.process_time()
        try:
            return watched(*given, **named)
        finally:
            laps.append((time.perf_counter() - wall, time.process_time() - cpu))

    setattr(module, name, timed)
    try:
        yield laps
    finally:
        setattr(module, name, watched)


def _leads(recording: Recording) -> np.ndarray:
    chosen = choose_leads(recording)
    return recording.signals.read(0, recording.signals.n_samples)[:, list(chosen)]


def _decode_212(content: bytes) -> np.ndarray:
    """Two samples of 12 bits from every three bytes, (n, 2): what has to be done in any case."""
    triples = np.frombuffer(content, dtype=np.uint8).reshape(-1, 3).astype(np.int16)
    first = triples[:, 0] | ((triples[:, 1] & 0x0F) << 8)
    second = triples[:, 2] | ((triples[:, 1] & 0xF0) << 4)
    both = np.column_stack([first, second])
    both[both > 2047] -= 4096
    return both


def _millivolts(table: pa.Table) -> pa.Table:
    for name in ("window", "second_window"):
        kind = pa.list_(pa.field("element", pa.float32(), nullable=False), ecg_beats.WINDOW_SAMPLES)
        values = table.column(name).combine_chunks().values.to_numpy() / np.float32(1000)
        column = pa.FixedSizeListArray.from_arrays(pa.array(values), type=kind)
        table = table.set_column(table.schema.get_field_index(name), pa.field(name, kind, nullable=False), column)
    return table


def _write(table: pa.Table, options: dict[str, Any]) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, **options)
    content: bytes = sink.getvalue().to_pybytes()
    return content


def _source(content: bytes) -> pa.BufferReader:
    return pa.BufferReader(content)


def _to_csv(beats: Beats) -> str:
    text = io.StringIO()
    writer = csv.writer(text)
    for row in range(len(beats)):
        writer.writerow(
            [
                beats.recording_id[row], beats.r_peak_sample[row], beats.symbol[row], beats.reference[row],
                *beats.window[row].tolist(), *beats.second_window[row].tolist(), *beats.context[row].tolist(),
            ]
        )  # fmt: skip
    return text.getvalue()


def _from_csv(text: str) -> np.ndarray:
    return np.array([[float(value) for value in row[4:]] for row in csv.reader(io.StringIO(text))])
