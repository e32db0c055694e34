"""Whole transactions against PostgreSQL, tried again when the server or the network was the cause."""

from __future__ import annotations

import contextlib
import os
import socket
from contextlib import contextmanager
from threading import RLock, Timer
from typing import TYPE_CHECKING, Any, Final, TypeVar

import psycopg2

from heartwave_tasks.stores.failures import RETRY_FOR_S, ConnectionLostError, is_transient_postgres, persistent

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from psycopg2.extensions import connection as Connection  # noqa: N812  a class in all but case
    from psycopg2.extensions import cursor as Cursor  # noqa: N812

Result = TypeVar("Result")

# Kept on the server's side: a client that vanished (power cut, cut cable) must not hold its rows locked for hours
# while its retry waits for them.
_SESSION = """
    SET idle_in_transaction_session_timeout = '2min';
    SET client_connection_check_interval = '10s';
    SET tcp_keepalives_idle = 30;
    SET tcp_keepalives_interval = 10;
    SET tcp_keepalives_count = 3;
"""

# And on ours: a server that vanished without a word is noticed after a minute, not after the night. (psycopg2's
# connect_timeout bounds connecting only.)
_VIGILANCE: Final[dict[str, Any]] = {
    "connect_timeout": 10,
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 60_000,
}


HANGS_AFTER_S: Final = 900.0
"""Seconds after which a transaction is taken for hanging: the longest ones, over millions of labels, take a minute."""


class Transactions:
    """One connection, opened when first needed and replaced when it breaks; threads take turns on it."""

    def __init__(
        self, database_url: str, retry_for_s: float = RETRY_FOR_S, hangs_after_s: float = HANGS_AFTER_S
    ) -> None:
        self._hangs_after_s = hangs_after_s
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
            retrying = persistent(is_transient_postgres, self._retry_for_s)
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
            with _watched(connection, self._hangs_after_s), connection, connection.cursor() as cursor:
                return work(cursor)
        except psycopg2.Error as error:
            # Whatever it is called, an error that took the connection with it was the server's or the network's.
            if connection.closed:
                raise ConnectionLostError(f"The connection to PostgreSQL broke: {str(error).strip()}") from error
            raise

    def _open(self) -> Connection:
        if self._connection is None or self._connection.closed:
            connection = psycopg2.connect(self._url, application_name="heartwave", **_VIGILANCE)
            with connection, connection.cursor() as cursor:
                cursor.execute(_SESSION)
            self._connection = connection
        return self._connection


@contextmanager
def _watched(connection: Connection, hangs_after_s: float) -> Iterator[None]:
    """Cut a connection whose server has stopped answering without closing it; libpq itself would wait for ever."""

    def cut() -> None:
        with contextlib.suppress(OSError, psycopg2.Error), socket.socket(fileno=os.dup(connection.fileno())) as line:
            line.shutdown(socket.SHUT_RDWR)

    timer = Timer(hangs_after_s, cut)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
