"""The embedded stack as a whole: four real servers, started, broken, mended and stopped."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import httpx
import psutil
import psycopg2
import pytest

from heartwave_tasks.local import ports
from heartwave_tasks.local.processes import find_all, is_alive
from heartwave_tasks.local.stack import Stack, StackError
from heartwave_tasks.local.state import load
from heartwave_tasks.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [pytest.mark.system, pytest.mark.timeout(600)]

DAG = """
from airflow.sdk import dag, task

@dag(schedule=None)
def see():
    @task
    def nothing():
        pass
    nothing()

see()
"""


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Start a whole stack with one small DAG, in a shell full of settings that are none of its business."""
    directory = tmp_path_factory.mktemp("stack")
    dags = directory / "dags"
    dags.mkdir()
    (dags / "see.py").write_text(DAG)
    with pytest.MonkeyPatch.context() as shell:
        shell.setenv("AIRFLOW__CORE__LOAD_EXAMPLES", "true")
        shell.setenv("AIRFLOW__API__PORT", "1")
        shell.setenv("MLFLOW_TRACKING_URI", "http://elsewhere.invalid")
        shell.setenv("AWS_ENDPOINT_URL", "http://elsewhere.invalid")
        shell.setenv("PGHOST", "elsewhere.invalid")
        shell.setenv("HTTP_PROXY", "http://127.0.0.1:9")
        shell.setenv("NO_PROXY", ports.LOOPBACK)
        stack = Stack(Settings(home=directory / "home"), dags_folder=dags, usual_ports=False)
        try:
            stack.up(print)
            yield stack
        finally:
            stack.remove(print)


def processes_of(stack: Stack) -> list[psutil.Process]:
    """Return every process that a stack has to do with."""
    state = load(stack.credentials_file.parent)
    assert state is not None
    home = str(stack.credentials_file.parent)
    ours = set(state.ports.values())

    def belongs(process: psutil.Process) -> bool:
        listening = {at.laddr.port for at in process.net_connections() if at.status == psutil.CONN_LISTEN}
        marked = process.environ().get("HEARTWAVE_STACK", "").startswith(state.stack_id)
        return marked or process.cwd().startswith(home) or bool(listening & ours)

    return find_all(belongs)


def variables(stack: Stack) -> dict[str, str]:
    """Read the credentials file."""
    lines = stack.credentials_file.read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if not line.startswith("#"))


def token(stack: Stack, user: str, password: str) -> str | None:
    """Log in to Airflow; None if it refuses."""
    answer = httpx.post(
        f"{stack.airflow_url}/auth/token", json={"username": user, "password": password}, trust_env=False, timeout=30
    )
    return answer.json()["access_token"] if answer.status_code == httpx.codes.CREATED else None


def test_everything_runs_on_the_loopback(stack: Stack) -> None:
    """Seven servers run, none listens where another machine could reach it."""
    assert {component.name: component.state for component in stack.status()} == dict.fromkeys(
        ("postgres", "s3", "mlflow", "airflow-api-server", "airflow-scheduler", "airflow-dag-processor",
         "airflow-triggerer"),
        "running",
    )  # fmt: skip
    assert all(component.pid and component.memory_bytes for component in stack.status())
    addresses = {
        at.laddr.ip
        for process in processes_of(stack)
        for at in process.net_connections()
        if at.status == psutil.CONN_LISTEN
    }
    assert addresses == {ports.LOOPBACK}


def test_secrets_are_the_owner_s_alone(stack: Stack) -> None:
    """No file with a password can be read by others, and what other users may enter they may not list."""
    home = stack.credentials_file.parent
    for name in ("env", "stack.json", "airflow/passwords.json", "data/s3/identities.json"):
        assert (home / name).stat().st_mode & 0o077 == 0, name
    assert home.stat().st_mode & 0o066 == 0
    assert (home / "logs").stat().st_mode & 0o077 == 0


def test_the_credentials_lead_to_every_server(stack: Stack) -> None:
    """Settings read from the file connect to the databases, MLflow and Airflow; a wrong password does not."""
    known = variables(stack)
    for name in ("ADMIN_DATABASE_URL", "OWNER_DATABASE_URL", "DATABASE_URL", "READER_DATABASE_URL"):
        psycopg2.connect(known[f"HEARTWAVE_{name}"]).close()
    assert httpx.get(f"{known['HEARTWAVE_MLFLOW_TRACKING_URI']}/version", trust_env=False).text == "3.17.2"
    assert token(stack, "admin", known["HEARTWAVE_AIRFLOW_PASSWORD"])
    assert token(stack, "admin", "wrong") is None


def test_airflow_runs_our_dags_and_none_of_the_examples(stack: Stack) -> None:
    """The DAG folder is the one given, whatever the shell's own Airflow settings say; a viewer starts nothing."""
    state = load(stack.credentials_file.parent)
    assert state is not None
    headers = {
        user: {"Authorization": f"Bearer {token(stack, user, state.secrets[f'airflow_{user}'])}"}
        for user in ("admin", "viewer")
    }
    with httpx.Client(base_url=f"{stack.airflow_url}/api/v2", trust_env=False, timeout=30) as client:
        found = client.get("/dags", headers=headers["admin"]).json()["dags"]
        assert [dag["dag_id"] for dag in found] == ["see"]
        refused = client.post("/dags/see/dagRuns", json={"logical_date": None}, headers=headers["viewer"])
        assert refused.status_code == httpx.codes.FORBIDDEN


def test_up_again_changes_nothing(stack: Stack) -> None:
    """A second `up` leaves the same processes running."""
    before = {component.name: component.pid for component in stack.status()}
    stack.up(print)
    assert {component.name: component.pid for component in stack.status()} == before


def test_tasks_see_no_superuser(stack: Stack) -> None:
    """What Airflow's tasks are given holds neither the superuser's database nor the S3 administrator's key."""
    state = load(stack.credentials_file.parent)
    assert state is not None
    given = stack.airflow_environment().values()
    for name in ("postgres", "s3_admin"):
        assert not any(state.secrets[name] in value for value in given), name


def test_up_mends_what_crashed(stack: Stack) -> None:
    """A killed scheduler is shown as crashed; `up` replaces it and leaves none of its workers behind."""
    scheduler = next(component for component in stack.status() if component.name == "airflow-scheduler")
    assert scheduler.pid is not None
    process = psutil.Process(scheduler.pid)
    workers = process.children(recursive=True)
    process.kill()
    process.wait()
    assert {part.name for part in stack.status() if part.state == "crashed"} == {"airflow-scheduler"}
    stack.up(print)
    assert {component.state for component in stack.status()} == {"running"}
    assert not [worker for worker in workers if is_alive(worker)]


def test_a_taken_port_is_told_before_anything_starts(stack: Stack, tmp_path: Path) -> None:
    """A stack whose port somebody else has taken says which, where to change it, and starts nothing."""
    state = load(stack.credentials_file.parent)
    assert state is not None
    blocked = Stack(Settings(home=tmp_path / "home"))
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "stack.json").write_text((stack.credentials_file.parent / "stack.json").read_text())
    with pytest.raises(StackError, match=rf"Port {state.ports['airflow']} \(airflow\) is taken.*stack\.json"):
        blocked.up(print)
    assert {component.state for component in blocked.status()} == {"stopped"}


def test_down_leaves_no_process_and_no_port(stack: Stack) -> None:
    """After a crash too, `down` ends everything; `up` then finds its data again, on the same ports."""
    state = load(stack.credentials_file.parent)
    assert state is not None
    for component in stack.status():
        if component.name in {"postgres", "airflow-api-server"}:
            assert component.pid is not None
            os.kill(component.pid, 9)
    stack.down(print)
    assert {component.state for component in stack.status()} == {"stopped"}
    assert processes_of(stack) == []
    assert all(ports.is_free(port) for port in state.ports.values())
