"""A real S3 server for the tests of the stores: SeaweedFS on free ports of the loopback."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from heartwave_tasks.settings import Settings
from heartwave_tasks.stores.objects import create_buckets

if TYPE_CHECKING:
    from collections.abc import Iterator

WEED = Path(sys.executable).with_name("weed")
_SECRET = "a-secret-of-the-tests"


@contextmanager
def run_s3_server(directory: Path) -> Iterator[Settings]:
    """Start a server that keeps its data in a directory, and yield settings that lead there."""
    names = ("master", "volume", "filer", "s3", "admin")
    ports = _free_ports(2 * len(names))
    identities = directory / "identities.json"
    identity = {"name": "tests", "credentials": [{"accessKey": "tests", "secretKey": _SECRET}], "actions": ["Admin"]}
    identities.write_text(json.dumps({"identities": [identity]}))
    options = [f"-{name}.port={port}" for name, port in zip(names, ports, strict=False)]
    options += [f"-{name}.port.grpc={port}" for name, port in zip(names, ports[len(names) :], strict=True)]
    options += [f"-dir={directory}", f"-s3.config={identities}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1"]
    options += ["-webdav=false", "-admin.ui=false", "-s3.port.iceberg=0", "-s3.port.lance=0", "-master.telemetry=false"]
    settings = Settings(
        s3_endpoint_url=f"http://127.0.0.1:{ports[names.index('s3')]}",
        s3_access_key_id="tests",
        s3_secret_access_key=_SECRET,
    )
    with (directory / "log").open("wb") as log:
        server = subprocess.Popen([WEED, "mini", *options], cwd=directory, stdout=log, stderr=log)
    try:
        _wait(settings, server, directory / "log")
        yield settings
    finally:
        server.terminate()
        try:
            server.wait(timeout=20)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def _wait(settings: Settings, server: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 30
    while True:
        try:
            create_buckets(settings)
        except (BotoCoreError, ClientError) as error:
            if server.poll() is not None or time.monotonic() > deadline:
                message = f"the S3 server did not start: {error}\n{log.read_text()[-2000:]}"
                raise RuntimeError(message) from error
            time.sleep(0.1)
        else:
            return


def _free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = [int(each.getsockname()[1]) for each in sockets]
    for each in sockets:
        each.close()
    return ports
