"""What passes by itself is told from what does not, and one bad recording from a broken server."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import psycopg2
import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, NoCredentialsError, ReadTimeoutError
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import RESOURCE_DOES_NOT_EXIST, TEMPORARILY_UNAVAILABLE
from psycopg2 import errors

from heartwave_tasks.jobs.reconciliation import Contradictions, UnreconciledError
from heartwave_tasks.settings import PROJECT_ROOT
from heartwave_tasks.stores.beats import BeatsMismatchError
from heartwave_tasks.stores.failures import ConnectionLostError, is_permanent, persistent
from heartwave_tasks.stores.prediction_rows import ContradictionError
from heartwave_tasks.stores.registry import TamperedModelError

if TYPE_CHECKING:
    from pathlib import Path


def s3_error(status: int) -> ClientError:
    """Return the error boto3 raises for a status."""
    return ClientError({"Error": {"Code": "x"}, "ResponseMetadata": {"HTTPStatusCode": status}}, "GetObject")  # type: ignore[typeddict-item,arg-type]


TRANSIENT = [
    ConnectionLostError("broke"),
    psycopg2.OperationalError("connection to server failed: Connection refused"),
    s3_error(503),
    s3_error(500),
    s3_error(429),
    EndpointConnectionError(endpoint_url="http://s3"),
    ReadTimeoutError(endpoint_url="http://s3"),
    MlflowException("API request failed"),
    MlflowException("soon", error_code=TEMPORARILY_UNAVAILABLE),
    OSError("no space left"),
    TimeoutError(),
]
PERMANENT = [
    psycopg2.OperationalError('FATAL: password authentication failed for user "x"'),
    errors.UniqueViolation("twice"),
    errors.InsufficientPrivilege("no"),
    s3_error(403),
    s3_error(404),
    NoCredentialsError(),
    MlflowException("gone", error_code=RESOURCE_DOES_NOT_EXIST),
    MlflowException("The following failures occurred: 404 Client Error: NOT FOUND for url: http://mlflow"),
    ContradictionError("n"),
    TamperedModelError("t"),
    BeatsMismatchError("b"),
    UnreconciledError("u"),
    TypeError("a mistake"),
]


@pytest.mark.parametrize("error", TRANSIENT, ids=repr)
def test_what_passes_is_waited_for(error: Exception) -> None:
    """Servers that are away, overloaded or silent are worth another try."""
    assert not is_permanent(error)


@pytest.mark.parametrize("error", PERMANENT, ids=repr)
def test_what_stays_is_not_waited_for(error: Exception) -> None:
    """Refusals, contradictions and mistakes are not."""
    assert is_permanent(error)


def test_retries_pause_and_end() -> None:
    """A call is repeated until it works; one that never does ends with its own error."""
    answers = iter([s3_error(503), s3_error(503), None])

    def call() -> str:
        if error := next(answers):
            raise error
        return "done"

    assert persistent(lambda error: not is_permanent(error))(call) == "done"
    with pytest.raises(ClientError, match="GetObject"):
        persistent(lambda error: not is_permanent(error), retry_for_s=0.2)(lambda: (_ for _ in ()).throw(s3_error(503)))


def test_a_contradiction_stops_its_recording_alone() -> None:
    """The others go on, and at the end the run fails with what was wrong with which."""
    contradictions, done = Contradictions(), []
    for name in ("a/1", "a/2", "a/3"):
        with contradictions.of(name):
            if name == "a/2":
                raise ContradictionError("a/2: 7 beats were ingested, but 6 labels given.")
            done.append(name)

    assert done == ["a/1", "a/3"]
    with pytest.raises(UnreconciledError, match=r"1 of 3 recordings .* a/2: 7 beats were ingested, but 6 labels"):
        contradictions.raise_if_any(of=3)


def test_a_broken_server_stops_the_shard() -> None:
    """What may pass is no recording's fault: it is raised, for Airflow to try again."""
    with pytest.raises(ConnectionLostError), Contradictions().of("a/1"):
        raise ConnectionLostError("broke")


def test_airflow_retries_what_may_pass_alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The DAGs' retry policy fails a task at once for what cannot be cured, and says why."""
    monkeypatch.setenv("AIRFLOW_HOME", str(tmp_path))
    monkeypatch.syspath_prepend(str(PROJECT_ROOT / "dags"))
    from airflow.sdk import RetryAction
    from heartwave_retries import UnlessPermanent

    decision = UnlessPermanent().evaluate(ContradictionError("6 of 7"), 1, 3)

    assert decision.action is RetryAction.FAIL
    assert "6 of 7" in str(decision.reason)
    assert UnlessPermanent().evaluate(s3_error(503), 1, 3).action is RetryAction.DEFAULT
    sys.modules.pop("heartwave_retries", None)
