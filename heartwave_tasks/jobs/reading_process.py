"""Reading a recording elsewhere: in a process of its own, under limits of memory, processor and wall-clock time.

A recording is made by strangers, and the libraries that read it were written for friends. So nothing of a recording is
parsed in the task itself: what takes too much or crashes is stopped, its recording refused with a reason, and the next
one read by a fresh child (`heartwave_tasks.jobs.reading_worker`).
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

from pydantic import SecretStr

import heartwave_tasks
from heartwave_tasks.jobs.reading_worker import ANSWER, OUT_OF_MEMORY
from heartwave_tasks.stores.arrivals import RecordingProblem

if TYPE_CHECKING:
    from collections.abc import Mapping

    from heartwave_tasks.settings import Settings

CUT: Final = "heartwave_tasks.jobs.cutting:cut"
"""What is run in the child: read, cut into beats, write Parquet."""

DETECT: Final = "heartwave_tasks.jobs.detecting:detect"
"""The same for evaluation: R peaks are detected although the recording is annotated."""

_START_S: Final = 120.0
_PATIENCE_S: Final = 30.0  # beyond a recording's own time, until the worker itself is taken for stuck
_MAX_ANSWER_BYTES: Final = 1 << 20
_INHERITED: Final = ("PATH", "LANG", "LC_ALL", "TZ", "TMPDIR", "LD_LIBRARY_PATH")
_REMEDY: Final = "Export the record again from its source. If it is sound, tell HeartWave's developers its code."


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What came of one recording, and what it took: seconds, and bytes of resident memory at most."""

    facts: dict[str, Any]
    cpu_s: float
    wall_s: float
    memory_bytes: int


class ReadingProcess:
    """A worker that reads recordings one after another; starts when first needed, and again after a crash.

    Parameters
    ----------
    settings
        Limits, and what the reader is told; passwords and keys stay here.
    entry
        ``module:function`` that is called in the child with the recording's directory, a directory to write to, and
        the arguments, and returns what is to become `Reading.facts`, or ``{"problem": …}``.
    """

    def __init__(self, settings: Settings, entry: str = CUT) -> None:
        self._settings = settings
        self._entry = entry
        self._worker: subprocess.Popen[bytes] | None = None
        self._heard = b""
        self.last_usage: dict[str, Any] = {}

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def start(self) -> None:
        """Start the worker, without waiting until it is ready: its imports take a second or two."""
        if self._worker is not None and self._worker.poll() is None:
            return
        self.close()
        self._worker = subprocess.Popen(
            [sys.executable, "-P", "-m", "heartwave_tasks.jobs.reading_worker", self._entry],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=_environment(),
            cwd=tempfile.gettempdir(),
        )

    def close(self) -> None:
        """End the worker, and with it whatever it is reading."""
        worker, self._worker, self._heard = self._worker, None, b""
        if worker is not None:
            worker.kill()
            for pipe in (worker.stdin, worker.stdout):
                if pipe is not None:
                    # What could not be sent any more is of no interest.
                    with contextlib.suppress(OSError):
                        pipe.close()
            worker.wait()

    def read(self, recording_id: str, files: Path, out: Path, arguments: Mapping[str, Any]) -> Reading:
        """Read a recording whose files, and nothing else, lie in a directory; what is made of it goes to ``out``.

        Raises
        ------
        RecordingProblem
            If the recording cannot be used, takes more than it may, or crashes its reader.
        """
        settings = self._settings
        question = {
            "files": str(files),
            "out": str(out),
            "arguments": {**arguments, "recording_id": recording_id, "settings": _told(settings)},
            "memory_bytes": settings.read_memory_bytes,
            "file_bytes": settings.max_object_bytes,
            "cpu_s": settings.read_cpu_s,
            "wall_s": settings.read_wall_s,
        }
        ended = self._ask(question)
        self.last_usage = ended or {}
        if ended is None:
            raise _crashed(recording_id, "the reader itself was gone")
        self._judge(recording_id, ended)
        facts = _answer(recording_id, out / ANSWER)
        if "problem" in facts:
            raise RecordingProblem(**{name: str(facts["problem"][name]) for name in ("code", "reason", "remedy")})
        usage = {name: ended[name] for name in ("cpu_s", "wall_s", "memory_bytes")}
        return Reading(facts=facts, **usage)

    def _ask(self, question: Mapping[str, Any]) -> dict[str, Any] | None:
        """Put a question to the worker; None when it dies over it, or falls silent."""
        self.start()
        worker = self._worker
        assert worker is not None
        assert worker.stdin is not None
        if not self._heard and self._line(_START_S) is None:
            self.close()
            msg = f"The process that reads recordings does not start: {self._entry}. Run it by hand to see why."
            raise ChildProcessError(msg)  # no fault of the recording's: the task is tried again
        self._heard = self._heard or b"ready"
        try:
            worker.stdin.write(json.dumps(question).encode() + b"\n")
            worker.stdin.flush()
            line = self._line(question["wall_s"] + _PATIENCE_S)
        except OSError:
            line = None
        if line is None:
            self.close()
            return None
        answer: dict[str, Any] = json.loads(line)
        return answer

    def _line(self, timeout_s: float) -> bytes | None:
        """Read one line from the worker; None when it ends, or when none comes in time."""
        assert self._worker is not None
        assert self._worker.stdout is not None
        descriptor, line = self._worker.stdout.fileno(), b""
        deadline = time.monotonic() + timeout_s
        while not line.endswith(b"\n"):
            ready, _, _ = select.select([descriptor], [], [], max(0.0, deadline - time.monotonic()))
            block = os.read(descriptor, 65_536) if ready else b""
            if not block or len(line) > _MAX_ANSWER_BYTES:
                return None
            line += block
        self._heard = b"ready"
        return line

    def _judge(self, recording_id: str, ended: Mapping[str, Any]) -> None:
        """Say which limit a child ran into, if it did not end by itself."""
        settings, number = self._settings, ended["signal"]
        if ended["timed_out"]:
            raise _too_slow(recording_id, f"{settings.read_wall_s} s", "HEARTWAVE_READ_WALL_S")
        if number == signal.SIGXCPU or (number == signal.SIGKILL and ended["cpu_s"] >= settings.read_cpu_s):
            raise _too_slow(recording_id, f"{settings.read_cpu_s} s of processor time", "HEARTWAVE_READ_CPU_S")
        if ended["exit_code"] == OUT_OF_MEMORY:
            raise RecordingProblem(
                "over_memory",
                f"{recording_id}: reading it takes more than {settings.read_memory_bytes / 2**20:.0f} MiB of memory.",
                "Split the recording, or raise HEARTWAVE_READ_MEMORY_BYTES if it is genuine.",
            )
        if number:
            raise _crashed(recording_id, f"the reader was ended by {signal.Signals(number).name}")
        if ended["exit_code"]:
            raise _crashed(recording_id, f"the reader ended with code {ended['exit_code']}")


def _too_slow(recording_id: str, limit: str, setting: str) -> RecordingProblem:
    return RecordingProblem(
        "over_time",
        f"{recording_id}: reading it takes longer than {limit}.",
        f"Split the recording, or raise {setting} if it is genuine.",
    )


def _crashed(recording_id: str, how: str) -> RecordingProblem:
    return RecordingProblem("reader_crashed", f"{recording_id}: reading it failed: {how}.", _REMEDY)


def _answer(recording_id: str, file: Path) -> dict[str, Any]:
    """Read what the child left; it has touched a stranger's bytes, so its word is checked, too."""
    try:
        if file.stat().st_size > _MAX_ANSWER_BYTES:
            raise _crashed(recording_id, "its answer is too long")
        found = json.loads(file.read_text("utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise _crashed(recording_id, "it left no answer") from error
    if not isinstance(found, dict):
        raise _crashed(recording_id, "its answer makes no sense")
    return found


def _told(settings: Settings) -> dict[str, Any]:
    """Return the settings a reader may know: no password, no path of this machine."""
    hidden = {
        name for name in type(settings).model_fields if isinstance(getattr(settings, name), SecretStr | Path | None)
    }
    return settings.model_dump(mode="json", exclude=hidden)


def _environment() -> dict[str, str]:
    """Return the worker's environment: nothing in it opens a door."""
    return {
        **{name: os.environ[name] for name in _INHERITED if name in os.environ},
        "HOME": tempfile.gettempdir(),
        "PYTHONPATH": str(Path(heartwave_tasks.__file__).parents[1]),
        "PYTHONDONTWRITEBYTECODE": "1",
        # Threads do not survive a fork, and every one of them reserves address space.
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "MKL_NUM_THREADS": "1",
        "ARROW_DEFAULT_MEMORY_POOL": "system",
        "MALLOC_ARENA_MAX": "2",
        # Memory that was used once is used again, instead of asking the kernel for clean pages every time.
        "MALLOC_MMAP_THRESHOLD_": str(32 << 20),
        "MALLOC_TRIM_THRESHOLD_": str(1 << 30),
        # A child's memory comes in pages of 2 MB, where the kernel has them: it asks for 50 of them, not for 20 000.
        "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1",
    }
