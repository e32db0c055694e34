"""`heartwave verify`: the whole estate checked, what differs, and what to do about it."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.text import Text

from heartwave_tasks.cli.errors import need
from heartwave_tasks.cli.names import ReportFormat
from heartwave_tasks.cli.tables import new_table, print_whole
from heartwave_tasks.jobs.verify import verify
from heartwave_tasks.settings import Settings

if TYPE_CHECKING:
    from rich.progress import TaskID

    from heartwave_tasks.jobs.findings import Report, Station


def check(output: ReportFormat, *, mend: bool) -> None:
    """Verify, show how far it is, print what was found, and end with code 1 if something differs."""
    settings, console = Settings.load(), Console(soft_wrap=True)
    need(settings, "database_url", "mlflow_tracking_uri")
    aside = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=aside, transient=True, disable=not aside.is_terminal) as bars:
        shown: dict[Station, TaskID] = {}

        def advance(station: Station, done: int, total: int | None) -> None:
            if station not in shown:
                shown[station] = bars.add_task(station.value, total=total)
            bars.update(shown[station], completed=done)

        report = verify(settings, advance, mend=mend)
    if output is ReportFormat.JSON:
        sys.stdout.write(f"{json.dumps(as_document(report), indent=1, ensure_ascii=False)}\n")
    else:
        _print(report, console, mended=mend)
    if report.n_wrong:
        raise typer.Exit(1)


def as_document(report: Report) -> dict[str, object]:
    """Return a report as JSON can hold it."""
    return {
        "ok": not report.n_wrong,
        "checked": {station.value: number for station, number in report.checked.items()},
        "labels": {"n": report.n_labels, "digest": report.label_digest},
        "findings": [asdict(finding) for finding in report.findings],
    }


def _print(report: Report, console: Console, *, mended: bool) -> None:
    if report.findings:
        table = new_table()
        for name in ("", "station", "what", "differs", "remedy"):
            table.add_column(name, overflow="fold")
        for finding in sorted(report.findings, key=lambda finding: not finding.is_wrong):
            mark = Text("wrong", style="bold red") if finding.is_wrong else Text("note", style="dim")
            table.add_row(mark, finding.station.value, *map(Text, (finding.what, finding.difference, finding.remedy)))
        print_whole(console, table)
        console.print()
    counted = ", ".join(f"{number} {station.value}" for station, number in report.checked.items())
    console.print(f"Checked: {counted}.", highlight=False)
    console.print(f"{report.n_labels} labels, digest {report.label_digest}.", highlight=False)
    if mended and report.mendable:
        told = f"{len(report.mendable)} recordings will be cut again: `heartwave run ingest`."
        console.print(told, highlight=False, markup=False)
    told = f"Found {report.n_wrong} that differ." if report.n_wrong else "All is as it should be."
    console.print(told, style="bold red" if report.n_wrong else "bold green", highlight=False)
