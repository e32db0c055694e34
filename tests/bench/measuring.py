"""Measuring: how long work takes, by the clock and in processor time, and how much memory it needs at most."""

from __future__ import annotations

import gc
import multiprocessing
import os
import statistics
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable

_RESET_PEAK: Final = "5"  # proc(5): what /proc/self/clear_refs takes to forget the highest resident size
_CONTEXT: Final = multiprocessing.get_context("fork")


@dataclass(frozen=True, kw_only=True)
class Sample:
    """How one piece of work did: medians over its repetitions.

    Attributes
    ----------
    stage, way
        What is done, and how: ``heartwave``, a ``floor`` that cannot be beaten, or a ``plain`` way.
    beats, n_bytes
        Beats that were dealt with in a repetition, and bytes.
    wall_s, cpu_s
        Seconds of a repetition by the clock, and of processor time in this process.
    peak_bytes
        Resident memory at most, above what was there before.
    servers_cpu_s
        Seconds of processor time that servers took for it.
    all_cores_beats_per_s
        Beats a second when every core does the same; None where that was not measured.
    """

    stage: str
    way: str
    beats: int
    n_bytes: int
    wall_s: float
    cpu_s: float
    peak_bytes: int
    repetitions: int
    servers_cpu_s: float = 0.0
    all_cores_beats_per_s: float | None = None
    note: str = ""

    @property
    def beats_per_s(self) -> float:
        """Beats a second by the clock."""
        return self.beats / self.wall_s

    @property
    def beats_per_cpu_s(self) -> float:
        """Beats for a second of processor time, here and in the servers."""
        return self.beats / max(self.cpu_s + self.servers_cpu_s, 1e-9)

    def document(self) -> dict[str, Any]:
        """Return everything as JSON has it."""
        derived = {
            "beats_per_s": self.beats_per_s,
            "beats_per_cpu_s": self.beats_per_cpu_s,
            "megabytes_per_s": self.n_bytes / self.wall_s / 1e6,
        }
        return {**asdict(self), **derived}


def measure(
    stage: str,
    way: str,
    work: Callable[[], object],
    *,
    beats: int,
    n_bytes: int,
    repetitions: int,
    all_cores: bool = False,
    servers_cpu: Callable[[], float] = float,
    note: str = "",
) -> Sample:
    """Do work once to warm up, then as often as asked, and return the medians.

    With ``all_cores`` it is done once more, by as many processes at once as there are cores.
    """
    work()
    gc.collect()
    walls, cpus, peaks, servers = [], [], [], []
    for _ in range(repetitions):
        before = reset_peak()
        served, wall, cpu = servers_cpu(), time.perf_counter(), time.process_time()
        work()
        walls.append(time.perf_counter() - wall)
        cpus.append(time.process_time() - cpu)
        servers.append(servers_cpu() - served)
        peaks.append(max(0, peak() - before))
    return Sample(
        stage=stage,
        way=way,
        beats=beats,
        n_bytes=n_bytes,
        wall_s=statistics.median(walls),
        cpu_s=statistics.median(cpus),
        peak_bytes=int(statistics.median(peaks)),
        repetitions=repetitions,
        servers_cpu_s=statistics.median(servers),
        all_cores_beats_per_s=_on_all_cores(work, beats) if all_cores else None,
        note=note,
    )


def reset_peak() -> int:
    """Forget the highest resident size of this process, and return the present one in bytes."""
    Path("/proc/self/clear_refs").write_text(_RESET_PEAK, encoding="ascii")
    return _status("VmRSS")


def peak() -> int:
    """Return the highest resident size of this process since it was reset, in bytes."""
    return _status("VmHWM")


def _on_all_cores(work: Callable[[], object], beats: int) -> float:
    """Beats a second when every core does the same work at once, from the first start to the last end."""
    cores = len(os.sched_getaffinity(0))
    barrier = _CONTEXT.Barrier(cores + 1)

    def run() -> None:
        barrier.wait()
        work()

    processes = [_CONTEXT.Process(target=run) for _ in range(cores)]
    for process in processes:
        process.start()
    barrier.wait()
    begun = time.perf_counter()
    for process in processes:
        process.join()
    return cores * beats / (time.perf_counter() - begun)


def _status(name: str) -> int:
    lines = Path("/proc/self/status").read_text("ascii").splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{name}:"))
