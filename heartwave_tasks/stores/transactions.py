"""Whole transactions against PostgreSQL, tried again when the server or the network was the cause."""

from __future__ import annotations

from threading import RLock
from typing import TYPE_CHECKING, TypeVar

import psycopg2
from tenacity import Retrying, retry_if_exception, stop_after_delay, wait_random_exponential

if TYPE_CHECKING:
    from collections.abc import Callable

    from psycopg2.extensions import connection as Connection  # noqa: N812  a class in all but case
    from psycopg2.extensions import cursor as Cursor  # noqa: N812

Result = TypeVar("Result")

# Kept on the server's side: a client that vanished (power cut, cut cable) must not hold its rows locked for hours
# while its retry waits for them.
_SESSION = """
    SET idle_in_transaction_session_timeout = '2min';
    SET tcp_keepalives_idle = 30;
    SET tcp_keepalives_interval = 10;
    SET tcp_keepalives_count = 3;
"""

# https://www.postgresql.org/docs/current/errcodes-appendix.html
_TRANSIENT_CODES = frozenset(
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

# psycopg2 gives no code to a refused connection, only libpq's sentence. Waiting cures none of these.
_PERMANENT_REFUSALS = (
    "authentication failed",
    "no password supplied",
    "no pg_hba.conf entry",
    "does not exist",
    "permission denied",
    "invalid ",
)


class ConnectionLostError(psycopg2.OperationalError):
    """The connection broke in the middle of a transaction."""


class Transactions:
    """One connection, opened when first needed and replaced when it breaks; threads take turns on it."""

    def __init__(self, database_url: str, retry_for_s: float = 60.0) -> None:
        self._url = database_url.replace("postgresql+psycopg2://", "postgresql://", 1)
        self._retry_for_s = retry_for_s
        self._connection: Connection | None = None
        self._lock = RLock()

    def run(self, work: Callable[[Cursor], Result]) -> Result:
        """Run ``work`` in one transaction and commit it.

        A lost connection, a deadlock or a server that is just starting is tried again with growing pauses until
        ``retry_for_s`` seconds have passed; ``work`` must give the same result when it runs again after its commit
        went through unnoticed. Any other error is raised at once.
        """
        with self._lock:
            retrying = Retrying(
                stop=stop_after_delay(self._retry_for_s),
                wait=wait_random_exponential(multiplier=0.1, max=5),
                retry=retry_if_exception(_is_transient),
                reraise=True,
            )
            result: Result = retrying(self._attempt, work)
            return result

    def close(self) -> None:
        """Close the connection; the next `run` opens a new one."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    def _attempt(self, work: Callable[[Cursor], Result]) -> Result:
        connection = self._open()
        try:
            with connection, connection.cursor() as cursor:
                return work(cursor)
        except psycopg2.Error as error:
            # Whatever it is called, an error that took the connection with it was the server's or the network's.
            if connection.closed:
                raise ConnectionLostError(f"The connection to PostgreSQL broke: {str(error).strip()}") from error
            raise

    def _open(self) -> Connection:
        if self._connection is None or self._connection.closed:
            connection = psycopg2.connect(self._url, connect_timeout=10, application_name="heartwave")
            with connection, connection.cursor() as cursor:
                cursor.execute(_SESSION)
            self._connection = connection
        return self._connection


def _is_transient(error: BaseException) -> bool:
    """Tell an error that may be gone in a moment from one that will not."""
    if isinstance(error, ConnectionLostError):
        return True
    if not isinstance(error, psycopg2.OperationalError):
        return False
    if error.pgcode is not None:
        return error.pgcode in _TRANSIENT_CODES or error.pgcode.startswith("08")
    return not any(refusal in str(error) for refusal in _PERMANENT_REFUSALS)
