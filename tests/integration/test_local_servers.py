"""Servers of the embedded stack, one by one: they start, are found again, refuse strangers, leave nothing behind."""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import socket
import sys
import time
from typing import TYPE_CHECKING

import psutil
import psycopg2
import pytest
from botocore.exceptions import ClientError

from heartwave_tasks.local import ports
from heartwave_tasks.local.postgres import PostgresServer
from heartwave_tasks.local.processes import ManagedProcess, StackError, find_all, is_alive
from heartwave_tasks.local.seaweedfs import Identity
from heartwave_tasks.local.state import load_or_create
from heartwave_tasks.settings import Settings
from heartwave_tasks.stores.objects import s3_client
from tests.integration.s3_server import run_s3_server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

MUTE_ORPHAN = """
import os, signal, time
import setproctitle
if os.fork():
    time.sleep(600)
os.setsid()
signal.signal(signal.SIGTERM, signal.SIG_IGN)
setproctitle.setproctitle("a worker that has named itself at great length " * 40)
open("orphan", "w").write(str(os.getpid()))
time.sleep(600)
"""
"""A server with a child that leaves its session, names itself and does not listen to SIGTERM."""


@pytest.fixture
def managed(tmp_path: Path) -> Callable[[str], ManagedProcess]:
    """Return a maker of processes of one stack."""
    stack_id = secrets.token_hex(8)
    return lambda name: ManagedProcess(name, tmp_path / f"{name}.json", tmp_path / f"{name}.log", stack_id)


@pytest.fixture
def postgres(tmp_path: Path, managed: Callable[[str], ManagedProcess]) -> Iterator[PostgresServer]:
    """Start a server of this test's own."""
    port = ports.choose({"postgres": None})["postgres"]
    server = PostgresServer(managed("postgres"), tmp_path / "postgres", port, secrets.token_hex(8))
    try:
        server.start(os.environ)
        yield server
    finally:
        server.stop()
        server.remove()


def run(server: PostgresServer, statement: str) -> list[tuple[object, ...]]:
    """Run a statement as the superuser and return its rows."""
    connection = psycopg2.connect(server.url())
    connection.autocommit = True
    with contextlib.closing(connection), connection.cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchall() if cursor.description else []


def wait_for(condition: Callable[[], bool]) -> None:
    """Wait up to ten seconds until something is so."""
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_postgres_keeps_its_data_and_its_secret(postgres: PostgresServer) -> None:
    """What was committed is there after a stop and a start, and a wrong password opens nothing."""
    run(postgres, "CREATE TABLE kept AS SELECT 42 AS answer")
    postgres.stop()
    assert postgres.process.find() is None
    assert ports.is_free(postgres.port)
    postgres.start(os.environ)
    assert run(postgres, "SELECT answer FROM kept") == [(42,)]
    with pytest.raises(psycopg2.OperationalError, match="password authentication failed"):
        psycopg2.connect(postgres.url(password="wrong"))


def test_postgres_starts_again_after_it_was_killed(postgres: PostgresServer) -> None:
    """A killed server whose backend is still at work is replaced, and nothing committed is lost."""
    run(postgres, "CREATE TABLE kept AS SELECT 42 AS answer")
    busy = psycopg2.connect(postgres.url(), async_=True)
    wait_for(lambda: busy.poll() == psycopg2.extensions.POLL_OK)
    backend = psutil.Process(busy.info.backend_pid)
    busy.cursor().execute("DO 'BEGIN LOOP END LOOP; END'")
    server = postgres.process.find()
    assert server is not None
    server.kill()
    server.wait()
    assert postgres.process.crashed
    assert is_alive(backend)
    postgres.start(os.environ)
    assert not is_alive(backend)
    assert run(postgres, "SELECT answer FROM kept") == [(42,)]


def test_postgres_listens_on_the_loopback_alone(postgres: PostgresServer) -> None:
    """No other machine can reach the server."""
    server = postgres.process.find()
    assert server is not None
    listening = {(at.laddr.ip, at.laddr.port) for at in server.net_connections() if at.status == psutil.CONN_LISTEN}
    assert listening == {(ports.LOOPBACK, postgres.port)}


def test_s3_keys_open_their_own_buckets_only(tmp_path: Path) -> None:
    """A key reads and writes what it was given; a wrong secret and a request without key are refused."""
    lake = Settings().lake_bucket
    models = Settings().models_bucket
    with run_s3_server(
        tmp_path, Identity("jobs", "jobs", "secret-of-the-jobs", writes=(lake,), reads=(models,))
    ) as own:
        s3_client(own).put_object(Bucket=models, Key="model", Body=b"weights")
        jobs = s3_client(Settings(s3_endpoint_url=own.s3_endpoint_url, s3_access_key_id="jobs",
                                  s3_secret_access_key="secret-of-the-jobs"))  # fmt: skip
        jobs.put_object(Bucket=lake, Key="beats", Body=b"PAR1")
        assert jobs.get_object(Bucket=models, Key="model")["Body"].read() == b"weights"
        for refused in (
            lambda: jobs.put_object(Bucket=models, Key="model", Body=b"other weights"),
            lambda: jobs.delete_object(Bucket=models, Key="model"),
            lambda: jobs.list_objects_v2(Bucket=own.recordings_bucket),
            lambda: jobs.create_bucket(Bucket="another"),
        ):
            with pytest.raises(ClientError, match="AccessDenied"):
                refused()
        wrong = Settings(s3_endpoint_url=own.s3_endpoint_url, s3_access_key_id="jobs", s3_secret_access_key="wrong")
        with pytest.raises(ClientError, match="SignatureDoesNotMatch"):
            s3_client(wrong).list_objects_v2(Bucket=lake)


def test_a_server_that_dies_while_starting_says_why(tmp_path: Path, managed: Callable[[str], ManagedProcess]) -> None:
    """The error carries the end of the log, and where the whole of it is."""
    server = managed("server")
    server.start([sys.executable, "-c", "raise SystemExit('no disk left')"], os.environ, cwd=tmp_path)
    with pytest.raises(StackError, match=r"(?s)server stopped while it was starting.*no disk left.*server\.log"):
        server.wait_until(lambda: False, 10)


def test_nothing_of_a_killed_server_survives(tmp_path: Path, managed: Callable[[str], ManagedProcess]) -> None:
    """A child that left its session, renamed itself and ignores SIGTERM ends with its server, after a crash too."""
    server = managed("server")
    server.start([sys.executable, "-c", MUTE_ORPHAN], os.environ, cwd=tmp_path)
    wait_for(lambda: (tmp_path / "orphan").exists() and bool((tmp_path / "orphan").read_text()))
    orphan = psutil.Process(int((tmp_path / "orphan").read_text()))
    leader = server.find()
    assert leader is not None
    leader.kill()
    leader.wait()
    assert server.crashed
    assert is_alive(orphan)
    server.stop(1)
    assert not is_alive(orphan)
    assert not server.crashed


def test_a_stranger_with_a_recycled_pid_is_left_alone(managed: Callable[[str], ManagedProcess]) -> None:
    """A pid file that names a process of another start time stops nobody."""
    server = managed("server")
    stranger = psutil.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    try:
        server.pid_file.write_text(f'{{"pid": {stranger.pid}, "create_time": {stranger.create_time() - 60}}}')
        assert server.find() is None
        server.stop(1)
        assert is_alive(stranger)
    finally:
        stranger.kill()
        stranger.wait()


def test_one_stack_s_end_is_not_another_s(tmp_path: Path) -> None:
    """Stopping a server leaves the server of the same name of another stack alone."""
    command = [sys.executable, "-c", "import time; time.sleep(600)"]
    ours, theirs = (
        ManagedProcess("server", tmp_path / f"{name}.json", tmp_path / f"{name}.log", name) for name in ("a", "b")
    )
    for server in (ours, theirs):
        server.start(command, os.environ, cwd=tmp_path)
    try:
        ours.stop(5)
        assert ours.find() is None
        assert theirs.find() is not None
    finally:
        theirs.stop(5, signal.SIGKILL)
    assert find_all(lambda process: process.cwd() == str(tmp_path)) == []


def test_stacks_choose_ports_once_and_each_its_own(tmp_path: Path) -> None:
    """A port that is taken is passed over, all ports differ, and a stack keeps what it chose."""
    with socket.socket() as taken:
        taken.bind((ports.LOOPBACK, 0))
        taken.listen()
        number = taken.getsockname()[1]
        chosen = ports.choose({"first": number, "second": None, "third": None})
    assert number not in chosen.values()
    assert len(set(chosen.values())) == 3
    first = load_or_create(tmp_path / "first", usual_ports=False)
    with contextlib.ExitStack() as listening:  # as its servers would
        for port in first.ports.values():
            server = listening.enter_context(socket.socket())
            server.bind((ports.LOOPBACK, port))
            server.listen()
        second = load_or_create(tmp_path / "second", usual_ports=False)
    assert not set(first.ports.values()) & set(second.ports.values())
    assert not set(first.secrets.values()) & set(second.secrets.values())
    assert load_or_create(tmp_path / "first") == first
    assert (tmp_path / "first" / "stack.json").stat().st_mode & 0o077 == 0
