"""The whole stack, started once for all system tests, with a handful of recordings in it."""

from __future__ import annotations

import os
import re
import shutil
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import psycopg2
import pytest
from rich.console import Console

from heartwave_tasks.airflow_api import FINISHED, AirflowClient
from heartwave_tasks.cli import running
from heartwave_tasks.local.stack import Stack
from heartwave_tasks.settings import Settings
from heartwave_tasks.stores.objects import s3_client
from heartwave_tasks.stores.upload import upload_recordings
from heartwave_tasks.synthetic import write_recordings
from tests.sink import take_notices
from tests.system import planted
from tests.system.browsing import CHROMIUM, PICTURES, approve_by_hand, chromium, retrain_by_form, sign_in

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.sink import Taken

RECORDS = ("106", "119", "208", "209", "200", "213", "222", "232")
"""Of DS1 and DS2, with every class but Q; pictures are taken of all."""

TIMEOUT_S = 420.0 if PICTURES is None else 800.0

APPROVER_SAYS = "The strips look right."
"""Why the first model is approved."""

SOURCE = "mitdb" if os.environ.get("HEARTWAVE_MITDB") else "synthetic"
"""Where the recordings come from, real or drawn."""


@dataclass(frozen=True)
class System:
    """A running stack, and what tests ask of it."""

    stack: Stack
    settings: Settings
    client: AirflowClient

    def run(self, dag_id: str, conf: dict[str, Any] | None = None) -> str:
        """Trigger a DAG, wait until its run has ended well, and return the run's id."""
        self.client.wait_for_dag(dag_id, 120)
        self.client.unpause(dag_id)
        run_id = self.client.trigger(dag_id, conf or {})
        self.wait(dag_id, run_id)
        return run_id

    def wait(self, dag_id: str, run_id: str) -> None:
        """Wait until a run has ended well; fails with the failing task's error."""
        running.follow(self.client, dag_id, run_id, timeout_s=TIMEOUT_S, console=Console(quiet=True))

    def answer(self, dag_id: str, run_id: str, say: Callable[[], object]) -> None:
        """Answer a run's question whenever it asks, until it asks no more.

        Airflow 3.3 asks a second time when the answer comes within moments: it takes the end of the task's first part
        for that of its second, which is waiting to run.
        """
        answered, deadline = 0, time.monotonic() + TIMEOUT_S
        while time.monotonic() < deadline and self.client.run_state(dag_id, run_id) not in FINISHED:
            for task in self.client.task_instances(dag_id, run_id):
                if task.task_id == "approve" and task.state == "success":
                    return
                if task.task_id == "approve" and task.state == "awaiting_input" and task.try_number > answered:
                    say()
                    answered = task.try_number
            time.sleep(0.5)

    def approve(self, dag_id: str, run_id: str) -> None:
        """Say yes with a reason when a run asks."""
        path = f"/api/v2/dags/{dag_id}/dagRuns/{run_id}/taskInstances/approve/-1/hitlDetails"
        answer = {"chosen_options": ["Approve"], "params_input": {"reason": APPROVER_SAYS}}
        self.answer(dag_id, run_id, lambda: self.client._request("PATCH", path, body=answer))

    def ask(self, query: str) -> list[tuple[Any, ...]]:
        """Ask as the analyst."""
        assert self.settings.reader_database_url is not None
        connection = psycopg2.connect(self.settings.reader_database_url.get_secret_value())
        try:
            with connection, connection.cursor() as cursor:
                cursor.execute(query)
                return cursor.fetchall()
        finally:
            connection.close()

    def meddle(self, database: str, statement: str, *parameters: object) -> None:
        """Change what no role of the stack may, as the superuser of its PostgreSQL."""
        assert self.settings.admin_database_url is not None
        connection = psycopg2.connect(self.settings.admin_database_url.get_secret_value(), dbname=database)
        try:
            with connection, connection.cursor() as cursor:
                cursor.execute(statement, parameters)
                assert cursor.rowcount > 0
        finally:
            connection.close()

    def put(self, key: str, content: bytes) -> None:
        """Put an object into the recordings bucket."""
        client = s3_client(self.settings)
        client.put_object(Bucket=self.settings.recordings_bucket, Key=key, Body=content)


@pytest.fixture(scope="session")
def record_files(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with a handful of real records, or of synthetic ones where MIT-BIH is not given."""
    directory = tmp_path_factory.mktemp("records")
    if not os.environ.get("HEARTWAVE_MITDB"):
        write_recordings(directory, count=8, duration_s=300, seed=1)
        return directory
    mitdb: Path = request.getfixturevalue("mitdb")
    for record in RECORDS if PICTURES is None else ["*"]:
        for file in mitdb.glob(f"{record}.*"):
            shutil.copy(file, directory)
    return directory


@pytest.fixture(scope="session")
def sink() -> Iterator[tuple[str, Taken]]:
    """Where the stack's notices go, and what has arrived."""
    with take_notices() as found:
        yield found


@pytest.fixture(scope="session")
def told(sink: tuple[str, Taken]) -> Taken:
    """What people have been told, in order."""
    return sink[1]


@pytest.fixture(scope="session")
def system(tmp_path_factory: pytest.TempPathFactory, sink: tuple[str, Taken]) -> Iterator[System]:
    """Start a stack of its own, with ports and passwords of its own."""
    home = tmp_path_factory.mktemp("heartwave")
    stack = Stack(Settings(home=home, pseudonymous_sources=planted.SOURCE, notify_urls=sink[0]), usual_ports=False)
    lines: list[str] = []
    try:
        stack.up(lines.append)
        settings = Settings(home=home, _env_file=stack.credentials_file)  # type: ignore[call-arg]
        with AirflowClient.from_settings(settings) as client:
            yield System(stack, settings, client)
    finally:
        stack.remove(lines.append)


@pytest.fixture(scope="session")
def ingested(system: System, record_files: Path) -> set[str]:
    """Good recordings and bad ones, taken in by one run; the ids of the good ones."""
    upload_recordings(system.settings, record_files, SOURCE, lambda _progress: None)
    name = next(iter(sorted(record_files.glob("*.hea")))).stem
    parts = {suffix: (record_files / f"{name}.{suffix}").read_bytes() for suffix in ("hea", "dat", "atr")}

    def put(record: str, hea: bytes, dat: bytes | None) -> None:
        header = _rename(hea, name, record)
        system.put(f"bad/{record}.hea", header)
        if dat is not None:
            system.put(f"bad/{record}.dat", dat)

    flipped = bytearray(parts["dat"])
    flipped[5_000] ^= 0x04
    put("flipped", parts["hea"], bytes(flipped))
    put("truncated", parts["hea"], parts["dat"][: len(parts["dat"]) // 3])
    put("lonely", parts["hea"], None)
    first, rest = parts["hea"].split(b"\n", 1)
    claims = first.split()
    claims[3] = b"1000000000000"
    put("endless", b" ".join(claims) + b"\n" + rest, parts["dat"])
    system.put("bad/escaping.hea", _rename(parts["hea"], name, "../../x"))
    system.run("ingest_recordings")
    return {f"{SOURCE}/{file.stem}" for file in record_files.glob("*.hea")}


@pytest.fixture(scope="session")
def labelled(system: System, ingested: set[str]) -> set[str]:
    """The same recordings, after a retraining from the form that a person approved in Airflow, and a scoring."""
    if CHROMIUM is None:
        system.client.wait_for_dag("retrain_models", 120)
        system.client.unpause("retrain_models")
        run_id = system.client.trigger("retrain_models", {"approval": True})
        system.approve("retrain_models", run_id)
    else:
        with chromium() as browser:
            page = sign_in(browser, system).new_page()
            run_id = retrain_by_form(page, system)
            system.answer("retrain_models", run_id, lambda: approve_by_hand(page, system, run_id, APPROVER_SAYS))
    system.wait("retrain_models", run_id)
    system.run("score_recordings")
    return ingested


def _rename(header: bytes, old: str, new: str) -> bytes:
    """Give the record a header names, and its signal files, another name."""
    return re.sub(rb"^" + old.encode(), new.encode(), header, flags=re.MULTILINE)
