"""What `heartwave quarantine` does."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer
from rich.console import Console

from heartwave_tasks.cli.errors import CommandError
from heartwave_tasks.cli.queries import Rows, print_table
from heartwave_tasks.jobs import quarantine
from heartwave_tasks.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_COLUMNS = ("number", "recording", "code", "since", "tries", "reason")


def list_waiting(source: str | None) -> None:
    """Print the recordings that wait."""
    rows = [
        (row.quarantine_id, row.recording_id, row.code, row.first_seen_at, row.n_attempts, row.reason)
        for row in quarantine.waiting(Settings.load(), source)
    ]
    console = Console(soft_wrap=False)
    if rows:
        print_table(Rows(_COLUMNS, iter([rows])), console)
    else:
        console.print("Nothing waits in quarantine.")


def show(number: int, directory: Path | None) -> None:
    """Print all about one, and save its files if asked to."""
    settings, console = Settings.load(), Console(soft_wrap=True)
    row, files = quarantine.find(settings, number)
    first, last = (f"{moment:%Y-%m-%d %H:%M}" for moment in (row.first_seen_at, row.last_seen_at))
    lines = [
        f"{row.recording_id} waits as number {row.quarantine_id}: {row.code}",
        f"What is wrong: {row.reason}",
        f"What to do: {row.remedy}",
        f"Tried once: {first}." if row.n_attempts == 1 else f"Tried {row.n_attempts} times: {first} to {last}.",
    ]
    if row.kept_prefix:
        lines.append(f"Kept in s3://{settings.recordings_bucket}/{row.kept_prefix}files/:")
        lines += [f"  {name}  {entry.size} bytes" for name, entry in files.items()]
    else:
        lines.append("No bytes are kept: it is not complete yet, or larger than what is read.")
    if directory is not None:
        saved = quarantine.save(settings, files, directory)
        lines.append(f"{len(saved)} files written to {directory}.")
    for line in lines:
        console.print(line, highlight=False, markup=False)


def retry(numbers: Sequence[int] | None, source: str | None, *, every: bool) -> None:
    """Release some for another try."""
    settings = Settings.load()
    n_ended = quarantine.retry(settings, _chosen(settings, numbers, source, every=every))
    _told(n_ended, "will be looked at again by the next run of ingest: `heartwave run ingest` starts one now")


def discard(numbers: Sequence[int] | None, source: str | None, *, every: bool, yes: bool) -> None:
    """Give some up, after asking."""
    settings = Settings.load()
    chosen = _chosen(settings, numbers, source, every=every)
    if chosen and not yes:
        typer.confirm(f"Give {len(chosen)} recordings up, and delete the bytes kept of them?", abort=True)
    _told(quarantine.discard(settings, chosen), "given up")


def _chosen(settings: Settings, numbers: Sequence[int] | None, source: str | None, *, every: bool) -> list[int]:
    """Return the numbers meant; refuses to guess."""
    if bool(numbers) == (every or source is not None):
        raise CommandError("Say which: some numbers of `heartwave quarantine list`, or --all, or --source NAME.")
    waiting = {row.quarantine_id for row in quarantine.waiting(settings, source)}
    if not numbers:
        return sorted(waiting)
    unknown = sorted(set(numbers) - waiting)
    if unknown:
        raise CommandError(
            f"Nothing waits as number {', '.join(map(str, unknown))}. `heartwave quarantine list` shows what does."
        )
    return sorted(set(numbers))


def _told(n_recordings: int, what: str) -> None:
    noun = "recording" if n_recordings == 1 else "recordings"
    Console(soft_wrap=True).print(f"{n_recordings} {noun} {what}.", highlight=False, markup=False)
