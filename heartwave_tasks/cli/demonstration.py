"""`heartwave demo`: everything, from an empty directory to answers in SQL."""

from __future__ import annotations

import io
import time
from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import pyarrow.parquet as pq
from rich.console import Console

from heartwave_tasks.airflow_api import AirflowClient
from heartwave_tasks.cli import servers
from heartwave_tasks.cli.errors import need
from heartwave_tasks.cli.mitbih_source import find_recordings
from heartwave_tasks.cli.names import JobName
from heartwave_tasks.cli.queries import execute, print_table, read_all
from heartwave_tasks.cli.running import follow, start
from heartwave_tasks.cli.uploading import upload
from heartwave_tasks.local.stack import Stack
from heartwave_tasks.settings import PROJECT_ROOT, Settings
from heartwave_tasks.stores.objects import get_object, s3_client

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

COOKBOOK: Final = PROJECT_ROOT / "sql" / "cookbook"
SHOWN_RECIPES: Final = ("frequent_ventricular_beats", "ventricular_runs", "hardest_patients")
"""Recipes of the cookbook whose answers the demo ends with."""

_JOBS: Final = (
    (JobName.INGEST, "Cut recordings into beats: S3 → Parquet"),
    (JobName.RETRAIN, "Train, evaluate and register a model: Parquet → MLflow"),
    (JobName.SCORE, "Label every beat with the champion: Parquet → Postgres"),
)
_TIMEOUT_S: Final = 1800.0
_SHOWN_ROWS: Final = 5
_HEARTWAVE5: Final = 5

_EVALUATIONS: Final = """
SELECT protocol, n_beats, n_recordings AS recordings, round(accuracy::numeric, 4) AS accuracy,
       round(macro_f1::numeric, 3) AS macro_f1, round(nsv_mean_f1::numeric, 3) AS nsv_mean_f1,
       round(cohen_kappa::numeric, 3) AS cohen_kappa, round(ece::numeric, 3) AS calibration_error
FROM model_leaderboard WHERE is_champion ORDER BY protocol
"""
_EVALUATION_CLASSES: Final = """
SELECT e.protocol, e.class, e.class_name, e.n_beats,
       round(100 * e.sensitivity::numeric, 1) AS "sensitivity %",
       round(100 * e.positive_predictivity::numeric, 1) AS "positive predictivity %", round(e.f1::numeric, 3) AS f1
FROM model_evaluation_by_class AS e JOIN champion AS c USING (model_name, model_version)
ORDER BY e.protocol, e.class
"""
_COUNTS: Final = """
SELECT count(*), coalesce(sum(n_windows), 0), coalesce(sum(n_beats), 0), coalesce(sum(n_marks), 0)
FROM current_recordings
"""
_LABELS: Final = "SELECT coalesce(sum(n_labels), 0) FROM scoring_ledger WHERE is_current"
_QUARANTINE: Final = "SELECT recording_id, code, reason, remedy FROM current_quarantine ORDER BY recording_id"


def demonstrate(mitdb: Path | None, *, keep: bool) -> None:
    """Run the whole chain on this machine and print what came of it."""
    console = Console(soft_wrap=True)
    began = time.monotonic()
    stack = Stack(Settings.load())
    try:
        _run_chain(stack, mitdb, console)
        _print_results(Settings.load(), console)
    except BaseException:
        if keep:
            console.print("The servers keep running: `heartwave status` shows them, `heartwave down` stops them.")
        raise
    finally:
        if not keep:
            with _step(console, "Stop the servers"):
                stack.down(lambda line: console.print(f"  {line}", highlight=False, markup=False))
    minutes, seconds = divmod(round(time.monotonic() - began), 60)
    console.print(f"\n[bold]Done in {minutes} min {seconds} s.[/]", highlight=False)
    if keep:
        console.print("Open:")
        servers.print_addresses(stack, console)
        console.print("Ask:  heartwave sql 'SELECT * FROM current_labels LIMIT 5'", highlight=False)
        console.print("Stop: heartwave down", highlight=False)
    else:
        console.print("The servers are stopped; `heartwave up` finds everything again.", highlight=False)


def _run_chain(stack: Stack, mitdb: Path | None, console: Console) -> None:
    def tell(line: str) -> None:
        console.print(f"  {line}", highlight=False, markup=False)

    with _step(console, "Start PostgreSQL, S3, MLflow and Airflow"):
        stack.up(tell)
    settings = Settings.load()  # `up` has written where everything is
    with _step(console, "Upload recordings"):
        recordings = find_recordings(settings, mitdb, tell)
        console.print(f"  [bold]{recordings.told}[/]", highlight=False)
        upload(recordings.path, recordings.source)
    with AirflowClient.from_settings(settings) as client:
        for job, title in _JOBS:
            with _step(console, title):
                run_id = start(client, job, {})
                tell(f"{job.dag_id} run {run_id}")
                follow(client, job.dag_id, run_id, timeout_s=_TIMEOUT_S, console=console)


def _print_results(settings: Settings, console: Console) -> None:
    (url,) = need(settings, "reader_database_url")
    _, ((n_recordings, n_windows, n_beats, n_marks),) = read_all(url, _COUNTS)
    _, ((n_labels,),) = read_all(url, _LABELS)
    console.rule("What is there now")
    split = " / ".join(f"{n:,}".replace(",", " ") for n in count_heartwave5(settings))
    for name, value in (
        ("recordings", f"{n_recordings}"),
        ("windows", f"{n_windows:,}".replace(",", " ") + f"   by heartwave5 class 0-4: {split}"),
        ("beats", f"{n_beats:,}".replace(",", " ")),
        ("signal marks", f"{n_marks:,}".replace(",", " ")),
        ("labels", f"{n_labels:,}".replace(",", " ") + "   one per beat" * (n_labels == n_beats)),
    ):
        console.print(f"  {name:<13} {value}", highlight=False)
    if read_all(url, _QUARANTINE)[1]:
        _print_query(console, url, "Recordings that wait for somebody", _QUARANTINE)
    _print_query(console, url, "The champion, by protocol", _EVALUATIONS, most=20)
    _print_query(console, url, "The champion, by class", _EVALUATION_CLASSES, most=40)
    for recipe in SHOWN_RECIPES:
        text = (COOKBOOK / f"{recipe}.sql").read_text(encoding="utf-8")
        title = text.splitlines()[0].removeprefix("-- ")
        _print_query(console, url, f"{title}  (sql/cookbook/{recipe}.sql)", text)


def count_heartwave5(settings: Settings) -> list[int]:
    """Count the windows of every current recording by `heartwave5` class, from the lake's Parquet."""
    (url,) = need(settings, "reader_database_url")
    _, keys = read_all(url, "SELECT beats_key FROM current_recordings")
    client, counts = s3_client(settings), Counter[int]()
    for (key,) in keys:
        content = io.BytesIO(get_object(client, settings.lake_bucket, key))
        counts.update(pq.read_table(content, columns=["heartwave5"]).column(0).drop_null().to_pylist())
    return [counts[index] for index in range(_HEARTWAVE5)]


def _print_query(console: Console, url: str, title: str, text: str, most: int = _SHOWN_ROWS) -> None:
    console.print(f"\n[bold]{title}[/]", highlight=False)
    with execute(url, text) as rows:
        if rows is not None:
            print_table(rows, console, most)


@contextmanager
def _step(console: Console, title: str) -> Iterator[None]:
    """Announce a step, and say how long it took."""
    console.print(f"[bold cyan]▸ {title}[/]", highlight=False)
    began = time.monotonic()
    yield
    console.print(f"  [green]✓[/] {time.monotonic() - began:.1f} s", highlight=False)
