"""Recordings are read in a process of their own: whatever one does there, it is refused and the next one is read."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING

import psutil
import pytest
from pydantic import SecretStr

from heartwave_tasks.jobs.reading_process import CUT, ReadingProcess
from heartwave_tasks.jobs.reading_worker import LATE
from heartwave_tasks.settings import Settings
from heartwave_tasks.stores.arrivals import RecordingProblem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    Do = Callable[[str], str]

MIB = 1 << 20


@pytest.fixture(scope="module")
def reader() -> Iterator[ReadingProcess]:
    """A worker whose children do what they are asked to, under tight limits."""
    settings = Settings(
        read_memory_bytes=256 * MIB,
        read_cpu_s=1,
        read_wall_s=3,
        max_object_bytes=MIB,
        s3_secret_access_key=SecretStr("a secret"),
    )
    with ReadingProcess(settings, "tests.unit.hostile_readers:misbehave") as process:
        yield process


@pytest.fixture
def do(reader: ReadingProcess, tmp_path: Path) -> Do:
    """Let a child do something, and return what it says."""
    files, out = tmp_path / "files", tmp_path / "out"
    files.mkdir()
    out.mkdir()
    (files / "r1.hea").write_text("r1 1 360 10\n")

    def ask(deed: str) -> str:
        return str(reader.read("test/r1", files, out, {"deed": deed}).facts["done"])

    return ask


@pytest.mark.parametrize(
    ("deed", "code", "word"),
    [
        ("eat memory", "over_memory", "256 MiB"),
        ("burn", "over_time", "1 s of processor time"),
        ("sleep", "over_time", "3 s"),
        ("crash", "reader_crashed", "SIGABRT"),
        ("raise", "reader_crashed", "code 1"),
        ("lie", "reader_crashed", "no answer"),
        ("flood", "reader_crashed", "reading it failed"),
    ],
)
def test_misbehaviour_is_stopped(do: Do, deed: str, code: str, word: str) -> None:
    """What takes too much or crashes becomes a reason with a remedy, and the next recording is read as ever."""
    begun = time.monotonic()
    with pytest.raises(RecordingProblem) as caught:
        do(deed)

    assert caught.value.code == code
    assert word in caught.value.reason
    assert caught.value.reason.startswith("test/r1: ")
    assert "Planted" not in caught.value.reason + caught.value.remedy
    assert caught.value.remedy
    assert time.monotonic() - begun < 6
    assert do("nothing") == "['r1.hea']"


@pytest.mark.parametrize(
    "deed",
    [
        "read a stranger's file", "climb", "write beside", "connect", "look a name up", "start a program", "remove",
    ],
)  # fmt: skip
def test_doors_are_closed(do: Do, deed: str) -> None:
    """A reader opens no other file, no connection and no program, and changes nothing."""
    assert do(deed) == "refused"


def test_no_secret_is_told(do: Do, reader: ReadingProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    """The reader's environment holds no setting of ours, and its settings no password."""
    monkeypatch.setenv("HEARTWAVE_DATABASE_URL", "postgresql://somebody")
    reader.close()

    assert "HEARTWAVE" not in do("environment")
    assert "a secret" not in str(reader._settings.model_dump(mode="json"))


def test_a_killed_worker_is_replaced(do: Do, reader: ReadingProcess) -> None:
    """The worker itself may die: its recording is refused, and a new worker reads the next."""
    assert do("nothing")
    assert reader._worker is not None
    # It holds still, so that it is there when it is asked, and is killed before it answers.
    reader._worker.send_signal(signal.SIGSTOP)
    killing = threading.Timer(0.5, reader._worker.kill)
    killing.start()

    with pytest.raises(RecordingProblem, match="gone"):
        do("nothing")
    killing.join()
    assert do("nothing") == "['r1.hea']"


def test_what_comes_late_is_imported_once(tmp_path: Path) -> None:
    """What the first child had to import, the second finds imported."""
    with ReadingProcess(Settings(), "tests.unit.hostile_readers:misbehave") as reader:
        there = [reader.read("test/r1", tmp_path, tmp_path, {"deed": "import late"}).facts["done"] for _ in range(3)]

    assert there == ["False", "True", "True"]


def test_annotated_recordings_at_360_hz_do_without_what_comes_late() -> None:
    """What reads recordings is imported without it."""
    told = f"import sys, {CUT.partition(':')[0]}; sys.exit({LATE!r} in sys.modules)"
    assert subprocess.run([sys.executable, "-c", told], check=False).returncode == 0


def test_nothing_is_left_behind(do: Do, reader: ReadingProcess) -> None:
    """Children end with the worker, and the worker with the task."""
    assert do("nothing")
    reader.close()

    assert not [
        process
        for process in psutil.Process(os.getpid()).children(recursive=True)
        if "reading_worker" in " ".join(process.cmdline())
    ]
