"""A small estate of real servers behind proxies that fail on demand, and what its labels are when nothing does."""

from __future__ import annotations

import os
import secrets
import time
from contextlib import ExitStack
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

import psutil
import psycopg2
from pydantic import SecretStr

from heartwave_tasks.local.mlflow import MlflowServer
from heartwave_tasks.local.ports import LOOPBACK, choose
from heartwave_tasks.local.postgres import PostgresServer
from heartwave_tasks.local.processes import ManagedProcess
from heartwave_tasks.local.seaweedfs import Identity
from heartwave_tasks.stores.database import create_database, initialise_database
from heartwave_tasks.stores.objects import list_objects, s3_client
from heartwave_tasks.stores.predictions import PredictionStore
from heartwave_tasks.stores.registry import EXPERIMENT
from heartwave_tasks.synthetic import write_recordings
from tests.faults.labels import Comparison, Labels, compare, read
from tests.faults.models import plant_models
from tests.faults.proxy import Fault, FaultProxy
from tests.faults.victims import Victim, Ward
from tests.integration.s3_server import run_s3_server

if TYPE_CHECKING:
    from heartwave_tasks.settings import Settings

SOURCE: Final = "clinic"
REPLACED: Final = f"{SOURCE}/syn002"
"""The recording that gets new content in the middle of a run."""

S3_TIMEOUT_S: Final = 2
_CURRENT: Final = f"""
    SELECT v.content_sha256 FROM heartwave.recordings AS r
    JOIN heartwave.recording_revisions AS v ON v.revision_id = r.current_revision_id
    WHERE r.recording_id = '{REPLACED}'
"""


class Laboratory:
    """Real PostgreSQL, S3 and MLflow, recordings in the bucket, two models, and the labels of undisturbed runs.

    Parameters
    ----------
    directory
        Where everything lies.
    mlflow_server
        Whether models come over HTTP, from a server that can be cut off; else from MLflow's own files.
    """

    def __init__(self, directory: Path, *, recordings: int, duration_s: float, mlflow_server: bool) -> None:
        self._directory, self._mlflow_server = directory, mlflow_server
        self._count, self._duration_s = recordings, duration_s
        self._stack = ExitStack()
        self.night = datetime.now(UTC).date()
        self.ward = Ward(directory)
        self.night_s = self.compute_s = 0.0
        self._replaced = False

    def __enter__(self) -> Self:
        os.environ |= {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false"}
        with self._stack:
            self._start_servers()
            self._draw_recordings()
            self.undisturbed = self._measure()
            self._stack = self._stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    # Servers --------------------------------------------------------------------------------------------------------

    def _start_servers(self) -> None:
        enter = self._stack.enter_context
        directory = self._directory
        mlflow_key = Identity("mlflow", "mlflow", secrets.token_hex(8))
        direct = enter(run_s3_server(self._made("s3"), mlflow_key))
        password = secrets.token_hex(8)
        self.postgres = PostgresServer(
            self._process("postgres"), directory / "postgres", choose({"postgres": None})["postgres"], password
        )
        self._stack.callback(self.postgres.remove)
        self._stack.callback(self.postgres.stop)
        self.start_postgres()
        urls = [self.postgres.url(f"heartwave_{role}", None, "heartwave") for role in ("owner", "writer", "reader")]
        initialise_database(self.postgres.url(), *urls)
        self._owner_url, writer_url, reader_url = urls
        tracking = self._start_mlflow(str(direct.s3_endpoint_url), mlflow_key)
        self.s3 = enter(FaultProxy(_port(str(direct.s3_endpoint_url))))
        self.database = enter(FaultProxy(self.postgres.port))
        self.direct = direct.model_copy(
            update={
                "database_url": SecretStr(writer_url),
                "owner_database_url": SecretStr(self._owner_url),
                "reader_database_url": SecretStr(reader_url),
                "mlflow_tracking_uri": tracking,
                "s3_timeout_s": S3_TIMEOUT_S,
                "shard_beats": 10**9,
            }
        )
        proxied = {
            "s3_endpoint_url": f"http://{LOOPBACK}:{self.s3.port}",
            "database_url": SecretStr(writer_url.replace(f":{self.postgres.port}/", f":{self.database.port}/")),
        }
        if self._mlflow_server:
            self.mlflow = enter(FaultProxy(_port(tracking)))
            proxied["mlflow_tracking_uri"] = f"http://{LOOPBACK}:{self.mlflow.port}"
        self.proxied: Settings = self.direct.model_copy(update=proxied)

    def _start_mlflow(self, s3_url: str, identity: Identity) -> str:
        if not self._mlflow_server:
            import mlflow

            tracking = f"sqlite:///{self._directory / 'mlflow.db'}"
            client = mlflow.MlflowClient(tracking)
            self.artifacts = self._made("artifacts")
            client.create_experiment(EXPERIMENT, artifact_location=self.artifacts.as_uri())
            return tracking
        database_url = self.postgres.url("mlflow", None, "mlflow")
        create_database(self.postgres.url(), database_url)
        server = MlflowServer(
            self._process("mlflow"),
            self._made("mlflow"),
            choose({"mlflow": None})["mlflow"],
            database_url,
            s3_url,
            identity,
            "heartwave-models",
        )
        self._stack.callback(server.process.stop, 5)
        server.launch(os.environ)
        server.wait()
        return server.url

    def start_postgres(self) -> None:
        """Start PostgreSQL, again if it was killed."""
        self.postgres.start(os.environ)

    def kill_postgres(self) -> None:
        """SIGKILL to PostgreSQL and every process of it at once: nothing is written down."""
        server = self.postgres.process.find()
        assert server is not None
        for process in (server, *server.children(recursive=True)):
            try:
                process.kill()
            except psutil.NoSuchProcess:
                continue
        psutil.wait_procs([server], timeout=10)

    def _process(self, name: str) -> ManagedProcess:
        directory = self._directory
        return ManagedProcess(name, directory / f"{name}.json", directory / f"{name}.log", secrets.token_hex(8))

    def _made(self, name: str) -> Path:
        path = self._directory / name
        path.mkdir()
        return path

    # Recordings and models ------------------------------------------------------------------------------------------

    def _draw_recordings(self) -> None:
        self.names = write_recordings(self._made("records"), count=self._count, duration_s=self._duration_s, seed=4)
        self.upload()
        assert (task := self.ward.ingest(self.direct)).ended_well(), task.log_tail()

    def upload(self) -> None:
        """Put every recording into the bucket as it was at first."""
        client = s3_client(self.direct)
        for file in sorted(Path(self._directory, "records").iterdir()):
            self._put(client, file.name, file.read_bytes())

    def replace_recording(self) -> None:
        """Put another patient's recording under the name of `REPLACED`, file by file."""
        self._replaced = True
        client, name = s3_client(self.direct), REPLACED.rpartition("/")[2]
        for suffix in ("dat", "hea", "atr"):
            content = Path(self._directory, "records", f"{self.names[2]}.{suffix}").read_bytes()
            content = content.replace(self.names[2].encode(), name.encode()) if suffix == "hea" else content
            self._put(client, f"{name}.{suffix}", content)

    def _put(self, client: Any, name: str, content: bytes) -> None:
        client.put_object(Bucket=self.direct.recordings_bucket, Key=f"{SOURCE}/{name}", Body=content)

    def promote(self, version: int) -> None:
        """Make a version the champion."""
        with PredictionStore(self.direct.require_database_url()) as store:
            store.promote(self.model_ids[version - 1], "faults", "a test")

    # Runs -----------------------------------------------------------------------------------------------------------

    def score(self, *, disturbed: bool = True) -> Victim:
        """Start a scoring, over the proxies unless told not to."""
        return self.ward.score(self.proxied if disturbed else self.direct, self.night)

    def run_again(self, *, ingest: bool = False) -> None:
        """Run again what a fault has stopped; nothing is in the way of this run, so it has to end well."""
        tasks = [*([partial(self.ward.ingest, self.direct)] if ingest else []), partial(self.score, disturbed=False)]
        for task in tasks:
            victim = task()
            assert victim.ended_well(), victim.log_tail()

    def _measure(self) -> Labels:
        """Label everything there is without any fault, both contents of `REPLACED` by both versions."""
        self.model_ids = plant_models(self.direct)
        self._contents: list[str] = []
        for content in (1, 2):
            if content == 2:
                self.replace_recording()
                assert (task := self.ward.ingest(self.direct)).ended_well(), task.log_tail()
            ((current,),) = self.execute(_CURRENT)
            self._contents.append(str(current))
            for version in (1, 2):
                self.promote(version)
                begun = time.monotonic()
                assert (victim := self.score()).ended_well(), victim.log_tail()
                self.night_s = min(self.night_s or float("inf"), time.monotonic() - begun)
        labels = self.labels()
        assert {key[2] for key in labels.rows} == {1, 2}
        assert len(labels.rows) == 2 * (self._count + 1)
        return labels

    def reset(self, *, ingested: bool = True) -> None:
        """Go back to the beginning: nothing labelled, version 1 champion, every recording as it was at first.

        ``ingested`` says whether the recordings have been taken in already.
        """
        self.s3.fault = self.database.fault = Fault()
        if self._mlflow_server:
            self.mlflow.fault = Fault()
        self.execute("TRUNCATE heartwave.labels, heartwave.scorings CASCADE")
        self.execute("DELETE FROM heartwave.promotions")
        if self._replaced:
            self.upload()
        if not ingested:
            self.execute("TRUNCATE heartwave.recordings CASCADE")
            client = s3_client(self.direct)
            for entry in list(list_objects(client, self.direct.lake_bucket)):
                client.delete_object(Bucket=self.direct.lake_bucket, Key=entry.key)
        elif self._replaced:
            assert (task := self.ward.ingest(self.direct)).ended_well(), task.log_tail()
        self._replaced = False
        self.promote(1)

    # Questions ------------------------------------------------------------------------------------------------------

    def labels(self) -> Labels:
        """Read every label and the ledger."""
        return read(self.execute)

    def compare(self, *, versions: tuple[int, ...] = (1,), replaced: bool = False) -> Comparison:
        """Hold the labels against the undisturbed run's, row for row.

        Every current recording has to be labelled by every one of the versions. Where a recording was replaced, its
        former content may be labelled, too, but then wholly.
        """
        first, second = self._contents
        keys = [key for key in self.undisturbed.rows if key[2] in versions]
        needed = {key for key in keys if key[1] != (first if replaced else second)}
        allowed = {key for key in keys if replaced or key[1] != second}
        return compare(self.labels(), self.undisturbed, needed, allowed)

    def execute(self, statement: str) -> list[tuple[Any, ...]]:
        """Execute one statement as the schema's owner."""
        connection = psycopg2.connect(self._owner_url)
        try:
            with connection, connection.cursor() as cursor:
                cursor.execute(statement)
                return cursor.fetchall() if cursor.description else []
        finally:
            connection.close()


def _port(url: str) -> int:
    return int(url.rpartition(":")[2])
