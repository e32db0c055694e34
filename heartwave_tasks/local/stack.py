"""The stack as a whole: what belongs to it, in which order it starts and stops, and how it is doing."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Final, Literal

import psutil
from pydantic import SecretStr

from heartwave_tasks.local import ports
from heartwave_tasks.local.airflow import COMPONENTS, USERS, AirflowConfig
from heartwave_tasks.local.mlflow import MlflowServer
from heartwave_tasks.local.postgres import PostgresServer
from heartwave_tasks.local.processes import ManagedProcess, StackError
from heartwave_tasks.local.seaweedfs import PORTS, Identity, SeaweedServer
from heartwave_tasks.local.secret_files import write_secret
from heartwave_tasks.local.state import StackState, load, load_or_create
from heartwave_tasks.settings import PROJECT_ROOT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from heartwave_tasks.settings import Settings

__all__ = ["ComponentStatus", "Stack", "StackError"]

_DATABASE: Final = "heartwave"
_SERVERS: Final = ("postgres", "s3", "mlflow", *(f"airflow-{name}" for name in COMPONENTS))
_TUNING: Final = (
    "model_name", "shard_beats", "shard_recordings", "max_shards", "retention_months", "review_weight",
    "max_header_bytes", "max_leads", "max_samples", "max_segments", "max_object_bytes", "read_memory_bytes",
    "read_cpu_s", "read_wall_s", "s3_timeout_s", "quarantine_days",
)  # fmt: skip
"""Settings that tasks take over from the shell that starts the stack."""
_FOREIGN: Final = ("AIRFLOW", "MLFLOW", "HEARTWAVE", "AWS_", "PG", "PYTHON")
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
    """The embedded servers whose state lies in ``settings.home``.

    Parameters
    ----------
    settings
        Where its home is, and how its buckets are called.
    dags_folder
        What Airflow runs; the project's own DAGs by default.
    usual_ports
        Whether a new stack takes 8080, 5000, 8333 and 5433 where they are free. Stacks that start at the same time,
        as in tests, do better with any ports.
    """

    def __init__(self, settings: Settings, *, dags_folder: Path | None = None, usual_ports: bool = True) -> None:
        self._settings = settings
        self._home = settings.home.resolve()
        self._dags_folder = dags_folder or PROJECT_ROOT / "dags"
        self._usual_ports = usual_ports

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

        with self._alone(tell):
            if load(self._home) is None:
                tell(f"new stack in {self._home}")
            self._end_crashed(tell)
            self._check_ports(self._state)
            write_secret(self.credentials_file, self._credentials())
            with ThreadPoolExecutor() as pool:
                s3 = pool.submit(self._start_s3)
                self._postgres.start(self._environment)
                tell("PostgreSQL answers")
                migrated = pool.submit(self._prepare_airflow)
                self._initialise_databases()
                tell("databases and roles are there")
                self._mlflow.launch(self._environment)
                s3.result()
                tell("S3 answers, buckets are there")
                migrated.result()
            tell("Airflow's database is migrated")
            environment = self.airflow_environment()
            processes = {component: self._process(f"airflow-{component}") for component in COMPONENTS}
            for component, process in processes.items():
                self._airflow.launch(component, process, environment)
            self._mlflow.wait()
            tell("MLflow is healthy")
            self._airflow.wait(processes)
            tell("Airflow is healthy")

    def down(self, progress: Callable[[str], None]) -> None:
        """Stop everything, Airflow first; leaves no process behind."""
        if load(self._home) is None:
            progress("There is no stack to stop.")
            return
        with self._alone(progress):
            with ThreadPoolExecutor() as pool:
                list(pool.map(lambda name: self._process(f"airflow-{name}").stop(5), COMPONENTS))
                progress("Airflow has stopped")
                mlflow, s3 = pool.submit(self._process("mlflow").stop, 5), pool.submit(self._seaweed.stop)
                mlflow.result()
                s3.result()
            progress("MLflow and S3 have stopped")
            self._postgres.stop()
            progress("PostgreSQL has stopped")

    def remove(self, progress: Callable[[str], None]) -> None:
        """Stop everything and delete its data, passwords and logs."""
        if load(self._home) is None:
            progress("There is no stack to delete.")
            return
        self.down(progress)
        self._postgres.remove()
        # By name: whoever made their own directory the stack's home keeps what else is in it.
        for name in ("data", "airflow", "logs", "run"):
            shutil.rmtree(self._home / name, ignore_errors=True)
        for name in ("env", "stack.json"):
            (self._home / name).unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            self._home.rmdir()
        progress(f"{self._home} is deleted")

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
        told = {name: getattr(self._settings, name) for name in _TUNING if name in self._settings.model_fields_set}
        if self._settings.notify_urls is not None:
            ours["HEARTWAVE_NOTIFY_URLS"] = self._settings.notify_urls.get_secret_value()
        return {
            **self._environment,
            **self._airflow.environment(),
            **ours,
            **{f"HEARTWAVE_{name.upper()}": str(value) for name, value in told.items()},
            "PYTHONPATH": str(PROJECT_ROOT),
            "OMP_NUM_THREADS": str(os.cpu_count() or 2),
            "TF_CPP_MIN_LOG_LEVEL": "2",
        }

    @cached_property
    def _state(self) -> StackState:
        return load_or_create(self._home, usual_ports=self._usual_ports)

    @cached_property
    def _environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(_FOREIGN)}
        # A proxy, or a search of the network for credentials, has no part in what never leaves the machine.
        exempt = ",".join(filter(None, (ports.LOOPBACK, "localhost", kept.get("no_proxy", kept.get("NO_PROXY", "")))))
        return {
            **kept,
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "AWS_EC2_METADATA_DISABLED": "true",
            "NO_PROXY": exempt,
            "no_proxy": exempt,
        }

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
            migrated=self._home / "data" / "airflow-migrated",
            logs=self._home / "logs" / "airflow",
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
        state = load(self._home)
        return ManagedProcess(
            name,
            self._home / "run" / f"{name}.json",
            self._home / "logs" / f"{name}.log",
            state.stack_id if state else "",
        )

    @contextmanager
    def _alone(self, tell: Callable[[str], None]) -> Iterator[None]:
        """Make the stack's directories, and keep a second `up` or `down` waiting."""
        # As root, PostgreSQL runs as a user who must pass through to its data.
        passable = 0o711 if os.geteuid() == 0 else 0o700
        for name in ("", "data", "data/s3", "data/mlflow", "airflow", "logs", "run"):
            (self._home / name).mkdir(parents=True, exist_ok=True)
            (self._home / name).chmod(passable if name in {"", "data"} else 0o700)
        with (self._home / "run" / "lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                tell("another command starts or stops this stack: waiting for it")
                fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _end_crashed(self, tell: Callable[[str], None]) -> None:
        for name in _SERVERS:
            process = self._process(name)
            if process.crashed:
                tell(f"{name} had crashed and starts again")
                if name == "postgres":
                    self._postgres.stop()
                else:
                    process.stop(0)

    def _start_s3(self) -> None:
        from heartwave_tasks.stores.objects import create_buckets  # noqa: PLC0415 - boto3 takes half a second

        self._seaweed.start(self._environment, self._administrator)
        create_buckets(self._administrator)

    def _prepare_airflow(self) -> None:
        from heartwave_tasks.stores.database import create_database  # noqa: PLC0415 - SQLAlchemy takes a second

        create_database(self._postgres.url(), self._airflow.database_url)
        self._airflow.prepare(self.airflow_environment())

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
        from heartwave_tasks.stores.database import (  # noqa: PLC0415 - `status` and `down` do without SQLAlchemy
            create_database,
            initialise_database,
        )

        admin = self._postgres.url()
        create_database(admin, self._mlflow.database_url)
        initialise_database(admin, *(self._role_url(role) for role in ("owner", "writer", "reader", "reviewer")))

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
            "HEARTWAVE_REVIEWER_DATABASE_URL": self._role_url("reviewer"),
            "HEARTWAVE_PSEUDONYM_KEY": self._state.secrets["pseudonym"],
            "HEARTWAVE_PSEUDONYMOUS_SOURCES": settings.pseudonymous_sources,
            "HEARTWAVE_MLFLOW_TRACKING_URI": self._mlflow.url,
            "HEARTWAVE_AIRFLOW_URL": self._airflow.url,
            "HEARTWAVE_AIRFLOW_USERNAME": "admin",
            "HEARTWAVE_AIRFLOW_PASSWORD": self._state.secrets["airflow_admin"],
        }

    def _credentials(self) -> str:
        others = "".join(
            f"# Airflow user {user}: {self._state.secrets[f'airflow_{user}']}\n" for user in USERS if user != "admin"
        )
        return "".join(f"{name}={value}\n" for name, value in self._variables().items()) + others

    def _check_ports(self, state: StackState) -> None:
        """Find out before anything starts whether a stranger sits on one of our ports."""
        owners = {"postgres": "postgres", "mlflow": "mlflow", "airflow": "airflow-api-server"}
        for name, port in state.ports.items():
            if self._process(owners.get(name, "s3")).find() is None and not ports.is_free(port):
                msg = (
                    f"Port {port} ({name}) is taken by another program. Stop that program, or stop this stack "
                    f"(`heartwave down`), put another number in {self._home / 'stack.json'}, and start it again."
                )
                raise StackError(msg)


def _memory(process: psutil.Process) -> int | None:
    """Memory of a process and all it started, in bytes; what they share counts once (Linux's PSS)."""
    total = 0
    try:
        for member in (process, *process.children(recursive=True)):
            with contextlib.suppress(psutil.NoSuchProcess):
                total += member.memory_full_info().pss
    except (psutil.Error, AttributeError):
        return None
    return total
