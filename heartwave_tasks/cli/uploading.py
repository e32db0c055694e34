"""`heartwave upload`: recordings into the bucket, with a progress bar."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from heartwave_tasks.settings import Settings
from heartwave_tasks.stores.upload import UploadSummary, upload_recordings

if TYPE_CHECKING:
    from pathlib import Path

    from heartwave_tasks.stores.upload import UploadProgress

_MOST_NAMED: Final = 5


def upload(path: Path, source: str) -> UploadSummary:
    """Upload the records of a path, show how it goes, and say what was done."""
    settings, console = Settings.load(), Console(soft_wrap=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("files"),
        TextColumn("{task.fields[megabytes]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(f"Reading {path.name}", total=None, megabytes="")

        def advance(now: UploadProgress) -> None:
            megabytes = f"{now.bytes_done / 1e6:.0f}/{now.bytes / 1e6:.0f} MB"
            bar.update(task, description="Uploading", total=now.files, completed=now.files_done, megabytes=megabytes)

        summary = upload_recordings(settings, path, source, advance)
    for line in describe(summary, f"s3://{settings.recordings_bucket}/{source}/"):
        console.print(escape(line), highlight=False)
    return summary


def describe(summary: UploadSummary, destination: str) -> list[str]:
    """Say in a few lines what an upload did."""
    what = f"{summary.recordings} recordings, {summary.files} files, {summary.bytes / 1e6:.1f} MB"
    lines = [f"{what} in {destination}: {summary.uploaded} uploaded, {summary.unchanged} there already."]
    if summary.incomplete:
        lines.append(f"Signal files that were not there, so that their recordings wait: {_some(summary.incomplete)}.")
    if summary.refused:
        lines.append(f"Left out, because a name may hold letters, digits, _ and - only: {_some(summary.refused)}.")
    if summary.undescribed:
        told = _some(summary.undescribed)
        lines.append(f"Left out, because no .json of the same name says what the columns are: {told}.")
    return lines


def _some(names: tuple[str, ...]) -> str:
    shown = ", ".join(repr(name) for name in names[:_MOST_NAMED])
    return shown if len(names) <= _MOST_NAMED else f"{shown} and {len(names) - _MOST_NAMED} more"
