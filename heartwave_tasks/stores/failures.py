"""Which failures pass by themselves, and how long those are waited for.

A server that restarts, an overloaded S3, a cut connection are gone in a moment: what was asked is asked again, with
growing pauses, for `RETRY_FOR_S` seconds. A wrong password, a missing bucket, a tampered model stay as they are until
a person acts: they fail at once, in a task as well as in Airflow's retries (``dags/heartwave_retries.py``).
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final

import psycopg2
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    FlexibleChecksumError,
    HTTPClientError,
    IncompleteReadError,
)
from botocore.exceptions import ConnectionError as S3ConnectionError
from tenacity import Retrying, retry_if_exception, stop_after_delay, wait_random_exponential

if TYPE_CHECKING:
    from collections.abc import Callable

RETRY_FOR_S: Final = 60.0
"""Seconds a server may be away; then the task fails, and Airflow's own retries begin."""

_LONGEST_PAUSE_S: Final = 5.0

# https://www.postgresql.org/docs/current/errcodes-appendix.html
_TRANSIENT_POSTGRES: Final = frozenset(
    {
        "40001",  # serialization_failure
        "40P01",  # deadlock_detected
        "53300",  # too_many_connections
        "55P03",  # lock_not_available
        "57P01",  # admin_shutdown
        "57P02",  # crash_shutdown
        "57P03",  # cannot_connect_now: starting up or shutting down
    }
)
_CONNECTION_CLASS: Final = "08"

# psycopg2 gives no code to a refused connection, only libpq's sentence. Waiting cures none of these.
_PERMANENT_REFUSALS: Final = (
    "authentication failed",
    "no password supplied",
    "no pg_hba.conf entry",
    "does not exist",
    "permission denied",
    "invalid ",
)

_TRANSIENT_S3: Final = (HTTPClientError, S3ConnectionError, IncompleteReadError, FlexibleChecksumError)
_ALREADY_THERE: Final = "RESOURCE_ALREADY_EXISTS"
_COLLISIONS: Final = ("UniqueViolation", "UNIQUE constraint failed")  # PostgreSQL's, and SQLite's, handed on by MLflow
_REFUSED_DOWNLOAD: Final = " Client Error: "  # as in "404 Client Error: NOT FOUND for url …"
_CLIENTS_FAULT, _SERVERS_FAULT = 400, 500
_COME_AGAIN: Final = frozenset({408, 429})  # request timeout, too many requests

# What HeartWave itself raises (RuntimeError, ValueError, LookupError), and what only a mistake in the code does.
_OURS: Final = (RuntimeError, ValueError, LookupError, TypeError, AttributeError, ArithmeticError, AssertionError)


class ConnectionLostError(psycopg2.OperationalError):
    """The connection broke in the middle of a transaction."""


def persistent(is_transient: Callable[[BaseException], bool], retry_for_s: float = RETRY_FOR_S) -> Retrying:
    """Return what calls again after transient errors, with growing random pauses, and raises the last one."""
    return Retrying(
        stop=stop_after_delay(retry_for_s),
        wait=wait_random_exponential(multiplier=0.1, max=_LONGEST_PAUSE_S),
        retry=retry_if_exception(is_transient),
        reraise=True,
    )


def is_permanent(error: BaseException) -> bool:
    """Tell an error that trying again cannot cure; False where nobody can know."""
    if _is_of_mlflow(error):
        return not is_transient_mlflow(error)
    if isinstance(error, psycopg2.Error):
        return not is_transient_postgres(error)
    if isinstance(error, ClientError):
        return _is_refusal(_status(error))
    if isinstance(error, BotoCoreError):
        return not is_transient_s3(error)
    return isinstance(error, _OURS)


def is_transient_postgres(error: BaseException) -> bool:
    """Tell an error of PostgreSQL that may be gone in a moment from one that will not."""
    if isinstance(error, ConnectionLostError):
        return True
    if not isinstance(error, psycopg2.OperationalError):
        return False
    if error.pgcode is not None:
        return error.pgcode in _TRANSIENT_POSTGRES or error.pgcode.startswith(_CONNECTION_CLASS)
    return not any(refusal in str(error) for refusal in _PERMANENT_REFUSALS)


def is_transient_s3(error: BaseException) -> bool:
    """Tell a broken, silent or overloaded S3 from one that says no."""
    if isinstance(error, ClientError):
        status = _status(error)
        return status in _COME_AGAIN or status >= _SERVERS_FAULT
    return isinstance(error, _TRANSIENT_S3)


def is_transient_mlflow(error: BaseException) -> bool:
    """Tell an MLflow that does not answer, or breaks off, from one that says no."""
    if not _is_of_mlflow(error):
        return False
    if is_collision(error):
        return True
    # What went wrong in a download comes as an internal error, whatever it was: 404s, too.
    return not _is_refusal(int(error.get_http_status_code())) and _REFUSED_DOWNLOAD not in str(error)  # type: ignore[attr-defined]  # MLflow's


def is_collision(error: BaseException) -> bool:
    """Tell that another training had MLflow write the same thing at the same moment: asked again, it finds it there."""
    if not _is_of_mlflow(error):
        return False
    already_there: bool = error.error_code == _ALREADY_THERE  # type: ignore[attr-defined]  # MLflow's
    return already_there or any(refusal in str(error) for refusal in _COLLISIONS)


def _is_of_mlflow(error: BaseException) -> bool:
    mlflow = sys.modules.get("mlflow.exceptions")  # whoever has not loaded it cannot have got its errors
    return mlflow is not None and isinstance(error, mlflow.MlflowException)


def _status(error: ClientError) -> int:
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


def _is_refusal(status: int) -> bool:
    return _CLIENTS_FAULT <= status < _SERVERS_FAULT and status not in _COME_AGAIN
