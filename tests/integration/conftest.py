"""Real servers for the integration tests: they start once a session, on free ports of the loopback."""

from __future__ import annotations

import os
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING

import psycopg2
import pytest
from pydantic import SecretStr

from heartwave_tasks.local.ports import choose
from heartwave_tasks.local.postgres import PostgresServer
from heartwave_tasks.local.processes import ManagedProcess
from heartwave_tasks.stores.database import initialise_database
from heartwave_tasks.stores.objects import list_objects, s3_client
from heartwave_tasks.stores.predictions import PredictionStore
from heartwave_tasks.synthetic import write_recordings
from tests.integration.planting import Planter
from tests.integration.s3_server import run_s3_server
from tests.integration.ward import Ward

if TYPE_CHECKING:
    from collections.abc import Iterator

    from heartwave_tasks.settings import Settings

PASSWORD = secrets.token_urlsafe(16)


@dataclass(frozen=True)
class DatabaseUrls:
    """One database of the test server, as each role sees it; ``admin`` is the superuser in another database."""

    admin: str
    superuser: str
    owner: str
    writer: str
    reader: str
    reviewer: str


@pytest.fixture(scope="session")
def postgres_port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """Start a PostgreSQL server of our own and return its port; the superuser is postgres."""
    directory = tmp_path_factory.mktemp("postgres")
    process = ManagedProcess("postgres", directory / "postgres.json", directory / "postgres.log", secrets.token_hex(8))
    server = PostgresServer(process, directory / "server", choose({"postgres": None})["postgres"], PASSWORD)
    try:
        server.start(os.environ, "-c", "fsync=off")
        yield server.port
    finally:
        server.stop()
        server.remove()


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
        reviewer=_url(postgres_port, "heartwave_reviewer", name),
    )
    connection = psycopg2.connect(_url(postgres_port, "postgres", "postgres"))
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
    connection.close()


@pytest.fixture
def database(empty_database: DatabaseUrls) -> DatabaseUrls:
    """A migrated database with its four roles and no rows."""
    urls = empty_database
    initialise_database(urls.admin, urls.owner, urls.writer, urls.reader, urls.reviewer)
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


@pytest.fixture(scope="module")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """Settings that lead to an S3 server."""
    with run_s3_server(tmp_path_factory.mktemp("s3")) as settings:
        yield settings


@pytest.fixture(scope="module")
def sound_records(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, bytes]]:
    """Two short synthetic records by name and suffix."""
    directory = tmp_path_factory.mktemp("records")
    names = write_recordings(directory, count=2, duration_s=20)
    return {
        name: {suffix: (directory / f"{name}.{suffix}").read_bytes() for suffix in ("hea", "dat", "atr")}
        for name in names
    }


@pytest.fixture
def ward(s3: Settings, database: DatabaseUrls, sound_records: dict[str, dict[str, bytes]]) -> Ward:
    """Empty buckets and an empty database."""
    settings = s3.model_copy(
        update={
            "database_url": SecretStr(database.writer),
            "owner_database_url": SecretStr(database.owner),
            "reader_database_url": SecretStr(database.reader),
        }
    )
    client = s3_client(settings)
    for bucket in (settings.recordings_bucket, settings.lake_bucket):
        for entry in list(list_objects(client, bucket)):
            client.delete_object(Bucket=bucket, Key=entry.key)
    return Ward(settings, database, sound_records)
