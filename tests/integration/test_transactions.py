"""Connections that break, refuse and come back, against a real PostgreSQL."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import psycopg2
import pytest

from heartwave_tasks.stores.predictions import PredictionStore
from heartwave_tasks.stores.transactions import Transactions
from tests.integration.planting import rows

if TYPE_CHECKING:
    from collections.abc import Callable

    from psycopg2.extensions import cursor as Cursor  # noqa: N812  a class in all but case

    from tests.integration.conftest import DatabaseUrls
    from tests.integration.planting import Planter


def test_a_connection_lost_between_calls_is_replaced(plant: Planter, database: DatabaseUrls) -> None:
    """A store outlives a restarted server: the next call opens a new connection."""
    assert plant.store.champion() is None
    rows(database.admin, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'heartwave'")

    assert plant.store.champion() is None


def test_a_server_that_refuses_for_a_moment_is_waited_for(database: DatabaseUrls) -> None:
    """While the database takes no connections the store keeps trying, and gets through when it does again."""
    name = database.writer.rsplit("/", 1)[1]
    rows(database.admin, f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
    open_again = threading.Timer(1.0, rows, (database.admin, f"ALTER DATABASE {name} ALLOW_CONNECTIONS true"))
    open_again.start()
    started = time.monotonic()

    with PredictionStore(database.writer) as store:
        assert store.champion() is None

    open_again.join()
    assert time.monotonic() - started >= 0.9


def test_an_unreachable_server_is_given_up_in_the_end() -> None:
    """Retries end after the time allowed, with the reason."""
    started = time.monotonic()
    with (
        PredictionStore("postgresql://a:b@127.0.0.1:9/x", retry_for_s=1) as store,
        pytest.raises(psycopg2.OperationalError, match="refused"),
    ):
        store.champion()
    assert 0.9 < time.monotonic() - started < 15


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (lambda url: url.replace("heartwave_writer:", "heartwave_writer:not-"), "password authentication failed"),
        (lambda url: url + "_missing", "does not exist"),
    ],
)
def test_a_permanent_refusal_fails_at_once(
    database: DatabaseUrls, change: Callable[[str], str], complaint: str
) -> None:
    """A wrong password or a missing database is not waited for."""
    started = time.monotonic()
    with PredictionStore(change(database.writer)) as store, pytest.raises(psycopg2.OperationalError, match=complaint):
        store.champion()
    assert time.monotonic() - started < 1


def test_a_server_that_falls_silent_is_left(database: DatabaseUrls) -> None:
    """A transaction that is not answered in time is taken for lost: its connection is cut, and it is tried again."""
    transactions = Transactions(database.writer, hangs_after_s=0.5)
    attempts: list[float] = []

    def work(cursor: Cursor) -> str:
        attempts.append(time.monotonic())
        cursor.execute("SELECT pg_sleep(%s)", (60 if len(attempts) == 1 else 0,))
        return "answered"

    assert transactions.run(work) == "answered"
    assert len(attempts) == 2
    transactions.close()
