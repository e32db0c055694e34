"""SIGKILL of Airflow's scheduler, with or without the tasks it runs, at random instants of real DAG runs.

``python -m tests.faults.scheduler --rounds 5 --seed 1`` (the second half of ``make faults``) starts the whole stack.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import psycopg2
from rich.console import Console

from heartwave_tasks.airflow_api import AirflowClient
from heartwave_tasks.cli import running
from heartwave_tasks.local.stack import Stack
from heartwave_tasks.settings import Settings
from heartwave_tasks.stores.predictions import PredictionStore
from heartwave_tasks.stores.upload import upload_recordings
from heartwave_tasks.synthetic import write_recordings
from tests.faults.campaign import tell
from tests.faults.labels import compare, read
from tests.faults.models import plant_models

if TYPE_CHECKING:
    from collections.abc import Callable

RECORDINGS, DURATION_S, SHARD_BEATS = 8, 300.0, 500
_TIMEOUT_S = 600.0


def run(home: Path, rounds: int, seed: int) -> bool:
    """Kill the scheduler in every round; return whether all labels were the undisturbed run's."""
    stack = Stack(Settings(home=home, shard_beats=SHARD_BEATS), usual_ports=False)
    quiet: Callable[[str], None] = lambda _line: None  # noqa: E731 - progress nobody reads
    try:
        stack.up(quiet)
        settings = Settings(home=home, _env_file=stack.credentials_file)  # type: ignore[call-arg]
        with AirflowClient.from_settings(settings) as client:
            return _rounds(stack, settings, client, rounds, seed)
    finally:
        stack.remove(quiet)


def _rounds(stack: Stack, settings: Settings, client: AirflowClient, rounds: int, seed: int) -> bool:
    execute = partial(_execute, settings)
    follow = partial(running.follow, client, "score_recordings", timeout_s=_TIMEOUT_S, console=Console(quiet=True))
    with tempfile.TemporaryDirectory() as directory:
        write_recordings(Path(directory), count=RECORDINGS, duration_s=DURATION_S, seed=4)
        upload_recordings(settings, Path(directory), "clinic", lambda _progress: None)
    for dag_id in ("ingest_recordings", "score_recordings"):
        client.wait_for_dag(dag_id, _TIMEOUT_S)
        client.unpause(dag_id)
    run_id = client.trigger("ingest_recordings", {})
    running.follow(client, "ingest_recordings", run_id, timeout_s=_TIMEOUT_S, console=Console(quiet=True))
    first, _ = plant_models(settings)
    with PredictionStore(settings.require_database_url()) as store:
        store.promote(first, "faults", "a test")
    begun = time.monotonic()
    follow(client.trigger("score_recordings", {}))
    night_s = time.monotonic() - begun
    undisturbed = read(execute)
    tell(f"an undisturbed run: {night_s:.1f} s, {sum(rows.total() for rows in undisturbed.rows.values())} labels")
    well = True
    for number in range(1, rounds + 1):
        rng = random.Random(f"{seed} scheduler {number}")
        execute("TRUNCATE heartwave.labels, heartwave.scorings CASCADE")
        begun = time.monotonic()
        run_id = client.trigger("score_recordings", {})
        instant, whole = rng.random() * night_s, rng.random() < 0.5
        time.sleep(instant)
        killed = _kill_scheduler(stack, whole=whole)
        time.sleep(rng.random() * 3)
        stack.up(lambda _line: None)
        follow(run_id)
        found = compare(read(execute), undisturbed, set(undisturbed.rows), ())
        well &= found.same
        who = "the scheduler and what it ran" if whole else "the scheduler alone"
        tell(
            f"scheduler --round {number} --seed {seed}: {who} ({killed} processes) after {instant:.1f} s: "
            f"{found.verdict}, {found.n_labels} labels, {time.monotonic() - begun:.1f} s"
        )
    return well


def _kill_scheduler(stack: Stack, *, whole: bool) -> int:
    """SIGKILL to the scheduler, and to its executor's workers and their tasks; return to how many processes."""
    pid = next(server.pid for server in stack.status() if server.name == "airflow-scheduler")
    assert pid is not None
    scheduler = psutil.Process(pid)
    family = [scheduler, *(scheduler.children(recursive=True) if whole else ())]
    for process in family:
        try:
            process.kill()
        except psutil.NoSuchProcess:
            continue
    return len(family)


def _execute(settings: Settings, statement: str) -> list[tuple[Any, ...]]:
    assert settings.owner_database_url is not None
    connection = psycopg2.connect(settings.owner_database_url.get_secret_value())
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute(statement)
            return cursor.fetchall() if cursor.description else []
    finally:
        connection.close()


def main() -> None:
    """Run the rounds from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="how many")
    parser.add_argument("--seed", type=int, default=1, help="of all of them")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="heartwave-scheduler-") as directory:
        sys.exit(not run(Path(directory, "home"), given.rounds, given.seed))


if __name__ == "__main__":
    main()
