"""`heartwave export`: one recording's labels as a file for other tools."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from rich.console import Console

from heartwave_tasks.cli.errors import CommandError, need
from heartwave_tasks.cli.names import ExportFormat
from heartwave_tasks.cli.queries import execute, write_csv, write_json
from heartwave_tasks.settings import Settings
from heartwave_tasks.stores.annotation_files import write_annotations

if TYPE_CHECKING:
    from pathlib import Path

_RECORDING: Final = "SELECT sampling_frequency FROM current_recordings WHERE recording_id = %s"
_HELD: Final = "SELECT held_id FROM current_held WHERE recording_id = %s AND is_current_revision"
_BEATS: Final = """
    -- WFDB's Q is "unclassifiable beat".
    SELECT r_peak_sample, coalesce(class, 'Q'), coalesce(model_class, 'Q'), reviewed_by IS NOT NULL
    FROM current_labels WHERE recording_id = %s ORDER BY r_peak_sample
"""
_ROWS: Final = "SELECT * FROM current_labels WHERE recording_id = %s ORDER BY r_peak_sample"


def export(recording_id: str, output: ExportFormat, directory: Path) -> None:
    """Write a recording's labels into a directory, and say where and how many.

    Raises `CommandError` when there is no such recording, or no labels of it to export.
    """
    (url,) = need(Settings.load(), "reader_database_url")
    found = _ask(url, _RECORDING, recording_id)
    if not found:
        raise CommandError(f"There is no recording {recording_id}. heartwave sql 'TABLE recording_burden' lists them.")
    beats = _ask(url, _BEATS, recording_id)
    if not beats:
        held = _ask(url, _HELD, recording_id)
        why = (
            f"they are held back: heartwave held release {held[0][0]} publishes them"
            if held
            else "none were written yet (heartwave run score), or retention has dropped them"
        )
        raise CommandError(f"{recording_id} has no labels to export: {why}.")
    directory.mkdir(parents=True, exist_ok=True)
    record = recording_id.rpartition("/")[2]
    if output is ExportFormat.WFDB:
        samples, classes, model_classes, reviewed = zip(*beats, strict=True)
        notes = [f"reviewed, model {said}" if by else "" for said, by in zip(model_classes, reviewed, strict=True)]
        target = write_annotations(directory, record, np.array(samples), classes, notes, found[0][0])
    else:
        target = directory / f"{record}.{output.value}"
        unfinished = directory / f".{target.name}.{os.getpid()}"
        write = write_csv if output is ExportFormat.CSV else write_json
        with execute(url, _ROWS, (recording_id,)) as rows:
            try:
                with unfinished.open("w", encoding="utf-8", newline="") as file:
                    if rows is not None:
                        write(rows, file)
                unfinished.replace(target)
            finally:
                unfinished.unlink(missing_ok=True)
    Console(soft_wrap=True).print(f"{target}: {len(beats):,} beats.", highlight=False, markup=False)


def _ask(url: str, text: str, recording_id: str) -> list[tuple[Any, ...]]:
    with execute(url, text, (recording_id,)) as rows:
        return rows.fetch() if rows is not None else []
