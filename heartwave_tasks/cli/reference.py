"""Writes the command's reference: ``python -m heartwave_tasks.cli.reference docs/cli.md``."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from typer import Typer

_WIDTH: Final = "100"
_ESCAPES: Final = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")

_INTRODUCTION: Final = """\
# The `heartwave` command

Everything HeartWave does, from a terminal. It needs no Airflow, MLflow or AWS tools: runs are triggered through
Airflow's public API, recordings go to S3, questions go to Postgres.

Where the servers are is read from `HEARTWAVE_*` variables (`heartwave_tasks/settings.py` describes each one), and for
what they leave open from `.heartwave/env`, which `heartwave up` writes. So on one machine there is nothing to set.

Exit codes: 0 all is well · 1 an error, told on standard error in a sentence with its remedy (`--debug` adds the
traceback) · 2 wrong usage · 130 interrupted.

This page is what `--help` prints; `python -m heartwave_tasks.cli.reference docs/cli.md` writes it anew.
"""


def render() -> str:
    """Return the page: the introduction and the help of every command, as it is printed 100 columns wide."""
    from heartwave_tasks.cli.app import app  # noqa: PLC0415 - the help is asked of other processes

    sections = [_section("heartwave", []), *(_section(f"heartwave {name}", [name]) for name in _names(app))]
    for group in app.registered_groups:
        if group.typer_instance is not None:
            name = str(group.typer_instance.info.name)
            sections += [_section(f"heartwave {name} {own}", [name, own]) for own in _names(group.typer_instance)]
    return "\n".join([_INTRODUCTION, *sections])


def _names(app: Typer) -> list[str]:
    return [str(command.name or getattr(command.callback, "__name__", "")) for command in app.registered_commands]


def _section(title: str, arguments: list[str]) -> str:
    return f"## `{title}`\n\n```text\n{help_of(arguments)}\n```\n"


def help_of(arguments: list[str]) -> str:
    """Return what ``heartwave … --help`` prints, without colours and trailing blanks."""
    # In a process of its own: typer reads the terminal's width once, when it is imported.
    environment = {**os.environ, "TERMINAL_WIDTH": _WIDTH, "COLUMNS": _WIDTH, "NO_COLOR": "1", "PYTHONUTF8": "1"}
    for name in ("FORCE_COLOR", "PY_COLORS", "GITHUB_ACTIONS"):
        environment.pop(name, None)
    finished = subprocess.run(
        [sys.executable, "-m", "heartwave_tasks.cli", *arguments, "--help"],
        env=environment,
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=True,
    )
    lines = [line.rstrip() for line in _ESCAPES.sub("", finished.stdout).splitlines()]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip("\n")


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(render(), encoding="utf-8")
