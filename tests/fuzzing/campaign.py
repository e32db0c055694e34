"""Thousands of broken recordings through the very process that ingest reads with, and a table of what came of them.

``python -m tests.fuzzing.campaign --cases 20000 --seed 1`` (``make fuzz``) ends with code 1 when a promise is broken:
every recording is cut into beats that can be labelled, or refused with a reason; nothing crashes, nothing goes over
its limits, and no reason quotes a patient.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from heartwave_tasks.jobs.cut_recordings import BEATS_FILE, CutRecording
from heartwave_tasks.jobs.reading_process import ReadingProcess
from heartwave_tasks.settings import Settings
from heartwave_tasks.stores import beats as lake
from heartwave_tasks.stores.arrivals import RecordingProblem
from tests.fuzzing.mutations import Case, draw_case
from tests.fuzzing.seeds import PLANTED, draw_seeds

if TYPE_CHECKING:
    from collections.abc import Iterable

LIMITS: Final = Settings(
    max_samples=5_000_000, max_object_bytes=64 << 20, read_memory_bytes=512 << 20, read_cpu_s=10, read_wall_s=20
)
_BASE_BYTES: Final = 300 << 20  # the reader itself: interpreter and libraries
_CUT: Final = "cut into beats"
_CRASHES: Final = frozenset({"reader_crashed"})
_NOTED: Final = frozenset({"reader_crashed", "unreadable", "over_memory", "over_time"})


@dataclass
class Tally:
    """What came of the cases so far; `broken` says which promises were not kept, by case."""

    outcomes: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    memory_bytes: int = 0
    cpu_s: float = 0.0
    wall_s: float = 0.0
    broken: list[str] = field(default_factory=list)
    noted: list[str] = field(default_factory=list)


def run_cases(cases: Iterable[Case]) -> Tally:
    """Read every case as ingest would, and hold what comes of it against the promises."""
    tally = Tally()
    with ReadingProcess(LIMITS) as reader:
        for case in cases:
            outcome = _read(reader, case, tally)
            tally.outcomes[case.kind][outcome] += 1
            usage = reader.last_usage
            tally.memory_bytes = max(tally.memory_bytes, usage.get("memory_bytes", 0))
            tally.cpu_s = max(tally.cpu_s, usage.get("cpu_s", 0.0))
            tally.wall_s = max(tally.wall_s, usage.get("wall_s", 0.0))
            if outcome in _CRASHES:
                tally.broken.append(f"case {case.number}: the reader crashed")
    if tally.memory_bytes > LIMITS.read_memory_bytes + _BASE_BYTES:
        tally.broken.append(f"a reader took {tally.memory_bytes} bytes of memory")
    if tally.cpu_s > LIMITS.read_cpu_s + 1:
        tally.broken.append(f"a reader took {tally.cpu_s:.1f} s of processor time")
    return tally


def _read(reader: ReadingProcess, case: Case, tally: Tally) -> str:
    with tempfile.TemporaryDirectory(prefix="heartwave-fuzz-") as directory:
        files, out = Path(directory, "files"), Path(directory, "out")
        files.mkdir()
        out.mkdir()
        for name, content in case.files.items():
            (files / name).write_bytes(content)
        try:
            reading = reader.read("fuzz/r", files, out, {"content_sha256": "0" * 64, "record": "r"})
        except RecordingProblem as problem:
            told = f"{problem.code} {problem.reason} {problem.remedy}"
            if not (problem.code and problem.remedy and problem.reason.startswith("fuzz/r: ")):
                tally.broken.append(f"case {case.number}: no reason or no remedy in {told!r}")
            if any(word in told for words in PLANTED for word in words.split()):
                tally.broken.append(f"case {case.number}: quotes the patient in {told!r}")
            if problem.code in _NOTED:
                tally.noted.append(f"case {case.number} ({case.kind}; {case.seed}): {problem.code}: {problem.reason}")
            return problem.code
        tally.broken.extend(f"case {case.number}: {what}" for what in _faults(reading.facts, out / BEATS_FILE))
    return _CUT


def _faults(facts: dict[str, object], file: Path) -> list[str]:
    """Say why beats that were cut from a broken recording could not be labelled or stored."""
    cut = CutRecording.from_facts(facts)
    content = file.read_bytes()
    beats = lake.from_parquet(content)
    faults = []
    if any(word.encode() in content for words in PLANTED for word in words.split()):
        faults.append("the patient is in the beats")
    if any(word in str(facts) for words in PLANTED for word in words.split()):
        faults.append("the patient is in the facts")
    if (len(beats), int(beats.is_beat.sum())) != (cut.n_windows, cut.n_beats):
        faults.append("the numbers of beats differ")
    if len(beats) and not (beats.r_peak_sample.min() >= 0 and beats.r_peak_sample.max() < cut.n_samples):
        faults.append("an R peak lies outside the recording")
    if not (np.diff(beats.r_peak_sample[beats.is_beat]) > 0).all():
        faults.append("beats are doubled or out of order")
    if np.isinf(beats.context).any():
        faults.append("a feature is infinite")
    return faults


def table(tally: Tally) -> str:
    """Return outcomes by kind of damage, as Markdown."""
    codes = [code for code, _ in sum(tally.outcomes.values(), Counter()).most_common()]
    lines = [f"| damage | cases | {' | '.join(codes)} |", f"|---|{'---:|' * (len(codes) + 1)}"]
    for kind, counts in [*sorted(tally.outcomes.items()), ("all", sum(tally.outcomes.values(), Counter()))]:
        numbers = " | ".join(str(counts[code] or "") for code in codes)
        lines.append(f"| {kind} | {counts.total()} | {numbers} |")
    return "\n".join(lines)


def main() -> None:
    """Run a campaign from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=20_000, help="how many")
    parser.add_argument("--seed", type=int, default=1, help="of the whole campaign")
    parser.add_argument("--first", type=int, default=0, help="number of the first of them")
    parser.add_argument("--only", type=int, help="this case alone")
    given = parser.parse_args()
    seeds, begun = draw_seeds(), time.monotonic()
    last = given.first + given.cases
    numbers = range(given.first, last) if given.only is None else [given.only]
    tally = run_cases(draw_case(seeds, given.seed, number) for number in numbers)
    write = sys.stdout.write
    write(f"{len(numbers)} cases of seed {given.seed} in {time.monotonic() - begun:.0f} s\n\n{table(tally)}\n\n")
    write(
        f"At most {tally.memory_bytes / 2**20:.0f} MiB of memory, {tally.cpu_s:.1f} s of processor time and "
        f"{tally.wall_s:.1f} s by the clock for one recording.\n"
    )
    for line in tally.noted[:200]:
        write(f"note: {line}\n")
    for line in tally.broken:
        write(f"BROKEN: {line}\n")
    sys.exit(bool(tally.broken))


if __name__ == "__main__":
    main()
