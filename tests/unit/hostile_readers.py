"""Readers that misbehave as a library could over a recording made to hurt; the worker runs them in its child."""

from __future__ import annotations

import importlib
import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from heartwave_tasks.jobs.reading_worker import LATE


def misbehave(files: Path, out: Path, arguments: dict[str, Any]) -> dict[str, Any]:
    """Do what the arguments ask for, and say what came of it."""
    deed = str(arguments["deed"])
    try:
        return {"done": str(_DEEDS[deed](files, out))}
    except PermissionError:
        return {"done": "refused"}


def _eat_memory(_files: Path, _out: Path) -> int:
    return len(bytearray(8 << 30))


def _burn(_files: Path, _out: Path) -> None:
    while True:
        pass


def _sleep(_files: Path, _out: Path) -> None:
    time.sleep(60)


def _crash(_files: Path, _out: Path) -> None:
    os.abort()


def _raise(_files: Path, _out: Path) -> None:
    raise RuntimeError("Patient: Planted Name")


def _lie(_files: Path, out: Path) -> None:
    (out / "answer.json").write_text("[" * 100_000)
    os._exit(0)


def _flood(_files: Path, out: Path) -> None:
    with (out / "endless").open("wb") as file:
        for _ in range(1 << 20):
            file.write(bytes(1 << 20))


def _import_late(_files: Path, _out: Path) -> bool:
    there = LATE in sys.modules
    assert np.__name__ in sys.modules  # on its way in it changes the environment, which a child must not
    importlib.import_module(LATE)
    return there


_DEEDS = {
    "import late": _import_late,
    "nothing": lambda files, _out: sorted(path.name for path in files.iterdir()),
    "environment": lambda _files, _out: sorted(os.environ),
    "eat memory": _eat_memory,
    "burn": _burn,
    "sleep": _sleep,
    "crash": _crash,
    "raise": _raise,
    "lie": _lie,
    "flood": _flood,
    "read a stranger's file": lambda _files, _out: Path("/etc/passwd").read_text(),
    "climb": lambda files, _out: (files / "../../../../../../etc/passwd").read_text(),
    "write beside": lambda files, _out: (files / "new").write_text("x"),
    "connect": lambda _files, _out: socket.create_connection(("127.0.0.1", 9), timeout=1),
    "look a name up": lambda _files, _out: socket.getaddrinfo("localhost", 80),
    "start a program": lambda _files, _out: subprocess.run(["true"], check=False),
    "remove": lambda files, _out: next(files.iterdir()).unlink(),
}
