"""The stack as a whole: what belongs to it, in which order it starts and stops, and how it is doing."""

from __future__ import annotations

import os
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Final, Literal

import psutil
from pydantic import SecretStr

from heartwave_tasks.local import ports
from heartwave_tasks.local.airflow import COMPONENTS, USERS, AirflowConfig
from heartwave_tasks.local.mlflow import MlflowServer
from heartwave_tasks.local.postgres import PostgresServer
from heartwave_tasks.local.processes import STACK_VARIABLE, ManagedProcess, StackError, end_strays
from heartwave_tasks.local.seaweedfs import PORTS, Identity, SeaweedServer
from heartwave_tasks.local.state import StackState, load, load_or_create
from heartwave_tasks.settings import PROJECT_ROOT

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from heartwave_tasks.settings import Settings

__all__ = ["ComponentStatus", "Stack", "StackError"]

_DATABASE: Final = "heartwave"
_FOREIGN: Final = ("AIRFLOW", "MLFLOW", "HEARTWAVE", "AWS_", "PG", "PYTHONDONTWRITEBYTECODE")
"""Environment variables that are not handed on: they would change servers that are none of their business."""


@dataclass(frozen=True, slots=True)
class ComponentStatus:
    """How one server is doing; `crashed` ones were started and are gone."""

    name: str
    state: Literal["running", "stopped", "crashed"]
    pid: int | None
    port: int | None
    memory_bytes: int | None
    url: str | None


class Stack:
    """The embedded servers whose state lies in ``settings.home``."""

    def __init__(self, settings: Settings, *, dags_folder: Path | None = None) -> None:
        self._settings = settings
        self._home = settings.home.resolve()
        self._dags_folder = dags_folder or PROJECT_ROOT / "dags"

    @property
    def credentials_file(self) -> Path:
        """File with every address and password, as HEARTWAVE_* variables."""
        return self._home / "env"

    @property
    def airflow_url(self) -> str:
        """Address of the Airflow UI."""
        return self._airflow.url

    def up(self, progress: Callable[[str], None]) -> None:
        """Start what does not run and return when all of it is healthy; doing it again changes nothing.

        Raises
        ------
        StackError
            If a server does not start, with the end of its log.
        """
        begun = time.monotonic()

        def tell(what: str) -> None:
            progress(f"{time.monotonic() - begun:5.1f} s  {what}")

        fresh = load(self._home) is None
        state = self._state
        # Others may pass through: PostgreSQL runs as another user when we are root. Secrets are files of mode 0600.
        self._home.chmod(0o711)
        if fresh:
            tell(f"new stack in {self._home}")
        self._check_ports(state)
        self._write_environment()
        with ThreadPoolExecutor() as pool:
            stores = [pool.submit(self._start_postgres), pool.submit(self._start_s3)]
            for started in stores:
                started.result()
            tell("PostgreSQL and S3 answer")
            self._initialise_databases()
            self._mlflow.launch(self._environment)
            tell("databases, roles and buckets are there")
            airflow_environment = self.airflow_environment()
            self._airflow.prepare(airflow_environment)
            tell("Airflow's database is migrated")
            processes = {component: self._process(f"airflow-{component}") for component in COMPONENTS}
            for component, process in processes.items():
                self._airflow.launch(component, process, airflow_environment)
            self._mlflow.wait()
            tell("MLflow is healthy")
            self._airflow.wait(processes)
        tell("Airflow is healthy")

    def down(self, progress: Callable[[str], None]) -> None:
        """Stop everything, Airflow first; leaves no process behind."""
        state = load(self._home)
        if state is None:
            progress("There is no stack to stop.")
            return
        order = ["scheduler", "dag-processor", "triggerer", "api-server"]
        with ThreadPoolExecutor() as pool:
            list(pool.map(lambda name: self._process(f"airflow-{name}").stop(8), order))
        progress("Airflow has stopped")
        self._process("mlflow").stop(5)
        progress("MLflow has stopped")
        self._seaweed.stop()
        self._postgres.stop()
        progress("S3 and PostgreSQL have stopped")
        strays = end_strays(state.stack_id)
        if strays:
            progress(f"{strays} processes left behind were ended")

    def status(self) -> list[ComponentStatus]:
        """Tell how every server is doing."""
        state = load(self._home)
        listing: list[tuple[str, str | None, str | None]] = [
            ("postgres", "postgres", None),
            ("s3", "s3.port", "http"),
            ("mlflow", "mlflow", "http"),
            *((f"airflow-{name}", "airflow" if name == "api-server" else None, "http") for name in COMPONENTS),
        ]
        found = []
        for name, port_name, scheme in listing:
            process = self._process(name)
            running = process.find()
            port = state.ports[port_name] if state and port_name else None
            found.append(
                ComponentStatus(
                    name=name,
                    state="running" if running else "crashed" if process.crashed else "stopped",
                    pid=running.pid if running else None,
                    port=port,
                    memory_bytes=_memory(running) if running else None,
                    url=f"{scheme}://{ports.LOOPBACK}:{port}" if scheme and port else None,
                )
            )
        return found

    def airflow_environment(self) -> dict[str, str]:
        """Return the environment Airflow and its tasks run in: every HEARTWAVE_* variable but the superuser's."""
        ours = {name: value for name, value in self._variables().items() if "ADMIN" not in name}
        return {
            **self._environment,
            **self._airflow.environment(),
            **ours,
            "PYTHONPATH": str(PROJECT_ROOT),
            "OMP_NUM_THREADS": str(os.cpu_count() or 2),
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "TF_CPP_MIN_LOG_LEVEL": "2",
            # A client that asks the network for credentials or proxies would only wait.
            "AWS_EC2_METADATA_DISABLED": "true",
            "NO_PROXY": f"{ports.LOOPBACK},localhost",
        }

    @cached_property
    def _state(self) -> StackState:
        return load_or_create(self._home)

    @cached_property
    def _environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(_FOREIGN)}
        return {**kept, STACK_VARIABLE: self._state.stack_id, "MLFLOW_DISABLE_TELEMETRY": "true"}

    @cached_property
    def _postgres(self) -> PostgresServer:
        return PostgresServer(
            self._process("postgres"),
            self._home / "data" / "postgres",
            self._state.ports["postgres"],
            self._state.secrets["postgres"],
        )

    @cached_property
    def _seaweed(self) -> SeaweedServer:
        chosen = {name: self._state.ports[name] for name in PORTS}
        settings = self._settings
        identities = (
            Identity("admin", "heartwave-admin", self._state.secrets["s3_admin"]),
            Identity(
                "heartwave",
                "heartwave",
                self._state.secrets["s3_heartwave"],
                writes=(settings.recordings_bucket, settings.lake_bucket),
                reads=(settings.models_bucket,),
            ),
            Identity("mlflow", "mlflow", self._state.secrets["s3_mlflow"], writes=(settings.models_bucket,)),
        )
        return SeaweedServer(self._process("s3"), self._home / "data" / "s3", chosen, identities)

    @cached_property
    def _mlflow(self) -> MlflowServer:
        return MlflowServer(
            self._process("mlflow"),
            self._home / "data" / "mlflow",
            self._state.ports["mlflow"],
            self._postgres.url("mlflow", self._state.secrets["mlflow_database"], "mlflow"),
            self._s3_url,
            self._seaweed.identities[2],
            self._settings.models_bucket,
        )

    @cached_property
    def _airflow(self) -> AirflowConfig:
        secrets = self._state.secrets
        return AirflowConfig(
            home=self._home / "airflow",
            port=self._state.ports["airflow"],
            database_url=self._postgres.url("airflow", secrets["airflow_database"], "airflow"),
            dags_folder=self._dags_folder,
            plugins_folder=PROJECT_ROOT / "plugins",
            secrets={name: secrets[name] for name in ("fernet", "jwt", "api")},
            passwords={user: secrets[f"airflow_{user}"] for user in USERS},
        )

    @property
    def _s3_url(self) -> str:
        return f"http://{ports.LOOPBACK}:{self._state.ports['s3.port']}"

    def _process(self, name: str) -> ManagedProcess:
        return ManagedProcess(name, self._home / "run" / f"{name}.json", self._home / "logs" / f"{name}.log")

    def _start_postgres(self) -> None:
        self._postgres.start(self._environment)

    def _start_s3(self) -> None:
        self._seaweed.start(self._environment, self._administrator)

    @property
    def _administrator(self) -> Settings:
        """Settings with the S3 administrator's key, who may create buckets."""
        identity = self._seaweed.identities[0]
        return self._settings.model_copy(
            update={
                "s3_endpoint_url": self._s3_url,
                "s3_access_key_id": identity.access_key,
                "s3_secret_access_key": SecretStr(identity.secret_key),
            }
        )

    def _initialise_databases(self) -> None:
        # Alembic and SQLAlchemy take a second to import; `status` and `down` do without.
        from heartwave_tasks.stores.database import create_database, initialise_database  # noqa: PLC0415
        from heartwave_tasks.stores.objects import create_buckets  # noqa: PLC0415

        admin = self._postgres.url()
        create_database(admin, self._airflow.database_url)
        create_database(admin, self._mlflow.database_url)
        initialise_database(admin, *(self._role_url(role) for role in ("owner", "writer", "reader")))
        create_buckets(self._administrator)

    def _role_url(self, role: str) -> str:
        return self._postgres.url(f"heartwave_{role}", self._state.secrets[role], _DATABASE)

    def _variables(self) -> dict[str, str]:
        settings = self._settings
        identity = self._seaweed.identities[1]
        return {
            "HEARTWAVE_HOME": str(self._home),
            "HEARTWAVE_S3_ENDPOINT_URL": self._s3_url,
            "HEARTWAVE_S3_ACCESS_KEY_ID": identity.access_key,
            "HEARTWAVE_S3_SECRET_ACCESS_KEY": identity.secret_key,
            "HEARTWAVE_RECORDINGS_BUCKET": settings.recordings_bucket,
            "HEARTWAVE_LAKE_BUCKET": settings.lake_bucket,
            "HEARTWAVE_MODELS_BUCKET": settings.models_bucket,
            "HEARTWAVE_ADMIN_DATABASE_URL": self._postgres.url(),
            "HEARTWAVE_OWNER_DATABASE_URL": self._role_url("owner"),
            "HEARTWAVE_DATABASE_URL": self._role_url("writer"),
            "HEARTWAVE_READER_DATABASE_URL": self._role_url("reader"),
            "HEARTWAVE_MLFLOW_TRACKING_URI": self._mlflow.url,
            "HEARTWAVE_AIRFLOW_URL": self._airflow.url,
            "HEARTWAVE_AIRFLOW_USERNAME": "admin",
            "HEARTWAVE_AIRFLOW_PASSWORD": self._state.secrets["airflow_admin"],
        }

    def _write_environment(self) -> None:
        file = self.credentials_file
        file.touch(0o600)
        file.chmod(0o600)
        others = "".join(
            f"# Airflow user {user}: {self._state.secrets[f'airflow_{user}']}\n" for user in USERS if user != "admin"
        )
        file.write_text("".join(f"{name}={value}\n" for name, value in self._variables().items()) + others)

    def _check_ports(self, state: StackState) -> None:
        """Find out before anything starts whether a stranger sits on one of our ports."""
        owners = {"postgres": "postgres", "mlflow": "mlflow", "airflow": "airflow-api-server"}
        for name, port in state.ports.items():
            if self._process(owners.get(name, "s3")).find() is None and ports.answers(port):
                msg = (
                    f"Port {port} ({name}) is taken by another program. Stop that, or delete "
                    f"{self._home / 'stack.json'} to choose other ports and passwords (and {self._home / 'data'} "
                    "with it: the passwords are in there)."
                )
                raise StackError(msg)


def _memory(process: psutil.Process) -> int | None:
    """Resident memory of a process and all it started."""
    total = 0
    try:
        for member in (process, *process.children(recursive=True)):
            total += member.memory_info().rss
    except psutil.Error:
        return None
    return total
