"""A real S3 server for the tests of the stores: SeaweedFS on free ports of the loopback."""

from __future__ import annotations

import os
import secrets
from contextlib import contextmanager
from typing import TYPE_CHECKING

from heartwave_tasks.local.ports import LOOPBACK, choose
from heartwave_tasks.local.processes import ManagedProcess
from heartwave_tasks.local.seaweedfs import PORTS, Identity, SeaweedServer
from heartwave_tasks.settings import Settings
from heartwave_tasks.stores.objects import create_buckets

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_SECRET = "a-secret-of-the-tests"


@contextmanager
def run_s3_server(directory: Path, *identities: Identity) -> Iterator[Settings]:
    """Start a server that keeps its data in a directory, and yield settings that lead there as its administrator."""
    ports = choose(dict.fromkeys(PORTS))
    process = ManagedProcess("s3", directory / "s3.json", directory / "s3.log", secrets.token_hex(8))
    server = SeaweedServer(process, directory, ports, (Identity("tests", "tests", _SECRET), *identities))
    settings = Settings(
        s3_endpoint_url=f"http://{LOOPBACK}:{ports['s3.port']}",
        s3_access_key_id="tests",
        s3_secret_access_key=_SECRET,
    )
    try:
        server.start(os.environ, settings)
        create_buckets(settings)
        yield settings
    finally:
        server.stop()
