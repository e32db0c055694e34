"""What a recording of days takes, and whether it gives the beats that it would give in one piece.

``python -m tests.robustness.length`` (``make long``): draws a recording into a temporary directory, has it cut as
ingest does, in a process under limits, and says what that took; with ``--whole`` it is cut again in one piece.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from heartwave_tasks.ecg import stretches
from heartwave_tasks.ecg.beats import Beats, cut_beats
from heartwave_tasks.ecg.segmentation import Segmentation
from heartwave_tasks.jobs.cut_recordings import BEATS_FILE
from heartwave_tasks.jobs.reading_process import ReadingProcess
from heartwave_tasks.settings import Settings
from heartwave_tasks.stores import beats as lake
from heartwave_tasks.stores.arrivals import Arrival
from heartwave_tasks.stores.record_formats import read_recording
from tests.unit.recordings import draw_recording, samples_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

LEADS: Final = ("MLII", "V1", "V2", "V3", "V4", "V5", "V6", "I", "III", "AVR", "AVL", "AVF")
NAME: Final = "long"
_ADU_PER_MV: Final = 200.0
_PATTERN_BEATS: Final = 1_500
_SWELL_S: Final = 7_000.0


def draw(directory: Path, hours: float, n_leads: int, rate: int) -> None:
    """Write a WFDB record (format 16) of a pattern of 20 minutes over and over, louder and softer as hours go by."""
    random = np.random.default_rng(0)
    symbols = "".join(random.choice(list("NNNNNNNNNNNNNNNNNNNNVAN"), _PATTERN_BEATS))
    two = samples_of(draw_recording(symbols, frequency=rate))
    mixed = two @ np.column_stack([np.eye(2), random.normal(size=(2, len(LEADS) - 2))])[:, :n_leads]
    mixed += 0.01 * random.standard_normal(mixed.shape)
    pattern = (mixed * 1.2 / np.abs(mixed).max(axis=0)).astype(np.float32)
    n_samples, sums = round(hours * 3_600 * rate), np.zeros(n_leads, dtype=np.int64)
    with (directory / f"{NAME}.dat").open("wb") as file:
        for first in range(0, n_samples, len(pattern)):
            stored = _quantise(pattern[: n_samples - first], first / rate, rate)
            sums += stored.sum(axis=0, dtype=np.int64)
            stored.tofile(file)
    lines = [f"{NAME} {n_leads} {rate} {n_samples}"]
    lines += [
        f"{NAME}.dat 16 {_ADU_PER_MV:g}/mV 16 0 0 {(total + 2**15) % 2**16 - 2**15} 0 {lead}"
        for total, lead in zip(sums.tolist(), LEADS, strict=False)
    ]
    (directory / f"{NAME}.hea").write_text("\n".join(lines) + "\n", encoding="ascii")


def _quantise(pattern: NDArray[np.float32], start_s: float, rate: int) -> NDArray[np.int16]:
    seconds = start_s + np.arange(len(pattern)) / rate
    swell = (1.0 + 0.1 * np.sin(2 * np.pi * seconds / _SWELL_S)).astype(np.float32)
    return np.rint(pattern * swell[:, None] * np.float32(_ADU_PER_MV)).astype("<i2")


def differing(found: Beats, whole: Beats) -> list[str]:
    """Name what is not the same, bit for bit, in two tables of beats."""
    return [
        field.name
        for field in fields(Beats)
        if not np.array_equal(
            getattr(found, field.name), getattr(whole, field.name),
            equal_nan=getattr(whole, field.name).dtype.kind == "f",
        )
    ]  # fmt: skip


def cut_in_one_piece(files: Path, settings: Settings) -> Beats:
    """Cut the drawn recording as if it were a short one; takes as much memory as it is long."""
    stretches.MOST_VALUES = sys.maxsize  # type: ignore[misc]
    recording = read_recording(Arrival(f"drawn/{NAME}", files, NAME), settings)
    seconds = recording.signals.n_samples / recording.sampling_frequency
    return Beats.concatenate(cut_beats(Segmentation.of(recording, stretch_s=seconds + 1.0)))


def main() -> int:
    """Print what it took; 1 when the recording in one piece gives other beats."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hours", type=float, default=24.0)
    parser.add_argument("--leads", type=int, default=3, choices=range(1, len(LEADS) + 1))
    parser.add_argument("--rate", type=int, default=250)
    parser.add_argument("--whole", action="store_true", help="Compare with the recording in one piece.")
    given = parser.parse_args()
    settings = Settings()
    with tempfile.TemporaryDirectory() as directory, ReadingProcess(settings) as process:
        files, out = Path(directory, "files"), Path(directory, "out")
        files.mkdir()
        out.mkdir()
        draw(files, given.hours, given.leads, given.rate)
        reading = process.read(f"drawn/{NAME}", files, out, {"record": NAME, "content_sha256": "0" * 64})
        sys.stdout.write(
            f"{given.hours:g} h, {given.leads} leads, {given.rate} Hz: {reading.facts['n_beats']} beats, "
            f"{reading.cpu_s:.0f} s of processor time, {reading.wall_s:.0f} s, "
            f"{reading.memory_bytes / 1e6:.0f} MB at its peak\n"
        )
        if not given.whole:
            return 0
        process.close()
        found = lake.from_parquet((out / BEATS_FILE).read_bytes())
        different = differing(found, cut_in_one_piece(files, settings))
    sys.stdout.write(f"in one piece: {f'other {different}' if different else 'the same beats, bit for bit'}\n")
    return bool(different)


if __name__ == "__main__":
    sys.exit(main())
