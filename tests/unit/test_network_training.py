"""Networks are trained in a process of their own, which ends when it should."""

from __future__ import annotations

import os
import signal
import time
from typing import TYPE_CHECKING

import numpy as np
import psutil
import pytest

from heartwave_tasks.models.inputs import WINDOW_SHAPE
from heartwave_tasks.models.network_training import train_network

if TYPE_CHECKING:
    from collections.abc import Callable

PARAMS = {"epochs": 3, "batch_beats": 64, "network_learning_rate": 1e-3}


def train(progress: Callable[[float, str], None], rows: int = 128) -> bytes:
    """Train a network on noise."""
    random = np.random.default_rng(1)
    return train_network(
        "extractor",
        {"window": random.normal(size=(rows, *WINDOW_SHAPE)).astype(np.float32)},
        np.arange(rows) % 3,
        np.ones(rows, dtype=np.float32),
        seed=4,
        params=PARAMS,
        progress=progress,
    )


def workers() -> list[psutil.Process]:
    """Return the processes that train for this one."""
    return [child for child in psutil.Process().children() if any("network_worker" in word for word in child.cmdline())]


def test_one_process_is_kept_and_gives_memory_back() -> None:
    """Trainings follow each other in one loaded process, which holds no more after the second than after the first."""
    told: list[float] = []
    first = train(lambda share, _text: told.append(share), rows=512)
    (worker,) = workers()
    held = worker.memory_info().rss
    second = train(lambda _share, _text: None, rows=512)

    assert first == second
    assert told == pytest.approx([1 / 3, 2 / 3, 1])
    assert workers() == [worker]
    assert worker.memory_info().rss < held + 10e6


def test_who_breaks_off_ends_the_training() -> None:
    """An error in whoever follows the progress, such as a trial that is given up, leaves no process behind."""

    def give_up(_share: float, _text: str) -> None:
        raise InterruptedError

    with pytest.raises(InterruptedError):
        train(give_up)
    assert workers() == []


def test_a_killed_training_is_told_from_a_network() -> None:
    """A training that the kernel ends for its memory fails with the reason, and the next one is done."""

    def kill(_share: float, _text: str) -> None:
        (worker,) = workers()
        (child,) = worker.children()
        os.kill(child.pid, signal.SIGKILL)
        time.sleep(0.01)

    with pytest.raises(ChildProcessError, match=r"SIGKILL.*memory"):
        train(kill, rows=4_096)
    assert train(lambda _share, _text: None)


def test_what_cannot_be_trained_is_refused() -> None:
    """An error of Keras fails the training in words; what it said is in the log."""
    with pytest.raises(ChildProcessError, match="log says why"):
        train_network(
            "extractor",
            {"window": np.zeros((4, 3, 3), dtype=np.float32)},
            np.arange(4) % 2,
            np.ones(4, dtype=np.float32),
            seed=1,
            params=PARAMS,
            progress=lambda _share, _text: None,
        )
