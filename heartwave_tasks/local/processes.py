"""Child processes that outlive the command that started them, and are found again by the next."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import psutil

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

_MARK: Final = "HEARTWAVE_STACK"
"""Environment variable that every process of a server inherits, whatever session it moves to: ``<stack>/<server>``."""

_LOG_TAIL_LINES: Final = 15
_POLL_S: Final = 0.1
_START_TIME_TOLERANCE_S: Final = 1.0


class StackError(RuntimeError):
    """The embedded stack cannot do what was asked; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class ManagedProcess:
    """A server in a session of its own, known by a file that holds its pid and start time.

    The start time tells it from a stranger that was given the same pid later.

    Attributes
    ----------
    stack_id
        Tells the processes of this stack from those of another on the same machine; without it, only direct
        descendants are ended with the server.
    """

    name: str
    pid_file: Path
    log_file: Path
    stack_id: str = ""

    def find(self) -> psutil.Process | None:
        """Return the running process, None if there is none."""
        try:
            known = json.loads(self.pid_file.read_text())
            process = psutil.Process(int(known["pid"]))
            same = abs(process.create_time() - float(known["create_time"])) < _START_TIME_TOLERANCE_S
        except (OSError, ValueError, KeyError, psutil.Error):
            return None
        return process if same and is_alive(process) else None

    @property
    def crashed(self) -> bool:
        """Whether it was started, not stopped, and is gone."""
        return self.pid_file.exists() and self.find() is None

    def start(
        self, command: Sequence[str], environment: Mapping[str, str], *, cwd: Path, user: str | None = None
    ) -> None:
        """Start it, output going to its log; what a crashed predecessor left behind is ended first."""
        self._end_family()
        self.log_file.parent.mkdir(parents=True, exist_ok=True)
        with self.log_file.open("ab") as log:
            child = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                # Processes that name themselves (Airflow's workers) would overwrite their environment, and the mark.
                env={**environment, _MARK: self._mark, "SPT_NOENV": "1"},
                cwd=cwd,
                user=user,
                start_new_session=True,
            )
        started = {"pid": child.pid, "create_time": psutil.Process(child.pid).create_time()}
        self.pid_file.parent.mkdir(parents=True, exist_ok=True)
        self.pid_file.write_text(json.dumps(started))

    def wait_until(self, ready: Callable[[], bool], timeout_s: float) -> None:
        """Wait until it answers.

        Raises
        ------
        StackError
            If it dies or does not answer in time, with the end of its log.
        """
        deadline = time.monotonic() + timeout_s
        while True:
            # Dead first: something else may still answer for it.
            if self.find() is None:
                msg = f"{self.name} stopped while it was starting.\n{self.log_tail()}"
                raise StackError(msg)
            if ready():
                return
            if time.monotonic() > deadline:
                msg = f"{self.name} does not answer after {timeout_s:.0f} s.\n{self.log_tail()}"
                raise StackError(msg)
            time.sleep(_POLL_S)

    def stop(self, timeout_s: float, how: signal.Signals = signal.SIGTERM) -> None:
        """Ask it to stop, then make it and everything it started; the same after a crash."""
        process = self.find()
        if process is not None:
            family = [process, *_children(process)]
            _signal(process, how)
            _reap([process], timeout_s)
            end(family)
        self._end_family()
        self.pid_file.unlink(missing_ok=True)

    @property
    def _mark(self) -> str:
        return f"{self.stack_id}/{self.name}"

    def _end_family(self) -> None:
        if self.stack_id:
            end(find_all(lambda process: process.environ().get(_MARK) == self._mark))

    def log_tail(self) -> str:
        """Return the log's last lines and where the rest is."""
        try:
            lines = self.log_file.read_text(errors="replace").splitlines()[-_LOG_TAIL_LINES:]
        except OSError:
            lines = []
        return "\n".join([*(f"  {line}" for line in lines), f"The whole log: {self.log_file}"])


def is_alive(process: psutil.Process) -> bool:
    """Tell whether a process still runs, and does not merely wait to be taken off the table."""
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.Error:
        return False


def find_all(chosen: Callable[[psutil.Process], bool]) -> list[psutil.Process]:
    """Return the processes a condition chooses; those we may not look into are not ours."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if process.pid != os.getpid() and chosen(process):
                found.append(process)
    return found


def end(processes: Sequence[psutil.Process], timeout_s: float = 3.0) -> None:
    """Ask processes to stop, and kill those that have not after a while."""
    for process in processes:
        _signal(process, signal.SIGTERM)
    for process in _reap(processes, timeout_s):
        _signal(process, signal.SIGKILL)
    _reap(processes, timeout_s)


def _children(process: psutil.Process) -> list[psutil.Process]:
    try:
        return process.children(recursive=True)
    except psutil.Error:
        return []


def _signal(process: psutil.Process, number: signal.Signals) -> None:
    with contextlib.suppress(psutil.Error):
        process.send_signal(number)


def _reap(processes: Sequence[psutil.Process], timeout_s: float) -> list[psutil.Process]:
    """Wait for processes to end and return those that have not."""
    deadline = time.monotonic() + timeout_s
    while (alive := [process for process in processes if is_alive(process)]) and time.monotonic() < deadline:
        time.sleep(_POLL_S / 2)
    # Our own children are taken off the table; others are for init, which in a container may take a second or for ever.
    psutil.wait_procs(list(processes), timeout=0)
    return alive
