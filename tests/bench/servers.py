"""The servers that are measured: PostgreSQL, S3 and MLflow as the embedded stack runs them, with data of their own."""

from __future__ import annotations

import os
import secrets
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import psutil

from heartwave_tasks.local.mlflow import MlflowServer
from heartwave_tasks.local.ports import LOOPBACK, choose
from heartwave_tasks.local.postgres import PostgresServer
from heartwave_tasks.local.processes import ManagedProcess
from heartwave_tasks.local.seaweedfs import PORTS, Identity, SeaweedServer
from heartwave_tasks.settings import Settings
from heartwave_tasks.stores.database import create_database, initialise_database
from heartwave_tasks.stores.objects import create_buckets

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_ROLES = ("owner", "writer", "reader", "reviewer")


@dataclass(frozen=True)
class Servers:
    """Running servers, and settings that lead to them."""

    processes: tuple[ManagedProcess, ...]
    postgres_port: int
    password: str
    connected: Settings

    def settings(self, estate: str) -> Settings:
        """Make an empty estate, a database and buckets of this name, and return the settings that lead to it."""
        urls = {role: self.url(f"heartwave_{role}", estate) for role in _ROLES}
        initialise_database(self.url("postgres", "postgres"), *urls.values())
        settings = self.connected.model_copy(
            update={
                "recordings_bucket": f"{estate}-recordings",
                "lake_bucket": f"{estate}-lake",
                "database_url": Settings(database_url=urls["writer"]).database_url,
                "reader_database_url": Settings(database_url=urls["reader"]).database_url,
            }
        )
        create_buckets(settings)
        return settings

    def url(self, role: str, database: str) -> str:
        """Where a role finds a database."""
        return f"postgresql://{role}:{self.password}@{LOOPBACK}:{self.postgres_port}/{database}"

    def cpu_s(self) -> float:
        """Seconds of processor time the servers have taken so far."""
        total = 0.0
        for server in self.processes:
            process = server.find()
            for member in [process, *process.children(recursive=True)] if process else []:
                try:
                    times = member.cpu_times()
                except psutil.NoSuchProcess:
                    continue
                total += times.user + times.system + times.children_user + times.children_system
        return total


@contextmanager
def run_servers(directory: Path) -> Iterator[Servers]:
    """Start PostgreSQL, S3 and MLflow on free ports of the loopback, and stop them afterwards."""
    password, mark = secrets.token_urlsafe(16), secrets.token_hex(8)
    ports = choose(dict.fromkeys(("postgres", "mlflow", *PORTS)))

    def process(name: str) -> ManagedProcess:
        return ManagedProcess(name, directory / f"{name}.json", directory / f"{name}.log", mark)

    identity = Identity("bench", "bench", secrets.token_hex(12))
    postgres = PostgresServer(process("postgres"), directory / "postgres", ports["postgres"], password)
    seaweed = SeaweedServer(process("s3"), directory / "s3", {name: ports[name] for name in PORTS}, (identity,))
    url = f"postgresql://mlflow:{password}@{LOOPBACK}:{postgres.port}/mlflow"
    endpoint = f"http://{LOOPBACK}:{ports['s3.port']}"
    mlflow = MlflowServer(
        process("mlflow"), directory / "mlflow", ports["mlflow"], url, endpoint, identity, "heartwave-models"
    )
    settings = Settings(
        s3_endpoint_url=endpoint,
        s3_access_key_id=identity.access_key,
        s3_secret_access_key=identity.secret_key,
        mlflow_tracking_uri=mlflow.url,
    )
    (directory / "s3").mkdir(parents=True)
    with ExitStack() as stack:
        stack.callback(postgres.remove)
        stack.callback(postgres.stop)
        postgres.start(os.environ)
        stack.callback(seaweed.stop)
        seaweed.start(os.environ, settings)
        create_buckets(settings)
        create_database(f"postgresql://postgres:{password}@{LOOPBACK}:{postgres.port}/postgres", url)
        stack.callback(mlflow.process.stop, 5)
        mlflow.launch({**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true"})
        mlflow.wait()
        yield Servers((postgres.process, seaweed.process, mlflow.process), postgres.port, password, settings)
