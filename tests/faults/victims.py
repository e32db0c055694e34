"""What is killed: processes that run HeartWave's own jobs, as Airflow's tasks do, and nothing else."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import sys
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import date
    from multiprocessing.process import BaseProcess
    from pathlib import Path

    from heartwave_tasks.settings import Settings

_PRELOADED: Final = [
    "heartwave_tasks.jobs.ingest",
    "heartwave_tasks.jobs.score",
    "heartwave_tasks.models.relative",
    "heartwave_tasks.stores.registry",
    "mlflow",
    "mlflow.tracking",
    "xgboost",
]
"""Imported once, by the server the victims are forked from; its own threads are none."""

_ENDS_WITHIN_S: Final = 600.0  # on a machine that does a dozen other things


class Victim:
    """One process at work."""

    def __init__(self, process: BaseProcess, log: Path) -> None:
        self._process, self._log = process, log

    @property
    def alive(self) -> bool:
        """Whether it still works."""
        return self._process.is_alive()

    def kill(self) -> bool:
        """SIGKILL; return whether there was something left to kill."""
        alive = self._process.is_alive()
        self._process.kill()
        self._process.join()
        return alive

    def stop(self) -> None:
        """Freeze it where it is."""
        assert self._process.pid
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._process.pid, signal.SIGSTOP)

    def go_on(self) -> None:
        """Let it work again."""
        assert self._process.pid
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._process.pid, signal.SIGCONT)

    def ended_well(self) -> bool:
        """Wait until it ends by itself, and say whether it had done its work."""
        self._process.join(_ENDS_WITHIN_S)
        if self._process.is_alive():
            self.kill()
            raise AssertionError(f"a task hangs: {self.log_tail()}")
        return self._process.exitcode == 0

    def log_tail(self) -> str:
        """Return the end of what it said."""
        return self._log.read_text(errors="replace")[-2000:] if self._log.exists() else ""


class Ward:
    """Starts victims, each in a process forked from one that has imported everything: in milliseconds."""

    def __init__(self, directory: Path) -> None:
        self._directory, self._count = directory, 0
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(_PRELOADED)

    def score(self, settings: Settings, night: date) -> Victim:
        """Start a night's scoring."""
        return self._start(_score, settings, night)

    def ingest(self, settings: Settings) -> Victim:
        """Start taking in what has arrived."""
        return self._start(_ingest, settings)

    def _start(self, work: Callable[..., None], *arguments: Any) -> Victim:
        self._count += 1
        log = self._directory / f"task-{self._count}.log"
        process = self._context.Process(target=_work, args=(str(log), work, *arguments), daemon=True)
        process.start()
        return Victim(process, log)


def _work(log: str, work: Callable[..., None], *arguments: Any) -> None:
    with open(log, "w") as file:  # noqa: PTH123 - one file, given as text
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    work(*arguments)
    sys.stdout.flush()


def _score(settings: Settings, night: date) -> None:
    from heartwave_tasks.jobs import score

    for shard in score.plan(settings, night):
        score.score_shard(settings, shard, "faults")


def _ingest(settings: Settings) -> None:
    from heartwave_tasks.jobs import ingest

    ingest.summarise(settings, [ingest.segment_shard(settings, shard) for shard in ingest.plan(settings)])
