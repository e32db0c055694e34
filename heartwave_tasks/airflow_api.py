"""Airflow as its public REST API shows it (v2): trigger a DAG, follow its tasks, read the error of a failed one."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Self

import httpx

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from heartwave_tasks.settings import Settings

FINISHED: Final = frozenset({"success", "failed"})
"""States in which a DAG run stays."""

_PAGE: Final = 100  # the most one request may ask Airflow for
_TIMEOUT_S: Final = 30.0
_RETRIED_AFTER_S: Final = (0.5, 1.0, 2.0, 4.0)
_PARSE_GRACE_S: Final = 20.0  # other DAG files may be parsed, and fail, before the one that is asked for


class AirflowError(RuntimeError):
    """Airflow cannot be reached or refuses; the message says what and what to do."""


@dataclass(frozen=True)
class ImportProblem:
    """A DAG file that Airflow could not import, and the last line of the traceback."""

    filename: str
    error: str


@dataclass(frozen=True)
class TaskInstance:
    """One task of a run; ``map_index`` is -1 unless the task is mapped."""

    dag_id: str
    run_id: str
    task_id: str
    map_index: int
    state: str | None
    try_number: int
    duration_s: float | None
    label: str

    @property
    def name(self) -> str:
        """Task id, with the map index where there is one."""
        if self.map_index < 0:
            return self.task_id
        return f"{self.task_id}[{self.label or self.map_index}]"


class AirflowClient:
    """A session with Airflow's API server, signed in as one user."""

    def __init__(self, url: str, username: str, password: str) -> None:
        self.url = url.rstrip("/")
        self._username, self._password = username, password
        self._http = httpx.Client(base_url=self.url, timeout=_TIMEOUT_S, trust_env=False)
        self._signed_in = False

    @classmethod
    def from_settings(cls, settings: Settings) -> Self:
        """Sign in where the settings say; raises `AirflowError` when they do not say."""
        if not settings.airflow_url or not settings.airflow_username or settings.airflow_password is None:
            raise AirflowError(
                "Nobody has said where Airflow is. Start the embedded stack with `heartwave up`, or set "
                "HEARTWAVE_AIRFLOW_URL, HEARTWAVE_AIRFLOW_USERNAME and HEARTWAVE_AIRFLOW_PASSWORD."
            )
        return cls(settings.airflow_url, settings.airflow_username, settings.airflow_password.get_secret_value())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def health(self) -> dict[str, str]:
        """Return the state of Airflow's components by name, e.g. ``{"scheduler": "healthy"}``; needs no password."""
        try:
            answer = self._http.get("/api/v2/monitor/health")
        except httpx.TransportError as error:
            raise self._unreachable(error) from error
        if not answer.is_success:
            raise AirflowError(f"Airflow at {self.url} answers {answer.status_code}. See `heartwave status`.")
        return {name: str(part["status"]) for name, part in answer.json().items() if part.get("status")}

    def import_problems(self) -> list[ImportProblem]:
        """Return the DAG files that cannot be imported."""
        return [
            ImportProblem(str(item["filename"]), _last_line(str(item["stack_trace"])))
            for item in self._pages("/api/v2/importErrors", "import_errors")
        ]

    def wait_for_dag(self, dag_id: str, timeout_s: float) -> None:
        """Return once Airflow has parsed the DAG.

        Raises `AirflowError` when a DAG file cannot be imported and this DAG is not there, or time runs out.
        """
        started = time.monotonic()
        while True:
            waited = time.monotonic() - started
            answer = self._request("GET", f"/api/v2/dags/{dag_id}", allow=(404,))
            problems = self.import_problems() if answer.status_code == httpx.codes.NOT_FOUND else []
            if answer.is_success:
                dag = answer.json()
                if not dag.get("is_stale") and not dag.get("has_import_errors"):
                    return
                problems = self.import_problems()
            own = [problem for problem in problems if dag_id in problem.filename]
            if own or (problems and waited > _PARSE_GRACE_S):
                told = "; ".join(f"{problem.filename}: {problem.error}" for problem in own or problems)
                raise AirflowError(f"Airflow cannot import the DAG {dag_id}: {told}. Mend the file and try again.")
            if waited > timeout_s:
                raise AirflowError(
                    f"Airflow has not found the DAG {dag_id} in {timeout_s:.0f} s. "
                    "Is its DAG processor running? `heartwave doctor` tells."
                )
            time.sleep(1.0)

    def unpause(self, dag_id: str) -> None:
        """Let the scheduler run the DAG."""
        self._request("PATCH", f"/api/v2/dags/{dag_id}", params={"update_mask": "is_paused"}, body={"is_paused": False})

    def trigger(self, dag_id: str, conf: Mapping[str, Any]) -> str:
        """Start a run with these params and return its id; raises `AirflowError` when they are not valid."""
        body = {"logical_date": None, "conf": dict(conf)}
        # Not repeated when the answer is lost: that could start two runs.
        answer = self._request("POST", f"/api/v2/dags/{dag_id}/dagRuns", body=body, repeat=False)
        return str(answer.json()["dag_run_id"])

    def run_state(self, dag_id: str, run_id: str) -> str:
        """Return the state of a run: queued, running, success or failed."""
        return str(self._request("GET", f"/api/v2/dags/{dag_id}/dagRuns/{run_id}").json()["state"])

    def task_instances(self, dag_id: str, run_id: str) -> list[TaskInstance]:
        """Return every task of a run, mapped ones one by one, in the order Airflow gives them."""
        return [
            TaskInstance(
                dag_id,
                run_id,
                str(item["task_id"]),
                int(item["map_index"]),
                item["state"],
                int(item["try_number"]),
                item["duration"],
                str(item.get("rendered_map_index") or ""),
            )
            for item in self._pages(f"/api/v2/dags/{dag_id}/dagRuns/{run_id}/taskInstances", "task_instances")
        ]

    def error_of(self, task: TaskInstance) -> str:
        """Return what a failed task died of, in one line where its log says so, else the end of its log."""
        path = (
            f"/api/v2/dags/{task.dag_id}/dagRuns/{task.run_id}/taskInstances/{task.task_id}/logs/{task.try_number or 1}"
        )
        answer = self._request(
            "GET",
            path,
            params={"map_index": task.map_index, "full_content": "true"},
            headers={"Accept": "application/json"},
            allow=(404,),
        )
        if not answer.is_success:
            return "its log is not there"
        return find_error(answer.json().get("content") or [])

    def _pages(self, path: str, key: str) -> Iterator[dict[str, Any]]:
        offset = 0
        while True:
            items = self._request("GET", path, params={"limit": _PAGE, "offset": offset}).json()[key]
            yield from items
            offset += len(items)
            if len(items) < _PAGE:
                return

    def _request(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, Any] | None = None,
        body: object = None,
        headers: Mapping[str, str] | None = None,
        allow: Sequence[int] = (),
        repeat: bool = True,
    ) -> httpx.Response:
        """Send a request as the signed-in user; what an overloaded server drops is asked again for a while."""
        for pause in (*(_RETRIED_AFTER_S if repeat else ()), None):
            try:
                if not self._signed_in:
                    self._sign_in()
                answer = self._http.request(method, path, params=dict(params or {}), json=body, headers=headers)
            except httpx.TransportError as error:
                if pause is None:
                    raise self._unreachable(error) from error
                time.sleep(pause)
                continue
            if answer.status_code == httpx.codes.UNAUTHORIZED and pause is not None:
                self._signed_in = False  # the token has run out
                continue
            if answer.is_server_error and pause is not None:
                time.sleep(pause)
                continue
            break
        if answer.is_success or answer.status_code in allow:
            return answer
        raise AirflowError(_refusal(method, path, answer))

    def _sign_in(self) -> None:
        answer = self._http.post("/auth/token", json={"username": self._username, "password": self._password})
        if answer.status_code in {httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN, httpx.codes.BAD_REQUEST}:
            raise AirflowError(
                f"Airflow at {self.url} refuses user {self._username}. "
                "Check HEARTWAVE_AIRFLOW_USERNAME and HEARTWAVE_AIRFLOW_PASSWORD."
            )
        if not answer.is_success:
            raise AirflowError(_refusal("POST", "/auth/token", answer))
        self._http.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"
        self._signed_in = True

    def _unreachable(self, error: Exception) -> AirflowError:
        return AirflowError(
            f"Airflow at {self.url} cannot be reached ({str(error) or type(error).__name__}). "
            "Start it with `heartwave up`, or see `heartwave status`."
        )


def find_error(log: Sequence[object]) -> str:
    """Find the error in a task's log: its last exception, else the last lines at level error, else its last lines.

    ``log`` holds structured events as Airflow's API gives them, or plain lines.
    """
    events = [event if isinstance(event, dict) else _parsed(str(event)) for event in log]
    for event in reversed(events):
        details = event.get("error_detail")
        if isinstance(details, list) and details:
            # Airflow lists the exception first and what caused it after.
            first = details[0]
            return f"{first.get('exc_type', 'Exception')}: {first.get('exc_value', '')}".strip()
    errors = [_line(event) for event in events if str(event.get("level", "")).lower() in {"error", "critical"}]
    lines = [line for line in errors[-3:] or [_line(event) for event in events[-5:]] if line]
    return "\n".join(lines) or "its log is empty"


def _parsed(line: str) -> dict[str, Any]:
    try:
        event = json.loads(line)
    except ValueError:
        return {"event": line}
    return event if isinstance(event, dict) else {"event": line}


def _line(event: Mapping[str, Any]) -> str:
    return str(event.get("event", "")).strip()


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "no reason given"


def _refusal(method: str, path: str, answer: httpx.Response) -> str:
    try:
        detail: object = answer.json()["detail"]
    except (ValueError, KeyError, TypeError):
        detail = answer.text[:300]
    if isinstance(detail, list):
        detail = "; ".join(str(item.get("msg", item)) if isinstance(item, dict) else str(item) for item in detail)
    return f"Airflow refuses {method} {path} ({answer.status_code}): {detail}."
