"""Airflow's four components, with tasks run by LocalExecutor on PostgreSQL."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from importlib.metadata import version
from typing import TYPE_CHECKING, Final

import httpx

from heartwave_tasks.local.ports import LOOPBACK
from heartwave_tasks.local.processes import StackError
from heartwave_tasks.local.secret_files import write_secret

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from heartwave_tasks.local.processes import ManagedProcess

COMPONENTS: Final = {
    "api-server": (),
    "scheduler": ("--skip-serve-logs",),
    "dag-processor": (),
    "triggerer": ("--skip-serve-logs",),
}
"""Airflow's processes and their arguments; logs are read from disk, so none serves them over a port."""

USERS: Final = {"admin": "admin", "operator": "op", "viewer": "viewer"}
"""Users of the local UI and their roles."""

_START_TIMEOUT_S: Final = 180.0


@dataclass(frozen=True, slots=True)
class AirflowConfig:
    """What an installation of Airflow needs to know.

    Attributes
    ----------
    home
        Its own directory: configuration and password file.
    migrated
        File that says for which version its database was migrated; it lies, and goes, with the data.
    logs
        Where the logs of tasks and DAG files go.
    secrets
        ``fernet``, ``jwt``, ``api``.
    passwords
        One for each of `USERS`.
    """

    home: Path
    migrated: Path
    logs: Path
    port: int
    database_url: str
    dags_folder: Path
    plugins_folder: Path
    secrets: Mapping[str, str]
    passwords: Mapping[str, str]

    @property
    def url(self) -> str:
        """Address of the API server and UI."""
        return f"http://{LOOPBACK}:{self.port}"

    @property
    def passwords_file(self) -> Path:
        """Where the users' passwords are."""
        return self.home / "passwords.json"

    def environment(self) -> dict[str, str]:
        """Return the configuration as environment variables."""
        n_cores = os.cpu_count() or 2
        return {
            "AIRFLOW_HOME": str(self.home),
            "AIRFLOW__CORE__DAGS_FOLDER": str(self.dags_folder),
            "AIRFLOW__CORE__PLUGINS_FOLDER": str(self.plugins_folder),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "false",
            "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "false",
            "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
            "AIRFLOW__CORE__PARALLELISM": str(n_cores + 2),
            "AIRFLOW__CORE__FERNET_KEY": self.secrets["fernet"],
            "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{self.url}/execution/",
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": ",".join(f"{user}:{role}" for user, role in USERS.items()),
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(self.passwords_file),
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": self.database_url.replace("postgresql:", "postgresql+psycopg2:", 1),
            "AIRFLOW__API__HOST": LOOPBACK,
            "AIRFLOW__API__PORT": str(self.port),
            "AIRFLOW__API__BASE_URL": self.url,
            "AIRFLOW__API__WORKERS": "1",
            "AIRFLOW__API__SECRET_KEY": self.secrets["api"],
            "AIRFLOW__API_AUTH__JWT_SECRET": self.secrets["jwt"],
            "AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL": "15",
            "AIRFLOW__LOGGING__BASE_LOG_FOLDER": str(self.logs),
            "AIRFLOW__LOGGING__DAG_PROCESSOR_CHILD_PROCESS_LOG_DIRECTORY": str(self.logs / "dag_processor"),
            # A killed task is noticed after a minute instead of five, and tried again.
            "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_SEC": "5",
            "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "60",
            # So is what a killed scheduler had queued.
            "AIRFLOW__SCHEDULER__ORPHANED_TASKS_CHECK_INTERVAL": "60",
        }

    def prepare(self, environment: Mapping[str, str]) -> None:
        """Write the password file, and bring the metadata database to this version's schema.

        Raises
        ------
        StackError
            If the migration fails, with what it printed.
        """
        self.home.mkdir(parents=True, exist_ok=True)
        write_secret(self.passwords_file, json.dumps(dict(self.passwords)))
        installed = version("apache-airflow-core")
        if self.migrated.exists() and self.migrated.read_text() == installed:
            return
        command = [sys.executable, "-m", "airflow", "db", "migrate"]
        done = subprocess.run(command, env={**environment}, cwd=self.home, capture_output=True, text=True, check=False)
        if done.returncode:
            msg = f"Airflow's database cannot be migrated:\n{(done.stdout + done.stderr)[-2000:]}"
            raise StackError(msg)
        self.migrated.write_text(installed)

    def launch(self, component: str, process: ManagedProcess, environment: Mapping[str, str]) -> None:
        """Start one of `COMPONENTS` unless it runs, and return at once."""
        if process.find() is None:
            command = [sys.executable, "-m", "airflow", component, *COMPONENTS[component]]
            process.start(command, environment, cwd=self.home)

    def wait(self, processes: Mapping[str, ManagedProcess]) -> None:
        """Wait until every component says that it is healthy; raises `StackError` if one does not get there."""
        for component, process in processes.items():
            process.wait_until(partial(self._healthy, component, process), _START_TIMEOUT_S)

    def _healthy(self, component: str, process: ManagedProcess) -> bool:
        with contextlib.suppress(httpx.HTTPError, ValueError):
            health = httpx.get(f"{self.url}/api/v2/monitor/health", timeout=5, trust_env=False).json()
            if component == "api-server":
                return bool(health["metadatabase"]["status"] == "healthy")
            name = component.replace("-", "_")
            found = health.get(name) or {}
            heartbeat = found.get(f"latest_{name}_heartbeat")
            if found.get("status") != "healthy" or heartbeat is None:
                return False
            # The heart of one that was killed seems to beat for half a minute more: ask for this one's.
            running = process.find()
            return running is not None and datetime.fromisoformat(heartbeat).timestamp() > running.create_time()
        return False
