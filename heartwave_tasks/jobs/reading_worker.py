"""The program recordings are read in: a process without credentials that forks a child, under limits, for each one.

`heartwave_tasks.jobs.reading_process` starts it and speaks to it in lines of JSON. The imports are paid for once; a
child starts in milliseconds, and whatever a recording does to it ends with it. A child can neither open a file that is
not the recording's own, nor a connection, nor another program: Python's audit hooks see to it, whatever a header says.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import resource
import select
import signal
import sys
import sysconfig
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from heartwave_tasks.lineage import end_with_parent

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

ANSWER: Final = "answer.json"
"""What a child leaves in its output directory: ``{"facts": …}`` or ``{"problem": …}``."""

OUT_OF_MEMORY: Final = 77
"""Exit code of a child that its memory limit has stopped."""

LATE: Final = "scipy.signal"
"""What takes half a second to import, and annotated recordings at 360 Hz do without: the first child that needs it
imports it for itself, and those after it are forked with it."""

_LATE_BYTES: Final = 128 << 20  # of address space; its import takes 70 MB
_CAME_LATE: Final = 78  # exit code of that child
_GRACE_CPU_S: Final = 5  # between the signal that ends a child and the one nobody can catch
_MAX_FILES: Final = 256
_SYSTEM_FILES: Final = ("/dev/null", "/dev/urandom", "/proc/self/", "/proc/cpuinfo", "/sys/devices/system/cpu")
_FORBIDDEN: Final = (
    "socket.connect", "socket.bind", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto", "urllib.Request",
    "subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.fork", "os.forkpty", "os.kill", "os.putenv",
    "os.remove", "os.rename", "os.rmdir", "os.mkdir", "os.link", "os.symlink", "os.truncate", "os.chmod", "os.chown",
    "shutil.rmtree", "shutil.move", "webbrowser.open", "ftplib.connect", "http.client.connect",
)  # fmt: skip
_WRITING: Final = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


def main() -> None:
    """Read what is asked for on standard input until it ends; one line per question, one per answer."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # whoever started us decides when we end
    end_with_parent()
    module, _, name = sys.argv[1].partition(":")
    work: Callable[..., dict[str, Any]] = getattr(importlib.import_module(module), name)
    libraries = _libraries()
    # A child that looked through all this for garbage would have to copy it first: 40 MB of it, page by page.
    gc.collect()
    gc.freeze()
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    answers.write("ready\n")
    answers.flush()
    for line in sys.stdin:
        ended = _run(work, libraries, json.loads(line))
        came_late = ended["exit_code"] == _CAME_LATE
        answers.write(json.dumps({**ended, "exit_code": 0} if came_late else ended) + "\n")
        answers.flush()
        if came_late:
            importlib.import_module(LATE)
            gc.freeze()


def _run(
    work: Callable[..., dict[str, Any]], libraries: tuple[str, ...], question: Mapping[str, Any]
) -> dict[str, Any]:
    """Fork a child for one recording, wait for it as long as it may take, and say how it ended."""
    begun = time.monotonic()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            _confine(question, libraries)
            imported = LATE in sys.modules
            _answer(work, question)
            code = 0 if imported or LATE not in sys.modules else _CAME_LATE
        except MemoryError:
            code = OUT_OF_MEMORY
        finally:
            os._exit(code)
    timed_out = not _wait(child, question["wall_s"])
    if timed_out:
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)
    _, status, usage = os.wait4(child, 0)
    return {
        "timed_out": timed_out,
        "signal": os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0,
        "exit_code": os.WEXITSTATUS(status) if os.WIFEXITED(status) else 0,
        "cpu_s": usage.ru_utime + usage.ru_stime,
        "wall_s": time.monotonic() - begun,
        "memory_bytes": usage.ru_maxrss * 1024,
    }


def _wait(child: int, wall_s: float) -> bool:
    """Wait until a child has ended; False when it takes longer than that."""
    watched = os.pidfd_open(child)
    try:
        poll = select.poll()
        poll.register(watched, select.POLLIN)
        return bool(poll.poll(wall_s * 1000))
    finally:
        os.close(watched)


def _confine(question: Mapping[str, Any], libraries: tuple[str, ...]) -> None:
    """Put this process under its limits, and cut it off from all that is not the recording's."""
    end_with_parent()
    nothing = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):  # a library's warnings may quote a header
        os.dup2(nothing, descriptor)
    os.closerange(3, _MAX_FILES)
    # What comes late is no part of the recording, which may have all of its own memory.
    memory = _address_space() + question["memory_bytes"] + (0 if LATE in sys.modules else _LATE_BYTES)
    cpu_s = question["cpu_s"]
    for kind, soft, hard in (
        (resource.RLIMIT_AS, memory, memory),
        (resource.RLIMIT_CPU, cpu_s, cpu_s + _GRACE_CPU_S),
        (resource.RLIMIT_FSIZE, question["file_bytes"], question["file_bytes"]),
        (resource.RLIMIT_NOFILE, _MAX_FILES, _MAX_FILES),
        (resource.RLIMIT_CORE, 0, 0),
    ):
        resource.setrlimit(kind, (soft, hard))
    sys.addaudithook(_guard(libraries, question["files"], question["out"]))


def _answer(work: Callable[..., dict[str, Any]], question: Mapping[str, Any]) -> None:
    found = work(Path(question["files"]), Path(question["out"]), question["arguments"])
    with (Path(question["out"]) / ANSWER).open("w", encoding="utf-8") as file:
        json.dump(found, file)


def _libraries() -> tuple[str, ...]:
    """Return the directories that Python and its packages lie in: always the same, and long in the finding."""
    paths = (*sysconfig.get_paths().values(), sys.prefix, sys.base_prefix, str(Path(__file__).parents[2]))
    return _directories(*paths)


def _directories(*paths: str) -> tuple[str, ...]:
    return tuple(sorted({f"{os.path.realpath(path)}/" for path in paths}))


def _guard(libraries: tuple[str, ...], files: str, out: str) -> Callable[[str, tuple[Any, ...]], None]:
    """Return an audit hook that refuses what reading a recording has no need of."""
    readable = _directories(files, out) + libraries + _SYSTEM_FILES
    writable = (*_directories(out), "/dev/null")

    def guard(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open":
            path, mode, flags = arguments
            if isinstance(path, int):
                return
            writes = bool(set(mode or "") & set("wax+")) or bool((flags or 0) & _WRITING)
            if not f"{os.path.realpath(os.fsdecode(path))}".startswith(writable if writes else readable):
                raise PermissionError("A recording's reader may open the recording's own files only.")
        elif event in _FORBIDDEN:
            raise PermissionError(f"A recording's reader may not do this: {event}.")

    return guard


def _address_space() -> int:
    """Bytes of address space this process has already."""
    with Path("/proc/self/statm").open(encoding="ascii") as file:
        return int(file.read().split()[0]) * resource.getpagesize()


if __name__ == "__main__":
    main()
