"""`heartwave run`: trigger a DAG and follow its tasks to the end."""

from __future__ import annotations

import json
import time
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import typer
from rich.console import Console
from rich.live import Live
from rich.table import Table

from heartwave_tasks.airflow_api import FINISHED, AirflowClient
from heartwave_tasks.cli.errors import CommandError
from heartwave_tasks.cli.names import JobName
from heartwave_tasks.cli.queries import read_all
from heartwave_tasks.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from heartwave_tasks.airflow_api import TaskInstance

_POLL_S: Final = 1.0
_PARSE_TIMEOUT_S: Final = 120.0
_MOST_ERRORS: Final = 3
_DONE: Final = frozenset({"success", "skipped", "failed", "upstream_failed", "removed"})
_STYLES: Final = {"success": "green", "running": "cyan", "failed": "bold red", "upstream_failed": "red"}
# Of a task's instances in several states, the one that says most.
_TELLING: Final = ("failed", "up_for_retry", "running", "queued", "scheduled", "deferred", "upstream_failed", "success")


@dataclass(frozen=True)
class TaskProgress:
    """How far one task of a run has come, over all its mapped instances."""

    task_id: str
    state: str
    n_done: int
    n_instances: int
    mapped: bool

    @property
    def text(self) -> str:
        """The state, and how many instances are done where the task is mapped."""
        return f"{self.state} {self.n_done}/{self.n_instances}" if self.mapped else self.state


def run(job: JobName, params: Sequence[str], *, wait: bool, timeout_s: float) -> None:
    """Trigger a job's DAG with params given as ``name=value``, and follow the run unless told not to."""
    conf = parse_params(params)
    console = Console(soft_wrap=True)
    with AirflowClient.from_settings(Settings.load()) as client:
        run_id = start(client, job, conf)
        console.print(f"{job.dag_id} run {run_id}", highlight=False, markup=False)
        if not wait:
            console.print(run_url(client, job.dag_id, run_id), highlight=False, markup=False)
            return
        try:
            follow(client, job.dag_id, run_id, timeout_s=timeout_s, console=console)
        except KeyboardInterrupt:
            console.print(f"No longer waiting; the run goes on: {run_url(client, job.dag_id, run_id)}", markup=False)
            raise typer.Exit(130) from None
    if job is JobName.INGEST:
        _tell_quarantine(console)


def _tell_quarantine(console: Console) -> None:
    """Say how many recordings wait for somebody, where the analyst's database is known."""
    url = Settings.load().reader_database_url
    if url is None:
        return
    _, ((n_waiting,),) = read_all(url.get_secret_value(), "SELECT count(*) FROM current_quarantine")
    if n_waiting:
        console.print(
            f"{n_waiting} recordings wait in quarantine; `heartwave quarantine list` says why.",
            highlight=False,
            markup=False,
        )


def parse_params(params: Iterable[str]) -> dict[str, Any]:
    """Read ``name=value`` pairs; values are JSON where they can be read as JSON, else text."""
    conf: dict[str, Any] = {}
    for param in params:
        name, equals, value = param.partition("=")
        if not equals or not name.strip():
            raise CommandError(f"--param {param!r} is not NAME=VALUE. Write it like --param seed=7.")
        try:
            conf[name.strip()] = json.loads(value)
        except ValueError:
            conf[name.strip()] = value
    return conf


def start(client: AirflowClient, job: JobName, conf: dict[str, Any]) -> str:
    """Wait until Airflow knows the DAG, let it run, trigger it, and return the run's id."""
    client.wait_for_dag(job.dag_id, _PARSE_TIMEOUT_S)
    client.unpause(job.dag_id)
    return client.trigger(job.dag_id, conf)


def follow(client: AirflowClient, dag_id: str, run_id: str, *, timeout_s: float, console: Console) -> None:
    """Show a run's tasks until it ends: live in a terminal, a line per change elsewhere.

    Raises `CommandError` with the failing tasks' errors when the run fails, or when time runs out.
    """
    deadline = time.monotonic() + timeout_s
    shown: dict[str, str] = {}
    with Live(console=console, auto_refresh=False, transient=False) if console.is_terminal else _Silent() as live:
        while True:
            # The state first: tasks asked for afterwards are at least as far.
            state = client.run_state(dag_id, run_id)
            tasks = client.task_instances(dag_id, run_id)
            progress = summarise(tasks)
            if isinstance(live, Live):
                live.update(_table(progress, state), refresh=True)
            else:
                for line in _changes(progress, shown):
                    console.print(line, highlight=False, markup=False)
            if state in FINISHED:
                break
            if time.monotonic() > deadline:
                raise CommandError(
                    f"{dag_id} has not ended after {timeout_s:.0f} s; it goes on: {run_url(client, dag_id, run_id)}. "
                    "Wait longer with --timeout."
                )
            time.sleep(_POLL_S)
    if state == "failed":
        raise CommandError(describe_failure(client, dag_id, run_id, tasks))


def describe_failure(client: AirflowClient, dag_id: str, run_id: str, tasks: Sequence[TaskInstance]) -> str:
    """Say which tasks of a run failed and what of."""
    failed = [task for task in tasks if task.state == "failed"]
    if not failed:
        return f"{dag_id} failed without a failing task. See {run_url(client, dag_id, run_id)}."
    lines = [f"{dag_id} failed: {len(failed)} of {len(tasks)} tasks."]
    lines += [f"{task.name}: {client.error_of(task)}" for task in failed[:_MOST_ERRORS]]
    if len(failed) > _MOST_ERRORS:
        lines.append(f"and {len(failed) - _MOST_ERRORS} more.")
    return "\n".join([*lines, f"Whole logs: {run_url(client, dag_id, run_id)}"])


def summarise(tasks: Sequence[TaskInstance]) -> list[TaskProgress]:
    """Put the instances of every task together, in the order they are first seen."""
    groups: dict[str, list[TaskInstance]] = {}
    for task in tasks:
        groups.setdefault(task.task_id, []).append(task)
    progress = []
    for task_id, instances in groups.items():
        states = Counter(task.state or "waiting" for task in instances)
        state = next((name for name in _TELLING if name in states), next(iter(states)))
        n_done = sum(count for name, count in states.items() if name in _DONE)
        if state == "success" and n_done < len(instances):
            state = "running"  # between two instances
        mapped = any(task.map_index >= 0 for task in instances)
        progress.append(TaskProgress(task_id, state, n_done, len(instances), mapped))
    return progress


def run_url(client: AirflowClient, dag_id: str, run_id: str) -> str:
    """Return the page of a run in Airflow's user interface."""
    return f"{client.url}/dags/{dag_id}/runs/{run_id}"


class _Silent:
    """Stands where a live display would, when there is no terminal."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, *_: object) -> None:
        return None


def _table(progress: Sequence[TaskProgress], run_state: str) -> Table:
    table = Table.grid(padding=(0, 2))
    if not progress:
        table.add_row("", f"run {run_state}")
    for task in progress:
        table.add_row(f"  {task.task_id}", f"[{_STYLES.get(task.state, 'dim')}]{task.text}[/]")
    return table


def _changes(progress: Sequence[TaskProgress], shown: dict[str, str]) -> list[str]:
    """Return a line for each task whose text has changed since the last call, and remember it."""
    lines = []
    for task in progress:
        if task.state != "waiting" and shown.get(task.task_id) != task.text:
            shown[task.task_id] = task.text
            lines.append(f"  {task.task_id}: {task.text}")
    return lines
