"""The MLflow server: runs and versions in PostgreSQL, artifacts in S3, handed out by the server itself."""

from __future__ import annotations

import contextlib
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import httpx

from heartwave_tasks.local.ports import LOOPBACK

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from heartwave_tasks.local.processes import ManagedProcess
    from heartwave_tasks.local.seaweedfs import Identity

_START_TIMEOUT_S: Final = 120.0


@dataclass(frozen=True, slots=True)
class MlflowServer:
    """One server on the loopback; clients need its address alone, the S3 key stays with it."""

    process: ManagedProcess
    directory: Path
    port: int
    database_url: str
    s3_endpoint_url: str
    identity: Identity
    bucket: str

    @property
    def url(self) -> str:
        """Address of the server."""
        return f"http://{LOOPBACK}:{self.port}"

    def launch(self, environment: Mapping[str, str]) -> None:
        """Start the server and return at once."""
        if self.process.find() is not None:
            return
        self.directory.mkdir(parents=True, exist_ok=True)
        own = {
            "MLFLOW_BACKEND_STORE_URI": self.database_url.replace("postgresql:", "postgresql+psycopg2:", 1),
            "MLFLOW_S3_ENDPOINT_URL": self.s3_endpoint_url,
            "AWS_ACCESS_KEY_ID": self.identity.access_key,
            "AWS_SECRET_ACCESS_KEY": self.identity.secret_key,
            "AWS_DEFAULT_REGION": "us-east-1",
            # Jobs are GenAI evaluations: eight processes and 500 MB that nobody here asks for.
            "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        }
        command = [
            *(sys.executable, "-m", "mlflow", "server", "--host", LOOPBACK, "--port", str(self.port)),
            *("--workers", "1", "--serve-artifacts", "--artifacts-destination", f"s3://{self.bucket}"),
        ]
        self.process.start(command, {**environment, **own}, cwd=self.directory)

    def wait(self) -> None:
        """Wait until it is healthy; raises `StackError` if it does not get there."""
        self.process.wait_until(self._healthy, _START_TIMEOUT_S)

    def _healthy(self) -> bool:
        with contextlib.suppress(httpx.HTTPError):
            return httpx.get(f"{self.url}/health", timeout=2, trust_env=False).status_code == httpx.codes.OK
        return False
